# Every target that compiles first finds or installs LibTorch (scripts/libtorch). LIBTORCH=dir or LIBTORCH_VERSION=x chooses another one;
# LIBTORCH_VARIANT=cuda adds the libraries for GPUs.
SHELL := /bin/bash
export LIBTORCH LIBTORCH_VERSION LIBTORCH_VARIANT
GO := . ./.libtorch/env && go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: build demo test fuzz test-arm64 test-distributed reproduce bench bench-systems gpu lint clean libtorch
build: libtorch
	@$(GO) build -o . ./cmd/...

# Models of a measured pendulum, which has friction, and of two bodies, which have none; a page about the pendulum, and the README's pictures.
PENDULUM := -data examples/pendulum/pendulum.csv -angles q1
demo: build
	./train $(PENDULUM) -model baseline
	./train $(PENDULUM) -model hnn
	./train $(PENDULUM) -model port
	./analyze $(PENDULUM)
	@$(GO) run ./examples/pendulum
	./train -task 2body -model baseline
	./train -task 2body
	./analyze -task 2body

test: libtorch
	@$(GO) test ./...
	@scripts/fuzz 5s

# Every reader of files, on inputs that a fuzzer makes: make fuzz FOR=1h
FOR := 1m
fuzz: libtorch
	@scripts/fuzz $(FOR)

# The kernels' tests on arm64, in an emulator.
test-arm64:
	@scripts/test-arm64

# Training on several processes that torchrun starts, and starts again when one is killed (docs/scale.md). pip installs torchrun, with PyTorch.
test-distributed: build .bench/torchrun/installed
	@PATH=$(CURDIR)/.bench/torchrun/bin:$$PATH scripts/test-distributed

.bench/torchrun/installed:
	python3 -m venv .bench/torchrun
	.bench/torchrun/bin/pip install --quiet --disable-pip-version-check torch==2.11.0 numpy
	touch $@

# A report with every table and figure of the paper.
reproduce: build
	./reproduce

# Times of training steps, fields and whole runs, beside PyTorch's and JAX's: half an hour. pip installs the peers into .bench.
bench: build .bench/peers
	@$(GO) run ./scripts/bench
	@$(GO) run ./scripts/bench -scaling

# Checks training on a GPU, prints pass or fail for each check, and times training beside PyTorch.
gpu: export LIBTORCH_VARIANT = cuda
gpu: build .bench/peers
	@$(GO) run ./scripts/bench -cuda

# The model of measured systems on eight systems, three seeds each, beside peers: SYSTEMS="-peers pysindy -seeds 0" chooses (docs/systems.md).
bench-systems: build .bench/systems/installed
	@.bench/systems/bin/python scripts/systems/bench.py $(SYSTEMS)

.bench/systems/installed: scripts/systems/requirements.txt
	python3 -m venv .bench/systems
	.bench/systems/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

.bench/peers: scripts/bench/requirements.txt
	python3 -m venv .bench
	.bench/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

lint: libtorch
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted"; exit 1; }
	@$(GO) vet ./...
	@$(GO) run $(STATICCHECK) ./...

clean:
	rm -rf train analyze reproduce predict runs results reproduction

libtorch:
	@scripts/libtorch
