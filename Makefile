# Every target finds or installs LibTorch first (scripts/libtorch). LIBTORCH=dir or LIBTORCH_VERSION=x choose another one,
# LIBTORCH_VARIANT=cuda one for GPUs.
SHELL := /bin/bash
export LIBTORCH LIBTORCH_VERSION LIBTORCH_VARIANT
GO := . ./.libtorch/env && go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: build demo test reproduce bench gpu lint clean libtorch
build: libtorch
	@$(GO) build -o . ./cmd/...

# Both models on the measured pendulum, with the published code's seed, sizes and number of steps, and the paper's figures.
demo: build
	./train -task real -verbose
	./train -task real -baseline -verbose
	./analyze -task real

test: libtorch
	@$(GO) test ./...

# Every table and figure of the paper, in one report.
reproduce: build
	./reproduce

# Training steps, fields and whole runs beside PyTorch's and JAX's; about half an hour. The peers are pip's, in a folder of their own.
bench: build .bench/peers
	@$(GO) run ./scripts/bench
	@$(GO) run ./scripts/bench -scaling

# Training on a GPU held against the processor's, and timed beside PyTorch's.
gpu: export LIBTORCH_VARIANT = cuda
gpu: build .bench/peers
	@$(GO) run ./scripts/bench -cuda

.bench/peers: scripts/bench/requirements.txt
	python3 -m venv .bench
	.bench/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

lint: libtorch
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted"; exit 1; }
	@$(GO) vet ./...
	@$(GO) run $(STATICCHECK) ./...

clean:
	rm -rf train analyze reproduce runs results reproduction

libtorch:
	@scripts/libtorch
