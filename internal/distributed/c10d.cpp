#include "c10d.h"
#include "../libtorch/protect.hpp"

#include <ATen/ATen.h>
#include <c10/util/Logging.h>
#define USE_C10D_GLOO  // LibTorch's libraries are built with it
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

using Gloo = c10d::ProcessGroupGloo;
using std::chrono::milliseconds;

struct hnn_store {
  c10::intrusive_ptr<c10d::Store> store;
};

struct hnn_peers {
  c10::intrusive_ptr<Gloo> gloo;
};

namespace {

// c10d prints every connection that ends, with a trace. Here they are errors, and only TORCH_CPP_LOG_LEVEL asks for more.
void be_quiet() {
  constexpr int fatal = 3;
  if (!getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = fatal;
}

// Newer LibTorch versions take a further argument: whether a connection waits for its first data. An open one tells when its peer is lost.
template <class G>
auto default_device(int) -> decltype(G::createDefaultDevice(false)) {
  return G::createDefaultDevice(false);
}
template <class G>
auto default_device(long) -> decltype(G::createDefaultDevice()) {
  return G::createDefaultDevice();
}

}  // namespace

char* hnn_store_open(const char* host, int port, int serves, const char* prefix, int64_t timeout_ms, hnn_store** store) {
  return protect([&] {
    be_quiet();
    c10d::TCPStoreOptions options;
    options.port = port, options.isServer = serves, options.waitWorkers = false, options.timeout = milliseconds(timeout_ms);
    *store = new hnn_store{c10::make_intrusive<c10d::PrefixStore>(prefix, c10::make_intrusive<c10d::TCPStore>(host, options))};
  });
}

void hnn_store_free(hnn_store* store) {
  free(protect([&] { delete store; }));
}

char* hnn_store_set(hnn_store* store, const char* key) {
  return protect([&] { store->store->set(key, std::vector<uint8_t>{1}); });
}

char* hnn_store_wait(hnn_store* store, const char* key, int64_t timeout_ms) {
  return protect([&] { store->store->wait({key}, milliseconds(timeout_ms)); });
}

char* hnn_store_absent(hnn_store* store, const char* call, int size, int64_t timeout_ms, char* absent) {
  return protect([&] {
    std::vector<std::string> keys;
    for (int rank = 0; rank < size; rank++) keys.push_back(std::string(call) + "/" + std::to_string(rank));
    try {
      store->store->wait(keys, milliseconds(timeout_ms));
    } catch (const std::exception&) {
      for (int rank = 0; rank < size; rank++) absent[rank] = !store->store->check({keys[rank]});
    }
  });
}

char* hnn_peers_connect(hnn_store* store, int rank, int size, const char* interfaces, int64_t timeout_ms, hnn_peers** peers) {
  return protect([&] {
    auto options = Gloo::Options::create(milliseconds(timeout_ms));
    options->threads = 1;
    std::istringstream names(interfaces);
    for (std::string name; std::getline(names, name, ',');) options->devices.push_back(Gloo::createDeviceForInterface(name));
    if (options->devices.empty()) options->devices.push_back(default_device<Gloo>(0));
    *peers = new hnn_peers{c10::make_intrusive<Gloo>(store->store, rank, size, options)};
  });
}

void hnn_peers_free(hnn_peers* peers) {
  free(protect([&] { delete peers; }));
}

char* hnn_peers_sum(hnn_peers* peers, float* values, int64_t count) {
  return protect([&] {
    std::vector<at::Tensor> list{at::from_blob(values, {count}, at::kFloat)};
    peers->gloo->allreduce(list)->wait();
  });
}

char* hnn_peers_broadcast(hnn_peers* peers, uint8_t* bytes, int64_t count) {
  return protect([&] {
    std::vector<at::Tensor> list{at::from_blob(bytes, {count}, at::kByte)};
    peers->gloo->broadcast(list)->wait();
  });
}
