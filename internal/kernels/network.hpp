// Layers and what passes through them, in closed form.

// A part of memory: rows from `row` on where a matrix keeps all rows, from `local` on where it keeps those of a block in work alone.
struct Place {
  long row, local;
};

// A matrix with a row for each row of the batch, or for each of the blocks in work.
template <class T>
struct Rows {
  long stride;
  bool local;
  Buffer<T> numbers;
  T* operator()(Place p) const { return numbers + (local ? p.local : p.row) * stride; }
};

// The matrices that one batch needs.
template <class T>
class Arena {
  std::deque<Rows<T>> all;

 public:
  Rows<T>* make(long stride, bool local) {
    all.push_back({stride, local, {}});
    return &all.back();
  }
  void reserve(long rows, long local) {
    for (auto& r : all) r.numbers.resize((r.local ? local : rows) * r.stride);
  }
};

// How many columns of a row a product fills.
inline long filled(long n) { return (n + 7) / 8 * 8; }

// A layer a = W h_before + b, h = σ(a), or h_before + σ(a) if residual. W is stored by inputs: row i of values holds what input i gives
// each output, and one more row the bias. The columns are filled up with zeros. transposed holds W by outputs. A row of h ends with a
// 1, by which the bias is a row of the next layer.
//
// For a function F of the network's outputs, g = ∂F/∂h and c = ∂F/∂a. For a direction v in the inputs, ȧ and ḣ are the derivatives of
// a and h along v, and S = ∇F·v that of F; e = ∂S/∂h and d = ∂S/∂a.
template <class T>
struct Layer {
  long in, out;
  bool bias, residual, linear;
  const Activation<T>& sigma;
  long stride, transposed_stride;
  std::vector<long> input, output;  // where the inputs and outputs of the caller's order stand, the bias after the inputs
  long used;                        // the inputs that are not zero in all of the batches, and the bias
  long columns;                     // of transposed that a product fills
  bool transposes = true;
  long offset = 0;  // of the layer in a vector of all layers
  T *values = nullptr, *gradient = nullptr;
  Buffer<T> transposed;

  explicit Layer(const int64_t* d)
      : in(d[HNN_INPUTS]), out(d[HNN_OUTPUTS]), bias(d[HNN_BIAS]), residual(d[HNN_RESIDUAL]), linear(d[HNN_ACTIVATION] == HNN_IDENTITY),
        sigma(activation<T>(d[HNN_ACTIVATION])), stride(padded(out + 1)), transposed_stride(padded(in + 1)), used(in + bias), columns(filled(in)) {
    transposed.resize(out * transposed_stride);
    for (long i = 0; i <= in; i++) input.push_back(i);
    for (long o = 0; o < out; o++) output.push_back(o);
  }

  long rows() const { return in + bias; }
  // Whether a and h (ȧ and ḣ, g and c, e and d) differ, so that each has its memory.
  bool keeps_z() const { return !linear && (residual || sigma.of_input); }

  void forward(long rows, const T* before, long before_stride, long depth, T* z, T* h) const {
    multiply<T>(rows, filled(out), depth, before, before_stride, 1, values, stride, z, stride);
    if (!linear || residual) sigma.value(rows * stride, z, residual ? before : nullptr, h);
    for (long r = 0; r < rows; r++) h[r * stride + out] = 1;
  }

  // g_before is null where nobody asks for it.
  void adjoint(long rows, const T* g, long g_stride, const T* z, T* c, T* g_before) const {
    if (c != g) sigma.adjoint(rows, stride, g, g_stride, z, c);
    if (g_before)
      multiply<T>(rows, columns, out, c, stride, 1, transposed, transposed_stride, g_before, transposed_stride, residual ? g : nullptr, g_stride);
  }

  void tangent(long rows, const T* before, const T* z, T* a_dot, T* h_dot) const {
    multiply<T>(rows, filled(out), in, before, transposed_stride, 1, values, stride, a_dot, stride);
    if (!linear || residual) sigma.tangent(rows * stride, z, a_dot, residual ? before : nullptr, h_dot);
  }

  // e is null where it is zero, e_before where nobody asks for it.
  void second_adjoint(long rows, const T* e, const T* g, long g_stride, const T* z, const T* a_dot, T* d, T* e_before) const {
    if (d != e) sigma.second_adjoint(rows, stride, e, g, g_stride, z, a_dot, d);
    if (e_before)
      multiply<T>(rows, columns, out, d, stride, 1, transposed, transposed_stride, e_before, transposed_stride, residual ? e : nullptr, stride);
  }

  // A chunk of the weights' gradient: the sum over rows of leftᵀ·right, where add says that other sums were before. The stride of
  // right's rows is 0 where all are the same.
  void sum_gradient(Chunk chunk, long rows, const T* left, long left_stride, const T* right, long right_stride, bool add) const {
    const long depth = used < 32 ? 32 : 96;  // of blocks of a long sum, so that its rounding stays small
    Chunk::Range i{0, used}, k{0, filled(out)};
    if (used >= 32) i = chunk.of(used, TILE_ROWS);
    else k = chunk.of(filled(out), 3 * Lanes<T>::count);
    T* to = gradient + i.first * stride + k.first;
    multiply<T>(i.last - i.first, k.last - k.first, rows, left + i.first, 1, left_stride, right + k.first, right_stride, to, stride,
                add ? to : nullptr, stride, depth);
  }

  void load(T* kept, const T* weight, const T* biases) const {
    for (long o = 0; o < out; o++) {
      for (long i = 0; i < in; i++) kept[offset + input[i] * stride + output[o]] = weight[o * in + i];
      if (bias) kept[offset + input[in] * stride + output[o]] = biases[o];
    }
  }

  void store(const T* kept, T* weight, T* biases) const {
    for (long o = 0; o < out; o++) {
      for (long i = 0; i < in; i++) weight[o * in + i] = kept[offset + input[i] * stride + output[o]];
      if (bias) biases[o] = kept[offset + input[in] * stride + output[o]];
    }
  }

  // Brings the transposed copy, which holds no bias, up to date with some rows.
  void transpose(long first, long last) {
    constexpr long block = 16;
    if (transposes)
      for (long i = first; i < last; i += block)
        for (long o = 0; o < out; o++)
          for (long k = i; k < std::min(i + block, last); k++)
            if (!bias || k != input[in]) transposed[o * transposed_stride + k] = values[k * stride + o];
  }
};

template <class T>
using Network = std::vector<Layer<T>>;

// A network's h and z.
template <class T>
struct ForwardPass {
  const Network<T>& layers;
  std::vector<Rows<T>*> h, z;

  // From the inputs' rows on. h is kept for all rows up to a level.
  ForwardPass(const Network<T>& network, Arena<T>& arena, Rows<T>* inputs, long kept) : layers(network), h{inputs}, z{nullptr} {
    for (const auto& layer : layers) {
      h.push_back(arena.make(layer.stride, long(h.size()) > kept));
      z.push_back(layer.keeps_z() ? arena.make(layer.stride, true) : h.back());
    }
  }

  long size() const { return layers.size(); }
  const Layer<T>& layer(long l) const { return layers[l - 1]; }
  Rows<T>* outputs() const { return h.back(); }

  // With the inputs that batches use, or with all.
  void run(Place p, long rows, bool all = false) const {
    for (long l = 1; l <= size(); l++)
      layer(l).forward(rows, (*h[l - 1])(p), h[l - 1]->stride, all ? layer(l).rows() : layer(l).used, (*z[l])(p), (*h[l])(p));
  }
};

// A part of the field, or a network that has a part in a loss: what goes back through it.
template <class T>
struct Term {
  const ForwardPass<T>& pass;
  bool opens = true;  // whether its sums for the network's gradient are the first

  explicit Term(const ForwardPass<T>& p) : pass(p) {}
  virtual ~Term() = default;
  // Adds to the field, or sets it.
  virtual void forward(Place p, long rows, T* field, bool add) = 0;
  // From r = ∂L/∂field; returns ∂L/∂x or, where that is zero or not wanted, null.
  virtual const T* backward(Place p, long rows, const T* r, bool wanted) = 0;
  // A chunk of the weights' gradient of a batch of rows.
  virtual void weights(Chunk chunk, long rows, bool first) = 0;
};

// A network's outputs. Their derivatives g stand in the rows that seed names.
template <class T>
struct Outputs : Term<T> {
  using Term<T>::pass;
  using Term<T>::opens;
  std::vector<Rows<T>*> g, c;

  Outputs(const ForwardPass<T>& p, Arena<T>& arena, Rows<T>* seed) : Term<T>(p) {
    g.resize(p.size() + 1), c.resize(p.size() + 1);
    for (long l = p.size(); l >= 0; l--) {
      g[l] = l == p.size() ? seed : arena.make(p.h[l]->stride, !(l > 0 && p.layer(l).linear));
      if (l > 0) c[l] = p.layer(l).linear ? g[l] : arena.make(p.layer(l).stride, false);
    }
  }

  void forward(Place p, long rows, T* field, bool add) override {
    const long n = pass.layers.back().out, stride = pass.outputs()->stride;
    const T* h = (*pass.outputs())(p);
    for (long r = 0; r < rows; r++)
      for (long j = 0; j < n; j++) field[r * stride + j] = (add ? field[r * stride + j] : T(0)) + h[r * stride + j];
  }

  const T* backward(Place p, long rows, const T*, bool wanted) override {
    for (long l = pass.size(); l > 0; l--)
      pass.layer(l).adjoint(rows, (*g[l])(p), g[l]->stride, (*pass.z[l])(p), (*c[l])(p), l > 1 || wanted ? (*g[l - 1])(p) : nullptr);
    return wanted ? (*g[0])(p) : nullptr;
  }

  void weights(Chunk chunk, long rows, bool first) override {
    for (long l = pass.size(); l > 0; l--)
      pass.layer(l).sum_gradient(chunk, rows, pass.h[l - 1]->numbers, pass.h[l - 1]->stride, c[l]->numbers, c[l]->stride, !(first && opens));
  }
};

// The gradient of one output F, times a matrix M from the right. A linear last layer is not passed: g below it is a row of W.
template <class T>
struct ScaledGradient : Term<T> {
  using Term<T>::pass;
  using Term<T>::opens;
  const long output, n, highest;
  Buffer<T> one, matrix, transposed_matrix;
  std::vector<Rows<T>*> g, c, a_dot, h_dot, d, e;

  // The matrix may be null where only forward, and that without a field, is asked for.
  ScaledGradient(const ForwardPass<T>& p, Arena<T>& arena, long which, const double* m)
      : Term<T>(p), output(p.layers.back().output[which]), n(p.layers.front().in),
        highest(p.size() - (p.layers.back().linear && !p.layers.back().residual)) {
    const long stride = padded(n + 1);
    one.resize(p.layers.back().stride), one[output] = 1;
    matrix.resize(n * stride), transposed_matrix.resize(n * stride);
    for (long i = 0; m && i < n; i++)
      for (long j = 0; j < n; j++) matrix[i * stride + j] = transposed_matrix[j * stride + i] = T(m[i * n + j]);
    for (auto* list : {&g, &c, &a_dot, &h_dot, &d, &e}) list->resize(highest + 1);
    for (long l = highest; l >= 0; l--) {
      const bool alias = l > 0 && p.layer(l).linear, top = l == highest;
      const long stride = l > 0 ? p.layer(l).stride : p.layers.front().transposed_stride;
      if (!top || l == 0) g[l] = arena.make(stride, !alias);
      if (!top) e[l] = arena.make(stride, !alias);
      h_dot[l] = m ? arena.make(stride, false) : nullptr;
      if (l == 0) continue;
      c[l] = alias && !top ? g[l] : arena.make(stride, false);
      if (!m) continue;
      d[l] = alias && !top ? e[l] : arena.make(stride, false);
      a_dot[l] = alias ? h_dot[l] : arena.make(stride, true);
    }
  }

  // g, which below a linear last layer and above the others is the same for all rows.
  const T* adjoint_of(long l, Place p) const {
    if (l < highest) return (*g[l])(p);
    return highest < pass.size() ? pass.layers.back().transposed + output * pass.layers.back().transposed_stride : one;
  }
  long adjoint_stride(long l) const { return l < highest ? g[l]->stride : 0; }

  // ∇F, to g[0].
  const T* gradient(Place p, long rows) {
    for (long l = highest; l > 0; l--)
      pass.layer(l).adjoint(rows, adjoint_of(l, p), adjoint_stride(l), (*pass.z[l])(p), (*c[l])(p), (*g[l - 1])(p));
    if (highest == 0)
      for (long r = 0; r < rows; r++) std::copy_n(adjoint_of(0, p), n, (*g[0])(p) + r * g[0]->stride);
    return (*g[0])(p);
  }

  void forward(Place p, long rows, T* field, bool add) override {
    const long stride = g[0]->stride;
    multiply<T>(rows, filled(n), n, gradient(p, rows), stride, 1, matrix, stride, field, stride, add ? field : nullptr, stride);
  }

  const T* backward(Place p, long rows, const T* r, bool wanted) override {
    const long stride = h_dot[0]->stride;
    multiply<T>(rows, filled(n), n, r, stride, 1, transposed_matrix, stride, (*h_dot[0])(p), stride);
    for (long l = 1; l <= highest; l++)
      pass.layer(l).tangent(rows, (*h_dot[l - 1])(p), (*pass.z[l])(p), (*a_dot[l])(p), (*h_dot[l])(p));
    for (long l = highest; l > 0; l--)
      pass.layer(l).second_adjoint(rows, l < highest ? (*e[l])(p) : nullptr, adjoint_of(l, p), adjoint_stride(l), (*pass.z[l])(p), (*a_dot[l])(p),
                                   (*d[l])(p), l > 1 || wanted ? (*e[l - 1])(p) : nullptr);
    return wanted && highest > 0 ? (*e[0])(p) : nullptr;
  }

  void weights(Chunk chunk, long rows, bool first) override {
    for (long l = pass.size(); l > 0; l--) {
      const T* right = l > highest ? one : c[l]->numbers;
      pass.layer(l).sum_gradient(chunk, rows, h_dot[l - 1]->numbers, h_dot[l - 1]->stride, right, l > highest ? 0 : c[l]->stride,
                                 !(first && opens));
      if (l <= highest) pass.layer(l).sum_gradient(chunk, rows, pass.h[l - 1]->numbers, pass.h[l - 1]->stride, d[l]->numbers, d[l]->stride, true);
    }
  }
};
