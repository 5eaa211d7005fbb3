#!/usr/bin/env bash
# Makes .venv in the project's root hold what tests/clients/requirements.txt names, and prints its
# path.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=tests/clients/requirements.txt
# A copy of what was installed tells whether it is what is asked for now.
if ! cmp -s "$requirements" .venv/installed.txt; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet --requirement "$requirements" >&2
  cp "$requirements" .venv/installed.txt
fi
echo "$PWD/.venv"
