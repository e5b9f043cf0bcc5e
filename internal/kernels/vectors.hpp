// Matrix products and elementary functions for one instruction set. Each namespace of an instruction set includes this file. Matrices are
// row-major.

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

// A tile of R rows and C vectors of a product. Registers accumulate the sum. The matrix plus is added at the end.
template <class T, int R, int C, int Bytes>
inline __attribute__((always_inline)) void tile(long depth, const T* a, long a_row, long a_column, const T* b, long b_row, T* c, long c_row,
                                                const T* plus, long plus_row) {
  constexpr long lanes = Lanes<T, Bytes>::count;
  typedef Vector<T, Bytes> V;
  V sum[R][C];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 16
    for (int j = 0; j < C; j++) sum[i][j] = V{};
  for (long k = 0; k < depth; k++) {
    V right[C];
#pragma GCC unroll 16
    for (int j = 0; j < C; j++) right[j] = at<T, Bytes>(b + k * b_row + j * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const T left = a[i * a_row + k * a_column];
#pragma GCC unroll 16
      for (int j = 0; j < C; j++) sum[i][j] += left * right[j];
    }
  }
  if (plus)
#pragma GCC unroll 16
    for (int i = 0; i < R; i++)
#pragma GCC unroll 16
      for (int j = 0; j < C; j++) sum[i][j] += at<T, Bytes>(plus + i * plus_row + j * lanes);
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 16
    for (int j = 0; j < C; j++) at<T, Bytes>(c + i * c_row + j * lanes) = sum[i][j];
}

template <class T, int C, int Bytes = VECTOR_BYTES>
void column_of_tiles(long rows, long depth, const T* a, long a_row, long a_column, const T* b, long b_row, T* c, long c_row, const T* plus,
                     long plus_row) {
  constexpr int R = C == 1 ? 2 * TILE_ROWS : C == 3 ? TILE_ROWS : 1;  // enough independent sums to hide the latency
  long i = 0;
  for (; i + R <= rows; i += R)
    tile<T, R, C, Bytes>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, plus ? plus + i * plus_row : plus, plus_row);
  for (; i + 2 <= rows; i += 2)
    tile<T, 2, C, Bytes>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, plus ? plus + i * plus_row : plus, plus_row);
  for (; i < rows; i++)
    tile<T, 1, C, Bytes>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, plus ? plus + i * plus_row : plus, plus_row);
}

// Computes C = A·B, or C = A·B + P if plus is not null. C has the given rows and columns. columns is a multiple of 8 or of the vector
// length. Element (i, k) of A is a[i·a_row + k·a_column], so A can be a transposed matrix. b_row or plus_row is 0 if all rows are equal.
// The sum over k runs in blocks of at most `block` terms.
template <class T>
void multiply(long rows, long columns, long depth, const T* a, long a_row, long a_column, const T* b, long b_row, T* c, long c_row,
              const T* plus = nullptr, long plus_row = 0, long block = 104) {
  constexpr long lanes = Lanes<T>::count;
  const long blocks = std::max(1l, (depth + block - 1) / block);
  block = (depth + blocks - 1) / blocks;
  for (long n = 0; n < blocks; n++, plus = c, plus_row = c_row) {
    const long k = n * block, part = std::min(block, depth - k);
    const T *left = a + k * a_column, *right = b + k * b_row;
    long j = 0;
    for (; rows == 1 && j + 5 * lanes <= columns; j += 5 * lanes)
      column_of_tiles<T, 5>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, plus ? plus + j : plus, plus_row);
    for (; j + 3 * lanes <= columns; j += 3 * lanes)
      column_of_tiles<T, 3>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, plus ? plus + j : plus, plus_row);
    for (; j + lanes <= columns; j += lanes)
      column_of_tiles<T, 1>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, plus ? plus + j : plus, plus_row);
    if constexpr (lanes > 8)
      if (j < columns)
        column_of_tiles<T, 1, VECTOR_BYTES / 2>(rows, part, left, a_row, a_column, right + j, b_row, c + j, c_row, plus ? plus + j : plus, plus_row);
  }
}

// Calls f with the offset of each vector in an array.
template <class T, class F>
inline __attribute__((always_inline)) void each(long count, F f) {
  for (long i = 0; i < count; i += Lanes<T>::count) f(i);
}

// Calls f with the offset of each vector in a matrix, and its offset in a second matrix with the given stride.
template <class T, class F>
inline __attribute__((always_inline)) void each_row(long rows, long columns, long stride, F f) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < columns; c += Lanes<T>::count) f(r * columns + c, r * stride + c);
}

typedef int Integers __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

// eˣ = scale·(1 + rest) for |x| ≤ 87. x = n·ln 2 + r, where ln 2 is split into two parts. scale = 2ⁿ. A polynomial with a
// relative error of 2⁻³¹ gives rest = eʳ − 1. Its pairs of terms do not wait for one another (Estrin's scheme).
struct Exponential {
  Vector<float> scale, rest;
  explicit Exponential(Vector<float> x) {
    const Vector<float> rounding = Vector<float>{} + 12582912.0f;  // 3·2²²; adding it rounds x to an integer
    const Vector<float> rounded = x * 1.44269504088896341f + rounding, n = rounded - rounding;
    const Vector<float> r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    const Vector<float> s = r * r, low = 1.6666665673e-1f * r + 0.5f, middle = 8.3335433155e-3f * r + 4.1666492820e-2f,
                        high = 1.9764245371e-4f * r + 1.3932342408e-3f;
    rest = (high * (s * s) + (middle * s + low)) * s + r;
    scale = Vector<float>((Integers(rounded) << 23) + 0x3f800000);  // sets the exponent bits
  }
  Vector<float> minus_one() const { return scale * rest + (scale - 1.0f); }
};

inline Vector<float> at_most(Vector<float> x, float most) { return x > Vector<float>{} + most ? Vector<float>{} + most : x; }
inline Vector<float> at_least(Vector<float> x, float least) { return x < Vector<float>{} + least ? Vector<float>{} + least : x; }

inline Vector<float> exponential(Vector<float> x) {
  const Exponential e(at_most(at_least(x, -87.0f), 87.0f));
  return e.scale + e.scale * e.rest;
}

// eˣ − 1 for x ≤ 0. The result for x > 0 is unspecified.
inline Vector<float> exponential_minus_one(Vector<float> x) { return Exponential(at_most(at_least(x, -87.0f), 0.0f)).minus_one(); }

// log(1 + x) for 0 ≤ x ≤ 1. It is 2·artanh(s) with s = x/(2 + x), and a polynomial in s² approximates it.
inline Vector<float> log_one_plus(Vector<float> x) {
  const Vector<float> s = x / (x + 2.0f), t = s * s;
  Vector<float> p = 0.116121646f * t + 0.108532879f;
  p = p * t + 0.14296179f;
  p = p * t + 0.199998532f;
  p = p * t + 0.333333337f;
  return 2.0f * s + 2.0f * s * t * p;
}

// tanh |x| = y/(y + 2) with y = e^(2|x|) − 1, which is accurate near zero. The error is unbiased, since a bias would accumulate in a sum
// over many rows.
inline Vector<float> tanh(Vector<float> x) {
  const Integers sign = Integers(x) & int(0x80000000);
  const Vector<float> a = at_most(Vector<float>(Integers(x) ^ sign), 10.0f), y = Exponential(a + a).minus_one();
  return Vector<float>(Integers(y / (y + 2.0f)) | sign);
}

template <class F>
inline Vector<double> by_lanes(Vector<double> x, F f) {
  for (long i = 0; i < Lanes<double>::count; i++) x[i] = f(x[i]);
  return x;
}
inline Vector<double> exponential(Vector<double> x) {
  return by_lanes(x, [](double v) { return std::exp(v); });
}
inline Vector<double> exponential_minus_one(Vector<double> x) {
  return by_lanes(x, [](double v) { return std::expm1(v); });
}
inline Vector<double> log_one_plus(Vector<double> x) {
  return by_lanes(x, [](double v) { return std::log1p(v); });
}
inline Vector<double> tanh(Vector<double> x) {
  return by_lanes(x, [](double v) { return std::tanh(v); });
}

inline Vector<float> square_root(Vector<float> x) { return SQUARE_ROOTS_FLOAT(x); }
inline Vector<double> square_root(Vector<double> x) { return SQUARE_ROOTS_DOUBLE(x); }
