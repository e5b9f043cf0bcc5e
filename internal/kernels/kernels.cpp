#include "kernels.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define RELAX _mm_pause()
#else
#define RELAX std::this_thread::yield()
#endif

// The common interface of the models of all instruction sets.
struct hnn_model {
  virtual ~hnn_model() = default;
  virtual void load(int kind, int network, int layer, const void* weight, const void* bias) = 0;
  virtual void store(int kind, int network, int layer, void* weight, void* bias) = 0;
  virtual void* vector(int kind, int64_t* count) = 0;
  virtual long size_of(int networks) const = 0;
  virtual void updated() = 0;
  virtual void adam(long step, double learning_rate, double weight_decay) = 0;
  virtual double loss(const hnn_batch&, const void* x, const void* dx, const void* steps, const int64_t* rows, const void* noise, double* errors) = 0;
  virtual double window_loss(long count, long steps, const void* const* arrays, void* gradient, void* path) = 0;
  virtual void evaluate(int what, const void* x, void* result, long rows) = 0;
  virtual void network(int which, const void* x, void* result, long rows) = 0;
};

namespace {

// Rounds a row's stride up to a multiple of the widest vector, 16 floats.
long padded(long n) { return (n + 15) / 16 * 16; }

// A zero-initialized array, aligned to a cache line.
template <class T>
class Buffer {
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data;
  long size = 0;

 public:
  // Keeps the data if the array is large enough. Otherwise allocates a new array of zeros.
  void resize(long n) {
    if (n <= size) return;
    void* p = nullptr;
    if (posix_memalign(&p, 64, (n * sizeof(T) + 63) / 64 * 64)) throw std::bad_alloc();
    std::fill_n(static_cast<T*>(p), n, T(0));
    data.reset(static_cast<T*>(p)), size = n;
  }
  operator T*() const { return data.get(); }
};

// A chunk of a job, and the thread that runs it.
struct Chunk {
  long index, count, thread;
  struct Range {
    long first, last;
  };
  // Returns the range of this chunk in n items. Units of `unit` items are not split.
  Range of(long n, long unit) const {
    const long units = (n + unit - 1) / unit;
    return {std::min(n, units * index / count * unit), std::min(n, units * (index + 1) / count * unit)};
  }
};

// A thread pool that runs one job at a time. The caller is one of its threads. A thread takes a new chunk when it finishes one, so a
// preempted thread delays only its own chunk. Idle threads spin for a short time before they sleep.
class ThreadPool {
  typedef void (*Work)(void*, Chunk);
  std::vector<std::thread> threads;
  // The upper half is the index of the job. The lower half is the number of chunks left. The compare-exchange on both ensures that a
  // thread takes a chunk only of the job it has read.
  std::atomic<uint64_t> state{0};
  std::atomic<Work> work{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<long> chunks_of_work{0}, done{0}, asleep{0};
  std::atomic<bool> ended{false};
  std::mutex mutex;
  std::condition_variable wake;

  static constexpr int patience = 20000;  // iterations of a spin loop, less than a millisecond

  // Runs chunks until none is left. Returns the state with no chunk left.
  uint64_t take(long thread) {
    for (uint64_t now = state;;) {
      const long left = uint32_t(now), count = chunks_of_work;
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
    work = w, context = c, chunks_of_work = count, done = 0;
    state = ((state >> 32) + 1) << 32 | count;
    if (asleep > 0) {
      { std::lock_guard<std::mutex> lock(mutex); }
      wake.notify_all();
    }
  }

  void end() {
    ended = true;
    start(nullptr, nullptr, 0);
    for (auto& t : threads) t.join();
  }

 public:
  explicit ThreadPool(long count) {
    try {
      threads.reserve(count);
      for (long i = 1; i < count; i++) threads.emplace_back([this, i] { serve(i); });
    } catch (...) {
      end();
      throw;
    }
  }
  ~ThreadPool() { end(); }
  long size() const { return threads.size() + 1; }
  // The number of chunks for balanced load.
  long chunks() const { return 4 * size(); }

  // Calls f for each of count chunks, or once for all the work if there is only one thread. f must not throw.
  template <class F>
  void run(long count, F f) {
    if (threads.empty() || count <= 1) return f(Chunk{0, 1, 0});
    start([](void* c, Chunk chunk) { (*static_cast<F*>(c))(chunk); }, &f, count);
    take(0);
    for (int i = 0; done < count; i++)
      if (i < patience) RELAX;
      else std::this_thread::yield();
  }
};

template <class V>
V roots(V x) {
  for (unsigned long i = 0; i < sizeof(x) / sizeof(x[0]); i++) x[i] = std::sqrt(x[i]);
  return x;
}

}  // namespace

// Each instruction set compiles the same code.
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
#include "activations.hpp"
#include "network.hpp"
#include "field.hpp"
#include "losses.hpp"
#include "model.hpp"
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
#include "activations.hpp"
#include "network.hpp"
#include "field.hpp"
#include "losses.hpp"
#include "model.hpp"
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
#include "activations.hpp"
#include "network.hpp"
#include "field.hpp"
#include "losses.hpp"
#include "model.hpp"
}  // namespace portable
}  // namespace

namespace {

struct InstructionSet {
  const char* name;
  hnn_model* (*make)(const hnn_config&, const int64_t* layers, const int64_t* inputs, const int64_t* terms, const double* matrices, const uint8_t* frames);
};

// The instruction sets that the processor supports, best first.
const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> all = [] {
    std::vector<InstructionSet> list;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
      list.push_back({"AVX-512", avx512::make});
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list.push_back({"AVX2", avx2::make});
#endif
    list.push_back({"portable", portable::make});
    return list;
  }();
  return all;
}

// Calls f and returns an error message, or null on success. Exceptions must not reach Go.
template <class F>
const char* checked(F f) {
  try {
    f();
    return nullptr;
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::length_error&) {
    return "out of memory";
  } catch (const std::system_error&) {
    return "could not start a thread";
  } catch (...) {
    return "unexpected C++ exception";
  }
}

}  // namespace

const char* hnn_new(const hnn_config* config, const int64_t* layers, const int64_t* inputs, const int64_t* terms, const double* matrices,
                    const uint8_t* frames, hnn_model** model) {
  return checked([&] { *model = instruction_sets()[config->instruction_set].make(*config, layers, inputs, terms, matrices, frames); });
}

void hnn_free(hnn_model* model) { delete model; }

void hnn_load(hnn_model* model, int kind, int network, int layer, const void* weight, const void* bias) {
  checked([&] { model->load(kind, network, layer, weight, bias); });
}

void hnn_store(hnn_model* model, int kind, int network, int layer, void* weight, void* bias) {
  checked([&] { model->store(kind, network, layer, weight, bias); });
}

void* hnn_vector(hnn_model* model, int kind, int64_t* count) { return model->vector(kind, count); }

int64_t hnn_size(hnn_model* model, int networks) { return model->size_of(networks); }

const char* hnn_updated(hnn_model* model) {
  return checked([&] { model->updated(); });
}

const char* hnn_adam(hnn_model* model, int64_t step, double learning_rate, double weight_decay) {
  return checked([&] { model->adam(step, learning_rate, weight_decay); });
}

hnn_result hnn_loss(hnn_model* model, hnn_batch batch, const void* x, const void* dx, const void* steps, const int64_t* rows, const void* noise,
                    double* errors) {
  hnn_result result{};
  result.error = checked([&] { result.value = model->loss(batch, x, dx, steps, rows, noise, errors); });
  return result;
}

hnn_result hnn_window_loss(hnn_model* model, int64_t count, int64_t steps, const void* starts, const void* constants, const void* lengths,
                           const void* observed, const void* weights, void* gradient, void* path) {
  hnn_result result{};
  const void* const arrays[] = {starts, constants, lengths, observed, weights};
  result.error = checked([&] { result.value = model->window_loss(count, steps, arrays, gradient, path); });
  return result;
}

const char* hnn_field(hnn_model* model, int what, const void* x, void* result, int64_t rows) {
  return checked([&] { model->evaluate(what, x, result, rows); });
}

const char* hnn_network(hnn_model* model, int network, const void* x, void* result, int64_t rows) {
  return checked([&] { model->network(network, x, result, rows); });
}

const char* hnn_instruction_set(int i) {
  const char* name = nullptr;
  checked([&] {
    if (i < int(instruction_sets().size())) name = instruction_sets()[i].name;
  });
  return name;
}
