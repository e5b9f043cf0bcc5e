// The field dx/dt as a sum of terms, for rows of a batch. A row is (x, columns that are constant along a step, 1, sines and cosines).

// A term of the field with its backward pass.
template <class T>
struct Term {
  virtual ~Term() = default;
  // Writes the term to field, or adds it if add is true.
  virtual void forward(Place p, long rows, T* field, bool add) = 0;
  // Adds what the term dissipates and supplies per unit of time in row r, if g is the gradient of the energy.
  virtual void power(Place p, long r, const T* g, double& dissipated, double& supplied) const = 0;
  // Computes the adjoints from r = ∂L/∂field. Adds ∂L/∂x to dx if it is not null.
  virtual void backward(Place p, long rows, const T* r, T* dx) = 0;
  // Computes a chunk of the weight gradient.
  virtual void weights(Chunk chunk, const Sum<T>& s) = 0;
};

// All outputs of a network, added to the columns of the field from `offset` on.
template <class T>
struct OutputsTerm : Term<T> {
  const ForwardPass<T>& pass;
  const long offset, stride;
  Rows<T>*x, *seed;  // seed is null if r itself holds the derivatives with respect to the outputs
  Outputs<T> outputs;

  OutputsTerm(const ForwardPass<T>& p, Arena<T>& arena, Rows<T>* dxdt, long first)
      : pass(p), offset(first), stride(dxdt->stride), x(p.x),
        seed(p.outputs()->stride == stride && offset == 0 ? nullptr : arena.make(p.outputs()->stride, SUMMED)), outputs(p, arena, seed ? seed : dxdt) {}

  void forward(Place p, long rows, T* field, bool add) override {
    const long n = pass.layers.back().out, from = pass.outputs()->stride;
    const T* h = (*pass.outputs())(p);
    if (!add && seed) std::fill_n(field, rows * stride, T(0)), add = true;
    for (long r = 0; r < rows; r++)
      for (long j = 0; j < n; j++) field[r * stride + offset + j] = (add ? field[r * stride + offset + j] : T(0)) + h[r * from + j];
  }

  void power(Place p, long r, const T* g, double&, double& supplied) const override {
    const T* h = (*pass.outputs())(p) + r * pass.outputs()->stride;
    for (long j = 0; j < pass.layers.back().out; j++) supplied += double(g[offset + j]) * h[j];
  }

  void backward(Place p, long rows, const T* r, T* dx) override {
    if (seed)
      for (long i = 0; i < rows; i++) std::copy_n(r + i * stride + offset, pass.layers.back().out, (*seed)(p) + i * seed->stride);
    const T* g = outputs.backward(p, rows, dx);
    if (!dx) return;
    if (pass.features) {
      const long from = outputs.g[0]->stride;
      pass.features->each_derivative(rows, (*x)(p), x->stride,
                                     [&](long i, long k, const auto& f, T first, T) { f.add(g[i * from + k] * first, dx + i * stride); });
    } else
      for (long i = 0; i < rows; i++)
        for (long j = 0; j < pass.layers.front().in; j++) dx[i * stride + j] += g[i * stride + j];
  }

  void weights(Chunk chunk, const Sum<T>& s) override { outputs.weights(chunk, s); }
};

// The kinetic energy K = ½ pᵀM(q)⁻¹p. The outputs y of networks add up to the lower triangle of the mass matrix M, by rows. With u = M⁻¹p,
// ∂K/∂p = u and ∂K/∂Mᵢⱼ = −½uᵢuⱼ. Along a direction v, u changes by u̇ = M⁻¹(ṗ − Ṁu), and S = ∇K·v has ∂S/∂p = u̇ and ∂S/∂y = d(∂K/∂y).
template <class T>
struct KineticEnergy {
  const long half;
  Rows<T>* x;
  std::vector<ScalarGradient<T>*> parts;  // of the networks
  Rows<T>*by_outputs, *change;            // ∂K/∂y; ẏ, then ∂S/∂y
  Rows<T>* solution;                      // M = LDLᵀ, with D in the diagonal of L; u; and u̇

  KineticEnergy(Arena<T>& arena, Rows<T>* rows, long n, long outputs)
      : half(n / 2), x(rows), by_outputs(arena.make(outputs, KEPT)), change(arena.make(outputs, SUMMED)), solution(arena.make(half * half + 2 * half, KEPT)) {}

  // Solves Mb' = b in place.
  void solve(const T* l, T* b) const {
    for (long i = 0; i < half; i++)
      for (long k = 0; k < i; k++) b[i] -= l[i * half + k] * b[k];
    for (long i = 0; i < half; i++) b[i] /= l[i * half + i];
    for (long i = half - 1; i >= 0; i--)
      for (long k = i + 1; k < half; k++) b[i] -= l[k * half + i] * b[k];
  }

  // Returns K in row r, after the forward passes. Leaves L, D and u in solution.
  T value(Place p, long r) const {
    T *l = (*solution)(p) + r * solution->stride, *u = l + half * half, energy = 0;
    const T* momenta = (*x)(p) + r * x->stride + half;
    for (long i = 0, y = 0; i < half; i++)
      for (long j = 0; j <= i; j++, y++) {
        T m = 0;
        for (const auto* part : parts) m += (*part->pass.outputs())(p)[r * part->pass.outputs()->stride + y];
        for (long k = 0; k < j; k++) m -= l[i * half + k] * l[j * half + k] * l[k * half + k];
        l[i * half + j] = i == j ? m : m / l[j * half + j];
      }
    std::copy_n(momenta, half, u);
    solve(l, u);
    for (long i = 0; i < half; i++) energy += T(0.5) * momenta[i] * u[i];
    return energy;
  }

  // Computes ∂K/∂y, and adds ∂K/∂p to the gradient by x.
  void forward(Place p, long rows, T* gradient, long stride) const {
    for (long r = 0; r < rows; r++) {
      value(p, r);
      const T* u = (*solution)(p) + r * solution->stride + half * half;
      T* g = (*by_outputs)(p) + r * by_outputs->stride;
      for (long i = 0; i < half; i++) {
        gradient[r * stride + half + i] += u[i];
        for (long j = 0; j <= i; j++) *g++ = i == j ? T(-0.5) * u[i] * u[i] : -u[i] * u[j];
      }
    }
  }

  // Computes ∂S/∂y from the networks' derivatives along v. Adds ∂S/∂p to dx if it is not null.
  void backward(Place p, long rows, const T* v, long stride, T* dx) const {
    for (long r = 0; r < rows; r++) {
      T *l = (*solution)(p) + r * solution->stride, *u = l + half * half, *w = u + half, *e = (*change)(p) + r * change->stride;
      std::copy_n(v + r * stride + half, half, w);
      for (long i = 0, y = 0; i < half; i++)
        for (long j = 0; j <= i; j++, y++) {
          T m = 0;
          for (const auto* part : parts) m += (*part->h_dot.back())(p)[r * part->h_dot.back()->stride + y];
          w[i] -= m * u[j];
          if (j < i) w[j] -= m * u[i];
        }
      solve(l, w);
      for (long i = 0; i < half; i++) {
        if (dx) dx[r * stride + half + i] += w[i];
        for (long j = 0; j <= i; j++) *e++ = i == j ? -u[i] * w[i] : -u[i] * w[j] - u[j] * w[i];
      }
    }
  }
};

// (M − P)·∇F, where F is a sum of scalars and M is a constant matrix. P is zero, or LLᵀ in the rows and columns of the momenta, where L is
// the output of a network. A gradient is a row vector, which M multiplies from the right in transposed form.
template <class T>
struct GradientTerm : Term<T> {
  const long n, stride;
  Rows<T>* x;
  std::deque<ScalarGradient<T>> scalars;
  std::unique_ptr<KineticEnergy<T>> kinetic;  // a further summand of F; null without mass networks
  Buffer<T> matrix, transposed_matrix;
  Rows<T>*gradient = nullptr, *direction = nullptr;  // ∇F and v = r·M; null if those of the only scalar serve
  std::unique_ptr<Outputs<T>> friction;              // of the network of L
  Rows<T>* products = nullptr;                       // Lᵀ times a gradient, and Lᵀ times r

  GradientTerm(Arena<T>& arena, Rows<T>* rows, long dimension, const double* m) : n(dimension), stride(rows->stride), x(rows) {
    matrix.resize(n * stride), transposed_matrix.resize(n * stride);
    for (long i = 0; i < n; i++)
      for (long j = 0; j < n; j++) matrix[i * stride + j] = transposed_matrix[j * stride + i] = T(m[i * n + j]);
  }
  // Call after the scalars are complete.
  void reserve(Arena<T>& arena) {
    if (scalars.size() == 1 && !kinetic && scalars[0].g[0]->stride == stride && !scalars[0].pass.features) return;
    gradient = arena.make(stride, KEPT), direction = arena.make(stride, SCRATCH);
  }

  void forward(Place p, long rows, T* field, bool add) override {
    const T* g = nullptr;
    if (gradient) {
      T* sum = (*gradient)(p);
      std::fill_n(sum, rows * stride, T(0));
      if (kinetic) kinetic->forward(p, rows, sum, stride);
      for (auto& s : scalars) add_adjoint(s, p, rows, s.gradient(p, rows), sum);
      g = sum;
    } else g = scalars[0].gradient(p, rows);
    multiply<T>(rows, filled(n), n, g, stride, 1, matrix, stride, field, stride, add ? field : nullptr, stride);
    if (friction)
      each_friction(p, rows, [&](long r, const T* l) {
        T* w = (*products)(p);
        transposed_product(l, g + r * stride + n / 2, w);
        subtract_product(l, w, field + r * stride + n / 2);
      });
  }

  // The two products of a pair of components cancel exactly if M is antisymmetric and g is the term's own gradient.
  void power(Place p, long r, const T* g, double& dissipated, double&) const override {
    const T* own = gradient_of(p, r);
    for (long i = 0; i < n; i++)
      for (long j = 0; j <= i; j++)
        dissipated -= double(own[i]) * matrix[i * stride + j] * g[j] + (j < i ? double(own[j]) * matrix[j * stride + i] * g[i] : 0);
    if (!friction) return;
    const T* l = (*friction->pass.outputs())(p) + r * friction->pass.outputs()->stride;
    T *w = (*products)(p), *u = w + n / 2;
    transposed_product(l, own + n / 2, w), transposed_product(l, g + n / 2, u);
    for (long k = 0; k < n / 2; k++) dissipated += double(w[k]) * u[k];
  }

  // The gradient of row r, after forward.
  const T* gradient_of(Place p, long r) const { return (*(gradient ? gradient : scalars[0].g[0]))(p) + r * stride; }
  // The sum of the scalars, after their forward passes.
  T value(Place p, long r) const {
    T sum = kinetic ? kinetic->value(p, r) : T(0);
    for (const auto& s : scalars)
      if (!s.given) sum += (*s.pass.outputs())(p)[r * s.pass.outputs()->stride + s.output];
    return sum;
  }

  void backward(Place p, long rows, const T* r, T* dx) override {
    T* v = direction ? (*direction)(p) : (*scalars[0].h_dot[0])(p);
    multiply<T>(rows, filled(n), n, r, stride, 1, transposed_matrix, stride, v, stride);
    if (friction) {
      const T* g = gradient_of(p, 0);
      each_friction(p, rows, [&](long i, const T* l) {
        const long half = n / 2;
        const T *gp = g + i * stride + half, *rp = r + i * stride + half;
        T *w = (*products)(p), *u = w + half, *seed = (*friction->g.back())(p) + i * friction->g.back()->stride;
        transposed_product(l, gp, w), transposed_product(l, rp, u);
        subtract_product(l, u, v + i * stride + half);
        for (long j = 0; j < half; j++)
          for (long k = 0; k < half; k++) seed[j * half + k] = -(rp[j] * w[k] + gp[j] * u[k]);
      });
      const T* e = friction->backward(p, rows, dx);
      if (dx) add_features(friction->pass, p, rows, e, friction->g[0]->stride, dx);
    }
    for (auto& s : scalars) {
      if (direction) set_direction(s, p, rows, v);
      s.tangent(p, rows);
    }
    if (kinetic) kinetic->backward(p, rows, v, stride, dx);
    for (auto& s : scalars) {
      const T* e = s.backward(p, rows, dx);
      if (!dx) continue;
      if (e) add_adjoint(s, p, rows, e, dx);
      if (s.pass.features) {
        const T* g = (*s.g[0])(p);
        const long from = s.g[0]->stride;
        s.pass.features->each_derivative(rows, (*x)(p), stride, [&](long i, long k, const auto& f, T, T second) {
          f.add(g[i * from + k] * second * f.along(v + i * stride), dx + i * stride);
        });
      }
    }
  }

  void weights(Chunk chunk, const Sum<T>& sum) override {
    for (auto& s : scalars) s.weights(chunk, sum);
    if (friction) friction->weights(chunk, sum);
  }

 private:
  template <class F>
  void each_friction(Place p, long rows, F f) {
    const Rows<T>* l = friction->pass.outputs();
    for (long r = 0; r < rows; r++) f(r, (*l)(p) + r * l->stride);
  }
  void transposed_product(const T* l, const T* a, T* b) const {
    for (long k = 0; k < n / 2; k++) b[k] = 0;
    for (long j = 0; j < n / 2; j++)
      for (long k = 0; k < n / 2; k++) b[k] += l[j * (n / 2) + k] * a[j];
  }
  void subtract_product(const T* l, const T* a, T* b) const {
    for (long j = 0; j < n / 2; j++)
      for (long k = 0; k < n / 2; k++) b[j] -= l[j * (n / 2) + k] * a[k];
  }
  void add_features(const ForwardPass<T>& pass, Place p, long rows, const T* e, long from, T* to) const {
    if (pass.features)
      pass.features->each_derivative(rows, (*x)(p), stride, [&](long i, long k, const auto& f, T first, T) { f.add(e[i * from + k] * first, to + i * stride); });
    else
      for (long i = 0; i < rows; i++)
        for (long j = 0; j < n; j++) to[i * stride + j] += e[i * from + j];
  }
  void add_adjoint(const ScalarGradient<T>& s, Place p, long rows, const T* e, T* to) const { add_features(s.pass, p, rows, e, s.g[0]->stride, to); }
  // Sets the direction in the network's inputs, (∂φ/∂x)·v.
  void set_direction(ScalarGradient<T>& s, Place p, long rows, const T* v) const {
    T* to = (*s.h_dot[0])(p);
    const long width = s.h_dot[0]->stride;
    if (!s.pass.features) {
      for (long i = 0; i < rows; i++) std::copy_n(v + i * stride, n, to + i * width);
      return;
    }
    std::fill_n(to, rows * width, T(0));
    s.pass.features->each_derivative(rows, (*x)(p), stride,
                                     [&](long i, long k, const auto& f, T first, T) { to[i * width + k] = first * f.along(v + i * stride); });
  }
};

template <class T>
struct Field {
  const long n, width, stride;  // dimension of x, columns of a row, and stride of a row
  Arena<T> arena;
  Rows<T>*x, *dxdt;  // x: rows; dxdt: the field, later overwritten by r = ∂L/∂field
  const std::deque<Features<T>>& features;
  const std::vector<Angle>& angles;
  std::deque<ForwardPass<T>> passes;
  std::vector<std::unique_ptr<Term<T>>> terms;
  const GradientTerm<T>* energy = nullptr;  // the term whose scalars add up to the energy
  Rows<T>* dx;  // ∂L/∂x, summed over terms

  // The description of a term is HNN_TERM numbers, followed by a network and an output for each of its scalars. matrices holds an n×n
  // matrix for each term.
  Field(const std::deque<Network<T>>& networks, const std::deque<Features<T>>& inputs, const std::vector<Angle>& angles_of, long dimension, long columns,
        long count, const int64_t* terms_of, const double* matrices, long of_energy)
      : n(dimension), width(columns), stride(padded(columns + 1 + 2 * angles_of.size())), x(arena.make(stride, KEPT)), dxdt(arena.make(stride, KEPT)),
        features(inputs), angles(angles_of), dx(arena.make(stride, SUMMED)) {
    struct Use {
      ForwardPass<T>* pass = nullptr;
      long kept = 0;
      bool opened = false;
    };
    std::vector<Use> uses(networks.size());
    auto keep = [&](long network, bool below) { uses[network].kept = std::max(uses[network].kept, long(networks[network].size()) - below); };
    auto each_term = [&](auto f) {
      const int64_t* t = terms_of;
      for (long i = 0; i < count; t += HNN_TERM + 2 * t[HNN_SCALARS], i++) f(i, t, t + HNN_TERM);
    };
    each_term([&](long, const int64_t* t, const int64_t* scalars) {
      if (t[HNN_NETWORK] >= 0) keep(t[HNN_NETWORK], false);
      for (long s = 0; s < t[HNN_SCALARS]; s++) {
        const auto& last = networks[scalars[2 * s]].back();
        keep(scalars[2 * s], scalars[2 * s + 1] != HNN_MASS && last.linear && !last.residual);
      }
    });
    auto pass_of = [&](long network) -> ForwardPass<T>& {
      Use& u = uses[network];
      if (!u.pass) passes.emplace_back(networks[network], arena, x, u.kept, &features[network]), u.pass = &passes.back();
      return *u.pass;
    };
    auto opens = [&](long network) { return !std::exchange(uses[network].opened, true); };
    each_term([&](long i, const int64_t* t, const int64_t* scalars) {
      const long network = t[HNN_NETWORK];
      if (t[HNN_SCALARS] == 0) {
        auto term = std::make_unique<OutputsTerm<T>>(pass_of(network), arena, dxdt, t[HNN_OFFSET]);
        term->outputs.opens = opens(network);
        terms.push_back(std::move(term));
        return;
      }
      auto term = std::make_unique<GradientTerm<T>>(arena, x, n, matrices + i * n * n);
      for (long s = 0; s < t[HNN_SCALARS]; s++) {
        const ForwardPass<T>& pass = pass_of(scalars[2 * s]);
        if (scalars[2 * s + 1] != HNN_MASS) term->scalars.emplace_back(pass, arena, scalars[2 * s + 1]);
        else {
          auto& kinetic = term->kinetic;
          if (!kinetic) kinetic = std::make_unique<KineticEnergy<T>>(arena, x, n, pass.outputs()->stride);
          term->scalars.emplace_back(pass, arena, 0, kinetic->by_outputs, kinetic->change);
          kinetic->parts.push_back(&term->scalars.back());
        }
        term->scalars.back().opens = opens(scalars[2 * s]);
      }
      term->reserve(arena);
      if (network >= 0) {
        const ForwardPass<T>& pass = pass_of(network);
        term->friction = std::make_unique<Outputs<T>>(pass, arena, arena.make(pass.outputs()->stride, SUMMED));
        term->friction->opens = opens(network);
        term->products = arena.make(n, SCRATCH);
      }
      if (i == of_energy) energy = term.get();
      terms.push_back(std::move(term));
    });
  }

  // The largest stride of a hidden layer.
  long widest() const {
    long most = stride;
    for (const auto& pass : passes)
      for (const auto* h : pass.h) most = std::max(most, h->stride);
    return most;
  }

  void set(Place p, long rows, const T* states, const int64_t* which, long first) const {
    for (long r = 0; r < rows; r++) {
      T* to = (*x)(p) + r * stride;
      const T* from = states + (which ? which[first + r] : first + r) * width;
      for (long j = 0; j < width; j++) to[j] = from[j];
      to[width] = 1;
    }
  }

  void set_angles(Place p, long rows) const {
    for (size_t a = 0; a < angles.size(); a++)
      for (long r = 0; r < rows; r++) {
        T* row = (*x)(p) + r * stride;
        const auto [column, other] = angles[a];
        const T angle = other < 0 ? row[column] : row[column] - row[other];
        row[width + 1 + 2 * a] = std::sin(angle), row[width + 2 + 2 * a] = std::cos(angle);
      }
  }

  void forward(Place p, long rows) {
    set_angles(p, rows);
    for (auto& pass : passes) pass.run(p, rows, pass.kept);  // a gradient does not depend on the outputs of a linear last layer
    for (auto& term : terms) term->forward(p, rows, (*dxdt)(p), &term != &terms.front());
  }

  // The number of numbers that evaluate writes for a row.
  long numbers(int what) const { return what == HNN_ENERGY ? 1 : what == HNN_BALANCE ? n + 2 : n; }

  void evaluate(int what, Place p, long rows, T* to) {
    if (what == HNN_ENERGY) {
      set_angles(p, rows);
      for (auto& pass : passes) pass.run(p, rows, pass.size());
      for (long r = 0; r < rows; r++) to[r] = energy->value(p, r);
      return;
    }
    forward(p, rows);
    const T* k = (*dxdt)(p);
    for (long r = 0; r < rows; r++, k += stride, to += numbers(what)) {
      for (long j = 0; j < n; j++) to[j] = k[j];
      if (what != HNN_BALANCE) continue;
      double dissipated = 0, supplied = 0;
      for (auto& term : terms) term->power(p, r, energy->gradient_of(p, r), dissipated, supplied);
      to[n] = T(dissipated), to[n + 1] = T(supplied);
    }
  }

  // Computes the adjoints for the gradient from r. Also computes dx if wanted.
  void backward(Place p, long rows, bool wanted) {
    T* sum = wanted ? (*dx)(p) : nullptr;
    if (wanted) std::fill_n(sum, rows * stride, T(0));
    for (auto& term : terms) term->backward(p, rows, (*dxdt)(p), sum);
  }

  // Computes a chunk of the weight gradient.
  void weights(Chunk chunk, const Sum<T>& s) {
    for (auto& term : terms) term->weights(chunk, s);
  }
};
