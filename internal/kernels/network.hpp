// Layers, and forward and backward passes in closed form.

// How long a matrix keeps a row: from the forward to the backward pass, from the backward pass to the sum of the weight gradient, or
// within one pass.
enum Lifetime { KEPT, SUMMED, SCRATCH };

// The position of a block of rows in the matrices of each lifetime.
struct Place {
  long kept, summed, scratch;
};

template <class T>
struct Rows {
  long stride;
  Lifetime lifetime;
  Buffer<T> numbers;
  T* operator()(Place p) const { return numbers + (lifetime == KEPT ? p.kept : lifetime == SUMMED ? p.summed : p.scratch) * stride; }
};

// The matrices of a batch.
template <class T>
class Arena {
  std::deque<Rows<T>> all;

 public:
  Rows<T>* make(long stride, Lifetime lifetime) {
    all.push_back({stride, lifetime, {}});
    return &all.back();
  }
  // Makes room for the rows before a place.
  void reserve(Place end) {
    for (auto& r : all) r.numbers.resize((r.lifetime == KEPT ? end.kept : r.lifetime == SUMMED ? end.summed : end.scratch) * r.stride);
  }
};

// The weight gradient of the rows from a place on. It replaces a vector in the layout of HNN_GRADIENT, or is added if add is true.
template <class T>
struct Sum {
  Place from;
  long rows;
  T* gradient;
  bool add;
};

// The number of columns that a product writes.
inline long filled(long n) { return (n + 7) / 8 * 8; }

// A layer computes a = W h_before + b and h = σ(a), or h_before + σ(a) if it is residual. values holds Wᵀ: row i holds the weights of
// input i, and the last row holds the bias. Zeros pad the columns. transposed holds W. Each row of h ends with a 1, which multiplies the
// bias of the next layer.
//
// For a function F of the network's outputs, g = ∂F/∂h and c = ∂F/∂a. For a direction v in the inputs, ȧ and ḣ are the derivatives of
// a and h along v, and S = ∇F·v is the derivative of F. e = ∂S/∂h and d = ∂S/∂a.
template <class T>
struct Layer {
  long in, out;
  bool bias, residual, linear;
  const Activation<T>& sigma;
  long stride, transposed_stride;
  std::vector<long> input, output;  // positions of the caller's inputs and outputs; input ends with that of the bias
  long used;                        // number of inputs that can be nonzero in a batch, plus the bias
  long columns;                     // of transposed, rounded up for products
  bool transposes = true;
  long offset = 0;  // of the layer in a kept vector
  T* values = nullptr;
  Buffer<T> transposed;

  explicit Layer(const int64_t* d)
      : in(d[HNN_INPUTS]), out(d[HNN_OUTPUTS]), bias(d[HNN_BIAS]), residual(d[HNN_RESIDUAL]), linear(d[HNN_ACTIVATION] == HNN_IDENTITY),
        sigma(activation<T>(d[HNN_ACTIVATION])), stride(padded(out + 1)), transposed_stride(padded(in + 1)), used(in + bias), columns(filled(in)) {
    transposed.resize(out * transposed_stride);
    for (long i = 0; i <= in; i++) input.push_back(i);
    for (long o = 0; o < out; o++) output.push_back(o);
  }

  long rows() const { return in + bias; }
  // Whether z needs its own memory. Otherwise it shares that of h.
  bool keeps_z() const { return !linear && (residual || sigma.of_input); }

  void forward(long rows, const T* before, long before_stride, long depth, T* z, T* h) const {
    multiply<T>(rows, filled(out), depth, before, before_stride, 1, values, stride, z, stride);
    if (!linear || residual) sigma.value(rows, out, stride, z, residual ? before : nullptr, h);
    for (long r = 0; r < rows; r++) h[r * stride + out] = 1;
  }

  // g_before is null if it is not needed.
  void adjoint(long rows, const T* g, long g_stride, const T* z, T* c, T* g_before) const {
    if (c != g) sigma.adjoint(rows, stride, g, g_stride, z, c);
    if (g_before)
      multiply<T>(rows, columns, out, c, stride, 1, transposed, transposed_stride, g_before, transposed_stride, residual ? g : nullptr, g_stride);
  }

  void tangent(long rows, const T* before, const T* z, T* a_dot, T* h_dot) const {
    multiply<T>(rows, filled(out), in, before, transposed_stride, 1, values, stride, a_dot, stride);
    if (!linear || residual) sigma.tangent(rows * stride, z, a_dot, residual ? before : nullptr, h_dot);
  }

  // A null e means zero. e_before is null if it is not needed.
  void second_adjoint(long rows, const T* e, const T* g, long g_stride, const T* z, const T* a_dot, T* d, T* e_before) const {
    if (d != e) sigma.second_adjoint(rows, stride, e, g, g_stride, z, a_dot, d);
    if (e_before)
      multiply<T>(rows, columns, out, d, stride, 1, transposed, transposed_stride, e_before, transposed_stride, residual ? e : nullptr, stride);
  }

  // Computes a chunk of the weight gradient leftᵀ·right. right_stride is 0 if all rows of right are equal.
  void sum_gradient(Chunk chunk, const Sum<T>& s, const T* left, long left_stride, const T* right, long right_stride) const {
    const long depth = used < 32 ? 32 : 96;  // block length of the sum, which limits its rounding error
    Chunk::Range i{0, used}, k{0, filled(out)};
    if (used >= 32) i = chunk.of(used, TILE_ROWS);
    else k = chunk.of(filled(out), 3 * Lanes<T>::count);
    T* to = s.gradient + offset + i.first * stride + k.first;
    multiply<T>(i.last - i.first, k.last - k.first, s.rows, left + i.first, 1, left_stride, right + k.first, right_stride, to, stride,
                s.add ? to : nullptr, stride, depth);
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

  // Copies a range of rows of values to transposed. The copy omits the bias.
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

// A column, and the column that is subtracted from it, or −1.
typedef std::pair<long, long> Angle;

// The inputs φ of a network as functions of the row, which is (x, columns that are constant along a step, 1, a sine and a cosine for each
// angle). Without a list, φ is the row.
template <class T>
struct Features {
  // φ is a number of the row, a function of a column, or of a column − `other` if that is not −1. φ' is sign·(another number), and
  // φ'' is curvature·φ.
  struct Feature {
    long column, other, value, slope;
    T sign = 1, curvature = 0;

    // The derivative of the function's argument along v.
    T along(const T* v) const { return other < 0 ? v[column] : v[column] - v[other]; }
    // Adds the derivative with respect to x from that with respect to the argument.
    void add(T derivative, T* to) const {
      to[column] += derivative;
      if (other >= 0) to[other] -= derivative;
    }
  };
  std::vector<Feature> list;
  long n = 0;  // number of columns of x; the derivatives with respect to the other columns are not needed

  // Adds a function to the list, and its argument to the angles if their sine and cosine are needed. A row has `width` columns.
  void add(long column, long other, long function, long width, std::vector<Angle>& angles) {
    Feature f{column, -1, column, width};
    if (function == HNN_ONE) f.column = f.value = width;
    else if (function != HNN_VALUE) {
      const Angle argument{column, other};
      const long angle = std::find(angles.begin(), angles.end(), argument) - angles.begin(), sine = width + 1 + 2 * angle;
      if (angle == long(angles.size())) angles.push_back(argument);
      f = {column, other, sine, sine + 1, 1, -1};
      if (function == HNN_COSINE) f = {column, other, sine + 1, sine, -1, -1};
    }
    list.push_back(f);
  }

  void forward(long rows, const T* x, long x_stride, T* phi, long stride) const {
    for (long r = 0; r < rows; r++, x += x_stride, phi += stride) {
      for (size_t i = 0; i < list.size(); i++) phi[i] = x[list[i].value];
      phi[list.size()] = 1;
    }
  }

  // Calls f(row, number of the feature, feature, φ', φ'') for each feature that depends on x.
  template <class F>
  void each_derivative(long rows, const T* x, long x_stride, F f) const {
    for (long r = 0; r < rows; r++, x += x_stride)
      for (size_t i = 0; i < list.size(); i++)
        if (list[i].column < n) f(r, long(i), list[i], list[i].sign * x[list[i].slope], list[i].curvature * x[list[i].value]);
  }
};

// The forward pass of a network. It stores h and z of each layer.
template <class T>
struct ForwardPass {
  const Network<T>& layers;
  std::vector<Rows<T>*> h, z;
  const Features<T>* features = nullptr;  // null if the network reads the rows of x
  Rows<T>* x = nullptr;
  const long kept;

  // Layers up to `kept` store h for the backward pass.
  ForwardPass(const Network<T>& network, Arena<T>& arena, Rows<T>* inputs, long last, const Features<T>* f = nullptr)
      : layers(network), h{inputs}, z{nullptr}, features(f && !f->list.empty() ? f : nullptr), x(inputs), kept(last) {
    if (features) h[0] = arena.make(padded(layers.front().in + 1), KEPT);
    for (const auto& layer : layers) {
      h.push_back(arena.make(layer.stride, long(h.size()) > kept ? SCRATCH : KEPT));
      z.push_back(layer.keeps_z() ? arena.make(layer.stride, KEPT) : h.back());
    }
  }

  long size() const { return layers.size(); }
  const Layer<T>& layer(long l) const { return layers[l - 1]; }
  Rows<T>* outputs() const { return h.back(); }

  // Runs the layers up to `last`. Uses all inputs of a layer if all is true, else only those that can be nonzero in a batch.
  void run(Place p, long rows, long last, bool all = false) const {
    if (features) features->forward(rows, (*x)(p), x->stride, (*h[0])(p), h[0]->stride);
    for (long l = 1; l <= last; l++)
      layer(l).forward(rows, (*h[l - 1])(p), h[l - 1]->stride, all ? layer(l).rows() : layer(l).used, (*z[l])(p), (*h[l])(p));
  }
};

// Backpropagation from the derivatives of the loss with respect to a network's outputs, which seed holds.
template <class T>
struct Outputs {
  const ForwardPass<T>& pass;
  bool opens = true;  // whether this is the first to write the network's gradient
  std::vector<Rows<T>*> g, c;

  Outputs(const ForwardPass<T>& p, Arena<T>& arena, Rows<T>* seed) : pass(p) {
    g.resize(p.size() + 1), c.resize(p.size() + 1);
    for (long l = p.size(); l >= 0; l--) {
      g[l] = l == p.size() ? seed : arena.make(p.h[l]->stride, l > 0 && p.layer(l).linear ? SUMMED : SCRATCH);
      if (l > 0) c[l] = p.layer(l).linear ? g[l] : arena.make(p.layer(l).stride, SUMMED);
    }
  }

  // Computes the adjoints. Returns those of the inputs if wanted.
  const T* backward(Place p, long rows, bool wanted) {
    for (long l = pass.size(); l > 0; l--)
      pass.layer(l).adjoint(rows, (*g[l])(p), g[l]->stride, (*pass.z[l])(p), (*c[l])(p), l > 1 || wanted ? (*g[l - 1])(p) : nullptr);
    return wanted ? (*g[0])(p) : nullptr;
  }

  // Computes a chunk of the weight gradient.
  void weights(Chunk chunk, Sum<T> s) {
    s.add |= !opens;
    for (long l = pass.size(); l > 0; l--)
      pass.layer(l).sum_gradient(chunk, s, (*pass.h[l - 1])(s.from), pass.h[l - 1]->stride, (*c[l])(s.from), c[l]->stride);
  }
};

// The gradient ∇F of a function F of the outputs with respect to the network's inputs, and the derivatives of S = ∇F·v. If F is one of the
// outputs, a linear last layer is skipped, since g below it is a row of W. Otherwise ∂F/∂h and ∂S/∂h of the last layer are given.
template <class T>
struct ScalarGradient {
  const ForwardPass<T>& pass;
  bool opens = true;  // whether this is the first to write the network's gradient
  const bool given;
  const long output, highest;
  Buffer<T> one;
  std::vector<Rows<T>*> g, c, a_dot, h_dot, d, e;

  // F is output `which`, unless its derivatives are given.
  ScalarGradient(const ForwardPass<T>& p, Arena<T>& arena, long which, Rows<T>* of_f = nullptr, Rows<T>* of_s = nullptr)
      : pass(p), given(of_f), output(given ? 0 : p.layers.back().output[which]),
        highest(p.size() - (!given && p.layers.back().linear && !p.layers.back().residual)) {
    one.resize(p.layers.back().stride), one[output] = 1;
    for (auto* list : {&g, &c, &a_dot, &h_dot, &d, &e}) list->resize(highest + 1);
    if (given) g[highest] = of_f, e[highest] = of_s;
    for (long l = highest; l >= 0; l--) {
      const bool alias = l > 0 && p.layer(l).linear, top = l == highest;
      const long stride = l > 0 ? p.layer(l).stride : p.layers.front().transposed_stride;
      if (!top || l == 0) g[l] = arena.make(stride, KEPT);
      if (!top) e[l] = arena.make(stride, alias ? SUMMED : SCRATCH);
      h_dot[l] = arena.make(stride, SUMMED);
      if (l == 0) continue;
      c[l] = alias && (!top || given) ? g[l] : arena.make(stride, KEPT);
      d[l] = alias && (!top || given) ? e[l] : arena.make(stride, SUMMED);
      a_dot[l] = alias ? h_dot[l] : arena.make(stride, SCRATCH);
    }
  }

  // Returns g. Unless g is given, all rows share one row at the highest level.
  const T* adjoint_of(long l, Place p) const {
    if (l < highest || given) return (*g[l])(p);
    return highest < pass.size() ? pass.layers.back().transposed + output * pass.layers.back().transposed_stride : one;
  }
  long adjoint_stride(long l) const { return l < highest || given ? g[l]->stride : 0; }

  // Computes ∇F in g[0].
  const T* gradient(Place p, long rows) {
    for (long l = highest; l > 0; l--)
      pass.layer(l).adjoint(rows, adjoint_of(l, p), adjoint_stride(l), (*pass.z[l])(p), (*c[l])(p), (*g[l - 1])(p));
    if (highest == 0)
      for (long r = 0; r < rows; r++) std::copy_n(adjoint_of(0, p), pass.layers.front().in, (*g[0])(p) + r * g[0]->stride);
    return (*g[0])(p);
  }

  // Computes the derivatives of the layers along the direction v in h_dot[0].
  void tangent(Place p, long rows) const {
    for (long l = 1; l <= highest; l++)
      pass.layer(l).tangent(rows, (*h_dot[l - 1])(p), (*pass.z[l])(p), (*a_dot[l])(p), (*h_dot[l])(p));
  }

  // Computes the derivatives of S after those of the layers. Returns ∂S/∂φ if wanted, or null if it is zero.
  const T* backward(Place p, long rows, bool wanted) {
    for (long l = highest; l > 0; l--)
      pass.layer(l).second_adjoint(rows, l < highest || given ? (*e[l])(p) : nullptr, adjoint_of(l, p), adjoint_stride(l), (*pass.z[l])(p), (*a_dot[l])(p),
                                   (*d[l])(p), l > 1 || wanted ? (*e[l - 1])(p) : nullptr);
    return wanted && highest > 0 ? (*e[0])(p) : nullptr;
  }

  void weights(Chunk chunk, Sum<T> s) {
    s.add |= !opens;
    for (long l = pass.size(); l > 0; l--) {
      const T* right = l > highest ? one : (*c[l])(s.from);
      pass.layer(l).sum_gradient(chunk, s, (*h_dot[l - 1])(s.from), h_dot[l - 1]->stride, right, l > highest ? 0 : c[l]->stride);
      if (l > highest) continue;
      pass.layer(l).sum_gradient(chunk, {s.from, s.rows, s.gradient, true}, (*pass.h[l - 1])(s.from), pass.h[l - 1]->stride, (*d[l])(s.from),
                                 d[l]->stride);
    }
  }
};
