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

// The folder of the LibTorch in use, which the caller frees, and its version.
char* hnn_torch_folder(char** folder);
const char* hnn_torch_version(void);

// Loads LibTorch's CUDA library. All of the following need it.
char* hnn_cuda_load(const char* path);
// Fills in the driver's version, 0 where there is none, and the number of GPUs; the result is 0 or CUDA's error.
int hnn_cuda_devices(int* driver, int* devices);

// Makes a stream of its own this thread's, and goes back to the one that was left. Memory that is freed on a stream is given out again
// on this stream alone.
char* hnn_stream_enter(int64_t* left);
char* hnn_stream_leave(int64_t left);
char* hnn_stream_wait(void);

// What is asked of the GPU between begin and end is recorded, not done; replay does it.
char* hnn_record_begin(void);
char* hnn_record_end(void** recording);
char* hnn_replay(void* recording);
void hnn_recording_free(void* recording);

// A matrix of floats or of 64-bit integers in the processor's memory; pinned, the GPU can copy to and from it by itself.
char* hnn_staging(int64_t rows, int64_t columns, int integers, int pinned, void** staging);
// Copies elements without waiting, where one of the tensors is the GPU's and the other's memory is pinned.
char* hnn_copy(void* to, void* from);

// hnn_adam in one kernel, by the step number after the given one, a float on the GPU, which becomes that number.
char* hnn_fused_adam(void** parameters, void** gradients, void** mean, void** square, size_t n, void* step, double learning_rate,
                     double weight_decay);
#ifdef __cplusplus
}
#endif
