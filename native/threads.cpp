#include "threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace upweave {
namespace {

// Plain C functions that libtorch_cpu exports from 2.10 on (torch/csrc/stable/c/shim.h); looked up, never linked.
using TorchParallelFor = int32_t (*)(int64_t, int64_t, int64_t, void (*)(int64_t, int64_t, void*), void*);
using TorchThreads = int32_t (*)(uint32_t*);

struct Torch {
    TorchParallelFor parallel_for = nullptr;
    TorchThreads threads = nullptr;
};

Torch look_up() {
    Torch t;
#if defined(__linux__)
    if (void* lib = dlopen("libtorch_cpu.so", RTLD_NOLOAD | RTLD_LAZY)) {
        t.parallel_for = reinterpret_cast<TorchParallelFor>(dlsym(lib, "torch_parallel_for"));
        t.threads = reinterpret_cast<TorchThreads>(dlsym(lib, "torch_get_num_threads"));
        dlclose(lib);  // torch itself keeps it
    }
#endif
    if (!t.parallel_for || !t.threads) t = Torch{};
    return t;
}

// torch may be imported after us: until it is there, ask again (a dlopen that finds nothing takes about a microsecond).
const Torch& torch() {
    static std::mutex lock;
    static std::atomic<bool> ready{false};
    static Torch found;
    if (!ready.load(std::memory_order_acquire)) {
        std::lock_guard<std::mutex> hold(lock);
        if (!ready.load(std::memory_order_relaxed)) {
            found = look_up();
            if (found.parallel_for) ready.store(true, std::memory_order_release);
        }
        if (!ready.load(std::memory_order_relaxed)) {
            static const Torch none;
            return none;
        }
    }
    return found;
}

std::atomic<bool> forked{false};
std::atomic<bool> pool_started{false};

void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { if (pool_started.load()) forked.store(true); }); });
#endif
}

struct Job {
    std::atomic<int64_t> next{0};
    int64_t items, grain;
    void (*work)(void*, int64_t);
    void* context;
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    std::mutex lock;

    void loop() {
        try {
            while (!failed.load(std::memory_order_relaxed)) {
                const int64_t first = next.fetch_add(grain, std::memory_order_relaxed);
                if (first >= items) return;
                const int64_t last = std::min(items, first + grain);
                for (int64_t i = first; i < last; ++i) work(context, i);
            }
        } catch (...) {
            std::lock_guard<std::mutex> hold(lock);
            if (!failed.exchange(true)) error = std::current_exception();
        }
    }
};

}  // namespace

int default_threads() {
    if (torch().threads) {
        uint32_t n = 1;
        torch().threads(&n);
        return static_cast<int>(std::max<uint32_t>(1, n));
    }
#if defined(_OPENMP)
    return std::max(1, omp_get_max_threads());
#else
    return 1;
#endif
}

const char* pool_name() {
    if (torch().parallel_for) return "torch";
#if defined(_OPENMP)
    return "OpenMP";
#else
    return "none";
#endif
}

void parallel(int64_t items, int threads, int64_t grain, void (*work)(void*, int64_t), void* context) {
    Job job;
    job.items = items;
    job.grain = std::max<int64_t>(1, grain);
    job.work = work;
    job.context = context;
    const int64_t team = std::min<int64_t>(threads, (items + job.grain - 1) / job.grain);
    if (team <= 1 || forked.load(std::memory_order_relaxed)) {
        job.loop();
    } else {
        watch_forks();
        pool_started.store(true, std::memory_order_relaxed);
        if (torch().parallel_for) {
            torch().parallel_for(0, team, 1, [](int64_t, int64_t, void* j) { static_cast<Job*>(j)->loop(); }, &job);
        } else {
#if defined(_OPENMP)
#pragma omp parallel num_threads(static_cast<int>(team))
            job.loop();
#else
            job.loop();
#endif
        }
    }
    if (job.error) std::rethrow_exception(job.error);
}

}  // namespace upweave
