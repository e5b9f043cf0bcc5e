// What trains: batches of rows on a team of threads. Each row's numbers and each weight's gradient are one thread's, in an order that
// no number of threads changes, so that neither does the result.

template <class T>
struct Model : hnn_model {
  Team team;
  explicit Model(int threads) : team(threads) {}

  virtual Layer<T>& layer(int i) = 0;
  virtual void derive() = 0;
  virtual double pass(const T* x, const T* dx, const int64_t* rows, long count, const T* noise, double noise_scale, bool gradient,
                      const Adam<T>* adam) = 0;

  void load(int what, int i, const void* weight, const void* bias) override {
    layer(i).load(what, static_cast<const T*>(weight), static_cast<const T*>(bias));
    if (what == HNN_VALUE) derive();
  }
  void store(int what, int i, void* weight, void* bias) override { layer(i).store(what, static_cast<T*>(weight), static_cast<T*>(bias)); }

  double pass(const void* x, const void* dx, const int64_t* rows, long count, const void* noise, double noise_scale, bool gradient, long step,
              double learning_rate, double weight_decay) override {
    const Adam<T> adam(step, learning_rate, weight_decay);
    return pass(static_cast<const T*>(x), static_cast<const T*>(dx), rows, count, static_cast<const T*>(noise), noise_scale, gradient,
                step > 0 ? &adam : nullptr);
  }
};

// The field compared with observed derivatives.
template <class T, template <class> class Activation>
struct Derivatives : Model<T> {
  // Rows whose numbers stay in the second cache: on their way forward and back, and for the weights' gradient.
  static constexpr long block = 16, chunk = 192;
  using Model<T>::team;
  Dynamics<T, Activation> net;
  Buffer<double> errors;  // of each row

  Derivatives(int threads, const hnn_dynamics& d) : Model<T>(threads), net(d) {
    net.reserve(threads * block, threads * block);
  }
  Layer<T>& layer(int i) override { return net.layer(i); }
  void derive() override { net.derive(0, net.wide); }

  // Calls f(first row, its place in the net's memory, rows, the thread's block) for blocks of rows.
  template <class F>
  void blocks(long count, bool keep, F f) {
    team.run((count + block - 1) / block, [&](Share share) {
      const long own = share.thread * block;
      const auto [first, last] = share.of(count, TILE_ROWS);
      for (long i = first; i < last; i += block) f(i, keep ? i : own, std::min(block, last - i), own);
    });
  }

  void field(const void* states, long count, void* result) override {
    const T* x = static_cast<const T*>(states);
    T* field = static_cast<T*>(result);
    blocks(count, false, [&](long first, long place, long rows, long b) {
      gather(x, nullptr, first, place, rows);
      net.forward(place, rows, b);
      for (long r = 0; r < rows; r++) std::copy_n(net.field + (place + r) * net.narrow, net.n, field + (first + r) * net.n);
    });
  }

  void gather(const T* x, const int64_t* rows, long first, long place, long count) {
    for (long r = 0; r < count; r++) {
      T* to = net.x + (place + r) * (net.n + 1);
      std::copy_n(x + (rows ? rows[first + r] : first + r) * net.n, net.n, to);
      to[net.n] = 1;
    }
  }

  double pass(const T* x, const T* dx, const int64_t* rows, long count, const T* noise, double noise_scale, bool gradient,
              const Adam<T>* adam) override {
    const long n = net.n;
    if (gradient) net.reserve(std::max(std::min(count, chunk), team.size() * block), team.size() * block);
    const long most = gradient ? chunk : count;  // what an evaluation leaves of a row is its error alone
    errors.resize(most);
    double loss = 0;
    for (long start = 0; start < count; start += most) {
      const long part = std::min(most, count - start);
      blocks(part, gradient, [&](long first, long place, long size, long b) {
        gather(x, rows, start + first, place, size);
        net.forward(place, size, b);
        for (long r = 0; r < size; r++) {
          const long i = start + first + r;
          const T* target = dx + (rows ? rows[i] : i) * n;
          T* residual = net.field + (place + r) * net.narrow;
          double error = 0;
          for (long j = 0; j < n; j++) {
            if (noise) residual[j] += T(noise_scale) * noise[i * n + j];
            residual[j] -= target[j];
            error += residual[j] * residual[j];
            residual[j] *= T(2) / T(count * n);
          }
          errors[first + r] = error;
        }
        if (gradient) net.backward(place, size, b);
      });
      for (long r = 0; r < part; r++) loss += errors[r];
      if (gradient)
        team.run(team.shares_of_work(), [&](Share share) {
          net.weights(share, part, start > 0);
          if (start + part == count) net.finish(share, adam);
        });
    }
    return loss / (count * n);
  }
};

// Four layers with relu, of which the middle two add to what they are given.
template <class T>
struct Half {
  Layer<T> layers[4];
  long wide = 0, units = 0, hidden = 0;  // as the dynamics'
  bool input_gradient = false;  // whether someone asks for the first layer's transpose
  Buffer<T> h1, h2, h3, a2, a3, d1, d2, d3, e;  // a are what the middle layers add

  void make(long in, long hidden, long out) {
    layers[0].make(in, hidden, true), layers[1].make(hidden, hidden, true), layers[2].make(hidden, hidden, true), layers[3].make(hidden, out, true);
    this->hidden = hidden, wide = padded(hidden + 1), units = (hidden + 7) / 8 * 8;
  }
  void reserve(long rows) {
    for (auto* kept : {&h1, &h2, &h3, &a2, &a3, &d1, &d2, &d3, &e}) kept->resize(rows * wide);
  }

  // Rows of an input of the given depth, which ends with a 1, to rows as long as the last layer's.
  void forward(long first, long rows, const T* in, long in_row, long depth, T* out) {
    const long from = first * wide;
    T *h1 = this->h1 + from, *h2 = this->h2 + from, *h3 = this->h3 + from, *a2 = this->a2 + from, *a3 = this->a3 + from;
    multiply<T>(rows, units, depth, in + first * in_row, in_row, 1, layers[0].value(), wide, h1, wide, false);
    each<T>(rows * wide, [&](long i) { at(h1 + i) = Relu<T>::value(at(h1 + i)); });
    for (long r = 0; r < rows; r++) h1[r * wide + hidden] = 1;
    add(rows, layers[1], h1, a2, h2);
    add(rows, layers[2], h2, a3, h3);
    multiply<T>(rows, layers[3].row, hidden + 1, h3, wide, 1, layers[3].value(), layers[3].row, out + first * layers[3].row, layers[3].row, false);
  }
  void add(long rows, Layer<T>& layer, const T* h, T* a, T* sum) {
    multiply<T>(rows, units, hidden + 1, h, wide, 1, layer.value(), wide, a, wide, false);
    each<T>(rows * wide, [&](long i) {
      at(a + i) = Relu<T>::value(at(a + i));
      at(sum + i) = at(h + i) + at(a + i);
    });
  }

  // From the loss's derivative by the rows of out.
  void backward(long first, long rows, const T* out) {
    const long from = first * wide, row = layers[3].row;
    T* e = this->e + from;
    multiply<T>(rows, units, layers[3].out, out + first * row, row, 1, layers[3].transposed, wide, e, wide, false);
    mask(rows, e, a3 + from, d3 + from);
    multiply<T>(rows, units, hidden, d3 + from, wide, 1, layers[2].transposed, wide, e, wide, true);
    mask(rows, e, a2 + from, d2 + from);
    multiply<T>(rows, units, hidden, d2 + from, wide, 1, layers[1].transposed, wide, e, wide, true);
    mask(rows, e, h1 + from, d1 + from);
  }
  void mask(long rows, const T* e, const T* a, T* d) {
    each<T>(rows * wide, [&](long i) { at(d + i) = at(e + i) * Relu<T>::slope(at(a + i)); });
  }

  void weights(Share share, long rows, const T* in, long in_row, long depth, const T* out, bool add) {
    product(share, layers[0], depth, rows, in, in_row, d1, add);
    product(share, layers[1], hidden + 1, rows, h1, wide, d2, add);
    product(share, layers[2], hidden + 1, rows, h2, wide, d3, add);
    product(share, layers[3], hidden + 1, rows, h3, wide, out, add);
  }
  void product(Share share, Layer<T>& layer, long depth, long rows, const T* in, long in_row, const T* d, bool add) {
    const auto [i, end] = share.of(depth, TILE_ROWS);
    multiply<T>(end - i, layer.row, rows, in + i, 1, in_row, d, layer.row, layer.gradient(i), layer.row, add);
  }

  // Adam's step for the same share of the rows that weights gave a gradient, and for one of those that have none.
  void update(Share share, long depth, const Adam<T>& adam) {
    for (auto& layer : layers) {
      const long rows = &layer == layers ? depth : layer.rows();
      const auto [i, end] = share.of(rows, TILE_ROWS);
      layer.update(adam, i, end, 0, layer.row);
      if (&layer != layers || input_gradient) layer.transpose(i, end, 0, layer.out);
    }
    const auto [i, end] = share.of(layers[0].rows() - depth, 1);
    layers[0].update(adam, depth + i, depth + end, 0, layers[0].row);
  }
};

// The autoencoder of two frames with the dynamics of its latent state. A sample is three frames in a row: the first two, and the two
// that follow them. Pixels that no frame lights have no part in the products with pictures; they come last in the layers' order.
template <class T, template <class> class Activation>
struct Pixels : Model<T> {
  static constexpr long chunk = 512;
  using Model<T>::team;
  const long latent, size;  // of a state and of a frame
  long lit = 0, depth;      // pixels of a frame that some frame lights; a picture's lit pixels and a 1
  Half<T> encoder, decoder;
  Dynamics<T, Activation> net;
  Buffer<T> frames, x, z, dz, code, picture, dcode, dfield;
  Buffer<double> errors;
  long capacity = 0;

  Pixels(int threads, const hnn_dynamics& d, long frame_size, long count, const uint8_t* bytes)
      : Model<T>(threads), latent(d.n), size(frame_size), net(d) {
    std::vector<uint8_t> seen(size);
    for (long f = 0; f < count; f++)
      for (long p = 0; p < size; p++) seen[p] |= bytes[f * size + p];
    std::vector<long> place(size), pixels;
    for (long p = 0; p < size; p++)
      if (seen[p]) place[p] = lit++, pixels.push_back(p);
    depth = 2 * lit + 1;
    T brightness[256];
    for (int v = 0; v < 256; v++) brightness[v] = T(v / 255.0);
    frames.resize(count * lit);
    team.run(count, [&](Share share) {
      const auto [first, last] = share.of(count, 1);
      for (long f = first; f < last; f++)
        for (long i = 0; i < lit; i++) frames[f * lit + i] = brightness[bytes[f * size + pixels[i]]];
    });

    encoder.make(2 * size, d.hidden, latent), decoder.make(latent, d.hidden, 2 * size), decoder.input_gradient = true;
    auto &input = encoder.layers[0].input, &output = decoder.layers[3].output;
    for (long p = 0, dark = 0; p < size; p++)
      for (long k = 0; k < 2; k++) {
        const long rank = seen[p] ? k * lit + place[p] : 2 * lit + dark++;
        output[k * size + p] = rank;
        input[k * size + p] = seen[p] ? rank : rank + 1;
      }
    input[2 * size] = 2 * lit;
  }
  Layer<T>& layer(int i) override { return i < 4 ? encoder.layers[i] : i < 8 ? decoder.layers[i - 4] : net.layer(i - 8); }
  void derive() override { net.derive(0, net.wide); }
  void field(const void*, long, void*) override {}

  void reserve(long samples) {
    if (samples <= capacity) return;
    capacity = samples;
    encoder.reserve(2 * samples), decoder.reserve(samples), net.reserve(samples, samples);
    x.resize(2 * samples * depth), z.resize(2 * samples * net.narrow), dz.resize(2 * samples * net.narrow);
    code.resize(samples * net.narrow), dcode.resize(samples * net.narrow), dfield.resize(samples * net.narrow);
    picture.resize(samples * decoder.layers[3].row);
    errors.resize(samples);
  }

  double pass(const T*, const T*, const int64_t* rows, long count, const T* noise, double noise_scale, bool gradient,
              const Adam<T>* adam) override {
    const long most = std::min(count, chunk);
    reserve(most);
    double loss = 0;
    for (long start = 0; start < count; start += most) {
      const long part = std::min(most, count - start);
      team.run(team.shares_of_work(), [&](Share share) {
        const auto [first, last] = share.of(part, TILE_ROWS);
        forward(first, last - first, part, rows + start, noise ? noise + start * latent : nullptr, noise_scale, count);
        if (gradient) backward(first, last - first, part);
      });
      for (long r = 0; r < part; r++) loss += errors[r];
      if (gradient)
        team.run(team.shares_of_work(), [&](Share share) {
          encoder.weights(share, 2 * part, x, depth, depth, dz, start > 0);
          decoder.weights(share, part, code, net.narrow, latent + 1, picture, start > 0);
          net.weights(share, part, start > 0);
          if (start + part < count) return;
          net.finish(share, adam);
          if (adam) encoder.update(share, depth, *adam), decoder.update(share, latent + 1, *adam);
        });
    }
    return loss / count;
  }

  // Fills errors, and the derivatives of the loss by the picture, the latent states and the field. The following pictures stand
  // behind all of the chunk's.
  void forward(long first, long rows, long part, const int64_t* samples, const T* noise, double noise_scale, long count) {
    const long narrow = net.narrow, pixels = 2 * size, row = decoder.layers[3].row;
    for (long r = first; r < first + rows; r++)
      for (long k = 0; k < 2; k++) {
        T* to = x + (k * part + r) * depth;
        std::copy_n(frames + (samples[r] + k) * lit, 2 * lit, to);
        to[2 * lit] = 1;
      }
    for (long k = 0; k < 2; k++) encoder.forward(k * part + first, rows, x, depth, depth, z);
    for (long r = first; r < first + rows; r++) {
      std::copy_n(z + r * narrow, latent, code + r * narrow);
      code[r * narrow + latent] = 1;
      T* state = net.x + r * (latent + 1);
      for (long j = 0; j < latent; j++) state[j] = z[r * narrow + j] + (noise ? T(noise_scale) * noise[r * latent + j] : T(0));
      state[latent] = 1;
    }
    decoder.forward(first, rows, code, narrow, latent + 1, picture);
    net.forward(first, rows, first);
    for (long r = first; r < first + rows; r++) {
      T* shown = picture + r * row;
      const T* seen = x + r * depth;
      for (long k = 0; k < 2 * lit; k++) shown[k] -= seen[k];
      Vector<T> squares{};
      each<T>(row, [&](long k) {
        squares += at(shown + k) * at(shown + k);
        at(shown + k) *= T(2) / T(count * pixels);
      });
      double unlike = 0;
      for (long k = 0; k < Lanes<T>::count; k++) unlike += squares[k];

      const T *now = z + r * narrow, *next = z + (part + r) * narrow;
      T *dnow = dz + r * narrow, *dnext = dz + (part + r) * narrow, *field = net.field + r * narrow;
      double moved = 0;
      for (long j = 0; j < latent; j++) {
        const T e = next[j] - now[j] - field[j], slope = T(0.2) / T(count * latent) * e;
        moved += e * e;
        dnext[j] = slope, dnow[j] = -slope, field[j] = -slope;
      }
      const long half = latent / 2;
      double canonical = 0;
      for (long j = 0; j < half; j++) {
        const T e = now[half + j] - (next[j] - now[j]), slope = T(2) / T(count * half) * e;
        canonical += e * e;
        dnow[half + j] += slope, dnow[j] += slope, dnext[j] -= slope;
      }
      errors[r] = unlike / pixels + canonical / half + 0.1 * moved / latent;
    }
  }

  void backward(long first, long rows, long part) {
    const long narrow = net.narrow;
    net.backward(first, rows, first);
    net.input_gradient(first, rows, dfield + first * narrow);
    decoder.backward(first, rows, picture);
    multiply<T>(rows, narrow, decoder.hidden, decoder.d1 + first * decoder.wide, decoder.wide, 1, decoder.layers[0].transposed, narrow,
                dcode + first * narrow, narrow, false);
    for (long r = first; r < first + rows; r++)
      for (long j = 0; j < latent; j++) dz[r * narrow + j] += dfield[r * narrow + j] + dcode[r * narrow + j];
    for (long k = 0; k < 2; k++) encoder.backward(k * part + first, rows, dz);
  }
};
