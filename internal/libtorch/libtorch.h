// The C side of package libtorch. A tensor is an at::Tensor*, as in gotch. Every function returns NULL, or an error message
// that the caller frees.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
char* hnn_configure(int threads);
char* hnn_manual_seed(int64_t seed);
char* hnn_generator_state(void** state);
char* hnn_set_generator_state(void* state);
char* hnn_permutation(int64_t n, int64_t* first, int64_t count);
char* hnn_normal(float* values, int64_t count);
char* hnn_linear(int64_t in, int64_t out, int bias, void** weight, void** bias_out);
char* hnn_orthogonal(void* weight);
char* hnn_gradient(void* output, void** inputs, size_t n, int create_graph, void** gradients);
char* hnn_adam(void** parameters, void** gradients, void** mean, void** square, size_t n, int64_t step, double learning_rate,
               double weight_decay);
#ifdef __cplusplus
}
#endif
