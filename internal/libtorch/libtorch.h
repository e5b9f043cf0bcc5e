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
enum { hnn_torch_generator_state_size = 5056 };  // of at::CPUGeneratorImpl::get_state: the legacy state of torch.get_rng_state
char* hnn_torch_generator_state(void* generator, void* bytes);
char* hnn_torch_set_generator_state(void* generator, void* bytes);
char* hnn_torch_permutation(void* generator, int64_t n, int64_t* first, int64_t count);
char* hnn_torch_sample(void* generator, int64_t n, int64_t* values, int64_t count);
char* hnn_torch_normal(void* generator, float* values, int64_t count);
// Initialises a layer by torch.nn.Linear's default or, if orthogonal is set, its weight, of shape (out, in), by torch.nn.init.orthogonal_.
// The bias may be NULL.
char* hnn_torch_init_layer(void* generator, int orthogonal, int64_t in, int64_t out, float* weight, float* bias);

// Sets *result to a new tensor of floats or of 64-bit integers. Without values, it is unset and in the processor's memory. cuda then pins the
// memory, so that the GPU copies from and to it by itself.
char* hnn_torch_tensor(const void* values, const int64_t* shape, size_t dimensions, int integers, int cuda, int requires_gradient,
                       void** result);
// Sets *result to a named operator's tensor. Operands and numbers are as many as it needs. The bias, linear's third operand, may be NULL.
char* hnn_torch_operator(const char* name, size_t length, void** operands, const double* numbers, void** result);
char* hnn_torch_gradient(void* output, void** inputs, size_t n, int create_graph, void** gradients);
// lists holds n parameters, their n gradients, and the running means of the gradients and of their squares. If steps is not NULL, one
// kernel makes the step after that number, a float on the GPU, and increments it.
char* hnn_torch_adam(void** lists, size_t n, int64_t step, void* steps, double learning_rate, double weight_decay);

// The folder of the LibTorch in use, which the caller frees, and its version.
char* hnn_torch_folder(char** folder);
const char* hnn_torch_version(void);

// The version of the CUDA run time that LibTorch's processor library brings with it, such as 13000 for 13.0, or 0 where it brings none.
int hnn_torch_cuda_runtime(void);

// What CUDA says of this machine.
struct hnn_torch_cuda {
  int driver, runtime;  // the versions of CUDA that the driver serves, 0 where there is none, and that the library needs
  int devices, failure;  // the number of GPUs, and CUDA's error when it counted them, or 0
  int major, minor;      // the architecture of the GPU that was asked for, if there is one
};

// Loads LibTorch's CUDA library, which all of the following need, and chooses a GPU for this process.
char* hnn_torch_cuda_load(const char* path, int device, struct hnn_torch_cuda* found);

// Computes a number on the GPU, which fails if the library has no code for it.
char* hnn_torch_cuda_try(void);

// Sets *stream to a new stream of the GPU.
char* hnn_torch_stream_new(int64_t* stream);
// Waits for this thread's stream and goes to *stream, which becomes the one that was left. Memory that is freed on a stream is given out
// again on this stream alone.
char* hnn_torch_stream_exchange(int64_t* stream);
char* hnn_torch_stream_wait(void);

// The work that is given to the GPU between begin and end is recorded in a CUDA graph and not done. The graph has memory of its own, or shares
// that of the graph first, which may be NULL, must live as long, and must be recorded and replayed on the same stream. replay does the work.
// After an error of end, the graph must not be freed.
char* hnn_torch_graph_begin(void* first, void** graph);
char* hnn_torch_graph_end(void* graph, size_t* nodes);
char* hnn_torch_graph_replay(void* graph);
void hnn_torch_graph_free(void* graph);

// Copies elements without waiting, where one of the tensors is the GPU's and the other's memory is pinned.
char* hnn_torch_copy(void* to, void* from);
#ifdef __cplusplus
}
#endif
