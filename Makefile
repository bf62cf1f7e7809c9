# `make` lists the targets. What they need beyond rustup and Python 3, they install below target/tools.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help tools build modules reproducible test lint deny fuzz run bench instructions side-channels fetches crowd soak geth alloy clean

export PATH := $(CURDIR)/target/tools/bin:$(PATH)

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
WASM := $(TARGET_DIR)/wasm32-wasip1/release/portcullis.wasm

# What the module says of itself at its start.
export PORTCULLIS_REVISION ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

tools: ## install what is missing: the Rust toolchain with wasm32-wasip1, Envoy, and what single tests need beside it (all pinned)
	@.ci/install-rust
	@.ci/install-envoy
	@.ci/install-envoy 1.37
	@.ci/install-ib1-directory

build: ## build the module: target/wasm32-wasip1/release/portcullis.wasm
	@.ci/install-rust
	.ci/build-module portcullis
	@printf '%s: %s bytes, %s gzipped\n' $(WASM) "$$(wc -c <$(WASM) | tr -d ' ')" "$$(gzip -9c $(WASM) | wc -c | tr -d ' ')"

modules: ## build the modules that only tests load: one that asks Envoy for signatures, one that misbehaves
	@.ci/install-rust
	.ci/build-module portcullis-probe
	.ci/build-module portcullis-broken

reproducible: build ## build the module again where everything is otherwise, and see that the bytes are the same
	.ci/check-reproducible $(WASM) $(TARGET_DIR)/reproducible

# Most tests wait for an Envoy most of the time.
test: export RUST_TEST_THREADS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))
test: tools build modules reproducible ## run all tests, those with a real Envoy among them
	cargo test --locked --workspace --features cli
	cargo test --locked --features native-shell --test fake_host

lint: ## check format and lints, natively and for wasm32-wasip1
	@.ci/install-rust
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets --features cli -- -D warnings
	cargo clippy --locked --target wasm32-wasip1 --lib -p portcullis -- -D warnings
	cargo clippy --locked --target wasm32-wasip1 --lib -p portcullis-probe -- -D warnings
	cargo clippy --locked --target wasm32-wasip1 --lib -p portcullis-broken -- -D warnings
	cargo clippy --locked --target wasm32-wasip1 --lib -p portcullis-empty -- -D warnings
	cargo clippy --locked --features native-shell --test fake_host -- -D warnings

deny: ## check all dependencies by deny.toml: licences, sources, and that the module has every crate once
	@.ci/install-cargo-deny
	cargo deny --locked check --allow license-exception-not-encountered bans licenses sources
	cargo deny --locked --target wasm32-wasip1 --exclude-dev $(addprefix --exclude portcullis-,harness probe broken empty) \
		check --allow unmatched-skip --allow unmatched-skip-root --allow unused-wrapper bans
	cargo deny --locked --manifest-path fuzz/Cargo.toml --config deny.toml check --allow unmatched-skip --allow unmatched-skip-root \
		--allow unused-wrapper --allow license-not-encountered bans licenses sources

fuzz: ## run each fuzz target for SECONDS=60, or TARGET=name alone, and print a table; SANITIZER=address: with a nightly toolchain
	@.ci/install-rust
	@.ci/install-cargo-fuzz
	SANITIZER=$(SANITIZER) .ci/fuzz $(or $(SECONDS),60) $(TARGET)

run: build ## run a configuration under envoy/ with stand-ins, and show what passes; SYSTEM=NAME: another than the quickstart; ONCE=1: show and stop
	@.ci/install-envoy
	cargo build --locked -p portcullis-harness --bin stage
	ONCE=$(ONCE) SYSTEM=$(SYSTEM) cargo run --locked --quiet -p portcullis-harness --bin stage

instructions: ## count the instructions of each path with valgrind's callgrind; NAME=...: of those that have this in their name
	cargo bench --locked --bench instructions -- $(if $(NAME),'$(NAME)')

side-channels: ## count what wrong secrets take, and fail where that tells how wrong they are or which clients there are; NAME=...: of those that have this in their name
	cargo bench --locked --bench side_channels -- $(if $(NAME),'$(NAME)')

bench: tools build ## measure what a request costs an Envoy worker, beside Envoy's own filters; ONLY=rs256,static: these; ROUNDS=, REQUESTS=, CONNECTIONS=
	.ci/build-module portcullis-empty
	ONLY=$(ONLY) ROUNDS=$(ROUNDS) REQUESTS=$(REQUESTS) CONNECTIONS=$(CONNECTIONS) WARM_UP=$(WARM_UP) MANY=$(MANY) RESULTS=$(RESULTS) \
		cargo bench --locked --profile load --bench envoy

fetches: tools build ## count the fetches of key sets with one, two and four workers, for six minutes
	cargo test --locked --bench shared_keys

crowd: tools build ## have ten thousand connections wait for keys, for a minute: it needs 14,000 open files (`ulimit -Hn`)
	cargo test --locked --bench crowd

soak: tools build ## everything at once for half an hour: good, bad, huge and hostile requests, each with its known verdict, and Envoy's memory; MINUTES=, SEED=
	MINUTES=$(MINUTES) SEED=$(SEED) cargo bench --locked --profile load --bench soak

geth: tools build ## build geth, which takes some minutes, and test the Engine API's configuration in front of it, with a WebSocket that is silent for six
	@.ci/install-geth
	cargo test --locked --test ethereum_engine_api_geth
	cargo test --locked --test ethereum_engine_api -- --ignored

alloy: tools build ## build a client by alloy, which takes some minutes, and test the Engine API's configuration with it
	nice cargo install --locked --quiet --profile dev --path tests/clients/engine_api --root target/tools --target-dir $(TARGET_DIR)/clients
	cargo test --locked --test ethereum_engine_api_alloy

clean: ## remove what was built, the tools too
	cargo clean
	rm -rf target/tools
