# `make help` lists the targets.

CARGO ?= cargo
WATTLINE = $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)/release/wattline

.PHONY: help setup build demo test test-debian13 test-arm test-arm-debug check-kmod lint bench bench-analysis bench-record clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Debian packages the build needs (installed when root, else the command to run)
	@scripts/setup

build: setup ## The wattline command, in release
	$(CARGO) build --release --locked

demo: build ## SqueezeNet on an emulated Odroid XU3, from run to tables and a report, in out/
	$(WATTLINE) run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu \
		--images 20 --out out/trace --overwrite
	$(WATTLINE) analyze out/trace --out out
	$(WATTLINE) report out/trace --out out/report

lint: setup ## Format, lints, documentation and licences
	@scripts/setup-lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --release --locked -- -D warnings
	$(CARGO) clippy --release --locked --no-default-features \
		-p wattline -p wattline-agent -p wattline-ebpf -- -D warnings
	$(CARGO) clippy --release --locked -p wattline-arm-tests --test guests -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --release --locked --quiet
	$(CARGO) deny --workspace check bans licenses sources

bench: ## Images/s beside ONNX Runtime, ncnn and MNN, on one and two threads (BENCH="rounds=9 json=FILE")
	@scripts/setup python3 python3-venv
	$(CARGO) bench -p wattline-inference --bench engines --locked -- $(BENCH)

bench-analysis: ## Rows/s and memory of analyze on 10^8 readings, beside pandas, polars and DuckDB (BENCH="rows=10000000")
	@scripts/setup python3 python3-venv
	python3 -m venv $(dir $(WATTLINE))bench-analysis
	$(dir $(WATTLINE))bench-analysis/bin/pip install --quiet --only-binary=:all: \
		-r analysis/benches/streaming.txt
	$(CARGO) bench -p wattline-analysis --bench streaming --locked -- \
		others=pandas,polars,duckdb python=$(abspath $(dir $(WATTLINE))bench-analysis/bin/python) $(BENCH)

bench-record: build ## What a mark and being recorded cost, with ONNX Runtime's ResNet-50; as root
	@scripts/setup python3 python3-venv
	$(CARGO) run --release --locked -p wattline-ebpf --example bpf_cost
	python3 -m venv $(dir $(WATTLINE))bench-record
	$(dir $(WATTLINE))bench-record/bin/pip install --quiet --no-deps --only-binary=:all: \
		-r inference/engines/onnxruntime.txt
	$(CARGO) run --release --locked --example record_slowdown -- $(WATTLINE) \
		$(dir $(WATTLINE))bench-record/bin/python

test: lint ## Everything that is checked: lints, then all tests in release
	@scripts/setup python3 python3-venv chromium
	$(CARGO) test --workspace --release --locked

test-debian13: ## The executors against Debian 13's XNNPACK and OpenCL, in a root file system of it; as root
	@scripts/test-debian13

# One guest after another, and what each measured is shown.
ARM_GUESTS = $(CARGO) test --release --locked -p wattline-arm-tests --test guests -- \
	--nocapture --test-threads=1

test-arm: ## Guests of arm64 and armv7 with an emulated board's sensors and counters; downloads and builds once
	@tests/arm/kernels/prepare
	@tests/arm/build arm64 armv7
	tests/arm/programs arm64 test
	tests/arm/programs armv7 test
	@echo "ARM guests run on processors emulated in software: what passes is function and accounting, never speed."
	$(ARM_GUESTS) --skip debug::

check-kmod: ## The kernel module built for kernels 5.10 to 6.12, its style, and its overlays
	@tests/arm/kernels/prepare machine
	@kmod-shim/check

test-arm-debug: ## The kernel module in a guest whose kernel checks locks and memory
	@tests/arm/kernels/prepare machine arm64-debug
	@tests/arm/build arm64-debug
	@echo "ARM guests run on processors emulated in software: what passes is function and accounting, never speed."
	$(ARM_GUESTS) debug::

clean: ## Removes what was built and recorded
	$(CARGO) clean
	rm -rf out
