// Losses of batches, computed on the thread pool. One thread computes each row, and one thread sums the gradient of each weight. The order
// of each sum does not depend on the number of threads, so the result does not either.

// The arguments of a loss.
template <class T>
struct Batch {
  const T *x, *dx;
  const int64_t* rows;  // null for the first count rows
  long count;
  const T* noise;  // may be null
  double noise_scale, step, scale;
  bool gradient;
  double* errors;  // null if not wanted

  long row(long i) const { return rows ? rows[i] : i; }
};

// The loss of derivatives is the mean of (prediction + noise − dx)². The prediction is the field or the increment of a Runge-Kutta step.
// The step is x(t + h) − x(t) = h·Σ weight_s·k_s with stages k_s = f(x + h·from_s·k_{s−1}).
struct Stage {
  double from, weight;
};
inline const std::vector<Stage>& stages_of(double step) {
  static const std::vector<Stage> field{{0, 1}}, rk4{{0, 1. / 6}, {.5, 1. / 3}, {.5, 1. / 3}, {1, 1. / 6}};
  return step == 0 ? field : rk4;
}

template <class T>
class Derivatives {
  // A block of rows passes forward and backward within the L2 cache. The weight gradient sums a part of the batch, which also fits in L2.
  // Without a gradient, a part only stores errors.
  static constexpr long block = 16, part = 192, part_of_errors = 8192;
  ThreadPool& pool;
  Field<T>& field;
  const long n;
  Buffer<double> errors, residuals;  // errors: per row; residuals: per thread, for a block

  // Computes the errors of a block of rows, and the adjoints if there is a gradient. The rows of successive stages are contiguous.
  void work(const Batch<T>& b, const std::vector<Stage>& stages, long first, long rows, Place begin, double* row_errors, double* residual) {
    const long count = stages.size(), stride = field.stride;
    const double h = b.step, factor = b.step == 0 ? 1 : b.scale * b.step;
    auto place = [&](long s) { return Place{begin.row + s * rows, begin.local + s * block}; };
    std::fill_n(residual, rows * n, 0.);
    for (long s = 0; s < count; s++) {
      field.set(place(s), rows, b.x, b.rows, first);
      if (s > 0) {
        T* x = (*field.x)(place(s));
        const T* k = (*field.dxdt)(place(s - 1));
        for (long r = 0; r < rows; r++)
          for (long j = 0; j < n; j++) x[r * stride + j] += T(h * stages[s].from) * k[r * stride + j];
      }
      field.forward(place(s), rows);
      const T* k = (*field.dxdt)(place(s));
      for (long r = 0; r < rows; r++)
        for (long j = 0; j < n; j++) residual[r * n + j] += factor * stages[s].weight * k[r * stride + j];
    }
    for (long r = 0; r < rows; r++) {
      const long i = first + r;
      const T* target = b.dx + b.row(i) * n;
      double sum = 0;
      for (long j = 0; j < n; j++) {
        double& e = residual[r * n + j];
        if (b.noise) e += b.noise_scale * b.noise[i * n + j];
        e -= target[j];
        sum += e * e;
        if (b.errors) b.errors[i * n + j] = e * e;
      }
      row_errors[r] = sum;
    }
    if (!b.gradient) return;
    for (long s = count - 1; s >= 0; s--) {
      T* r = (*field.dxdt)(place(s));
      const double weight = 2 * factor * stages[s].weight / (b.count * n);
      for (long q = 0; q < rows; q++)
        for (long j = 0; j < n; j++) r[q * stride + j] = T(weight * residual[q * n + j]);
      if (s + 1 < count) {
        const T* dx = (*field.dx)(place(s + 1));
        for (long q = 0; q < rows; q++)
          for (long j = 0; j < n; j++) r[q * stride + j] += T(h * stages[s + 1].from) * dx[q * stride + j];
      }
      field.backward(place(s), rows, s > 0);
    }
  }

 public:
  Derivatives(ThreadPool& p, Field<T>& f) : pool(p), field(f), n(f.n) {
    residuals.resize(pool.size() * block * n);
    reserve(0, 1);
  }

  void reserve(long rows, long stages) {
    const long local = pool.size() * block * stages;
    field.arena.reserve(std::max(rows * stages, local), local);
  }

  double loss(const Batch<T>& b) {
    const auto& stages = stages_of(b.step);
    const long steps = stages.size(), most = std::max(part / steps, block);
    long size = part_of_errors;
    if (b.gradient) {
      const long parts = std::max(1l, (b.count + most / 2) / most);
      size = ((b.count + parts - 1) / parts + block - 1) / block * block;
    }
    reserve(b.gradient ? size : 0, steps);
    errors.resize(size);
    double sum = 0;
    for (long start = 0; start < b.count; start += size) {
      const long rows = std::min(size, b.count - start);
      pool.run((rows + block - 1) / block, [&](Chunk chunk) {
        const auto [first, last] = chunk.of(rows, block);
        for (long i = first; i < last; i += block) {
          const long local = chunk.thread * block * steps;
          work(b, stages, start + i, std::min(block, last - i), {b.gradient ? i * steps : local, local}, errors + i, residuals + chunk.thread * block * n);
        }
      });
      for (long r = 0; r < rows; r++) sum += errors[r];
      if (b.gradient) pool.run(pool.chunks(), [&](Chunk chunk) { field.weights(chunk, rows * steps, start == 0); });
    }
    return sum / (b.count * n);
  }

  void evaluate(const T* states, T* result, long count) {
    pool.run((count + block - 1) / block, [&](Chunk chunk) {
      const Place p{chunk.thread * block, chunk.thread * block};
      const auto [first, last] = chunk.of(count, block);
      for (long i = first; i < last; i += block) {
        const long rows = std::min(block, last - i);
        field.set(p, rows, states, nullptr, i);
        field.forward(p, rows);
        for (long r = 0; r < rows; r++) std::copy_n((*field.dxdt)(p) + r * field.stride, n, result + (i + r) * n);
      }
    });
  }
};

// The loss of images. An image consists of two consecutive frames, and a sample of three consecutive frames, which form two images. The
// field predicts the change of the latent state between them. Pixels that are zero in all frames come last in the order of the layers,
// and products with images skip them.
template <class T>
class Images {
  static constexpr long block = 208, part = 512;
  ThreadPool& pool;
  Field<T>& field;
  const long latent, size;  // latent: dimension of a state; size: pixels of a frame
  long lit = 0;             // pixels of a frame that are nonzero in some frame
  Buffer<T> frames;
  Arena<T> encoder_arena, decoder_arena;
  // images holds images, each followed by a 1. The next images follow all images of the part. dz and dimage are the derivatives of
  // the loss with respect to latent states and decoded images. code holds the latent states for the decoder.
  Rows<T>*images, *dz, *code, *dimage;
  ForwardPass<T> encode, decode;
  Outputs<T> encoder, decoder;
  Buffer<double> errors;

 public:
  Images(ThreadPool& p, Field<T>& f, std::deque<Network<T>>& networks, long frame_size, long count, const uint8_t* bytes)
      : pool(p), field(f), latent(f.n), size(frame_size), images(encoder_arena.make(order(networks[0], networks[1], count, bytes), false)),
        dz(encoder_arena.make(f.stride, false)), code(decoder_arena.make(f.stride, false)),
        dimage(decoder_arena.make(networks[1].back().stride, false)),
        encode(networks[0], encoder_arena, images, networks[0].size() - 1), decode(networks[1], decoder_arena, code, networks[1].size() - 1),
        encoder(encode, encoder_arena, dz), decoder(decode, decoder_arena, dimage) {}

  double loss(const Batch<T>& b) {
    const long most = std::min(b.count, part), local = pool.size() * block;
    encoder_arena.reserve(2 * most, 2 * local), decoder_arena.reserve(most, local), field.arena.reserve(std::max(most, local), local);
    errors.resize(most);
    double sum = 0;
    for (long start = 0; start < b.count; start += most) {
      const long rows = std::min(most, b.count - start);
      pool.run(pool.chunks(), [&](Chunk chunk) {
        const auto [first, last] = chunk.of(rows, TILE_ROWS);
        for (long i = first; i < last; i += block) work(b, start, i, std::min(block, last - i), rows, chunk.thread * block);
      });
      for (long r = 0; r < rows; r++) {
        sum += errors[r];
        if (b.errors) b.errors[start + r] = errors[r];
      }
      if (b.gradient)
        pool.run(pool.chunks(), [&](Chunk chunk) {
          encoder.weights(chunk, 2 * rows, start == 0);
          decoder.weights(chunk, rows, start == 0);
          field.weights(chunk, rows, start == 0);
        });
    }
    return sum / b.count;
  }

 private:
  // Moves pixels that are always zero to the end, fills frames and returns the stride of an image.
  long order(Network<T>& encoder, Network<T>& decoder, long count, const uint8_t* bytes) {
    std::vector<uint8_t> seen(size);
    for (long f = 0; f < count; f++)
      for (long p = 0; p < size; p++) seen[p] |= bytes[f * size + p];
    std::vector<long> place(size), pixels;
    for (long p = 0; p < size; p++)
      if (seen[p]) place[p] = lit++, pixels.push_back(p);
    T brightness[256];
    for (int v = 0; v < 256; v++) brightness[v] = T(v / 255.0);
    frames.resize(count * lit);
    pool.run(std::min(count, pool.chunks()), [&](Chunk chunk) {
      const auto [first, last] = chunk.of(count, 1);
      for (long f = first; f < last; f++)
        for (long i = 0; i < lit; i++) frames[f * lit + i] = brightness[bytes[f * size + pixels[i]]];
    });

    Layer<T>& first = encoder.front();
    for (long p = 0, dark = 0; p < size; p++)
      for (long k = 0; k < 2; k++) {
        const long rank = seen[p] ? k * lit + place[p] : 2 * lit + dark++;
        decoder.back().output[k * size + p] = rank;
        first.input[k * size + p] = seen[p] ? rank : rank + first.bias;
      }
    if (first.bias) first.input[2 * size] = 2 * lit;
    first.used = 2 * lit + first.bias, first.columns = filled(first.in + 1), first.transposes = false;
    return padded(2 * lit + 1);
  }

  // Computes the errors of a block of samples, and the adjoints if there is a gradient.
  void work(const Batch<T>& b, long start, long first, long rows, long total, long local) {
    const long stride = field.stride, all = 2 * size, image_stride = dimage->stride, image = 2 * lit;
    const Place here{first, local}, now{first, 2 * local}, next{total + first, 2 * local + block};
    for (long r = 0; r < rows; r++)
      for (long k = 0; k < 2; k++) {
        T* to = (*images)(k ? next : now) + r * images->stride;
        std::copy_n(frames + (b.row(start + first + r) + k) * lit, image, to);
        to[image] = 1;
      }
    encode.run(now, rows), encode.run(next, rows);
    const T *z = (*encode.outputs())(now), *z_next = (*encode.outputs())(next);
    for (long r = 0; r < rows; r++) {
      T *c = (*code)(here) + r * stride, *x = (*field.x)(here) + r * stride;
      for (long j = 0; j < latent; j++) {
        c[j] = z[r * stride + j];
        x[j] = c[j] + (b.noise ? T(b.noise_scale * b.noise[(start + first + r) * latent + j]) : T(0));
      }
      c[latent] = x[latent] = 1;
    }
    decode.run(here, rows);
    field.forward(here, rows);
    for (long r = 0; r < rows; r++) {
      const T *shown = (*decode.outputs())(here) + r * image_stride, *seen = (*images)(now) + r * images->stride;
      T* difference = (*dimage)(here) + r * image_stride;
      for (long k = 0; k < image; k++) difference[k] = shown[k] - seen[k];
      std::copy(shown + image, shown + all, difference + image);
      Vector<T> squares{};
      each<T>(image_stride, [&](long k) {
        squares += at(difference + k) * at(difference + k);
        at(difference + k) *= T(2) / T(b.count * all);
      });
      double unlike = 0;
      for (long k = 0; k < Lanes<T>::count; k++) unlike += squares[k];

      const T *z0 = z + r * stride, *z1 = z_next + r * stride;
      T *dz0 = (*dz)(now) + r * stride, *dz1 = (*dz)(next) + r * stride, *f = (*field.dxdt)(here) + r * stride;
      double moved = 0;
      for (long j = 0; j < latent; j++) {
        const T e = z1[j] - z0[j] - f[j], derivative = T(0.2) / T(b.count * latent) * e;
        moved += e * e;
        dz1[j] = derivative, dz0[j] = -derivative, f[j] = -derivative;
      }
      const long half = latent / 2;
      double canonical = 0;
      for (long j = 0; j < half; j++) {
        const T e = z0[half + j] - (z1[j] - z0[j]), derivative = T(2) / T(b.count * half) * e;
        canonical += e * e;
        dz0[half + j] += derivative, dz0[j] += derivative, dz1[j] -= derivative;
      }
      errors[first + r] = unlike / all + canonical / half + 0.1 * moved / latent;
    }
    if (!b.gradient) return;
    field.backward(here, rows, true);
    const T *by_field = (*field.dx)(here), *by_decoder = decoder.backward(here, rows, nullptr, true);
    T* dz0 = (*dz)(now);
    for (long r = 0; r < rows; r++)
      for (long j = 0; j < latent; j++) dz0[r * stride + j] += by_field[r * stride + j] + by_decoder[r * stride + j];
    encoder.backward(now, rows, nullptr, false), encoder.backward(next, rows, nullptr, false);
  }
};
