#!/usr/bin/env bash
# Builds what is measured and measures it: some five minutes after the build. PARTS=fleet,ccxt,served,warm
# chooses what.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(nproc)" -ge 2 ] || {
  echo "two cores are needed: one for the gateway, one for its clients" >&2
  exit 2
}
venv=$(scripts/venv.sh)
cargo build --locked --release --bin tidegate --example bench_candles
target=${CARGO_TARGET_DIR:-target}/release
exec taskset -c 1 "$target/examples/bench_candles" "$target/tidegate" "$venv/bin/python" benches/ccxt_fleet.py
