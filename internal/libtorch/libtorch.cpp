#include "libtorch.h"
#include "protect.hpp"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>
#include <torch/torch.h>

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>
#include <unordered_map>

namespace {

c10::Device gpu(c10::DeviceType::CUDA, 0);  // that this process computes on

at::Generator& generator(void* p) { return *static_cast<at::Generator*>(p); }

at::Tensor& tensor(void* p) { return *static_cast<at::Tensor*>(p); }

std::vector<at::Tensor> tensors(void** p, size_t n) {
  std::vector<at::Tensor> result;
  for (size_t i = 0; i < n; i++) result.push_back(tensor(p[i]));
  return result;
}

}  // namespace

char* hnn_torch_configure(int threads) {
  return protect([&] {
    // glibc maps and unmaps every block over 128 KiB, which is every activation; these keep them on the heap.
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 29);
    at::set_num_threads(threads);
  });
}

char* hnn_torch_generator(int64_t seed, void** generator) {
  return protect([&] { *generator = new at::Generator(at::make_generator<at::CPUGeneratorImpl>(seed)); });
}

void hnn_torch_generator_free(void* generator) { delete static_cast<at::Generator*>(generator); }

char* hnn_torch_generator_state(void* g, void* bytes) {
  return protect([&] {
    std::lock_guard<std::mutex> lock(generator(g).mutex());
    const at::Tensor state = generator(g).get_state();
    TORCH_CHECK(state.numel() == hnn_torch_generator_state_size, "the generator's state has ", state.numel(), " bytes");
    memcpy(bytes, state.data_ptr(), state.numel());
  });
}

char* hnn_torch_set_generator_state(void* g, void* bytes) {
  return protect([&] {
    std::lock_guard<std::mutex> lock(generator(g).mutex());
    generator(g).set_state(at::from_blob(bytes, {hnn_torch_generator_state_size}, at::kByte).clone());
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
char* hnn_torch_permutation(void* g, int64_t n, int64_t* first, int64_t count) {
  return protect([&] {
    TORCH_CHECK(0 <= count && count <= n && n < UINT32_MAX / 20, "a permutation of ", n, " has no first ", count, " values to draw");
    static thread_local std::vector<int64_t> list, swaps;
    for (int64_t i = list.size(); i < n; i++) list.push_back(i);
    swaps.clear();
    auto* generator = ::generator(g).get<at::CPUGeneratorImpl>();
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

// The first values of a shuffle of which only the changed places are kept, so that memory and time depend on their count alone.
char* hnn_torch_sample(void* g, int64_t n, int64_t* values, int64_t count) {
  return protect([&] {
    TORCH_CHECK(0 <= count && count <= n, "of ", n, " values, ", count, " cannot be drawn");
    std::unordered_map<int64_t, int64_t> moved;
    auto* generator = ::generator(g).get<at::CPUGeneratorImpl>();
    std::lock_guard<std::mutex> lock(generator->mutex_);
    for (int64_t i = 0; i < count; i++) {
      const int64_t j = i + generator->random64() % uint64_t(n - i);
      const auto at = [&](int64_t place) { const auto found = moved.find(place); return found == moved.end() ? place : found->second; };
      values[i] = at(j);
      moved[j] = at(i);
    }
  });
}

char* hnn_torch_normal(void* g, float* values, int64_t count) {
  return protect([&] { at::from_blob(values, {count}, at::kFloat).normal_(0, 1, generator(g)); });
}

namespace {

// torch.nn.Linear's initialisation: torch.nn.init.kaiming_uniform_ with a = √5 for the weight, and 1/√in as the bound of the bias.
void init_linear(at::Tensor weight, at::Tensor bias, at::Generator& g) {
  const double fan_in = weight.size(1), gain = std::sqrt(2.0 / (1 + std::pow(std::sqrt(5.0), 2)));
  const double bound = std::sqrt(3.0) * (gain / std::sqrt(fan_in)), bias_bound = 1 / std::sqrt(fan_in);
  weight.uniform_(-bound, bound, g);
  if (bias.defined()) bias.uniform_(-bias_bound, bias_bound, g);
}

// torch.nn.init.orthogonal_ (Saxe, McClelland and Ganguli, 2014), with the generator as an argument.
void init_orthogonal(at::Tensor weight, at::Generator& g) {
  const bool flat = weight.size(0) < weight.size(1);
  at::Tensor normal = at::randn(weight.sizes(), g, at::TensorOptions(at::kFloat));
  if (flat) normal.t_();
  auto [q, r] = at::linalg_qr(normal);
  q.mul_(r.diagonal().sign());
  if (flat) q.t_();
  weight.copy_(q);
}

}  // namespace

char* hnn_torch_init_layer(void* g, int orthogonal, int64_t in, int64_t out, float* weight, float* bias) {
  return protect([&] {
    torch::NoGradGuard no_grad;
    // With more threads the decomposition that makes a weight orthogonal sums in another order, and gives other weights.
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const at::Tensor drawn = at::from_blob(weight, {out, in}, at::kFloat);
    if (orthogonal)
      init_orthogonal(drawn, generator(g));
    else
      init_linear(drawn, bias ? at::from_blob(bias, {out}, at::kFloat) : at::Tensor(), generator(g));
    at::set_num_threads(threads);
  });
}

char* hnn_torch_tensor(const void* values, const int64_t* shape, size_t dimensions, int integers, int cuda, int requires_gradient,
                       void** result) {
  return protect([&] {
    const at::IntArrayRef sizes(shape, dimensions);
    const auto type = integers ? at::kLong : at::kFloat;
    const c10::Device device = cuda ? gpu : c10::Device(c10::DeviceType::CPU);
    at::Tensor x = values ? at::from_blob(const_cast<void*>(values), sizes, type).to(device, type, false, true)
                          : at::empty(sizes, at::TensorOptions(type).pinned_memory(cuda));
    *result = new at::Tensor(x.requires_grad_(requires_gradient));
  });
}

// The operators of a model. gotch has them too, but leaves 32 bytes behind at every call.
char* hnn_torch_operator(const char* characters, size_t length, void** x, const double* numbers, void** result) {
  return protect([&] {
    const std::string_view name(characters, length);
    const at::Tensor& a = tensor(x[0]);
    const auto value = [&]() -> at::Tensor {
      if (name == "linear") return at::linear(a, tensor(x[1]), x[2] ? c10::optional<at::Tensor>(tensor(x[2])) : c10::nullopt);
      if (name == "matmul") return at::matmul(a, tensor(x[1]));
      if (name == "add") return at::add(a, tensor(x[1]));
      if (name == "sub") return at::sub(a, tensor(x[1]));
      if (name == "multiply") return at::mul(a, tensor(x[1]));
      if (name == "divide") return at::div(a, tensor(x[1]));
      if (name == "sine") return at::sin(a);
      if (name == "cosine") return at::cos(a);
      if (name == "one") return at::ones_like(a);
      if (name == "square") return at::mul(at::mul(a, a), 0.5);
      if (name == "scale") return at::mul(a, numbers[0]);
      if (name == "shift") return at::add(a, int64_t(numbers[0]));
      if (name == "sum") return at::sum(a);
      if (name == "mean") return at::mean(a);
      if (name == "row means") return at::mean(a, {1});
      if (name == "squared error") return at::square(at::sub(a, tensor(x[1])));
      if (name == "columns") return a.narrow(1, int64_t(numbers[0]), int64_t(numbers[1]));
      if (name == "elements") return a.narrow(0, int64_t(numbers[0]), int64_t(numbers[1]));
      if (name == "row") return a.select(0, int64_t(numbers[0]));
      if (name == "rows") return at::index_select(a, 0, tensor(x[1]));
      if (name == "concat") return at::cat({a, tensor(x[1])}, 1);
      if (name == "local") return at::empty(a.sizes(), at::TensorOptions(a.scalar_type()).pinned_memory(a.is_cuda()));
      if (name == "values") {
        TORCH_CHECK(a.scalar_type() == at::kFloat, "the elements are ", a.scalar_type(), " and not float32");
        return a.detach().to(c10::DeviceType::CPU).contiguous();
      }
      if (name == "tanh") return at::tanh(a);
      if (name == "relu") return at::relu(a);
      if (name == "sigmoid") return at::sigmoid(a);
      if (name == "softplus") return at::softplus(a);
      if (name == "selu") return at::selu(a);
      if (name == "elu") return at::elu(a);
      TORCH_CHECK(name == "swish", "there is no operator or nonlinearity ", name);
      return at::mul(a, at::sigmoid(a));
    };
    *result = new at::Tensor(value());
  });
}

char* hnn_torch_gradient(void* output, void** inputs, size_t n, int create_graph, void** gradients) {
  return protect([&] {
    auto result = torch::autograd::grad({tensor(output)}, tensors(inputs, n), {}, c10::nullopt, create_graph, true);
    for (size_t i = 0; i < n; i++)
      gradients[i] = new at::Tensor(result[i].defined() ? result[i] : torch::zeros_like(tensor(inputs[i])));
  });
}

// The update in the order of operations of torch.optim.Adam (betas .9 and .999, eps 1e-8, weight decay added to the gradient).
char* hnn_torch_adam(void** lists, size_t n, int64_t step, void* steps, double learning_rate, double weight_decay) {
  return protect([&] {
    torch::NoGradGuard no_grad;
    const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    auto p = tensors(lists, n), g = tensors(lists + n, n), mean = tensors(lists + 2 * n, n), square = tensors(lists + 3 * n, n);
    if (steps) {
      const std::vector<at::Tensor> made(n, tensor(steps).add_(1));
      at::_fused_adam_(p, g, mean, square, {}, made, learning_rate, beta1, beta2, weight_decay, eps, false, false);
      return;
    }
    const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
    for (size_t i = 0; i < n; i++) {
      if (weight_decay != 0) g[i] = g[i].add(p[i], weight_decay);
      mean[i].lerp_(g[i], 1 - beta1);
      square[i].mul_(beta2).addcmul_(g[i], g[i], 1 - beta2);
      at::Tensor denominator = (square[i].sqrt() / std::sqrt(correction2)).add_(eps);
      p[i].addcdiv_(mean[i], denominator, -learning_rate / correction1);
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

c10::impl::VirtualGuardImpl gpu_guard() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

struct : c10::WarningHandler {
  void process(const c10::Warning&) override {}
} silent;

// at::cuda::CUDAGraph, PyTorch's own class. Its header needs CUDA's, and no library of CUDA is linked, so that its methods are found by name. The
// recorded work has a pool of memory as long as the graph lives: the allocator gives it to nothing else, and never returns it to the driver.
class Graph {
 public:
  // keep leaves what is recorded readable.
  Graph() { call<void>("C1Eb", /*keep=*/true); }
  ~Graph() { call<void>("D1Ev"); }
  // begin takes a pool of its own, or the first graph's.
  void begin(Graph* first) {
    constexpr int relaxed = 2;  // cudaStreamCaptureModeRelaxed: other threads, the gradient's among them, may do as they please
    const Pool pool = first ? first->call<Pool>("4poolEv") : Pool(0, 0);
    call<void>("13capture_beginESt4pairIyyE21cudaStreamCaptureMode", pool, relaxed);
  }
  void end() {
    const c10::WarningUtils::WarningHandlerGuard silence(&silent);  // of an empty graph, after a failure, which has its own message
    call<void>("11capture_endEv");
    call<void>("11instantiateEv");
  }
  size_t nodes() {
    size_t count = 0;
    cuda_must("cudaGraphGetNodes", call<void*>("14raw_cuda_graphEv"), static_cast<void*>(nullptr), &count);
    return count;
  }
  void replay() { call<void>("6replayEv"); }

 private:
  using Pool = std::pair<unsigned long long, unsigned long long>;  // c10::MempoolId_t

  template <class Result, class... Arguments>
  Result call(const std::string& method, Arguments... arguments) {
    auto function = reinterpret_cast<Result (*)(void*, Arguments...)>(dlsym(cuda_library, ("_ZN2at4cuda9CUDAGraph" + method).c_str()));
    TORCH_CHECK(function, "LibTorch ", TORCH_VERSION, " cannot record CUDA graphs as LibTorch 2.11 does; -cuda-graph=false works without");
    return function(memory_, arguments...);
  }

  alignas(std::max_align_t) char memory_[1024];  // the object takes about 200 bytes
};

Graph& graph(void* p) { return *static_cast<Graph*>(p); }

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

int hnn_torch_cuda_runtime(void) {
  int version = 0;
  auto function = reinterpret_cast<int (*)(int*)>(dlsym(RTLD_DEFAULT, "cudaRuntimeGetVersion"));
  return function && function(&version) == 0 ? version : 0;
}

char* hnn_torch_cuda_load(const char* path, int device, struct hnn_torch_cuda* found) {
  return protect([&] {
    cuda_library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!cuda_library) throw std::runtime_error(dlerror());
    *found = {};
    cuda("cudaDriverGetVersion", &found->driver);
    cuda("cudaRuntimeGetVersion", &found->runtime);
    found->failure = cuda("cudaGetDeviceCount", &found->devices);
    if (found->failure != 0 || device >= found->devices) return;
    constexpr int major = 75, minor = 76;  // cudaDevAttrComputeCapabilityMajor and -Minor
    cuda_must("cudaDeviceGetAttribute", &found->major, major, device);
    cuda_must("cudaDeviceGetAttribute", &found->minor, minor, device);
    gpu = c10::Device(c10::DeviceType::CUDA, device);
  });
}

char* hnn_torch_cuda_try(void) {
  return protect([&] {
    const float two = at::ones({1}, at::TensorOptions(gpu)).add_(1).item<float>();
    TORCH_CHECK(two == 2, "the GPU adds one and one to ", two);
  });
}

char* hnn_torch_stream_new(int64_t* stream) {
  return protect([&] { *stream = gpu_guard().getStreamFromGlobalPool(gpu).id(); });
}

char* hnn_torch_stream_exchange(int64_t* stream) {
  return protect([&] {
    auto guard = gpu_guard();
    guard.setDevice(gpu);
    guard.synchronizeStream(guard.getStream(gpu));
    *stream = guard.exchangeStream(c10::Stream(c10::Stream::UNSAFE, gpu, *stream)).id();
  });
}

char* hnn_torch_stream_wait(void) {
  return protect([&] { gpu_guard().synchronizeStream(gpu_guard().getStream(gpu)); });
}

char* hnn_torch_graph_begin(void* first, void** g) {
  return protect([&] {
    Graph* begun = new Graph;
    begun->begin(static_cast<Graph*>(first));  // if it throws, the allocator may go on asking the graph, which therefore stays
    *g = begun;
  });
}

char* hnn_torch_graph_end(void* g, size_t* nodes) {
  return protect([&] {
    graph(g).end();
    *nodes = graph(g).nodes();
  });
}

char* hnn_torch_graph_replay(void* g) {
  return protect([&] { graph(g).replay(); });
}

void hnn_torch_graph_free(void* g) { delete &graph(g); }

char* hnn_torch_copy(void* to, void* from) {
  return protect([&] {
    torch::NoGradGuard no_grad;
    tensor(to).copy_(tensor(from).view_as(tensor(to)), true);
  });
}
