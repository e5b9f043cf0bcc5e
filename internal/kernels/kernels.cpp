#include "kernels.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define RELAX _mm_pause()
#else
#define RELAX std::this_thread::yield()
#endif

// The models of every instruction set, behind one face.
struct hnn_model {
  virtual ~hnn_model() = default;
  virtual void load(int what, int layer, const void* weight, const void* bias) = 0;
  virtual void store(int what, int layer, void* weight, void* bias) = 0;
  virtual double pass(const void* x, const void* dx, const int64_t* rows, long count, const void* noise, double noise_scale, bool gradient,
                      long step, double learning_rate, double weight_decay) = 0;
  virtual void field(const void* x, long count, void* field) = 0;
};

namespace {

// A row's length in memory: a multiple of the longest vector's, of floats.
long padded(long n) { return (n + 15) / 16 * 16; }

// Zeros, aligned to a cache line.
template <class T>
class Buffer {
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data;
  long size = 0;

 public:
  // Keeps what there is if that is enough; else there are zeros.
  void resize(long n) {
    if (n <= size) return;
    void* p = nullptr;
    if (posix_memalign(&p, 64, (n * sizeof(T) + 63) / 64 * 64)) throw std::bad_alloc();
    std::fill_n(static_cast<T*>(p), n, T(0));
    data.reset(static_cast<T*>(p)), size = n;
  }
  operator T*() const { return data.get(); }
};

// A part of a work, and the thread that has taken it.
struct Share {
  long index, count, thread;
  struct Range {
    long first, last;
  };
  // Divides n things, in units that stay together.
  Range of(long n, long unit) const {
    const long units = (n + unit - 1) / unit;
    return {std::min(n, units * index / count * unit), std::min(n, units * (index + 1) / count * unit)};
  }
};

// Threads that work on one thing at a time, the caller among them. Each takes a share when it has done the last one, so that a thread
// which the system has put aside keeps nobody waiting but for the share that it has. Between two works that follow closely they wait
// without sleep.
class Team {
  typedef void (*Work)(void*, Share);
  std::vector<std::thread> threads;
  // The number of the work in the upper half, how many of its shares are left in the lower: a share is taken only of the work that
  // the thread has read.
  std::atomic<uint64_t> state{0};
  std::atomic<Work> work{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<long> shares{0}, done{0}, asleep{0};
  std::atomic<bool> ended{false};
  std::mutex mutex;
  std::condition_variable wake;

  static constexpr int patience = 20000;  // turns of a waiting loop: less than a millisecond

  // Works until no share is left, and returns the state in which there was none.
  uint64_t take(long thread) {
    for (uint64_t now = state;;) {
      const long left = uint32_t(now), count = shares;
      if (left == 0) return now;
      const Work w = work;
      void* const c = context;
      if (!state.compare_exchange_weak(now, now - 1)) continue;
      w(c, {count - left, count, thread});
      done++;
      now = state;
    }
  }

  void serve(long thread) {
    for (uint64_t seen = 0; !ended; seen = take(thread)) {
      for (int i = 0; state == seen && i < patience; i++) RELAX;
      if (state != seen) continue;
      std::unique_lock<std::mutex> lock(mutex);
      asleep++;
      wake.wait(lock, [&] { return state != seen; });
      asleep--;
    }
  }

  void start(Work w, void* c, long count) {
    work = w, context = c, shares = count, done = 0;
    state = ((state >> 32) + 1) << 32 | count;
    if (asleep > 0) {
      { std::lock_guard<std::mutex> lock(mutex); }
      wake.notify_all();
    }
  }

 public:
  explicit Team(int count) {
    for (int i = 1; i < count; i++) threads.emplace_back([this, i] { serve(i); });
  }
  ~Team() {
    ended = true;
    start(nullptr, nullptr, 0);
    for (auto& t : threads) t.join();
  }
  long size() const { return threads.size() + 1; }
  // A number of shares small enough for the threads to end at one time.
  long shares_of_work() const { return 4 * size(); }

  // Calls f with every share of so many, or with the whole where there is one thread.
  template <class F>
  void run(long count, F f) {
    if (threads.empty() || count <= 1) return f(Share{0, 1, 0});
    start([](void* c, Share share) { (*static_cast<F*>(c))(share); }, &f, count);
    take(0);
    for (int i = 0; done < count; i++)
      if (i < patience) RELAX;
      else std::this_thread::yield();
  }
};

}  // namespace

namespace {

template <class V>
V roots(V x) {
  for (unsigned long i = 0; i < sizeof(x) / sizeof(x[0]); i++) x[i] = std::sqrt(x[i]);
  return x;
}

}  // namespace

// The same code for each instruction set.
#if defined(__x86_64__)
#define TILE_ROWS 8
#define VECTOR_BYTES 64
#define SQUARE_ROOTS_FLOAT _mm512_sqrt_ps
#define SQUARE_ROOTS_DOUBLE _mm512_sqrt_pd
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,fma")
namespace {
namespace avx512 {
#include "vectors.hpp"
#include "dynamics.hpp"
#include "models.hpp"
#include "make.hpp"
}  // namespace avx512
}  // namespace
#pragma GCC pop_options
#undef TILE_ROWS
#undef VECTOR_BYTES
#undef SQUARE_ROOTS_FLOAT
#undef SQUARE_ROOTS_DOUBLE

#define TILE_ROWS 4
#define VECTOR_BYTES 32
#define SQUARE_ROOTS_FLOAT _mm256_sqrt_ps
#define SQUARE_ROOTS_DOUBLE _mm256_sqrt_pd
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace {
namespace avx2 {
#include "vectors.hpp"
#include "dynamics.hpp"
#include "models.hpp"
#include "make.hpp"
}  // namespace avx2
}  // namespace
#pragma GCC pop_options
#undef TILE_ROWS
#undef VECTOR_BYTES
#undef SQUARE_ROOTS_FLOAT
#undef SQUARE_ROOTS_DOUBLE
#endif

#define TILE_ROWS 4
#define VECTOR_BYTES 16
#define SQUARE_ROOTS_FLOAT roots
#define SQUARE_ROOTS_DOUBLE roots
namespace {
namespace portable {
#include "vectors.hpp"
#include "dynamics.hpp"
#include "models.hpp"
#include "make.hpp"
}  // namespace portable
}  // namespace

namespace {

struct InstructionSet {
  const char* name;
  hnn_model* (*dynamics)(int doubles, int threads, const hnn_dynamics&);
  hnn_model* (*pixels)(int doubles, int threads, const hnn_dynamics&, long size, long frames, const uint8_t* bytes);
};

const InstructionSet& best() {
#if defined(__x86_64__)
  static const InstructionSet wide{"AVX-512", avx512::make_dynamics, avx512::make_pixels}, middle{"AVX2", avx2::make_dynamics, avx2::make_pixels};
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq");
  if (avx512) return wide;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return middle;
#endif
  static const InstructionSet any{"portable", portable::make_dynamics, portable::make_pixels};
  return any;
}

}  // namespace

hnn_model* hnn_new_dynamics(int doubles, int threads, const hnn_dynamics* dynamics) {
  try {
    return best().dynamics(doubles, threads, *dynamics);
  } catch (const std::exception&) {
    return nullptr;
  }
}

hnn_model* hnn_new_pixels(int doubles, int threads, const hnn_dynamics* latent, int64_t frame_size, int64_t frames, const uint8_t* bytes) {
  try {
    return best().pixels(doubles, threads, *latent, frame_size, frames, bytes);
  } catch (const std::exception&) {
    return nullptr;
  }
}

void hnn_free(hnn_model* model) { delete model; }

void hnn_load(hnn_model* model, int what, int layer, const void* weight, const void* bias) { model->load(what, layer, weight, bias); }

void hnn_store(hnn_model* model, int what, int layer, void* weight, void* bias) { model->store(what, layer, weight, bias); }

double hnn_pass(hnn_model* model, const void* x, const void* dx, const int64_t* rows, int64_t count, const void* noise, double noise_scale,
                int gradient, int64_t step, double learning_rate, double weight_decay) {
  return model->pass(x, dx, rows, count, noise, noise_scale, gradient, step, learning_rate, weight_decay);
}

void hnn_field(hnn_model* model, const void* x, int64_t count, void* field) { model->field(x, count, field); }

const char* hnn_instruction_set(void) { return best().name; }
