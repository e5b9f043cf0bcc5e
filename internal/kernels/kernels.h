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

enum { HNN_IDENTITY, HNN_TANH, HNN_RELU, HNN_SIGMOID, HNN_SOFTPLUS, HNN_SELU, HNN_ELU, HNN_SWISH, HNN_SQUARE };

// The description of a layer is an array with these indices. HNN_FIRST is 1 for the first layer of a network.
enum { HNN_FIRST, HNN_INPUTS, HNN_OUTPUTS, HNN_BIAS, HNN_RESIDUAL, HNN_ACTIVATION, HNN_LAYER };

// The functions of a column, or of the difference of two columns, that a network reads.
enum { HNN_VALUE, HNN_SINE, HNN_COSINE, HNN_ONE };

// As the output of a scalar, this means that all outputs of the network are part of a mass matrix M. These parts add up to the lower triangle of M,
// by rows, and the scalar is ½ pᵀM⁻¹p.
enum { HNN_MASS = -1 };

// The description of a term is an array with these indices, followed by a network and an output for each scalar. Without scalars, the term
// is all outputs of HNN_NETWORK, added to the columns from HNN_OFFSET on. With scalars, HNN_NETWORK is the network of the friction, or −1.
enum { HNN_NETWORK, HNN_OFFSET, HNN_SCALARS, HNN_TERM };

// What a batch compares with dx: the field at x, or the mean derivative by a scheme.
enum { HNN_FIELD, HNN_RK4, HNN_MIDPOINT, HNN_MIRK4 };

// What hnn_field writes for a row: the field; the field, the power that terms of gradients dissipate and the power that terms of outputs supply;
// or the energy.
enum { HNN_SLOPE, HNN_BALANCE, HNN_ENERGY };

// energy is the index of the term whose scalars add up to the energy. dimension is that of a state, and columns the number of columns of a row: the state, and columns that are constant along a step.
typedef struct {
  int64_t instruction_set, doubles, threads, state, layers, terms, frame_size, frames, dimension, columns, energy;
} hnn_config;

// whole is the number of rows of the mean, of which the count rows may be a part.
typedef struct {
  int64_t count, whole, scheme, gradient;
  double noise_scale, step, scale;
} hnn_batch;

typedef struct {
  double value;
  const char* error;
} hnn_result;

// layers holds the descriptions of all layers of all networks. inputs holds, for each network, the number of its features, and for each feature
// a column, the column to subtract from it (−1 for none), and a function. A network without features reads the row. terms holds the descriptions
// of the terms, and matrices an n×n matrix for each. frames is NULL for a model of states.
const char* hnn_new(const hnn_config* config, const int64_t* layers, const int64_t* inputs, const int64_t* terms, const double* matrices,
                    const uint8_t* frames, hnn_model** model);
void hnn_free(hnn_model* model);

// bias is NULL if the layer has none.
void hnn_load(hnn_model* model, int kind, int network, int layer, const void* weight, const void* bias);
void hnn_store(hnn_model* model, int kind, int network, int layer, void* weight, void* bias);
void* hnn_vector(hnn_model* model, int kind, int64_t* count);
// Returns the length of the part of each vector that the first networks take.
int64_t hnn_size(hnn_model* model, int networks);
const char* hnn_updated(hnn_model* model);
const char* hnn_adam(hnn_model* model, int64_t step, double learning_rate, double weight_decay);

// Returns the mean loss, or the part of it of these rows. Computes its gradient if batch.gradient is 1. Writes the terms of the mean to errors if it is not NULL.
hnn_result hnn_loss(hnn_model* model, hnn_batch batch, const void* x, const void* dx, const void* steps, const int64_t* rows, const void* noise,
                    double* errors);

// Returns the loss of windows and writes their states to path. Computes the gradient if gradient is not NULL, which receives ∂L/∂starts.
hnn_result hnn_window_loss(hnn_model* model, int64_t count, int64_t steps, const void* starts, const void* constants, const void* lengths,
                           const void* observed, const void* weights, void* gradient, void* path);

const char* hnn_field(hnn_model* model, int what, const void* x, void* result, int64_t rows);

// Computes the outputs of a network.
const char* hnn_network(hnn_model* model, int network, const void* x, void* result, int64_t rows);

// Returns the name of supported instruction set i, best first, or NULL if i is past the last.
const char* hnn_instruction_set(int i);
#ifdef __cplusplus
}
#endif
