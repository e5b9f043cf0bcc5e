// What gotch v0.9.1, written for LibTorch 2.1, calls and later versions declare differently. The header is included before
// every C++ file of the build. None of the three works without CUDA, and nothing here uses them: they say so when called.
#pragma once
#ifndef HNN_WITHOUT_TORCH // of the one package whose C++ is not LibTorch's
#include <torch/torch.h>
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR > 1
namespace at {

[[noreturn]] inline void removed(const char* name) {
  TORCH_CHECK(false, name, " has another signature in this LibTorch than the binding was written for");
}

inline Tensor _cslt_sparse_mm(const Tensor&, const Tensor&, const Tensor&, bool) { removed("_cslt_sparse_mm"); }

inline std::tuple<Tensor, Tensor> _scaled_mm(const Tensor&, const Tensor&, const Tensor&, c10::optional<ScalarType>, const Tensor&,
                                             const Tensor&, const Tensor&) {
  removed("_scaled_mm");
}

inline std::tuple<Tensor, Tensor> _scaled_mm_out(Tensor&, Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                                 c10::optional<ScalarType>, const Tensor&, const Tensor&, const Tensor&) {
  removed("_scaled_mm_out");
}

}  // namespace at
#endif
#endif
