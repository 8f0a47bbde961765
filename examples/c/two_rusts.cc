// Our library and another Rust static library in one program, from C++ and from C.

#include <cstdio>

#include "plasma_rs.h"
#include "ray/object_manager/plasma/plasma_allocator.h"

extern "C" int other_rust_works();

int main() {
  std::freopen("/dev/null", "w", stderr);  // the other one's panic is on purpose
  PlasmaRsOptions options = plasma_rs_default_options();
  options.footprint_limit = 1 << 20;
  PlasmaRsStore *store = nullptr;
  if (plasma_rs_store_create(&options, nullptr, nullptr, &store) != PLASMA_RS_OK) {
    return 1;
  }
  plasma_rs_store_destroy(store);
  plasma::PlasmaAllocator allocator("/dev/shm", "/tmp", false, 1 << 20);
  auto allocation = allocator.Allocate(1000);
  if (!allocation.has_value() || allocator.Allocated() != 1000) {
    return 2;
  }
  allocator.Free(std::move(*allocation));
  if (other_rust_works() != 42) {
    return 3;
  }
  std::puts("two Rust libraries in one program: both work");
  return 0;
}
