// The C side of package kernels. A model's numbers are float, or double where doubles is 1; void pointers are arrays of these.
#pragma once
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct hnn_model hnn_model;

// What is kept for each parameter.
enum { HNN_VALUE, HNN_MEAN, HNN_SQUARE, HNN_GRADIENT };

enum { HNN_TANH, HNN_SIGMOID, HNN_RELU };

// A network of n inputs and two hidden layers: linear1, linear2, linear3. With the scalar 0 or 1, its field is the gradient of that
// output times the n×n matrix; with −1, it is the network's output.
typedef struct {
  int64_t n, hidden, activation, scalar;
  double matrix[64 * 64];
} hnn_dynamics;

// The largest n that a matrix has room for.
enum { HNN_MOST_INPUTS = 64 };

// NULL where memory does not suffice.
hnn_model* hnn_new_dynamics(int doubles, int threads, const hnn_dynamics* dynamics);
hnn_model* hnn_new_pixels(int doubles, int threads, const hnn_dynamics* latent, int64_t frame_size, int64_t frames, const uint8_t* bytes);
void hnn_free(hnn_model* model);

// A layer's weight of shape (out, in) and its bias, or one of Adam's moments of them, or their gradient. bias may be NULL.
void hnn_load(hnn_model* model, int what, int layer, const void* weight, const void* bias);
void hnn_store(hnn_model* model, int what, int layer, void* weight, void* bias);

// The mean loss of the given rows, of x and dx or of the frames; with gradient, also its gradient; with a step number of 1 or more,
// also that step of Adam. noise is NULL or of the shape of the rows' field.
double hnn_pass(hnn_model* model, const void* x, const void* dx, const int64_t* rows, int64_t count, const void* noise, double noise_scale,
                int gradient, int64_t step, double learning_rate, double weight_decay);

// The field at count states.
void hnn_field(hnn_model* model, const void* x, int64_t count, void* field);

// The instruction set in use: "AVX-512", "AVX2" or "portable".
const char* hnn_instruction_set(void);
#ifdef __cplusplus
}
#endif
