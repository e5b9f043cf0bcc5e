// Nothing may throw through the C interface of a package. Go does not notice when this file changes for package distributed.
#pragma once
#include <c10/util/Exception.h>
#include <string.h>

#include <exception>

namespace {

// Returns the first line of a message. LibTorch's further lines are for its developers.
inline char* first_line(const char* message) { return strndup(message, strcspn(message, "\n")); }

// Returns NULL or, if the body throws, what a C function then returns: a message that the caller frees.
template <typename F>
char* protect(F body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& e) {
    return first_line(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return first_line(e.what());
  } catch (...) {
    return strdup("an exception of unknown type");
  }
}

}  // namespace
