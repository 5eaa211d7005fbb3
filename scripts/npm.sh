#!/usr/bin/env bash
# Installs the packages that a folder's package-lock.json pins, unless they are there.
#
#   scripts/npm.sh FOLDER
set -euo pipefail

cd "$1"
cmp -s package-lock.json node_modules/installed.json && exit 0
# No package's own scripts: what is used here runs as it is unpacked.
npm ci --no-fund --no-audit --ignore-scripts --loglevel=error --fetch-retries=5 >&2
cp package-lock.json node_modules/installed.json
