#include "libtorch.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>
#include <torch/torch.h>

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>

namespace {

at::Tensor& tensor(void* p) { return *static_cast<at::Tensor*>(p); }

std::vector<at::Tensor> tensors(void** p, size_t n) {
  std::vector<at::Tensor> result;
  for (size_t i = 0; i < n; i++) result.push_back(tensor(p[i]));
  return result;
}

template <typename F>
char* protect(F body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& e) {
    return strdup(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return strdup(e.what());
  }
}

}  // namespace

char* hnn_configure(int threads) {
  return protect([&] {
    // glibc maps and unmaps every block over 128 KiB, which is every activation; these keep them on the heap.
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 29);
    at::set_num_threads(threads);
  });
}

char* hnn_manual_seed(int64_t seed) {
  return protect([&] { torch::manual_seed(seed); });
}

char* hnn_generator_state(void** state) {
  return protect([&] {
    auto generator = at::detail::getDefaultCPUGenerator();
    std::lock_guard<std::mutex> lock(generator.mutex());
    *state = new at::Tensor(generator.get_state());
  });
}

char* hnn_set_generator_state(void* state) {
  return protect([&] {
    auto generator = at::detail::getDefaultCPUGenerator();
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(tensor(state));
  });
}

namespace {

// The recurrence of the Mersenne Twister (Matsumoto and Nishimura, 1998): the next 624 words of its state.
void twist(std::array<uint32_t, at::MERSENNE_STATE_N>& s) {
  constexpr int n = at::MERSENNE_STATE_N, m = at::MERSENNE_STATE_M;
  const auto mix = [](uint32_t u, uint32_t v) { return (((u & 0x80000000) | (v & 0x7fffffff)) >> 1) ^ (-(v & 1) & 0x9908b0df); };
  for (int i = 0; i < n - m; i++) s[i] = s[i + m] ^ mix(s[i], s[i + 1]);
  for (int i = n - m; i < n - 1; i++) s[i] = s[i + m - n] ^ mix(s[i], s[i + 1]);
  s[n - 1] = s[m - 1] ^ mix(s[n - 1], s[0]);
}

// Goes on in a generator's sequence as if count numbers had been drawn.
void skip(at::CPUGeneratorImpl* generator, int64_t count) {
  auto state = generator->engine().data();
  while (count > 0) {
    const int64_t ready = std::min<int64_t>(count, state.left_ - 1);
    state.left_ -= ready, state.next_ += ready, count -= ready;
    if (count == 0) break;
    twist(state.state_);
    state.left_ = at::MERSENNE_STATE_N, state.next_ = 1, count--;
  }
  at::mt19937 engine;
  engine.set_data(state);
  generator->set_engine(engine);
}

}  // namespace

// The first values of the shuffle that torch.randperm makes, which draws n − 1 numbers. Later draws move only later values, so they
// are skipped; and the list to shuffle is put back in order afterwards, not made anew.
char* hnn_permutation(int64_t n, int64_t* first, int64_t count) {
  return protect([&] {
    TORCH_CHECK(0 <= count && count <= n && n < UINT32_MAX / 20, "a permutation of ", n, " has no first ", count, " values to draw");
    static thread_local std::vector<int64_t> list, swaps;
    for (int64_t i = list.size(); i < n; i++) list.push_back(i);
    swaps.clear();
    auto generator = at::get_generator_or_default<at::CPUGeneratorImpl>(c10::nullopt, at::detail::getDefaultCPUGenerator());
    std::lock_guard<std::mutex> lock(generator->mutex_);
    for (int64_t i = 0; i < std::min(count, n - 1); i++) {
      swaps.push_back(i + generator->random() % (n - i));
      std::swap(list[i], list[swaps.back()]);
    }
    std::copy_n(list.begin(), count, first);
    for (int64_t i = swaps.size() - 1; i >= 0; i--) std::swap(list[i], list[swaps[i]]);
    skip(generator, n - 1 - swaps.size());
  });
}

char* hnn_normal(float* values, int64_t count) {
  return protect([&] { at::from_blob(values, {count}, at::kFloat).normal_(); });
}

char* hnn_linear(int64_t in, int64_t out, int bias, void** weight, void** bias_out) {
  return protect([&] {
    torch::nn::Linear layer(torch::nn::LinearOptions(in, out).bias(bias));
    *weight = new at::Tensor(layer->weight);
    *bias_out = bias ? new at::Tensor(layer->bias) : nullptr;
  });
}

char* hnn_orthogonal(void* weight) {
  return protect([&] { torch::nn::init::orthogonal_(tensor(weight)); });
}

char* hnn_gradient(void* output, void** inputs, size_t n, int create_graph, void** gradients) {
  return protect([&] {
    auto result = torch::autograd::grad({tensor(output)}, tensors(inputs, n), {}, c10::nullopt, create_graph, true);
    for (size_t i = 0; i < n; i++)
      gradients[i] = new at::Tensor(result[i].defined() ? result[i] : torch::zeros_like(tensor(inputs[i])));
  });
}

// The update in the order of operations of torch.optim.Adam (betas .9 and .999, eps 1e-8, weight decay added to the gradient).
char* hnn_adam(void** parameters, void** gradients, void** mean, void** square, size_t n, int64_t step, double learning_rate,
               double weight_decay) {
  return protect([&] {
    torch::NoGradGuard no_grad;
    const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
    for (size_t i = 0; i < n; i++) {
      at::Tensor& p = tensor(parameters[i]);
      at::Tensor g = tensor(gradients[i]);
      if (weight_decay != 0) g = g.add(p, weight_decay);
      tensor(mean[i]).lerp_(g, 1 - beta1);
      tensor(square[i]).mul_(beta2).addcmul_(g, g, 1 - beta2);
      at::Tensor denominator = (tensor(square[i]).sqrt() / std::sqrt(correction2)).add_(eps);
      p.addcdiv_(tensor(mean[i]), denominator, -learning_rate / correction1);
    }
  });
}

// CUDA. LibTorch's CUDA library registers itself when it is loaded, which is here and not by the linker, so that one binary serves
// machines with a GPU and without. What is needed of CUDA's run time is found by name in what that library brings with it.

namespace {

void* cuda_library = nullptr;

// A function of CUDA's run time. Each returns an error code, which is 0 for success.
template <class... Arguments>
int cuda(const char* name, Arguments... arguments) {
  auto function = reinterpret_cast<int (*)(Arguments...)>(dlsym(cuda_library, name));
  TORCH_CHECK(function, "CUDA's run time has no ", name);
  return function(arguments...);
}

template <class... Arguments>
void cuda_must(const char* name, Arguments... arguments) {
  const int code = cuda(name, arguments...);
  if (code == 0) return;
  auto text = reinterpret_cast<const char* (*)(int)>(dlsym(cuda_library, "cudaGetErrorString"));
  TORCH_CHECK(false, name, ": ", text ? text(code) : "", " (error ", code, ")");
}

const c10::Device gpu(c10::DeviceType::CUDA, 0);

c10::impl::VirtualGuardImpl gpu_guard() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

// The stream of the run time, which older versions of LibTorch do not tell.
template <class Stream>
auto native(const Stream& stream, int) -> decltype(stream.native_handle()) {
  return stream.native_handle();
}
template <class Stream>
void* native(const Stream&, long) {
  TORCH_CHECK(false, "this version of LibTorch cannot record CUDA graphs");
}

void* native_stream() { return native(gpu_guard().getStream(gpu), 0); }

}  // namespace

char* hnn_torch_folder(char** folder) {
  return protect([&] {
    char origin[PATH_MAX];
    void* torch = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
    TORCH_CHECK(torch && dlinfo(torch, RTLD_DI_ORIGIN, origin) == 0, "libtorch_cpu.so is not loaded from a file");
    *folder = strdup(origin);
  });
}

const char* hnn_torch_version(void) { return TORCH_VERSION; }

char* hnn_cuda_load(const char* path) {
  return protect([&] {
    cuda_library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!cuda_library) throw std::runtime_error(dlerror());
  });
}

int hnn_cuda_devices(int* driver, int* devices) {
  *driver = *devices = 0;
  cuda("cudaDriverGetVersion", driver);
  return cuda("cudaGetDeviceCount", devices);
}

char* hnn_stream_enter(int64_t* left) {
  return protect([&] {
    auto guard = gpu_guard();
    guard.synchronizeStream(guard.getStream(gpu));
    *left = guard.exchangeStream(guard.getStreamFromGlobalPool(gpu)).id();
  });
}

char* hnn_stream_leave(int64_t left) {
  return protect([&] {
    auto guard = gpu_guard();
    guard.synchronizeStream(guard.getStream(gpu));
    guard.exchangeStream(c10::Stream(c10::Stream::UNSAFE, gpu, left));
  });
}

char* hnn_stream_wait(void) {
  return protect([&] { gpu_guard().synchronizeStream(gpu_guard().getStream(gpu)); });
}

char* hnn_record_begin(void) {
  constexpr int relaxed = 2;  // cudaStreamCaptureModeRelaxed: other threads, the gradient's among them, may do as they please
  return protect([&] { cuda_must("cudaStreamBeginCapture", native_stream(), relaxed); });
}

char* hnn_record_end(void** recording) {
  return protect([&] {
    void* graph = nullptr;
    cuda_must("cudaStreamEndCapture", native_stream(), &graph);
    const int code = cuda("cudaGraphInstantiateWithFlags", recording, graph, 0ULL);
    cuda("cudaGraphDestroy", graph);
    TORCH_CHECK(code == 0, "cudaGraphInstantiateWithFlags: error ", code);
  });
}

char* hnn_replay(void* recording) {
  return protect([&] { cuda_must("cudaGraphLaunch", recording, native_stream()); });
}

void hnn_recording_free(void* recording) { cuda("cudaGraphExecDestroy", recording); }

char* hnn_staging(int64_t rows, int64_t columns, int integers, int pinned, void** staging) {
  return protect([&] {
    const auto options = at::TensorOptions(integers ? at::kLong : at::kFloat).pinned_memory(pinned);
    *staging = new at::Tensor(at::empty({rows, columns}, options));
  });
}

char* hnn_copy(void* to, void* from) {
  return protect([&] {
    torch::NoGradGuard no_grad;
    tensor(to).copy_(tensor(from).view_as(tensor(to)), true);
  });
}

char* hnn_fused_adam(void** parameters, void** gradients, void** mean, void** square, size_t n, void* step, double learning_rate,
                     double weight_decay) {
  return protect([&] {
    torch::NoGradGuard no_grad;
    tensor(step).add_(1);
    auto values = tensors(parameters, n), slopes = tensors(gradients, n), means = tensors(mean, n), squares = tensors(square, n);
    const std::vector<at::Tensor> steps(n, tensor(step));
    at::_fused_adam_(values, slopes, means, squares, {}, steps, learning_rate, 0.9, 0.999, weight_decay, 1e-8, false, false);
  });
}
