// Models by the types that a caller names.

template <template <class, template <class> class> class M, class T, class... Arguments>
hnn_model* with_activation(const hnn_dynamics& d, int threads, Arguments... arguments) {
  switch (d.activation) {
    case HNN_SIGMOID:
      return new M<T, Sigmoid>(threads, d, arguments...);
    case HNN_RELU:
      return new M<T, Relu>(threads, d, arguments...);
    default:
      return new M<T, Tanh>(threads, d, arguments...);
  }
}

inline hnn_model* make_dynamics(int doubles, int threads, const hnn_dynamics& d) {
  return doubles ? with_activation<Derivatives, double>(d, threads) : with_activation<Derivatives, float>(d, threads);
}

inline hnn_model* make_pixels(int doubles, int threads, const hnn_dynamics& d, long size, long frames, const uint8_t* bytes) {
  return doubles ? with_activation<Pixels, double>(d, threads, size, frames, bytes) : with_activation<Pixels, float>(d, threads, size, frames, bytes);
}
