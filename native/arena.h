// One growing piece of scratch memory a thread: kernels ask for at most a few MiB, and ask often.
#pragma once

#include <cstddef>

namespace upweave {

// At least `bytes` bytes on a page boundary, uninitialised, valid until this thread's next call. Throws std::bad_alloc.
void* arena(size_t bytes);

}  // namespace upweave
