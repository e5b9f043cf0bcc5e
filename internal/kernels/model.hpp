// The model of one instruction set.

// One step of Adam (Kingma and Ba, 2015) with betas 0.9 and 0.999, eps 1e-8 and L2 weight decay.
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

template <class T>
struct Model : hnn_model {
  ThreadPool pool;
  std::deque<Network<T>> networks;
  std::deque<Features<T>> features;
  std::vector<Angle> angles;  // whose sines and cosines the networks read
  std::vector<Buffer<T>> kept;
  long size = 0;  // length of each kept vector
  std::unique_ptr<Field<T>> field;
  std::unique_ptr<Derivatives<T>> derivatives;
  std::unique_ptr<Windows<T>> windows;
  std::unique_ptr<Images<T>> images;

  Model(const hnn_config& c, const int64_t* layers, const int64_t* inputs, const int64_t* terms, const double* matrices, const uint8_t* frames)
      : pool(c.threads), kept(2 + c.state) {
    for (long i = 0; i < c.layers; i++, layers += HNN_LAYER) {
      if (layers[HNN_FIRST]) networks.emplace_back();
      networks.back().emplace_back(layers);
    }
    for (size_t i = 0; i < networks.size(); i++) {
      features.emplace_back();
      features.back().n = c.dimension;
      for (long left = *inputs++; left > 0; left--, inputs += 3) features.back().add(inputs[0], inputs[1], inputs[2], c.columns, angles);
    }
    for (size_t i = 0; i < networks.size(); i++)
      if (!angles.empty() && features[i].list.empty())  // the row with sines and cosines is longer than what this network reads
        for (long k = 0; k < networks[i].front().in; k++) features[i].add(k, -1, HNN_VALUE, c.columns, angles);
    if (c.terms > 0) {
      field = std::make_unique<Field<T>>(networks, features, angles, c.dimension, c.columns, c.terms, terms, matrices, c.energy);
      derivatives = std::make_unique<Derivatives<T>>(pool, *field);
      windows = std::make_unique<Windows<T>>(pool, *field);
    }
    if (c.frames > 0) images = std::make_unique<Images<T>>(pool, *field, networks, c.frame_size, c.frames, frames);
    for (auto& network : networks)
      for (auto& layer : network) layer.offset = size, size += layer.rows() * layer.stride;
    for (auto& k : kept) k.resize(size);
    for (auto& network : networks)
      for (auto& layer : network) layer.values = kept[HNN_VALUES] + layer.offset;
  }

  void load(int kind, int network, int layer, const void* weight, const void* bias) override {
    Layer<T>& l = networks[network][layer];
    l.load(kept[kind], static_cast<const T*>(weight), static_cast<const T*>(bias));
    if (kind == HNN_VALUES) l.transpose(0, l.rows());
  }
  void store(int kind, int network, int layer, void* weight, void* bias) override {
    networks[network][layer].store(kept[kind], static_cast<T*>(weight), static_cast<T*>(bias));
  }
  void* vector(int kind, int64_t* count) override {
    *count = size;
    return kept[kind];
  }

  long size_of(int count) const override { return count < long(networks.size()) ? networks[count].front().offset : size; }

  // Calls f(layer, first, last) for chunks of the rows of all layers.
  template <class F>
  void by_rows(F f) {
    pool.run(pool.chunks(), [&](Chunk chunk) {
      for (auto& network : networks)
        for (auto& layer : network) {
          const auto [first, last] = chunk.of(layer.rows(), 16);
          f(layer, first, last);
        }
    });
  }
  void updated() override {
    by_rows([](Layer<T>& layer, long first, long last) { layer.transpose(first, last); });
  }
  void adam(long step, double learning_rate, double weight_decay) override {
    const Adam<T> adam(step, learning_rate, weight_decay);
    by_rows([&](Layer<T>& l, long first, long last) {
      const long i = l.offset + first * l.stride;
      adam((last - first) * l.stride, kept[HNN_VALUES] + i, kept[HNN_GRADIENT] + i, kept[HNN_STATE] + i, kept[HNN_STATE + 1] + i);
      l.transpose(first, last);
    });
  }

  double loss(const hnn_batch& b, const void* x, const void* dx, const void* steps, const int64_t* rows, const void* noise, double* errors) override {
    const Batch<T> batch{static_cast<const T*>(x), static_cast<const T*>(dx),    rows,     b.count,         static_cast<const T*>(noise), b.noise_scale, b.step,
                         b.scale, b.whole,         static_cast<const T*>(steps), b.scheme, b.gradient == 1 ? +kept[HNN_GRADIENT] : nullptr, errors};
    return images ? images->loss(batch) : derivatives->loss(batch);
  }

  double window_loss(long count, long steps, const void* const* arrays, void* gradient, void* path) override {
    auto array = [&](long i) { return static_cast<const T*>(arrays[i]); };
    return windows->loss({count, steps, array(0), array(1), array(2), array(3), array(4), static_cast<T*>(gradient), static_cast<T*>(path),
                          kept[HNN_GRADIENT], size});
  }

  void evaluate(int what, const void* x, void* result, long rows) override {
    derivatives->evaluate(what, static_cast<const T*>(x), static_cast<T*>(result), rows);
  }

  // Computes the outputs of a network. Uses a temporary arena.
  void network(int which, const void* x, void* result, long rows) override {
    constexpr long block = 16;
    const Network<T>& network = networks[which];
    const Layer<T>&first = network.front(), &last = network.back();
    Arena<T> arena;
    Rows<T>* inputs = arena.make(first.transposed_stride, KEPT);
    const ForwardPass<T> pass(network, arena, inputs, 0);
    const long threads = std::min(pool.size(), (rows + block - 1) / block);
    arena.reserve({threads * block, threads * block, threads * block});
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(result);
    pool.run((rows + block - 1) / block, [&](Chunk chunk) {
      const auto [begin, end] = chunk.of(rows, block);
      const long thread = chunk.thread * block;
      const Place p{thread, thread, thread};
      for (long i = begin; i < end; i += block) {
        const long size = std::min(block, end - i);
        for (long r = 0; r < size; r++) {
          T* row = (*inputs)(p) + r * inputs->stride;
          for (long k = 0; k < first.in; k++) row[first.input[k]] = from[(i + r) * first.in + k];
          row[first.input[first.in]] = 1;
        }
        pass.run(p, size, pass.size(), true);
        const T* h = (*pass.outputs())(p);
        for (long r = 0; r < size; r++)
          for (long k = 0; k < last.out; k++) to[(i + r) * last.out + k] = h[r * last.stride + last.output[k]];
      }
    });
  }
};

inline hnn_model* make(const hnn_config& c, const int64_t* layers, const int64_t* inputs, const int64_t* terms, const double* matrices,
                       const uint8_t* frames) {
  if (c.doubles) return new Model<double>(c, layers, inputs, terms, matrices, frames);
  return new Model<float>(c, layers, inputs, terms, matrices, frames);
}
