#include "target.h"

#include <cstring>

namespace upweave {

#if defined(__x86_64__)
extern const Target target_avx512, target_avx2;
#endif
extern const Target target_baseline;

namespace {

struct Found {
    const Target* list[3];
    int count = 0;
    Found() {
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl"))
            list[count++] = &target_avx512;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list[count++] = &target_avx2;
        if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) return;  // older than x86-64-v2
#endif
        list[count++] = &target_baseline;
    }
};

const Found& found() {
    static const Found f;
    return f;
}

}  // namespace

const Target* const* targets(int* count) {
    *count = found().count;
    return found().list;
}

const Target* find_target(const char* name) {
    for (int i = 0; i < found().count; ++i)
        if (!std::strcmp(found().list[i]->name, name)) return found().list[i];
    return nullptr;
}

}  // namespace upweave
