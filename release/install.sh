#!/bin/sh
# Installs gestaltgen into a new folder, without a network: ./install.sh FOLDER; PYTHON names another interpreter.
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER, where the environment is made" >&2; exit 2; }
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
(cd "$here" && sha256sum --check --quiet SHA256SUMS) || { echo "the bundle is damaged: copy it again" >&2; exit 1; }
"${PYTHON:-python3}" -m venv "$1"
"$1/bin/python" -m pip --isolated install --quiet --disable-pip-version-check --no-index --no-deps --require-hashes \
    --find-links "$here/wheels" --requirement "$here/requirements.txt"
"$1/bin/gestaltgen" --help >/dev/null && echo "installed: $1/bin/gestaltgen"
