#!/usr/bin/env bash
# Installs the Debian packages of the commands that are missing, and fails if that is not possible.
#
#   scripts/debian.sh COMMAND=PACKAGE...
set -euo pipefail

packages=()
for need in "$@"; do
  command -v "${need%%=*}" >/dev/null || packages+=("${need#*=}")
done
# Debian keeps the module that makes virtual environments apart from the interpreter.
if [[ " $* " == *" python3="* ]] && ! python3 -c 'import ensurepip' 2>/dev/null; then
  packages+=(python3-venv)
fi
[ ${#packages[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
if ! command -v apt-get >/dev/null; then
  echo "missing, and there is no apt-get to install them: ${packages[*]}" >&2
  exit 1
fi
echo "installing: ${packages[*]}" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -qq --no-install-recommends "${packages[@]}" >/dev/null
