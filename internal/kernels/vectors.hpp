// Matrix products and elementwise functions, for the instruction set whose namespace includes this file. A matrix is stored by rows.

template <class T, int Bytes = VECTOR_BYTES>
struct Lanes {
  typedef T type __attribute__((vector_size(Bytes), aligned(sizeof(T)), may_alias));
  static constexpr long count = Bytes / sizeof(T);
};
template <class T, int Bytes = VECTOR_BYTES>
using Vector = typename Lanes<T, Bytes>::type;

template <class T, int Bytes = VECTOR_BYTES>
Vector<T, Bytes>& at(T* p) {
  return *reinterpret_cast<Vector<T, Bytes>*>(p);
}
template <class T, int Bytes = VECTOR_BYTES>
const Vector<T, Bytes>& at(const T* p) {
  return *reinterpret_cast<const Vector<T, Bytes>*>(p);
}

// A tile of R rows and C vectors of a product, held in registers.
template <class T, int R, int C, int Bytes>
inline __attribute__((always_inline)) void tile(long depth, const T* a, long a_row, long a_column, const T* b, long b_row, T* c, long c_row,
                                                bool add) {
  constexpr long lanes = Lanes<T, Bytes>::count;
  typedef Vector<T, Bytes> V;
  V sum[R][C];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) sum[i][j] = add ? at<T, Bytes>(c + i * c_row + j * lanes) : V{};
  for (long k = 0; k < depth; k++) {
    V right[C];
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) right[j] = at<T, Bytes>(b + k * b_row + j * lanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      const T left = a[i * a_row + k * a_column];
#pragma GCC unroll 8
      for (int j = 0; j < C; j++) sum[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) at<T, Bytes>(c + i * c_row + j * lanes) = sum[i][j];
}

template <class T, int C, int Bytes = VECTOR_BYTES>
void column_of_tiles(long rows, long depth, const T* a, long a_row, long a_column, const T* b, long b_row, T* c, long c_row, bool add) {
  long i = 0;
  for (; i + TILE_ROWS <= rows; i += TILE_ROWS) tile<T, TILE_ROWS, C, Bytes>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, add);
  for (; i + 2 <= rows; i += 2) tile<T, 2, C, Bytes>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, add);
  for (; i < rows; i++) tile<T, 1, C, Bytes>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, add);
}

// C = A·B, or C += A·B: C has the given rows and columns, the latter a multiple of 8. Element (i, k) of A lies at
// a[i·a_row + k·a_column], so that A may be the transpose of what is stored.
template <class T>
void multiply(long rows, long columns, long depth, const T* a, long a_row, long a_column, const T* b, long b_row, T* c, long c_row, bool add) {
  constexpr long lanes = Lanes<T>::count, block = 256;  // a block of B's rows stays in the second cache
  for (long k = 0; k < depth; k += block, add = true) {
    const long part = std::min(block, depth - k);
    const T *left = a + k * a_column, *right = b + k * b_row;
    long j = 0;
    for (; j + 3 * lanes <= columns; j += 3 * lanes)
      column_of_tiles<T, 3>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, add);
    for (; j + lanes <= columns; j += lanes) column_of_tiles<T, 1>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, add);
    if constexpr (lanes > 8)
      if (j < columns) column_of_tiles<T, 1, VECTOR_BYTES / 2>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, add);
  }
}

// Calls f with the place of each vector of a row-major block of numbers.
template <class T, class F>
inline __attribute__((always_inline)) void each(long count, F f) {
  for (long i = 0; i < count; i += Lanes<T>::count) f(i);
}

// As each, with the place in the row too.
template <class T, class F>
inline __attribute__((always_inline)) void each_row(long rows, long columns, F f) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < columns; c += Lanes<T>::count) f(r * columns + c, c);
}

// tanh |x| = e/(e + 2) with e = e^(2|x|) − 1 = 2ⁿ·(2^f − 1) + (2ⁿ − 1), |f| ≤ 1/2, and 2^f − 1 = f·P(f) by a minimax fit. The result's
// error is 1e-7, and where it is small, 2.4e-7 of it.
inline Vector<float> tanh(Vector<float> x) {
  typedef int Integers __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
  const Integers sign = Integers(x) & int(0x80000000);
  const Vector<float> most = Vector<float>{} + 9.0f, rounding = Vector<float>{} + 12582912.0f;  // 3·2²², which leaves no room for a fraction
  Vector<float> a = Vector<float>(Integers(x) ^ sign);
  a = a > most ? most : a;
  const Vector<float> exponent = a * 2.8853900817779268f, rounded = exponent + rounding, f = exponent - (rounded - rounding);
  Vector<float> p = 0.00015403512608916343f * f + 0.001339073547832103f;
  p = p * f + 0.00961823749419782f;
  p = p * f + 0.05550357433634182f;
  p = p * f + 0.24022649794963677f;
  p = p * f + 0.6931471879266939f;
  const Vector<float> two_to_n = Vector<float>((Integers(rounded) << 23) + 0x3f800000);  // by its bits
  const Vector<float> e = two_to_n * f * p + (two_to_n - 1.0f);
  return Vector<float>(Integers(e / (e + 2.0f)) | sign);
}

inline Vector<double> tanh(Vector<double> x) {
  for (long i = 0; i < Lanes<double>::count; i++) x[i] = std::tanh(x[i]);
  return x;
}

inline Vector<float> square_root(Vector<float> x) { return SQUARE_ROOTS_FLOAT(x); }
inline Vector<double> square_root(Vector<double> x) { return SQUARE_ROOTS_DOUBLE(x); }

// An activation, and its first and second derivative as functions of its value h.
template <class T>
struct Tanh {
  typedef Vector<T> V;
  static V value(V x) { return tanh(x); }
  static V slope(V h) { return T(1) - h * h; }
  static V curvature(V h) { return T(-2) * h * (T(1) - h * h); }
};

template <class T>
struct Sigmoid {
  typedef Vector<T> V;
  static V value(V x) { return T(0.5) + T(0.5) * tanh(V(T(0.5) * x)); }
  static V slope(V h) { return h * (T(1) - h); }
  static V curvature(V h) { return h * (T(1) - h) * (T(1) - T(2) * h); }
};

template <class T>
struct Relu {
  typedef Vector<T> V;
  static V value(V x) { return x > V{} ? x : V{}; }
  static V slope(V h) { return h > V{} ? V{} + T(1) : V{}; }
  static V curvature(V) { return V{}; }
};

// The coefficients of one step of Adam (Kingma and Ba, 2015; betas .9 and .999, eps 1e-8), with L2 weight decay.
template <class T>
struct Adam {
  T decay, rate, root;
  Adam(long step, double learning_rate, double weight_decay)
      : decay(weight_decay), rate(learning_rate / (1 - std::pow(0.9, step))), root(1 / std::sqrt(1 - std::pow(0.999, step))) {}

  void operator()(long count, T* value, const T* gradient, T* mean, T* square) const {
    each<T>(count, [&](long i) {
      const Vector<T> g = at(gradient + i) + decay * at(value + i);
      const Vector<T> m = at(mean + i) + T(0.1) * (g - at(mean + i));
      const Vector<T> s = T(0.999) * at(square + i) + T(0.001) * g * g;
      at(mean + i) = m, at(square + i) = s;
      at(value + i) -= rate * m / (square_root(s) * root + T(1e-8));
    });
  }
};

// A linear layer, stored by inputs: row i of value holds what input i gives each output, and one more row the bias. The columns
// are filled up with zeros to a multiple of 16. The same numbers by outputs are in transposed.
template <class T>
struct Layer {
  long in = 0, out = 0;
  bool bias = false;
  long row = 0, transposed_row = 0;  // lengths
  std::vector<long> input, output;   // where the inputs and outputs of PyTorch's order stand, the bias after the inputs
  Buffer<T> kept[4];                 // HNN_VALUE and so on
  Buffer<T> transposed;

  void make(long inputs, long outputs, bool with_bias) {
    in = inputs, out = outputs, bias = with_bias;
    row = padded(out + 1), transposed_row = padded(in + 1);  // with a place for the 1 by which the next layer has its bias
    for (auto& k : kept) k.resize((in + 1) * row);
    transposed.resize(out * transposed_row);
    for (long i = 0; i <= in; i++) input.push_back(i);
    for (long o = 0; o < out; o++) output.push_back(o);
  }

  T* value(long i = 0) { return kept[HNN_VALUE] + i * row; }
  T* gradient(long i = 0) { return kept[HNN_GRADIENT] + i * row; }
  long rows() const { return in + bias; }

  void load(int what, const T* weight, const T* biases) {
    for (long o = 0; o < out; o++) {
      for (long i = 0; i < in; i++) kept[what][input[i] * row + output[o]] = weight[o * in + i];
      if (bias) kept[what][input[in] * row + output[o]] = biases[o];
    }
    if (what == HNN_VALUE) transpose(0, rows(), 0, out);
  }

  void store(int what, T* weight, T* biases) const {
    for (long o = 0; o < out; o++) {
      for (long i = 0; i < in; i++) weight[o * in + i] = kept[what][input[i] * row + output[o]];
      if (bias) biases[o] = kept[what][input[in] * row + output[o]];
    }
  }

  // Brings a part of the transposed copy, which holds no bias, up to date with a part of the values.
  void transpose(long first, long last, long column, long end) {
    constexpr long block = 16;
    end = std::min(end, out);
    for (long i = first; i < last; i += block)
      for (long o = column; o < end; o++)
        for (long k = i; k < std::min(i + block, last); k++)
          if (!bias || k != input[in]) transposed[o * transposed_row + k] = kept[HNN_VALUE][k * row + o];
  }

  // Makes Adam's step for some rows and columns.
  void update(const Adam<T>& adam, long first, long last, long column, long end) {
    for (long i = first; i < last; i++) {
      const long k = i * row + column;
      adam(end - column, kept[HNN_VALUE] + k, kept[HNN_GRADIENT] + k, kept[HNN_MEAN] + k, kept[HNN_SQUARE] + k);
    }
  }
};
