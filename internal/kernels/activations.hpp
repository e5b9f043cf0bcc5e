// Activations σ with first and second derivatives. The derivatives are functions of z, which the forward pass stores. z is the output
// of σ, or its input a if of_input is true.

template <class T>
struct Activation {
  bool of_input;
  // h = σ(a), or before + σ(a) if before is not null. z holds a on entry and the argument of the derivatives on return. Columns from the given
  // number on are padding.
  void (*value)(long rows, long columns, long stride, T* z, const T* before, T* h);
  // c = g⊙σ'. g_stride is 0 if all rows of g are equal.
  void (*adjoint)(long rows, long columns, const T* g, long g_stride, const T* z, T* c);
  // ḣ = σ'⊙ȧ, or before + σ'⊙ȧ
  void (*tangent)(long count, const T* z, const T* a_dot, const T* before, T* h_dot);
  // d = e⊙σ' + g⊙σ''⊙ȧ. A null e means zero.
  void (*second_adjoint)(long rows, long columns, const T* e, const T* g, long g_stride, const T* z, const T* a_dot, T* d);
};

// The loops over an activation A. A defines value(a), first_derivative(z) and second_derivative(z) for vectors.
template <class A, class T>
struct Loops {
  typedef Vector<T> V;

  static void value(long rows, long columns, long stride, T* z, const T* before, T* h) {
    for (long r = 0; r < rows; r++)
      each<T>(columns, [=](long c) {
        const long i = r * stride + c;
        const V s = A::value(at(z + i));
        if (!A::of_input) at(z + i) = s;
        if (before) at(h + i) = at(before + i) + s;
        else if (A::of_input || h != z) at(h + i) = s;
      });
  }

  static void adjoint(long rows, long columns, const T* g, long g_stride, const T* z, T* c) {
    each_row<T>(rows, columns, g_stride, [=](long i, long k) { at(c + i) = at(g + k) * A::first_derivative(at(z + i)); });
  }

  static void tangent(long count, const T* z, const T* a_dot, const T* before, T* h_dot) {
    if (before) each<T>(count, [=](long i) { at(h_dot + i) = at(before + i) + A::first_derivative(at(z + i)) * at(a_dot + i); });
    else each<T>(count, [=](long i) { at(h_dot + i) = A::first_derivative(at(z + i)) * at(a_dot + i); });
  }

  static void second_adjoint(long rows, long columns, const T* e, const T* g, long g_stride, const T* z, const T* a_dot, T* d) {
    if (e)
      each_row<T>(rows, columns, g_stride, [=](long i, long k) {
        at(d + i) = at(e + i) * A::first_derivative(at(z + i)) + at(g + k) * A::second_derivative(at(z + i)) * at(a_dot + i);
      });
    else
      each_row<T>(rows, columns, g_stride, [=](long i, long k) { at(d + i) = at(g + k) * A::second_derivative(at(z + i)) * at(a_dot + i); });
  }

  static constexpr Activation<T> table{A::of_input, value, adjoint, tangent, second_adjoint};
};

template <class T>
struct Identity {
  typedef Vector<T> V;
  static constexpr bool of_input = false;
  static V value(V a) { return a; }
  static V first_derivative(V) { return V{} + T(1); }
  static V second_derivative(V) { return V{}; }
};

template <class T>
struct Tanh {
  typedef Vector<T> V;
  static constexpr bool of_input = false;
  static V value(V a) { return tanh(a); }
  static V first_derivative(V h) { return T(1) - h * h; }
  static V second_derivative(V h) { return T(-2) * h * (T(1) - h * h); }
};

template <class T>
struct Relu {
  typedef Vector<T> V;
  static constexpr bool of_input = false;
  static V value(V a) { return a > V{} ? a : V{}; }
  static V first_derivative(V h) { return h > V{} ? V{} + T(1) : V{}; }
  static V second_derivative(V) { return V{}; }
};

template <class T>
struct Sigmoid {
  typedef Vector<T> V;
  static constexpr bool of_input = false;
  static V value(V a) { return T(1) / (T(1) + exponential(V(-a))); }
  static V first_derivative(V h) { return h * (T(1) - h); }
  static V second_derivative(V h) { return h * (T(1) - h) * (T(1) - T(2) * h); }
};

// log(1 + eᵃ), or a for a > 20, as in PyTorch.
template <class T>
struct Softplus {
  typedef Vector<T> V;
  static constexpr bool of_input = true;
  static V value(V a) {
    const V most = a > V{} ? a : V{}, rest = log_one_plus(exponential(V(a - most - most)));
    return a > V{} + T(20) ? a : most + rest;
  }
  static V first_derivative(V a) { return a > V{} + T(20) ? V{} + T(1) : Sigmoid<T>::value(a); }
  static V second_derivative(V a) { return a > V{} + T(20) ? V{} : Sigmoid<T>::first_derivative(Sigmoid<T>::value(a)); }
};

// s·a for a > 0, else s·α·(eᵃ − 1).
template <class T>
struct Selu {
  typedef Vector<T> V;
  static constexpr bool of_input = false;
  static constexpr T s = T(1.0507009873554804934193349852946), alpha = T(1.6732632423543772848170429916717);
  static V value(V a) { return a > V{} ? s * a : s * alpha * exponential_minus_one(a); }
  static V first_derivative(V h) { return h > V{} ? V{} + s : h + s * alpha; }
  static V second_derivative(V h) { return h > V{} ? V{} : h + s * alpha; }
};

template <class T>
struct Elu {
  typedef Vector<T> V;
  static constexpr bool of_input = false;
  static V value(V a) { return a > V{} ? a : exponential_minus_one(a); }
  static V first_derivative(V h) { return h > V{} ? V{} + T(1) : h + T(1); }
  static V second_derivative(V h) { return h > V{} ? V{} : h + T(1); }
};

template <class T>
struct Swish {
  typedef Vector<T> V;
  static constexpr bool of_input = true;
  static V value(V a) { return a * Sigmoid<T>::value(a); }
  static V first_derivative(V a) {
    const V s = Sigmoid<T>::value(a);
    return s + a * s * (T(1) - s);
  }
  static V second_derivative(V a) {
    const V s = Sigmoid<T>::value(a);
    return s * (T(1) - s) * (T(2) + a * (T(1) - T(2) * s));
  }
};

// a²/2. A linear layer, this and a sum give a quadratic form.
template <class T>
struct Square {
  typedef Vector<T> V;
  static constexpr bool of_input = true;
  static V value(V a) { return T(0.5) * a * a; }
  static V first_derivative(V a) { return a; }
  static V second_derivative(V) { return V{} + T(1); }
};

// Returns the activation for a constant of kernels.h.
template <class T>
const Activation<T>& activation(long which) {
  static const Activation<T>* const all[] = {&Loops<Identity<T>, T>::table, &Loops<Tanh<T>, T>::table,     &Loops<Relu<T>, T>::table,
                                             &Loops<Sigmoid<T>, T>::table,  &Loops<Softplus<T>, T>::table, &Loops<Selu<T>, T>::table,
                                             &Loops<Elu<T>, T>::table,      &Loops<Swish<T>, T>::table,   &Loops<Square<T>, T>::table};
  return *all[which];
}
