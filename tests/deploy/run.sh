#!/usr/bin/env bash
# Checks what stands in deploy/: the rules and the dashboard by asking a Prometheus that scrapes a
# gateway in front of a simulated exchange, and everything else by the tool that parses it.
#
#   tests/deploy/run.sh target/debug/tidegate
#
# Installs what is missing: Debian packages, .venv in the project's root. Closes with `N passed, N
# failed`; fails if anything failed or nothing was run.
set -uo pipefail

die() {
  echo "$0: $*" >&2
  exit 2
}

[ $# -eq 1 ] || die "usage: $0 BIN"
[ -x "$1" ] || die "$1 is not an executable; build it first"
bin=$(realpath "$1")
cd "$(dirname "$0")" || exit 2

../../scripts/debian.sh python3=python3 prometheus=prometheus promtool=prometheus kubectl=kubernetes-client \
  systemd-analyze=systemd bash=bash zsh=zsh fish=fish mandoc=mandoc man=man-db || die "a tool is missing"
venv=$(../../scripts/venv.sh deploy) || die "the Python packages cannot be installed"

report=$(mktemp)
trap 'rm -f "$report"' EXIT
PATH="$venv/bin:$PATH" "$venv/bin/python" -B -m pytest -q --tb=short --junit-xml="$report" --bin "$bin" .
verdict=$?
counts=$(python3 - "$report" <<'PY'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
total = int(suite.get("tests"))
bad = sum(int(suite.get(what)) for what in ("failures", "errors", "skipped"))
print(total - bad, bad if total else 1)
PY
) || counts="0 1"
echo "${counts% *} passed, ${counts#* } failed"
[ "$verdict" -eq 0 ] && [ "${counts#* }" -eq 0 ]
