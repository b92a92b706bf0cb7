// The samples of Winograd's products: from memory to channels side by side, and whether they are small enough to be summed.
#pragma once

#include <cstring>

#include "../winograd.h"
#include "toom_cook.h"
#include "weave.h"

namespace upweave::UPWEAVE_ISA {

struct Magnitude {  // the largest that was seen, by its bits
    IVec<float> most{};
    inline __attribute__((always_inline)) void see(Vec<float> v) {
        IVec<float> bits;
        std::memcpy(&bits, &v, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    bool tame() const {
        const float limit = static_cast<float>(LARGEST);
        int32_t bits;
        std::memcpy(&bits, &limit, sizeof bits);
        bool all = true;
        for (int i = 0; i < L; ++i) all &= most[i] < bits;
        return all;
    }
};

inline void clear_vectors(float* to, int64_t next, int64_t count) {
    for (int64_t i = 0; i < count; ++i) store(to + i * next, Vec<float>{});
}

// Line number `line` of `many` channels' planes, side by side: to[x][channel] for `length` x from `first` on, `next` apart,
// zeros beyond the `in` samples of the line.
inline void gather_row(const float* planes, int64_t plane, int64_t many, int64_t line, int64_t in, int64_t first, int64_t length,
                       float* to, int64_t next, Magnitude* seen) {
    const int64_t before = least(length, most(0, -first)), end = most(before, least(length, in - first));
    clear_vectors(to, next, before);
    clear_vectors(to + end * next, next, length - end);
    if (end == before) return;
    const int64_t x0 = first + before, x1 = first + end;
    const float* from = planes + line * in;
    if (plane < L) {
        for (int64_t x = x0; x < x1; ++x) {
            Vec<float> v{};
            for (int64_t c = 0; c < many; ++c) v[c] = from[c * plane + x];
            seen->see(v);
            store(to + (x - first) * next, v);
        }
        return;
    }
    // Blocks start on a vector's boundary: the channels' lines lie as far apart as planes do, often in the same few sets of
    // the caches, from which a line would be gone before its second half was read.
    const int64_t off = static_cast<int64_t>(reinterpret_cast<uintptr_t>(from + x0) / sizeof(float)) % L;
    const int64_t lowest = -line * in, highest = plane + lowest - L;  // blocks lie within the plane
    for (int64_t x = x0 - off; x < x1; x += L) {
        const int64_t at = most(lowest, least(x, highest));
        Vec<float> v[L];
        const float* here = from + at;
        if (many == L) {
#pragma GCC unroll 16
            for (int c = 0; c < L; ++c, here += plane) {
                v[c] = load(here);
                __builtin_prefetch(here + L * plane, 0, 2);  // of the next channels; one set of the first level would not hold them
                seen->see(v[c]);
            }
        } else {
            for (int c = 0; c < L; ++c, here += plane) {
                v[c] = c < many ? load(here) : Vec<float>{};
                seen->see(v[c]);
            }
        }
        weave_vectors<float, L>(v);
        if (at >= x0 && at + L <= x1) {
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) store(to + (at + i - first) * next, v[i]);
        } else {
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i)
                if (at + i >= x0 && at + i < x1) store(to + (at + i - first) * next, v[i]);
        }
    }
}

// The same from memory with channels last.
inline void gather_row_channels_last(const float* from, int64_t pitch, int64_t many, int64_t in, int64_t first,
                                     int64_t length, float* to, int64_t next, Magnitude* seen) {
    for (int64_t j = 0; j < length; ++j) {
        const int64_t x = first + j;
        Vec<float> v{};
        if (x >= 0 && x < in) {
            if (many == L) v = load(from + x * pitch);
            else for (int64_t c = 0; c < many; ++c) v[c] = from[x * pitch + c];
        }
        seen->see(v);
        store(to + j * next, v);
    }
}

}  // namespace upweave::UPWEAVE_ISA
