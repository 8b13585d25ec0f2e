#!/bin/sh
# Installs a bundle and uses it where there is no network but the loopback: release/try_bundle.sh BUNDLE.tar
set -eu
bundle=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH PIP_FIND_LINKS
tar --extract --strip-components 1 --file "$bundle"
unshare --net --map-root-user sh -euc '
    ip link set lo up
    [ -z "$(ip route)" ]
    date +%s >began
    ./install.sh environment
    echo "installed in $(($(date +%s) - $(cat began))) s"
    environment/bin/gestaltgen demo --out demo
    environment/bin/python -c "from faces.detect import FaceDetector; FaceDetector()"
'
