// The C side of package kernels. A model's numbers are float, or double where doubles is 1; void pointers are arrays of these. Functions
// that can fail return what went wrong, or NULL.
#pragma once
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct hnn_model hnn_model;

// What is kept for each parameter.
enum { HNN_VALUES, HNN_GRADIENT, HNN_STATE };

enum { HNN_IDENTITY, HNN_TANH, HNN_RELU, HNN_SIGMOID, HNN_SOFTPLUS, HNN_SELU, HNN_ELU, HNN_SWISH };

// The numbers that describe a layer; HNN_FIRST is 1 for the first of a network.
enum { HNN_FIRST, HNN_INPUTS, HNN_OUTPUTS, HNN_BIAS, HNN_RESIDUAL, HNN_ACTIVATION, HNN_LAYER };

typedef struct {
  int64_t instruction_set, doubles, threads, state, layers, terms, frame_size, frames;
} hnn_config;

typedef struct {
  double value;
  const char* error;
} hnn_result;

// The networks' layers, all in a row; the terms' networks and outputs (−1 for all) in turn, and their matrices; and the frames of a
// model of images.
const char* hnn_new(const hnn_config* config, const int64_t* layers, const int64_t* terms, const double* matrices, const uint8_t* frames,
                    hnn_model** model);
void hnn_free(hnn_model* model);

// bias is NULL where there is none.
void hnn_load(hnn_model* model, int what, int network, int layer, const void* weight, const void* bias);
void hnn_store(hnn_model* model, int what, int network, int layer, void* weight, void* bias);
void* hnn_vector(hnn_model* model, int what, int64_t* count);
const char* hnn_updated(hnn_model* model);
const char* hnn_adam(hnn_model* model, int64_t step, double learning_rate, double weight_decay);

// The mean loss; with gradient, also its gradient; and each error where errors is not NULL.
hnn_result hnn_loss(hnn_model* model, const void* x, const void* dx, const int64_t* rows, int64_t count, const void* noise, double noise_scale,
                    double step, double scale, int gradient, double* errors);

const char* hnn_field(hnn_model* model, const void* x, void* dxdt, int64_t rows);

// A network's outputs, or, with an output's number and not −1, its gradient.
const char* hnn_network(hnn_model* model, int network, int output, const void* x, void* result, int64_t rows);

// The names of the instruction sets that the processor has, best first; NULL behind the last.
const char* hnn_instruction_set(int i);
#ifdef __cplusplus
}
#endif
