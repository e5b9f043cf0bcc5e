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
  long whole;      // the rows of the mean, of which these may be a part
  const T* steps;  // the length of the step from each row, for the schemes other than HNN_RK4
  long scheme;
  T* gradient;     // of the weights; null for the loss alone
  double* errors;  // null if not wanted

  long row(long i) const { return rows ? rows[i] : i; }
  double length(long i) const { return scheme == HNN_RK4 ? step : double(steps[row(i)]); }
};

// A prediction of dx is Σ weight_s·k_s with stages k_s = f(x + along_s·h·dx + h·Σ_j from_sj·k_j). So the stages of a symmetric scheme use the
// observed state x + h·dx at the end of the step.
struct Stage {
  double along, weight, from[3];
};
inline const std::vector<Stage>& stages_of(long scheme) {
  static const std::vector<Stage> all[] = {
      {{0, 1, {}}},                                                                                         // HNN_FIELD
      {{0, 1. / 6, {}}, {0, 1. / 3, {.5}}, {0, 1. / 3, {0, .5}}, {0, 1. / 6, {0, 0, 1}}},                   // HNN_RK4 (Kutta, 1901)
      {{.5, 1, {}}},                                                                                        // HNN_MIDPOINT
      {{0, 1. / 6, {}}, {1, 1. / 6, {}}, {.5, 2. / 3, {1. / 8, -1. / 8}}},                                  // HNN_MIRK4 (Noren et al., 2023)
  };
  return all[scheme];
}

// A block of rows passes forward and backward within the L2 cache. The weight gradient sums a part of the batch, which also fits in L2.
constexpr long block_of_rows = 16, part_of_rows = 192;

// The loss of derivatives is the mean of (factor·prediction + noise − dx)².
template <class T>
class Derivatives {
  // Without a gradient, a part only stores errors.
  static constexpr long block = block_of_rows, part = part_of_rows, part_of_errors = 8192;
  ThreadPool& pool;
  Field<T>& field;
  const long n;
  Buffer<double> errors, residuals;  // errors: per row; residuals: per thread, for a block

  // Computes the errors of a block of rows, and the adjoints if there is a gradient. Successive stages are contiguous, from row `begin` on.
  void work(const Batch<T>& b, long first, long rows, long begin, long scratch, double* row_errors, double* residual) {
    const auto& stages = stages_of(b.scheme);
    const long count = stages.size(), stride = field.stride;
    const double factor = b.scheme == HNN_RK4 ? b.scale * b.step : 1;
    auto place = [&](long s) { return Place{begin + s * rows, begin + s * rows, scratch}; };
    std::fill_n(residual, rows * n, 0.);
    for (long s = 0; s < count; s++) {
      field.set(place(s), rows, b.x, b.rows, first);
      T* x = (*field.x)(place(s));
      if (stages[s].along != 0)
        for (long r = 0; r < rows; r++)
          for (long j = 0; j < n; j++) x[r * stride + j] += T(stages[s].along * b.length(first + r)) * b.dx[b.row(first + r) * n + j];
      for (long a = 0; a < s; a++) {
        if (stages[s].from[a] == 0) continue;
        const T* k = (*field.dxdt)(place(a));
        for (long r = 0; r < rows; r++)
          for (long j = 0; j < n; j++) x[r * stride + j] += T(b.length(first + r) * stages[s].from[a]) * k[r * stride + j];
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
      const double weight = 2 * factor * stages[s].weight / (b.whole * n);
      for (long q = 0; q < rows; q++)
        for (long j = 0; j < n; j++) r[q * stride + j] = T(weight * residual[q * n + j]);
      for (long a = s + 1; a < count; a++) {
        if (stages[a].from[s] == 0) continue;
        const T* dx = (*field.dx)(place(a));
        for (long q = 0; q < rows; q++)
          for (long j = 0; j < n; j++) r[q * stride + j] += T(b.length(first + q) * stages[a].from[s]) * dx[q * stride + j];
      }
      const double* from = stages[s].from;
      field.backward(place(s), rows, from[0] != 0 || from[1] != 0 || from[2] != 0);
    }
  }

 public:
  Derivatives(ThreadPool& p, Field<T>& f) : pool(p), field(f), n(f.n) {
    residuals.resize(pool.size() * block * n);
  }

  double loss(const Batch<T>& b) {
    const long steps = stages_of(b.scheme).size(), most = std::max(part / steps, block);
    long size = part_of_errors;
    if (b.gradient) {
      const long parts = std::max(1l, (b.count + most / 2) / most);
      size = ((b.count + parts - 1) / parts + block - 1) / block * block;
    }
    const long room = b.gradient ? size * steps : pool.size() * block * steps;
    field.arena.reserve({room, room, pool.size() * block});
    errors.resize(size);
    double sum = 0;
    for (long start = 0; start < b.count; start += size) {
      const long rows = std::min(size, b.count - start);
      pool.run((rows + block - 1) / block, [&](Chunk chunk) {
        const auto [first, last] = chunk.of(rows, block);
        for (long i = first; i < last; i += block) {
          const long thread = chunk.thread * block;
          work(b, start + i, std::min(block, last - i), (b.gradient ? i : thread) * steps, thread, errors + i, residuals + thread * n);
        }
      });
      for (long r = 0; r < rows; r++) sum += errors[r];
      if (b.gradient) pool.run(pool.chunks(), [&](Chunk chunk) { field.weights(chunk, {{}, rows * steps, b.gradient, start > 0}); });
    }
    return sum / (b.whole * n);
  }

  void evaluate(int what, const T* states, T* result, long count) {
    constexpr long block = 2 * block_of_rows;  // without a backward pass, a row takes half the room
    const long room = pool.size() * block;
    field.arena.reserve({room, room, room});
    pool.run((count + block - 1) / block, [&](Chunk chunk) {
      const long thread = chunk.thread * block;
      const Place p{thread, thread, thread};
      const auto [first, last] = chunk.of(count, block);
      for (long i = first; i < last; i += block) {
        const long rows = std::min(block, last - i);
        field.set(p, rows, states, nullptr, i);
        field.evaluate(what, p, rows, result + i * field.numbers(what));
      }
    });
  }
};

// The arguments of the loss of windows. A window is a start and `steps` steps.
template <class T>
struct WindowBatch {
  long count, steps;
  const T* starts;     // count × n
  const T* constants;  // count × steps × (width − n): the other columns of a row, constant along a step
  const T* lengths;    // count × steps: the length of each step
  const T* observed;   // count × (steps + 1) × n
  const T* weights;    // of each squared error, in the shape of observed; 0 where nothing is observed
  T* gradient;         // ∂L/∂starts, count × n; null for the loss alone
  T* path;             // receives the states, in the shape of observed
  T* weight_gradient;  // of `weight_count` weights
  long weight_count;
};

// The loss of windows is Σ weight·(x − observed)², where the Runge-Kutta method of order 4 integrates x from the start of the window. The
// backward pass uses the stages that the forward pass leaves in memory. Memory holds a limited number of steps, a segment. For an
// earlier segment, the backward pass computes the stages again.
template <class T>
class Windows {
  // The gradient is a sum over at most `most_parts` parts of the windows. A part adds `together` steps at a time. A segment has at most
  // `most_rows` rows.
  static constexpr long stages = 4, most_parts = 64, together = 4, most_rows = 6400;
  ThreadPool& pool;
  Field<T>& field;
  const long n;
  Buffer<T> adjoint;  // ∂L/∂x of the windows at one step
  Buffer<T> parts;    // the weight gradient of each part

  // Computes the stages of step k for a block of windows. The step ends in next if it is not null.
  void step(const WindowBatch<T>& b, long k, long first, long rows, Place begin, T* next) const {
    const auto& rk4 = stages_of(HNN_RK4);
    const long stride = field.stride, others = field.width - n, path = (b.steps + 1) * n;
    for (long s = 0; s < stages; s++) {
      const Place p{begin.kept + s * rows, begin.summed + s * rows, begin.scratch};
      T* x = (*field.x)(p);
      const T* before = s > 0 ? (*field.dxdt)(p) - rows * stride : nullptr;
      for (long r = 0; r < rows; r++) {
        const long w = first + r;
        const T h = b.lengths[w * b.steps + k];
        T* row = x + r * stride;
        for (long j = 0; j < n; j++) row[j] = b.path[w * path + k * n + j] + (before ? h * T(rk4[s].from[s - 1]) * before[r * stride + j] : T(0));
        std::copy_n(b.constants + (w * b.steps + k) * others, others, row + n);
        row[field.width] = 1;
      }
      field.forward(p, rows);
      const T* f = (*field.dxdt)(p);
      for (long r = 0; next && r < rows; r++) {
        const T h = b.lengths[(first + r) * b.steps + k] * T(rk4[s].weight);
        T* to = next + (first + r) * path;
        for (long j = 0; j < n; j++) to[j] = (s == 0 ? to[j - n] : to[j]) + h * f[r * stride + j];
      }
    }
  }

  // Passes the adjoint of a block backward through step k, whose stages are in memory.
  void back(const WindowBatch<T>& b, long k, long first, long rows, Place begin) {
    const auto& rk4 = stages_of(HNN_RK4);
    const long stride = field.stride;
    T* lambda = adjoint + first * n;
    const std::vector<T> end(lambda, lambda + rows * n);
    for (long s = stages - 1; s >= 0; s--) {
      const Place p{begin.kept + s * rows, begin.summed + s * rows, begin.scratch};
      T *r = (*field.dxdt)(p), *dx = (*field.dx)(p);
      const T* later = s + 1 < stages ? dx + rows * stride : nullptr;
      for (long q = 0; q < rows; q++) {
        const T h = b.lengths[(first + q) * b.steps + k];
        for (long j = 0; j < n; j++)
          r[q * stride + j] = h * T(rk4[s].weight) * end[q * n + j] + (later ? h * T(rk4[s + 1].from[s]) * later[q * stride + j] : T(0));
      }
      field.backward(p, rows, true);
      for (long q = 0; q < rows; q++)
        for (long j = 0; j < n; j++) lambda[q * n + j] += dx[q * stride + j];
    }
  }

  // Adds the derivative of the errors of a block at time k.
  void add_errors(const WindowBatch<T>& b, long k, long first, long rows) {
    for (long w = first; w < first + rows; w++)
      for (long j = 0; j < n; j++) {
        const long i = (w * (b.steps + 1) + k) * n + j;
        if (b.weights[i] != 0) adjoint[w * n + j] += 2 * b.weights[i] * (b.path[i] - b.observed[i]);
      }
  }

  // Passes a block of windows forward, and backward if a gradient is wanted.
  void work(const WindowBatch<T>& b, long first, long rows, Place begin, long segment, T* gradient, bool add) {
    const long path = (b.steps + 1) * n;
    auto place = [&](long k) {
      return Place{begin.kept + k % segment * stages * rows, begin.summed + k % together * stages * rows, begin.scratch};
    };
    for (long w = first; w < first + rows; w++) std::copy_n(b.starts + w * n, n, b.path + w * path);
    for (long k = 0; k < b.steps; k++) step(b, k, first, rows, place(k), b.path + (k + 1) * n);
    if (!gradient) return;
    std::fill_n(adjoint + first * n, rows * n, T(0));
    for (long k = b.steps - 1, end = b.steps; k >= 0; k--) {
      if ((k + 1) % segment == 0 && k + 1 < b.steps)
        for (long i = k + 1 - segment; i <= k; i++) step(b, i, first, rows, place(i), nullptr);
      add_errors(b, k + 1, first, rows);
      back(b, k, first, rows, place(k));
      if (k % together > 0) continue;
      field.weights({0, 1, 0}, {place(k), (end - k) * stages * rows, gradient, add || end < b.steps});
      end = k;
    }
    add_errors(b, 0, first, rows);
  }

 public:
  Windows(ThreadPool& p, Field<T>& f) : pool(p), field(f), n(f.n) {}

  double loss(const WindowBatch<T>& b) {
    const long block = b.count < 16 * block_of_rows ? block_of_rows / 2 : block_of_rows;  // few windows still occupy several threads
    const long blocks = (b.count + block - 1) / block, count = std::min(blocks, most_parts);
    const long kept = std::max(1l, most_rows / (stages * block * together)) * together, segment = b.gradient ? std::min(b.steps, kept) : 1;
    const Place room{segment * stages * block, together * stages * block, block};  // of a thread
    field.arena.reserve({pool.size() * room.kept, pool.size() * room.summed, pool.size() * room.scratch});
    adjoint.resize(b.count * n);
    if (b.gradient) parts.resize(count * b.weight_count);
    pool.run(count, [&](Chunk chunk) {
      for (auto [part, last] = chunk.of(count, 1); part < last; part++) {
        const auto [from, to] = Chunk{part, count, 0}.of(b.count, block);
        T* gradient = b.gradient ? parts + part * b.weight_count : nullptr;
        const Place begin{chunk.thread * room.kept, chunk.thread * room.summed, chunk.thread * room.scratch};
        for (long i = from; i < to; i += block) work(b, i, std::min(block, to - i), begin, segment, gradient, i > from);
      }
    });
    if (b.gradient) {
      pool.run(pool.chunks(), [&](Chunk chunk) {
        const auto [first, last] = chunk.of(b.weight_count, 16);
        std::copy(parts + first, parts + last, b.weight_gradient + first);
        for (long p = 1; p < count; p++)
          each<T>(last - first, [&](long i) { at(b.weight_gradient + first + i) += at(parts + p * b.weight_count + first + i); });
      });
      std::copy_n(+adjoint, b.count * n, b.gradient);
    }
    double sum = 0;
    for (long i = 0; i < b.count * (b.steps + 1) * n; i++)
      if (b.weights[i] != 0) sum += double(b.weights[i]) * (b.path[i] - b.observed[i]) * (b.path[i] - b.observed[i]);
    return sum;
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
      : pool(p), field(f), latent(f.n), size(frame_size), images(encoder_arena.make(order(networks[0], networks[1], count, bytes), KEPT)),
        dz(encoder_arena.make(f.stride, SUMMED)), code(decoder_arena.make(f.stride, KEPT)),
        dimage(decoder_arena.make(networks[1].back().stride, SUMMED)),
        encode(networks[0], encoder_arena, images, networks[0].size() - 1), decode(networks[1], decoder_arena, code, networks[1].size() - 1),
        encoder(encode, encoder_arena, dz), decoder(decode, decoder_arena, dimage) {}

  double loss(const Batch<T>& b) {
    const long most = std::min(b.count, part), local = pool.size() * block;
    encoder_arena.reserve({2 * most, 2 * most, 2 * local}), decoder_arena.reserve({most, most, local}), field.arena.reserve({most, most, local});
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
          encoder.weights(chunk, {{}, 2 * rows, b.gradient, start > 0});
          decoder.weights(chunk, {{}, rows, b.gradient, start > 0});
          field.weights(chunk, {{}, rows, b.gradient, start > 0});
        });
    }
    return sum / b.whole;
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
    const Place here{first, first, local}, now{first, first, 2 * local}, next{total + first, total + first, 2 * local + block};
    for (long r = 0; r < rows; r++)
      for (long k = 0; k < 2; k++) {
        T* to = (*images)(k ? next : now) + r * images->stride;
        std::copy_n(frames + (b.row(start + first + r) + k) * lit, image, to);
        to[image] = 1;
      }
    encode.run(now, rows, encode.size()), encode.run(next, rows, encode.size());
    const T *z = (*encode.outputs())(now), *z_next = (*encode.outputs())(next);
    for (long r = 0; r < rows; r++) {
      T *c = (*code)(here) + r * stride, *x = (*field.x)(here) + r * stride;
      for (long j = 0; j < latent; j++) {
        c[j] = z[r * stride + j];
        x[j] = c[j] + (b.noise ? T(b.noise_scale * b.noise[(start + first + r) * latent + j]) : T(0));
      }
      c[latent] = x[latent] = 1;
    }
    decode.run(here, rows, decode.size());
    field.forward(here, rows);
    for (long r = 0; r < rows; r++) {
      const T *shown = (*decode.outputs())(here) + r * image_stride, *seen = (*images)(now) + r * images->stride;
      T* difference = (*dimage)(here) + r * image_stride;
      for (long k = 0; k < image; k++) difference[k] = shown[k] - seen[k];
      std::copy(shown + image, shown + all, difference + image);
      Vector<T> squares{};
      each<T>(image_stride, [&](long k) {
        squares += at(difference + k) * at(difference + k);
        at(difference + k) *= T(2) / T(b.whole * all);
      });
      double unlike = 0;
      for (long k = 0; k < Lanes<T>::count; k++) unlike += squares[k];

      const T *z0 = z + r * stride, *z1 = z_next + r * stride;
      T *dz0 = (*dz)(now) + r * stride, *dz1 = (*dz)(next) + r * stride, *f = (*field.dxdt)(here) + r * stride;
      double moved = 0;
      for (long j = 0; j < latent; j++) {
        const T e = z1[j] - z0[j] - f[j], derivative = T(0.2) / T(b.whole * latent) * e;
        moved += e * e;
        dz1[j] = derivative, dz0[j] = -derivative, f[j] = -derivative;
      }
      const long half = latent / 2;
      double canonical = 0;
      for (long j = 0; j < half; j++) {
        const T e = z0[half + j] - (z1[j] - z0[j]), derivative = T(2) / T(b.whole * half) * e;
        canonical += e * e;
        dz0[half + j] += derivative, dz0[j] += derivative, dz1[j] -= derivative;
      }
      errors[first + r] = unlike / all + canonical / half + 0.1 * moved / latent;
    }
    if (!b.gradient) return;
    field.backward(here, rows, true);
    const T *by_field = (*field.dx)(here), *by_decoder = decoder.backward(here, rows, true);
    T* dz0 = (*dz)(now);
    for (long r = 0; r < rows; r++)
      for (long j = 0; j < latent; j++) dz0[r * stride + j] += by_field[r * stride + j] + by_decoder[r * stride + j];
    encoder.backward(now, rows, false), encoder.backward(next, rows, false);
  }
};
