// The field dx/dt as a sum of terms, for rows of a batch.
template <class T>
struct Field {
  const long n, stride;
  Arena<T> arena;
  Rows<T>*x, *dxdt;  // x: states, each followed by a 1; dxdt: the field, later overwritten by r = ∂L/∂field
  std::deque<ForwardPass<T>> passes;
  std::vector<std::unique_ptr<Term<T>>> terms;
  Rows<T>* dx;  // ∂L/∂x, summed over terms

  // pairs holds a network and an output (−1 for all outputs) per term. matrices holds an n×n matrix per term.
  Field(const std::deque<Network<T>>& networks, long count, const int64_t* pairs, const double* matrices)
      : n(networks[pairs[0]].front().in), stride(padded(n + 1)), x(arena.make(stride, false)), dxdt(arena.make(stride, false)),
        dx(arena.make(stride, true)) {
    std::vector<ForwardPass<T>*> of(networks.size());
    std::vector<long> kept(networks.size());
    for (long i = 0; i < count; i++) {
      const auto& network = networks[pairs[2 * i]];
      const bool below = pairs[2 * i + 1] >= 0 && network.back().linear && !network.back().residual;
      kept[pairs[2 * i]] = std::max(kept[pairs[2 * i]], long(network.size()) - 1 - below);
    }
    std::vector<char> opened(networks.size());
    for (long i = 0; i < count; i++) {
      const long network = pairs[2 * i], output = pairs[2 * i + 1];
      if (!of[network]) {
        passes.emplace_back(networks[network], arena, x, kept[network]);
        of[network] = &passes.back();
      }
      if (output < 0) terms.push_back(std::make_unique<Outputs<T>>(*of[network], arena, dxdt));
      else terms.push_back(std::make_unique<ScaledGradient<T>>(*of[network], arena, output, matrices + i * n * n));
      terms.back()->opens = !opened[network];
      opened[network] = 1;
    }
  }

  void set(Place p, long rows, const T* states, const int64_t* which, long first) const {
    for (long r = 0; r < rows; r++) {
      T* to = (*x)(p) + r * stride;
      std::copy_n(states + (which ? which[first + r] : first + r) * n, n, to);
      to[n] = 1;
    }
  }

  void forward(Place p, long rows) {
    for (auto& pass : passes) pass.run(p, rows);
    for (auto& term : terms) term->forward(p, rows, (*dxdt)(p), &term != &terms.front());
  }

  // Computes the adjoints for the gradient from r. Also computes dx if wanted.
  void backward(Place p, long rows, bool wanted) {
    T* sum = (*dx)(p);
    if (wanted) std::fill_n(sum, rows * stride, T(0));
    for (auto& term : terms)
      if (const T* part = term->backward(p, rows, (*dxdt)(p), wanted))
        for (long r = 0; r < rows; r++)
          for (long j = 0; j < n; j++) sum[r * stride + j] += part[r * stride + j];
  }

  // Computes a chunk of the weight gradient. If first is false, adds to the sums of earlier rows.
  void weights(Chunk chunk, long rows, bool first) {
    for (auto& term : terms) term->weights(chunk, rows, first);
  }
};
