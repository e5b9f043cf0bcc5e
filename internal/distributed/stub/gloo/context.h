// What c10d's headers name of Gloo. libtorch_cpu.so contains Gloo, and LibTorch's packages lack its headers. No code of this module calls Gloo itself.
#pragma once
#include <chrono>
namespace gloo {
namespace transport {
class Device;
struct UnboundBuffer {
  virtual ~UnboundBuffer();
};
}  // namespace transport
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
  std::chrono::milliseconds getTimeout() const;
};
}  // namespace gloo
