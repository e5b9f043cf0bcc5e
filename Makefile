# Every target finds or installs LibTorch first (scripts/libtorch). LIBTORCH=dir or LIBTORCH_VERSION=x choose another one,
# LIBTORCH_VARIANT=cuda one for GPUs.
SHELL := /bin/bash
export LIBTORCH LIBTORCH_VERSION LIBTORCH_VARIANT
GO := . ./.libtorch/env && go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: build demo test bench lint clean libtorch
build: libtorch
	@$(GO) build -o . ./cmd/...

# Both models on the measured pendulum, with the published code's seed, sizes and number of steps, and the paper's figures.
demo: build
	./train -task real -verbose
	./train -task real -baseline -verbose
	./analyze -task real

test: libtorch
	@$(GO) test ./...

# Training steps, fields and whole runs beside PyTorch's and JAX's; about half an hour. The peers are pip's, in a folder of their own.
bench: build .bench/peers
	@$(GO) run ./scripts/bench
	@$(GO) run ./scripts/bench -scaling

.bench/peers: scripts/bench/requirements.txt
	python3 -m venv .bench
	.bench/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

lint: libtorch
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted"; exit 1; }
	@$(GO) vet ./...
	@$(GO) run $(STATICCHECK) ./...

clean:
	rm -rf train analyze runs results

libtorch:
	@scripts/libtorch
