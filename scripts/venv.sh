#!/usr/bin/env bash
# Makes a virtual environment hold what a folder's requirements.txt names, and prints its path:
# .venv in the project's root for tests/clients, .venv-NAME for another tests/NAME. Clients of the
# exchange pin what others would have newer.
#
#   scripts/venv.sh [NAME]
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-clients}
requirements=tests/$name/requirements.txt
[ "$name" = clients ] && venv=.venv || venv=.venv-$name
# A copy of what was installed tells whether it is what is asked for now.
if ! cmp -s "$requirements" "$venv/installed.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" --disable-pip-version-check install --quiet --retries 10 --timeout 60 --requirement "$requirements" >&2
  cp "$requirements" "$venv/installed.txt"
fi
echo "$PWD/$venv"
