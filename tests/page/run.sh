#!/usr/bin/env bash
# Looks at the ops page in headless Chromium, in front of a gateway on a simulated exchange.
#
#   tests/page/run.sh target/debug/tidegate
#
# Installs what is missing: Debian packages, node_modules in this folder and in web/. Pictures go to
# target/page. Closes with `N passed, N failed`; fails if anything failed or nothing was run.
set -uo pipefail

die() {
  echo "$0: $*" >&2
  exit 2
}

[ $# -eq 1 ] || die "usage: $0 BIN"
[ -x "$1" ] || die "$1 is not an executable; build it first"
bin=$(realpath "$1")
pictures=$(realpath -m "${CARGO_TARGET_DIR:-$(dirname "$0")/../../target}/page")
cd "$(dirname "$0")" || exit 2
../../scripts/debian.sh node=nodejs npm=npm chromium=chromium || die "a tool is missing"
../../scripts/npm.sh . || die "npm failed"
../../scripts/npm.sh ../../web || die "npm failed"

mkdir -p "$pictures"
CHROMIUM=$(command -v chromium) || die "there is no chromium"
tap=$(mktemp)
trap 'rm -f "$tap"' EXIT

TIDEGATE_BIN=$bin CHROMIUM=$CHROMIUM PICTURES=$pictures \
  timeout 2700 node --test --test-concurrency=1 --test-reporter=tap ./*.test.mjs >"$tap"
passed=$(sed -n 's/^# pass //p' "$tap") failed=$(sed -n 's/^# fail //p' "$tap")
cancelled=$(sed -n 's/^# cancelled //p' "$tap") skipped=$(sed -n 's/^# skipped //p' "$tap")
failed=$((${failed:-1} + ${cancelled:-0} + ${skipped:-0}))
[ "${passed:-0}" -gt 0 ] || failed=$((failed + 1))
[ "$failed" -eq 0 ] || cat "$tap"
echo "pictures: $pictures"
echo "${passed:-0} passed, $failed failed"
[ "$failed" -eq 0 ]
