#!/usr/bin/env bash
# Builds what is measured and measures it. CLIENTS, SECONDS_EACH, ROUNDS and RATE are passed on.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --bin tidegate --example bench_stream --example relay
target=${CARGO_TARGET_DIR:-target}/release
needed=$(($(tr , '\n' <<<"${CLIENTS:-10000}" | sort -n | tail -n 1) + 1000))
ulimit -n "$((needed > 4096 ? needed : 4096))" || {
  echo "$0: this takes $needed open files at once" >&2
  exit 2
}
exec taskset -c 1 "$target/examples/bench_stream" "$target/tidegate" "$target/examples/relay"
