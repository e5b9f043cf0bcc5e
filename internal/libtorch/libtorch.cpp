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
