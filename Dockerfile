# docker build -t hnn .                              for the CPU
# docker build -t hnn --build-arg VARIANT=cuda .     for NVIDIA GPUs
# docker build --target test .                       runs the tests
# The stages keep the download of LibTorch and its compiled binding in the cache when Go code or the variant changes.

FROM golang:1.25-bookworm AS libtorch
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3-pip && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home hnn && install -d -o hnn /opt/hnn
USER hnn
WORKDIR /opt/hnn
COPY --chown=hnn scripts/libtorch scripts/libtorch.sha256 scripts/
COPY --chown=hnn internal/libtorch/compat.h internal/libtorch/
RUN scripts/libtorch

FROM libtorch AS build
COPY --chown=hnn go.mod go.sum ./
RUN go mod download && . .libtorch/env && go build github.com/sugarme/gotch/ts
COPY --chown=hnn . .
RUN make build && install -D -t bin $(ls cmd)

FROM build AS test
RUN make test

# The programs need LibTorch's libraries in the folder where they were linked, but no headers.
FROM libtorch AS libraries
ARG VARIANT=cpu
RUN LIBTORCH_VARIANT=$VARIANT scripts/libtorch && rm -rf .libtorch/*/torch/include .libtorch/stubs .libtorch/env

FROM debian:bookworm-slim
RUN useradd --create-home hnn && install -d -m 1777 /work
ENV PATH=/opt/hnn/bin:$PATH
# The parts of the driver that NVIDIA's container toolkit mounts into a container with a GPU.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER hnn
WORKDIR /work
CMD ["sh", "-c", "echo 'docker run --rm -v $PWD:/work hnn COMMAND [FLAG]..., where COMMAND is one of'; for c in /opt/hnn/bin/*; do echo \"  $(basename $c): $($c -help | head -n 1)\"; done; echo 'COMMAND -help describes the flags.'"]
COPY --from=libraries /opt/hnn/.libtorch /opt/hnn/.libtorch
COPY --from=build /opt/hnn/bin /opt/hnn/bin
