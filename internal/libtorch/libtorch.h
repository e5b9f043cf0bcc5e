// The C side of package libtorch. A tensor is an at::Tensor*, as in gotch. Every function returns NULL, or an error message
// that the caller frees.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
char* hnn_torch_configure(int threads);

// A random generator of its own: at::Generator*, with the stream of torch.manual_seed(seed).
char* hnn_torch_generator(int64_t seed, void** generator);
void hnn_torch_generator_free(void* generator);
int64_t hnn_torch_generator_state_size(void);
char* hnn_torch_generator_state(void* generator, void* bytes);
char* hnn_torch_set_generator_state(void* generator, void* bytes);
char* hnn_torch_permutation(void* generator, int64_t n, int64_t* first, int64_t count);
char* hnn_torch_normal(void* generator, float* values, int64_t count);
// Initialises the layers of one module: all by torch.nn.Linear's default, and then each weight, of shape (out, in), by
// torch.nn.init.orthogonal_. A bias may be NULL.
char* hnn_torch_init_layers(void* generator, int64_t layers, const int64_t* in, const int64_t* out, float** weights, float** biases);

// Operators. Each sets *result to a new tensor.
// columns is 0 for a vector.
char* hnn_torch_from_floats(const float* values, int64_t rows, int64_t columns, void** result);
char* hnn_torch_from_integers(const int64_t* values, int64_t count, void** result);
char* hnn_torch_to_device(void* x, int cuda, int requires_gradient, void** result);
char* hnn_torch_linear(void* x, void* weight, void* bias, void** result);  // bias may be NULL
char* hnn_torch_matmul(void* a, void* b, void** result);
char* hnn_torch_add(void* a, void* b, void** result);
char* hnn_torch_sub(void* a, void* b, void** result);
char* hnn_torch_mul(void* a, void* b, void** result);
char* hnn_torch_scale(double a, void* x, void** result);
char* hnn_torch_shift(void* x, int64_t n, void** result);
char* hnn_torch_sum(void* x, void** result);
char* hnn_torch_mean(void* x, void** result);
char* hnn_torch_row_means(void* x, void** result);
char* hnn_torch_square(void* x, void** result);
char* hnn_torch_columns(void* x, int64_t first, int64_t count, void** result);
char* hnn_torch_rows(void* x, void* index, void** result);
char* hnn_torch_concat(void* a, void* b, void** result);
char* hnn_torch_activation(const char* name, void* x, void** result);

// Copies the elements of a tensor of floats to the processor's memory, by rows.
char* hnn_torch_values(void* x, float* values);

char* hnn_torch_gradient(void* output, void** inputs, size_t n, int create_graph, void** gradients);
char* hnn_torch_adam(void** parameters, void** gradients, void** mean, void** square, size_t n, int64_t step, double learning_rate,
               double weight_decay);

// The folder of the LibTorch in use, which the caller frees, and its version.
char* hnn_torch_folder(char** folder);
const char* hnn_torch_version(void);

// Loads LibTorch's CUDA library. All of the following need it.
char* hnn_torch_cuda_load(const char* path);
// Fills in the driver's version, 0 where there is none, the number of GPUs, and CUDA's error or 0.
char* hnn_torch_cuda_devices(int* driver, int* devices, int* failure);

// Makes a stream of its own this thread's, and goes back to the one that was left. Memory that is freed on a stream is given out again
// on this stream alone.
char* hnn_torch_stream_enter(int64_t* left);
char* hnn_torch_stream_leave(int64_t left);
char* hnn_torch_stream_wait(void);

// The work that is given to the GPU between begin and end is recorded in a CUDA graph and not done. replay does it.
char* hnn_torch_graph_begin(void);
char* hnn_torch_graph_end(void** graph);
char* hnn_torch_graph_replay(void* graph);
char* hnn_torch_graph_free(void* graph);

// A matrix of floats or of 64-bit integers in the processor's memory. The GPU copies from and to pinned memory by itself.
char* hnn_torch_buffer(int64_t rows, int64_t columns, int integers, int pinned, void** buffer);
// Copies elements without waiting, where one of the tensors is the GPU's and the other's memory is pinned.
char* hnn_torch_copy(void* to, void* from);

// hnn_torch_adam in one kernel, by the step number after the given one, a float on the GPU, which becomes that number.
char* hnn_torch_fused_adam(void** parameters, void** gradients, void** mean, void** square, size_t n, void* step, double learning_rate,
                     double weight_decay);
#ifdef __cplusplus
}
#endif
