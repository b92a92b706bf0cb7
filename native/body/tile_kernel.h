// The micro-kernel of Winograd's products: tiles of samples times vectors of output channels, summed over a slice of channels.
#pragma once

#include "../winograd.h"
#include "toom_cook.h"

namespace upweave::UPWEAVE_ISA {

constexpr int64_t PITCH = WINOGRAD_SLICE;
constexpr int WIDE = 2;                         // vectors of output channels
constexpr int HIGH = REGISTERS == 32 ? 14 : 6;  // tiles
constexpr int TILE_AHEAD = 40;                  // steps, to the weights that are fetched

// C[tile][channel] (+)= Σ_k A[tile][k] · B[k][channel]; tiles are PITCH apart.
template <int MR, int NV>
__attribute__((noinline)) void tile_kernel(int64_t steps, const float* a, const float* b, float* c, int64_t pitch, bool accumulate) {
    Vec<float> sum[MR][NV];
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
        for (int n = 0; n < NV; ++n) sum[m][n] = Vec<float>{};
    for (int64_t k = 0; k < steps; ++k) {
        Vec<float> w[NV];
#pragma GCC unroll 4
        for (int n = 0; n < NV; ++n) {
            w[n] = load(b + n * L);
            __builtin_prefetch(b + (TILE_AHEAD * NV + n) * L);
        }
#pragma GCC unroll 16
        for (int m = 0; m < MR; ++m) {
            const Vec<float> x = broadcast(a[m * PITCH + k]);
#pragma GCC unroll 4
            for (int n = 0; n < NV; ++n) sum[m][n] += x * w[n];
        }
        b += NV * L;
    }
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
        for (int n = 0; n < NV; ++n) {
            float* to = c + m * pitch + n * L;
            store(to, accumulate ? load(to) + sum[m][n] : sum[m][n]);
        }
}

using TileKernel = void (*)(int64_t, const float*, const float*, float*, int64_t, bool);
struct TileKernels {
    TileKernel of[HIGH + 1][WIDE + 1];
};
template <int MR> constexpr void fill_tiles(TileKernels& all) {
    all.of[MR][1] = &tile_kernel<MR, 1>;
    all.of[MR][2] = &tile_kernel<MR, 2>;
    if constexpr (MR > 1) fill_tiles<MR - 1>(all);
}
constexpr TileKernels every_tile_kernel() {
    TileKernels all{};
    fill_tiles<HIGH>(all);
    return all;
}
inline constexpr TileKernels TILE_KERNELS = every_tile_kernel();

}  // namespace upweave::UPWEAVE_ISA
