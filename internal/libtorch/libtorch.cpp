#include "libtorch.h"

#include <malloc.h>
#include <string.h>
#include <torch/torch.h>

#include <ATen/CPUGeneratorImpl.h>

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
