# Every target finds or installs LibTorch first (scripts/libtorch). LIBTORCH=dir or LIBTORCH_VERSION=x choose another one.
SHELL := /bin/bash
export LIBTORCH LIBTORCH_VERSION
GO := . ./.libtorch/env && go

.PHONY: build test demo lint clean libtorch
build: libtorch
	@$(GO) build -o train.bin ./cmd/train

libtorch:
	@scripts/libtorch
