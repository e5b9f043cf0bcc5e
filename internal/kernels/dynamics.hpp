// The network of two hidden layers, and the Hamiltonian neural network made of it, in closed form.
//
// With σ the activation, h1 = σ(xW1ᵀ + b1), h2 = σ(h1W2ᵀ + b2), w the row of linear3 that gives the scalar F, and M a matrix, the
// field (∂F/∂x)M and the gradient of a loss L of it are
//
//     c = w⊙σ'₂    u = cW2    g = u⊙σ'₁    field = gW1M    r = ∂L/∂field
//     s = r(W1M)ᵀ    t1 = σ'₁⊙s    t2 = t1W2ᵀ    d2 = w⊙σ''₂⊙t2    a1 = σ'₁⊙(d2W2) + σ''₁⊙u⊙s
//     ∂W2 = cᵀt1 + d2ᵀh1    ∂W1 = gᵀrMᵀ + a1ᵀx    ∂b2 = Σd2    ∂b1 = Σa1    ∂w = Σσ'₂⊙t2    ∂x = a1W1
//
// The baseline is the network itself: field = h2W3ᵀ, d2 = σ'₂⊙(rW3), a1 = σ'₁⊙(d2W2), ∂W3 = rᵀh2.
template <class T, template <class> class Activation>
struct Dynamics {
  typedef Activation<T> A;
  const long n, hidden, scalar;
  const bool baseline;
  const long wide, narrow;   // the lengths of rows of hidden units and of fields
  const long units, states;  // how much of a wide and of a narrow row a product has to fill
  Layer<T> linear1, linear2, linear3;
  Buffer<T> matrix, w, out, back;  // out takes g (or h2) to the field: W1M, hidden × narrow; back is its transpose

  // What the whole batch keeps. A state ends with a 1, by which a bias is a row of its layer, and so does h1.
  Buffer<T> x, field, h1, d2, a1, g, c, t1, p;  // field becomes r; g is the baseline's h2; p = σ'₂⊙t2
  // What a block of rows keeps on its way forward and back.
  Buffer<T> h2, u, s, e;
  Buffer<T> sum;  // rᵀg, and ∂w in its last row

  explicit Dynamics(const hnn_dynamics& d)
      : n(d.n), hidden(d.hidden), scalar(d.scalar), baseline(d.scalar < 0), wide(padded(d.hidden + 1)), narrow(padded(d.n + 1)), units((d.hidden + 7) / 8 * 8), states((d.n + 7) / 8 * 8) {
    linear1.make(n, hidden, true);
    linear2.make(hidden, hidden, true);
    linear3.make(hidden, baseline ? n : 2, false);
    matrix.resize(n * n);
    for (long i = 0; i < n * n; i++) matrix[i] = d.matrix[i];
    w.resize(wide), out.resize(hidden * narrow), back.resize(n * wide), sum.resize((n + 1) * wide);
  }

  // Makes room for a batch, and for the blocks that go forward and back at one time.
  void reserve(long batch, long blocks) {
    x.resize(batch * (n + 1)), field.resize(batch * narrow);
    for (auto* kept : {&h1, &d2, &a1, &g}) kept->resize(batch * wide);
    if (!baseline)
      for (auto* kept : {&c, &t1, &p}) kept->resize(batch * wide);
    for (auto* passing : {&h2, &u, &s, &e}) passing->resize(blocks * wide);
  }

  Layer<T>& layer(int i) { return i == 0 ? linear1 : i == 1 ? linear2 : linear3; }

  // Brings what is made of the weights up to date, for some of the hidden units.
  void derive(long first, long last) {
    for (long k = first; k < std::min(last, hidden); k++) {
      if (!baseline) w[k] = linear3.value(k)[scalar];
      for (long j = 0; j < n; j++) {
        T v = baseline ? linear3.value(k)[j] : T(0);
        if (!baseline)
          for (long l = 0; l < n; l++) v += linear1.value(l)[k] * matrix[l * n + j];
        out[k * narrow + j] = back[j * wide + k] = v;
      }
    }
  }

  // The field at rows of x, by a block's memory from row b on.
  void forward(long first, long rows, long b) {
    T *h1 = this->h1 + first * wide, *h2 = this->h2 + b * wide, *g = this->g + first * wide;
    multiply<T>(rows, units, n + 1, x + first * (n + 1), n + 1, 1, linear1.value(), wide, h1, wide, false);
    each<T>(rows * wide, [&](long i) { at(h1 + i) = A::value(at(h1 + i)); });
    for (long r = 0; r < rows; r++) h1[r * wide + hidden] = 1;
    multiply<T>(rows, units, hidden + 1, h1, wide, 1, linear2.value(), wide, h2, wide, false);
    if (baseline) {
      each<T>(rows * wide, [&](long i) { at(g + i) = A::value(at(h2 + i)); });
    } else {
      T *c = this->c + first * wide, *u = this->u + b * wide;
      each_row<T>(rows, wide, [&](long i, long k) {
        at(h2 + i) = A::value(at(h2 + i));
        at(c + i) = at(w + k) * A::slope(at(h2 + i));
      });
      multiply<T>(rows, units, hidden, c, wide, 1, linear2.transposed, wide, u, wide, false);
      each<T>(rows * wide, [&](long i) { at(g + i) = at(u + i) * A::slope(at(h1 + i)); });
    }
    multiply<T>(rows, states, hidden, g, wide, 1, out, narrow, field + first * narrow, narrow, false);
  }

  // From r, which has taken the field's place, to all that the gradient is made of.
  void backward(long first, long rows, long b) {
    const T* r = field + first * narrow;
    const T *h1 = this->h1 + first * wide, *g = this->g + first * wide;
    T *d2 = this->d2 + first * wide, *a1 = this->a1 + first * wide, *s = this->s + b * wide, *e = this->e + b * wide;
    multiply<T>(rows, units, n, r, narrow, 1, back, wide, s, wide, false);
    if (baseline) {
      each<T>(rows * wide, [&](long i) { at(d2 + i) = at(s + i) * A::slope(at(g + i)); });
    } else {
      T *t1 = this->t1 + first * wide, *p = this->p + first * wide;
      const T* h2 = this->h2 + b * wide;
      each<T>(rows * wide, [&](long i) { at(t1 + i) = at(s + i) * A::slope(at(h1 + i)); });
      multiply<T>(rows, units, hidden, t1, wide, 1, linear2.value(), wide, e, wide, false);  // t2
      each_row<T>(rows, wide, [&](long i, long k) {
        at(d2 + i) = at(w + k) * A::curvature(at(h2 + i)) * at(e + i);
        at(p + i) = A::slope(at(h2 + i)) * at(e + i);
      });
    }
    multiply<T>(rows, units, hidden, d2, wide, 1, linear2.transposed, wide, e, wide, false);
    if (baseline) {
      each<T>(rows * wide, [&](long i) { at(a1 + i) = at(e + i) * A::slope(at(h1 + i)); });
    } else {
      const T* u = this->u + b * wide;
      each<T>(rows * wide, [&](long i) {
        at(a1 + i) = A::slope(at(h1 + i)) * at(e + i) + A::curvature(at(h1 + i)) * at(u + i) * at(s + i);
      });
    }
  }

  // ∂L/∂x of rows that went back, to the first n columns of narrow ones.
  void input_gradient(long first, long rows, T* gradient) {
    multiply<T>(rows, states, hidden, a1 + first * wide, wide, 1, linear1.transposed, narrow, gradient, narrow, false);
  }

  // A share of the gradient of a batch's rows, to which add says that others were before.
  void weights(Share share, long rows, bool add) {
    const auto [i, end] = share.of(hidden + 1, TILE_ROWS);
    if (!baseline) multiply<T>(end - i, units, rows, t1 + i, 1, wide, c, wide, linear2.gradient(i), wide, add);
    multiply<T>(end - i, units, rows, h1 + i, 1, wide, d2, wide, linear2.gradient(i), wide, add || !baseline);

    const auto [k, last] = share.of(wide, 16);
    multiply<T>(n + 1, last - k, rows, x, 1, n + 1, a1 + k, wide, linear1.gradient() + k, wide, add);
    if (baseline) {
      multiply<T>(std::min(last, hidden) - k, states, rows, g + k, 1, wide, field, narrow, linear3.gradient(k), narrow, add);
    } else {
      multiply<T>(n, last - k, rows, field, 1, narrow, g + k, wide, sum + k, wide, add);
      multiply<T>(1, last - k, rows, x + n, 0, n + 1, p + k, wide, sum + n * wide + k, wide, add);
    }
  }

  // What is left of the same share after the last of the batch's rows: the gradient's end, and Adam's step if there is one.
  void finish(Share share, const Adam<T>* adam) {
    const auto [i, end] = share.of(hidden + 1, TILE_ROWS);
    const auto [k, last] = share.of(wide, 16);
    const long unit = std::min(last, hidden);
    if (!baseline) {
      for (long l = 0; l < n; l++)
        for (long j = 0; j < n; j++)
          for (long q = k; q < last; q++) linear1.gradient(l)[q] += matrix[l * n + j] * sum[j * wide + q];
      for (long q = k; q < unit; q++) linear3.gradient(q)[scalar] = sum[n * wide + q];
    }
    if (!adam) return;
    linear1.update(*adam, 0, n + 1, k, last);
    linear2.update(*adam, i, end, 0, wide);
    linear3.update(*adam, k, unit, 0, linear3.row);
    linear1.transpose(0, n + 1, k, last);
    linear2.transpose(i, end, 0, hidden);
    derive(k, last);
  }
};
