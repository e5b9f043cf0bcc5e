// The C interface of package kernels. A model stores floats, or doubles if doubles is 1. Void pointers point to arrays of this type.
// Functions that can fail return an error message, or NULL on success.
#pragma once
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct hnn_model hnn_model;

// The vectors that a model stores. HNN_STATE is the first vector of the optimizer state.
enum { HNN_VALUES, HNN_GRADIENT, HNN_STATE };

enum { HNN_IDENTITY, HNN_TANH, HNN_RELU, HNN_SIGMOID, HNN_SOFTPLUS, HNN_SELU, HNN_ELU, HNN_SWISH };

// The description of a layer is an array with these indices. HNN_FIRST is 1 for the first layer of a network.
enum { HNN_FIRST, HNN_INPUTS, HNN_OUTPUTS, HNN_BIAS, HNN_RESIDUAL, HNN_ACTIVATION, HNN_LAYER };

typedef struct {
  int64_t instruction_set, doubles, threads, state, layers, terms, frame_size, frames;
} hnn_config;

typedef struct {
  double value;
  const char* error;
} hnn_result;

// layers holds the descriptions of all layers of all networks. terms holds a network and an output (−1 for all outputs) per term, and
// matrices an n×n matrix per term. frames is NULL for a model of states.
const char* hnn_new(const hnn_config* config, const int64_t* layers, const int64_t* terms, const double* matrices, const uint8_t* frames,
                    hnn_model** model);
void hnn_free(hnn_model* model);

// bias is NULL if the layer has none.
void hnn_load(hnn_model* model, int kind, int network, int layer, const void* weight, const void* bias);
void hnn_store(hnn_model* model, int kind, int network, int layer, void* weight, void* bias);
void* hnn_vector(hnn_model* model, int kind, int64_t* count);
const char* hnn_updated(hnn_model* model);
const char* hnn_adam(hnn_model* model, int64_t step, double learning_rate, double weight_decay);

// Returns the mean loss. Computes its gradient if gradient is 1. Writes the terms of the mean to errors if it is not NULL.
hnn_result hnn_loss(hnn_model* model, const void* x, const void* dx, const int64_t* rows, int64_t count, const void* noise, double noise_scale,
                    double step, double scale, int gradient, double* errors);

const char* hnn_field(hnn_model* model, const void* x, void* dxdt, int64_t rows);

// Computes the outputs of a network if output is −1, else the gradient of this output.
const char* hnn_network(hnn_model* model, int network, int output, const void* x, void* result, int64_t rows);

// Returns the name of supported instruction set i, best first, or NULL if i is past the last.
const char* hnn_instruction_set(int i);
#ifdef __cplusplus
}
#endif
