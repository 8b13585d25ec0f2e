# Every target that needs the environment builds it first; `make setup` does only that.
PYTHON ?= python3
BIN := .venv/bin
# Files of tests side by side, one more than there are cores, because some of them wait for a service; at most 5, for memory.
# They begin in the order of tests/conftest.py: the longest first.
SIDE_BY_SIDE := --numprocesses $(shell $(PYTHON) -c 'import os; print(min(5, len(os.sched_getaffinity(0)) + 1))') --dist loadfile --no-loadscope-reorder

# The build of PyTorch: `cpu` where another index or folder is configured to have it, or else PyPI's, with CUDA on Linux.
TORCH ?= $(if $(PIP_EXTRA_INDEX_URL)$(PIP_FIND_LINKS),cpu,default)
LOCKS := release/locks
TOOLS := .venv/tools
SPHINX := .venv/sphinx
BUNDLES := build/bundles
FUZZ_SECONDS := 600
RELEASES := build/releases
# Packages whose coverage is measured, each by its own tests.
COVERED := api core editing faces gen gestaltgen inversion recognition studies

.PHONY: setup demo test test-fast test-shared test-s3 coverage fuzz serve bench lint format docs words lock audit release bundle test-bundle clean

setup: .venv/installed

# The stamp lies beside the environment's own files, so that a changed requirement reinstalls.
.venv/installed: pyproject.toml client/pyproject.toml $(filter-out $(LOCKS)/docs.txt,$(wildcard $(LOCKS)/*.txt))
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else "gestaltgen needs Python 3.11 to 3.14, this is %d.%d: make setup PYTHON=python3.11" % v)'
	@$(PYTHON) -c 'import sys; sys.exit("The CPU build of PyTorch is locked for Python 3.11 and 3.12 only: make setup TORCH=default" if "$(TORCH)" == "cpu" and sys.version_info >= (3, 13) else 0)'
	@echo "Installing all packages into .venv, PyTorch among them (build: $(TORCH)). This takes minutes, and prints nothing more until it ends."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCKS)/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation \
	    $(foreach set,serve full dev torch-$(TORCH),--requirement $(LOCKS)/$(set).txt)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable ./client --editable .
	touch $@
	@echo "Installed. Type '. .venv/bin/activate' in each terminal in which you use gestaltgen."

demo: setup
	$(BIN)/gestaltgen demo --out demo

test: setup
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'not shared'

# Tests that neither start a service nor train for long, to run while you work.
test-fast: setup
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'not slow'

# Tests of several processes, then of the service, on PostgreSQL, which has to be installed, and a store like S3.
test-shared: setup
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m shared
	GESTALTGEN_TEST_POSTGRESQL=1 GESTALTGEN_TEST_STORAGE=s3 $(BIN)/python -m pytest $(SIDE_BY_SIDE) -k 'not large_sets' \
	    tests/api/image_sets/test_image_sets.py tests/api/photographs/test_photos.py \
	    tests/api/photographs/test_photo_originals.py tests/api/photographs/test_photo_erasure.py
	GESTALTGEN_TEST_POSTGRESQL=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/api/photographs/audit tests/api/photographs/test_request_audit.py

# Measures which code the tests of packages run, and writes the table of CONTRIBUTING.md. Takes about half as long again as without.
# `make coverage COVERED="core studies"` measures these two.
coverage: setup
	mkdir -p build/coverage
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run --source $(shell echo $(COVERED) | tr ' ' ,) -m pytest $(SIDE_BY_SIDE) \
	    -m 'not slow and not shared' $(COVERED:%=tests/%)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage json --quiet -o build/coverage/figures.json
	$(BIN)/python -m release.coverage_table build/coverage/figures.json

# Looks for files that no reader refuses as it should, with new examples. Those that fail are kept in .hypothesis.
fuzz: setup
	end=$$(($$(date +%s) + $(FUZZ_SECONDS))); while [ $$(date +%s) -lt $$end ]; do \
	    $(BIN)/python -m pytest --quiet --hypothesis-profile nightly tests/fuzzing || exit 1; done

# All tests of the service on a store like S3, which runs in their process.
test-s3: setup
	GESTALTGEN_TEST_STORAGE=s3 $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/api

serve: setup
	$(BIN)/gestaltgen serve

bench: setup
	$(BIN)/python -m benchmarks

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file client/pyproject.toml

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Sphinx with its theme, which nothing but the documentation site needs.
$(SPHINX)/installed: $(LOCKS)/docs.txt
	$(PYTHON) -m venv $(SPHINX)
	$(SPHINX)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCKS)/docs.txt
	touch $@

# The documentation site in build/docs/html. Every warning is an error: a link without a target, a page in no group.
docs: setup $(SPHINX)/installed
	$(BIN)/python -m release.documentation build/docs/source
	$(SPHINX)/bin/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --conf-dir release/documentation \
	    --doctree-dir build/docs/doctrees build/docs/source build/docs/html

# What only a release needs: uv, pip-audit and the CycloneDX generator.
$(TOOLS)/installed: $(LOCKS)/tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    --requirement $(LOCKS)/build.txt --requirement $(LOCKS)/tools.txt
	touch $@

# The list of all words of the studio, which translations are made of.
words: setup
	$(BIN)/python -m release.words

# Writes the lock files from pyproject.toml; `make lock UPGRADE=--upgrade` takes the newest versions.
lock: $(TOOLS)/installed
	PATH=$(TOOLS)/bin:$$PATH release/lock.sh $(UPGRADE)

# Known vulnerabilities of what is locked. Asks the database of PyPI, and fails where it cannot be asked.
audit: $(TOOLS)/installed
	$(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
	    $(foreach set,serve full dev torch-default,--requirement $(LOCKS)/$(set).txt)

# Wheels and sources of project and client, image, checksums and notes in build/releases, from the tag of the version:
# `make release VERSION=1.0.0`.
release: $(TOOLS)/installed
	$(TOOLS)/bin/python -m release.build $(RELEASES) --version $(VERSION)

# An offline bundle in build/bundles; `make bundle MODELS=FOLDER` adds checkpoints.
bundle: $(TOOLS)/installed
	$(TOOLS)/bin/python -m release.bundle $(BUNDLES) $(if $(MODELS),--models $(MODELS))

# Installs the bundle and uses it without a network. Takes minutes.
test-bundle: bundle
	release/try_bundle.sh $(BUNDLES)/*.tar

clean:
	rm -rf .venv demo build *.egg-info client/build client/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
