#!/bin/sh
# Writes the lock files from pyproject.toml; versions that are locked stay, unless `--upgrade` is given. Needs uv.
# Releases of the last week are left out: a malicious one is usually withdrawn within days.
#
#   build.txt           what wheels are built with
#   serve.txt           the service for image sets, with the extras c2pa and s3
#   full.txt            what the extra `full` adds to it, but PyTorch
#   dev.txt             what the extra `dev` adds to both
#   tools.txt           what `make lock`, `audit` and `bundle` need
#   docs.txt            what `make docs` needs: Sphinx, and httpx for the reference of the client
#   torch-default.txt   PyTorch as PyPI has it, for GPUs on Linux; torch-cpu.txt is kept by hand
set -eu
cd "$(dirname "$0")/locks"
all=$(mktemp) && pytorch=$(mktemp)
trap 'rm -f "$all" "$pytorch"' EXIT

compile() {
    uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --quiet --exclude-newer '7 days' \
        --custom-compile-command 'make lock' "$@" >/dev/null
}
project() { compile --config-file uv.toml --no-emit-package torch --constraint "$pytorch" ../../pyproject.toml "$@"; }
except() { sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' "$@"; }

sed -n 's/^\(torch==[0-9.]*\).*/\1/p' torch-cpu.txt >"$pytorch"
[ "${1:-}" = --upgrade ] || cat serve.txt full.txt dev.txt >"$all"
project --extra dev --output-file "$all"
project --extra c2pa --extra s3 --constraint "$all" --output-file serve.txt
project --extra full --constraint "$all" $(except serve.txt) --output-file full.txt
project --extra dev --constraint "$all" $(except serve.txt full.txt) --output-file dev.txt
compile --no-config --constraint "$all" $(except serve.txt full.txt dev.txt) "$pytorch" --output-file torch-default.txt
echo setuptools | compile --no-config --constraint "$all" - --output-file build.txt
printf 'cyclonedx-bom\npip-audit\nuv\n' | compile --no-config --constraint "$all" - --output-file tools.txt
printf 'furo\nhttpx\nmyst-parser\nsphinx\n' | compile --no-config --constraint "$all" - --output-file docs.txt
