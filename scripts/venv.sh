#!/usr/bin/env bash
# Makes .venv in the project's root hold what the tests' requirements.txt name, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=(tests/*/requirements.txt)
# A copy of what was installed tells whether it is what is asked for now.
if ! cat "${requirements[@]}" | cmp -s - .venv/installed.txt; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet "${requirements[@]/#/--requirement=}" >&2
  cat "${requirements[@]}" >.venv/installed.txt
fi
echo "$PWD/.venv"
