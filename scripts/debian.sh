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
# A mirror may be away for a moment, and somebody else's apt at work for a few.
patient=(-o Acquire::Retries=5 -o DPkg::Lock::Timeout=300)
"${as_root[@]}" apt-get "${patient[@]}" update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get "${patient[@]}" install -qq --no-install-recommends "${packages[@]}" >/dev/null
for need in "$@"; do
  if ! command -v "${need%%=*}" >/dev/null; then
    echo "${need#*=} is installed, and there is no ${need%%=*}" >&2
    exit 1
  fi
done
