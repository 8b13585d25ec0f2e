# Every target that needs the environment builds it first; `make setup` does only that.
PYTHON ?= python3
BIN := .venv/bin
# Files of tests side by side, one more than there are cores, because some of them wait for a service; at most 5, for memory.
SIDE_BY_SIDE := --numprocesses $(shell $(PYTHON) -c 'import os; print(min(5, len(os.sched_getaffinity(0)) + 1))') --dist loadfile

.PHONY: setup demo test test-fast test-shared test-s3 serve bench lint format clean

setup: .venv/installed

# The stamp lies beside the environment's own files, so that a changed requirement reinstalls.
.venv/installed: pyproject.toml client/pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else "gestaltgen needs Python 3.11 or 3.12, this is %d.%d: make setup PYTHON=python3.11" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ./client --editable '.[dev]'
	touch $@

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
	    tests/api/image_sets/test_image_sets.py tests/api/photographs/test_photos.py
	GESTALTGEN_TEST_POSTGRESQL=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/api/photographs/test_audit.py

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

clean:
	rm -rf .venv demo build *.egg-info client/build client/*.egg-info .pytest_cache .mypy_cache .ruff_cache
