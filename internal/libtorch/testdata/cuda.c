// Stands in for LibTorch's CUDA library in the tests. Variables of the environment name the machine's driver, its GPUs and CUDA's error.
#include <stdlib.h>

static int number(const char* name) {
  const char* text = getenv(name);
  return text ? atoi(text) : 0;
}

int cudaDriverGetVersion(int* version) { return *version = number("DRIVER"), 0; }
int cudaRuntimeGetVersion(int* version) { return *version = 13000, 0; }
int cudaGetDeviceCount(int* count) { return *count = number("DEVICES"), number("FAILURE"); }
int cudaDeviceGetAttribute(int* value, int attribute, int device) { return *value = attribute == 75 ? 6 : 1, device < 0; }
