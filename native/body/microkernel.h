// The inner loop of everything: C[m][n] (+)= Σ_k A[k][m] · B[address[k] + n].
//
//     vectors along n (positions), weights broadcast     B  ┌──v──┐┌──v──┐        NV vectors a step
//     all MR × NV sums in registers                A  m ×   │ acc ││ acc │
//                                                     m ×   │ acc ││ acc │
#pragma once

#include "vec.h"

namespace upweave::UPWEAVE_ISA {

// Steps between asking for weights and using them: from the last-level cache, and from memory, where steps are short.
constexpr int AHEAD = 16, AHEAD_FEW = 64;

// Sums start at zero in every call and are added to C at its end, so that long reductions are summed in blocks: the
// rounding error of K terms grows with the block's length, not with K.
template <class T, int MR, int NV>
__attribute__((noinline)) void microkernel(int64_t steps, const T* a, const T* b, const int32_t* address, T* c,
                                           int64_t pitch, bool accumulate) {
    Vec<T> sum[MR][NV];
#pragma GCC unroll 32
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 16
        for (int n = 0; n < NV; ++n) sum[m][n] = Vec<T>{};
    for (int64_t k = 0; k < steps; ++k) {
        const T* at = b + address[k];
        if constexpr (MR > 4) __builtin_prefetch(a + (NV == 1 ? AHEAD_FEW : AHEAD) * MR);  // weights are read once
        Vec<T> x[NV];
#pragma GCC unroll 16
        for (int n = 0; n < NV; ++n) x[n] = load(at + n * LANES<T>);
#pragma GCC unroll 32
        for (int m = 0; m < MR; ++m) {
            const Vec<T> w = broadcast(a[m]);
#pragma GCC unroll 16
            for (int n = 0; n < NV; ++n) sum[m][n] += w * x[n];
        }
        a += MR;
    }
#pragma GCC unroll 32
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 16
        for (int n = 0; n < NV; ++n) {
            T* to = c + m * pitch + n * LANES<T>;
            store(to, accumulate ? load(to) + sum[m][n] : sum[m][n]);
        }
}

template <class T> using Microkernel = void (*)(int64_t, const T*, const T*, const int32_t*, T*, int64_t, bool);

constexpr int MAX_HEIGHT = REGISTERS == 32 ? 14 : 6;
constexpr int MAX_VECTORS = 8;

constexpr bool fits(int m, int n) { return m * n + n + 1 <= REGISTERS; }
constexpr int widest(int m) {  // most vectors beside m rows
    int n = 1;
    while (n < MAX_VECTORS && fits(m, n + 1)) ++n;
    return n;
}

template <class T, int MR, int NV> constexpr Microkernel<T> instance() {
    if constexpr (fits(MR, NV)) return &microkernel<T, MR, NV>;
    else return nullptr;
}

template <class T> struct Microkernels {
    Microkernel<T> of[MAX_HEIGHT + 1][MAX_VECTORS + 1];
};

template <class T, int MR> constexpr void fill_height(Microkernels<T>& all) {
    all.of[MR][1] = instance<T, MR, 1>();
    all.of[MR][2] = instance<T, MR, 2>();
    all.of[MR][3] = instance<T, MR, 3>();
    all.of[MR][4] = instance<T, MR, 4>();
    all.of[MR][5] = instance<T, MR, 5>();
    all.of[MR][6] = instance<T, MR, 6>();
    all.of[MR][7] = instance<T, MR, 7>();
    all.of[MR][8] = instance<T, MR, 8>();
    if constexpr (MR < MAX_HEIGHT) fill_height<T, MR + 1>(all);
}

template <class T> constexpr Microkernels<T> every_microkernel() {
    Microkernels<T> all{};
    fill_height<T, 1>(all);
    return all;
}

template <class T> constexpr Microkernels<T> MICROKERNELS = every_microkernel<T>();

}  // namespace upweave::UPWEAVE_ISA
