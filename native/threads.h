// Many items on several threads: torch's own pool where torch is loaded, else OpenMP, else one thread.
#pragma once

#include <cstdint>

namespace upweave {

// What `threads = 0` means: torch's setting if torch is loaded, else OpenMP's.
int default_threads();

// Calls work(item) for 0 ≤ item < items on at most `threads` threads, `grain` neighbours at a time to whoever is free.
// The first exception of a worker is thrown again here. In a process forked off a parallel one it runs on one thread,
// since a pool does not survive a fork.
void parallel(int64_t items, int threads, int64_t grain, void (*work)(void*, int64_t), void* context);

template <class F> void parallel(int64_t items, int threads, int64_t grain, const F& f) {
    parallel(items, threads, grain, [](void* context, int64_t item) { (*static_cast<const F*>(context))(item); },
             const_cast<void*>(static_cast<const void*>(&f)));
}

const char* pool_name();  // "torch", "OpenMP" or "none"

}  // namespace upweave
