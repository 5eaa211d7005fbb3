#!/usr/bin/env bash
# Holds the gateway against nginx, a bare axum handler and a bare hyper server on this machine.
#
#   benches/compare/run.sh            all of it, some eleven minutes
#   ROUNDS=1 SECONDS_EACH=1 benches/compare/run.sh     a quick look
#
#   TIDEGATE_BIN   the gateway to measure; built with --release where it is not set
#   PARTS          what is measured: hot,cold,context,exchanges (all of it)
#   ROUNDS         how often the contestants take turns (5)
#   SECONDS_EACH   seconds of load in each turn (5)
#   CONNECTIONS    connections of the load (64)
#
# The server runs on core 0 and the load on core 1. Exit status: 0 every target reached, 1 a target
# missed, 2 not measured.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
for tool in wrk nginx taskset python3 cargo; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "missing: ${missing[*]} (Debian packages: wrk nginx-light util-linux python3)" >&2
  exit 2
fi
if [ "$(nproc)" -lt 2 ]; then
  echo "two cores are needed: one for the server, one for the load" >&2
  exit 2
fi

# The stampede holds a thousand sockets, and nginx twice as many.
ulimit -n "$(ulimit -Hn)"

echo "building" >&2
# With one exchange or with four, the gateway stands beside itself only.
[ "${PARTS:-}" = exchanges ] || cargo build --quiet --release --examples
if [ -z "${TIDEGATE_BIN:-}" ]; then
  cargo build --quiet --release --bin tidegate
  TIDEGATE_BIN=${CARGO_TARGET_DIR:-target}/release/tidegate
fi
export TIDEGATE_BIN
export EXAMPLES="${CARGO_TARGET_DIR:-target}/release/examples"
exec python3 benches/compare/compare.py
