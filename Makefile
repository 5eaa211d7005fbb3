# `make` lists what there is; `make test` is what has to pass before a change is taken.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Cargo uses every core by itself, and two of its commands at once only wait for each other.
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
CARGO_DENY := 0.20.2
CARGO_FUZZ := 0.13.2
# A registry may be away for a moment.
export CARGO_NET_RETRY ?= 10
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: fmt lint fuzzers unit doc deny clients page deploy size ## Everything below but fuzz, benches and demo; installs missing tools, skips nothing
	@echo "all checks passed"

.PHONY: fmt
fmt: ## Formatting, as `cargo fmt` leaves it
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	cargo fmt --check

.PHONY: lint
lint: ## Clippy, without a warning
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: fuzzers
fuzzers: ## The fuzz targets compile
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir $(TARGET_DIR) -- -D warnings

.PHONY: fuzz
fuzz: ## Every decoder of bytes from outside, FUZZ_SECONDS (60) each
	@scripts/debian.sh g++=g++
	@cargo fuzz --version 2>/dev/null | grep -qF $(CARGO_FUZZ) || cargo install cargo-fuzz --version $(CARGO_FUZZ) --locked
	@# The fuzzer's instrumentation needs flags that a stable compiler only takes like this.
	@# It begins with what it found before and the examples in fuzz/seeds.
	for target in $$(cargo fuzz list); do \
		found=fuzz/corpus/$$target; seeds=fuzz/seeds/$$target; mkdir -p "$$found"; \
		[ -d "$$seeds" ] || seeds=; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run "$$target" --sanitizer none --target-dir $(TARGET_DIR)/fuzz "$$found" $$seeds -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1; \
	done

.PHONY: unit
unit: ## Unit, integration, architecture and documentation tests
	INSTA_UPDATE=no cargo test --locked

.PHONY: doc
doc: ## Documentation, without a broken link
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

.PHONY: deny
deny: ## Licences, bans and sources of the dependencies
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --version $(CARGO_DENY) --locked
	cargo deny --locked check --hide-inclusion-graph licenses bans sources

.PHONY: clients
clients: ## Real clients, schemathesis and promtool against a gateway on a simulated exchange
	@scripts/debian.sh python3=python3 node=nodejs npm=npm promtool=prometheus
	cargo build --locked
	tests/clients/run.sh $(TARGET_DIR)/debug/tidegate

.PHONY: deploy
deploy: ## Alerts, dashboard, manifests, unit and image: each by what reads it, Prometheus on a running gateway
	cargo build --locked
	tests/deploy/run.sh $(TARGET_DIR)/debug/tidegate

.PHONY: dashboards
dashboards: ## Writes what is made from deploy/grafana/*.py and deploy/prometheus/rules
	@scripts/debian.sh python3=python3
	deploy/generate.py

.PHONY: size
size: ## The release binary, as it is shipped, is below 20 MiB
	cargo build --locked --release --bin tidegate
	@bytes=$$(stat -c %s $(TARGET_DIR)/release/tidegate); echo "$$bytes bytes"; [ "$$bytes" -lt $$((20 * 1024 * 1024)) ]

.PHONY: assets
assets: ## Builds the ops page from web/ into src/api/ops/assets, to be committed
	@scripts/debian.sh node=nodejs npm=npm
	@scripts/npm.sh web
	cd web && npm run --silent check && npm run --silent build

.PHONY: page
page: ## The ops page is what web/ builds, and holds in headless Chromium; pictures in target/page
	@scripts/debian.sh node=nodejs npm=npm chromium=chromium
	@scripts/npm.sh web
	cd web && npm run --silent check && npm run --silent build -- --check
	cargo build --locked
	tests/page/run.sh $(TARGET_DIR)/debug/tidegate

.PHONY: bench
bench: ## Throughput and CPU beside nginx, bare axum and bare hyper; with four exchanges beside one
	@scripts/debian.sh wrk=wrk nginx=nginx-light python3=python3 taskset=util-linux
	benches/compare/run.sh

.PHONY: bench-stream
bench-stream: ## Streams: delivery, CPU and memory with up to 10,000 clients beside a plain relay; decoding; freshness
	@scripts/debian.sh taskset=util-linux
	benches/stream.sh

.PHONY: bench-candles
bench-candles: ## Candles: calls of a fleet beside a URL cache and ccxt; bars a second; warm starts; bytes of a bar
	@scripts/debian.sh python3=python3 taskset=util-linux pgrep=procps
	benches/candles.sh

.PHONY: demo
demo: ## A simulated exchange, the gateway, and fifty clients that hammer it
	cargo run --locked --release -- demo
