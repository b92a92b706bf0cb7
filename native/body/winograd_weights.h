// The weights of Winograd's products: from PyTorch's order to points, by Strassen's way to those of seven products.
#pragma once

#include <cstring>

#include "../arena.h"
#include "../winograd.h"
#include "strassen.h"
#include "tile_kernel.h"
#include "toom_cook.h"

namespace upweave::UPWEAVE_ISA {

inline const Scheme& scheme_of(const WinogradAxis& axis, int c) { return SCHEMES[axis.cells - 2][axis.classes[c].scheme - 1]; }

// The factor of tap j at point i of an axis; on an axis that is left as it is, each tap is a point.
inline double tap_factor(const WinogradAxis& axis, int c, int64_t i, int64_t j) {
    if (axis.cells == 1) return i == j;
    return scheme_of(axis, c).taps[i][j];
}

struct Narrow { typedef float vec __attribute__((vector_size(BYTES / 2))); };  // half a vector of float: what doubles round to

// What each point of a product takes of a phase's taps: `factor` of tap `tap`, those of a plane from `begin` on. By Strassen's
// way a point has seven planes, each of which takes some of the taps of all four quarters of the channels.
struct TapFactors {
    struct Term { double factor; int64_t tap; };
    int64_t taps[3], count;  // along each axis, in all
    int64_t* begin;          // [plane], and the end
    Term* terms;

    static int64_t bytes(const WinogradTables& t, const WinogradProduct& g) {
        int64_t count = t.halves * t.halves;
        for (int a = 0; a < 3; ++a) count *= t.axis[a].classes[g.classes[a]].scheme;
        const int64_t planes = g.weight_planes * t.factors;
        return (planes + 1) * static_cast<int64_t>(sizeof(int64_t)) + planes * count * static_cast<int64_t>(sizeof(Term));
    }

    TapFactors(const WinogradTables& t, const WinogradProduct& g, char* memory) : count(1) {
        for (int a = 0; a < 3; ++a) count *= taps[a] = t.axis[a].classes[g.classes[a]].scheme;
        begin = reinterpret_cast<int64_t*>(memory);
        terms = reinterpret_cast<Term*>(begin + g.weight_planes * t.factors + 1);
        int64_t plane = 0, used = 0;
        for (int64_t pd = 0; pd < g.weights[0]; ++pd)
            for (int64_t ph = 0; ph < g.weights[1]; ++ph)
                for (int64_t pw = 0; pw < g.weights[2]; ++pw)
                    for (int64_t q = 0; q < t.factors; ++q) {
                        begin[plane++] = used;
                        for (int64_t quarter = 0; quarter < t.halves * t.halves; ++quarter)
                            for (int64_t tap = 0; tap < count; ++tap) {
                                const double factor = tap_factor(t.axis[0], g.classes[0], pd, tap / (taps[1] * taps[2])) *
                                                      tap_factor(t.axis[1], g.classes[1], ph, tap / taps[2] % taps[1]) *
                                                      tap_factor(t.axis[2], g.classes[2], pw, tap % taps[2]) *
                                                      (t.halves == 1 ? 1 : STRASSEN_WEIGHTS[q][quarter]);
                                if (factor != 0) terms[used++] = {factor, quarter * count + tap};
                            }
                    }
        begin[plane] = used;
    }
};

// Weights, transformed in double precision: [group][chunk][product][plane][factor][segment][slice][panel][channel in][lane]. False
// if one is too large, or not a number.
inline bool winograd_pack(const WinogradTables& t, const void* weight_, void* packed_, int64_t unit) {
    constexpr int D = LANES<double>, HALVES = L / D;
    const Geometry& geo = t.geo;
    const int64_t chunk = unit % t.chunks, cg = unit / t.chunks, taps_all = geo.kernel[0] * geo.kernel[1] * geo.kernel[2];
    const int64_t b0 = t.chunk_begin(chunk), blocks = t.chunk_begin(chunk + 1) - b0;
    const float* weight = static_cast<const float*>(weight_) + cg * geo.c_in * geo.c_out * taps_all;
    float* packed = static_cast<float*>(packed_) + cg * t.packed_group + b0 * t.block_weights;
    IVec<double> tame = ~IVec<double>{};
    for (const WinogradProduct& g : t.products) {
        const WinogradAxis::Class* of[3];
        int64_t count = t.halves * t.halves;
        for (int a = 0; a < 3; ++a) count *= (of[a] = &t.axis[a].classes[g.classes[a]])->scheme;
        const int64_t taps_at = (TapFactors::bytes(t, g) + 63) / 64 * 64, offset_at = taps_at + count * L * static_cast<int64_t>(sizeof(double));
        char* memory = static_cast<char*>(arena(static_cast<size_t>(offset_at + count * static_cast<int64_t>(sizeof(int64_t)))));
        const TapFactors factors(t, g, memory);
        double* taps = reinterpret_cast<double*>(memory + taps_at);         // [tap][lane] of one input channel
        int64_t* offset = reinterpret_cast<int64_t*>(memory + offset_at);   // of each tap in the kernel, or −1
        const int64_t columns = blocks * g.phases;                          // in vectors
        for (int64_t column = 0; column < columns; ++column) {
            const int64_t block = b0 + column / g.phases, f = column % g.phases;
            const int64_t many = t.phase_lanes ? L : least(L, geo.c_out - block * L);
            const int64_t wide_phases = t.phase_lanes ? of[2]->phases / L : of[2]->phases;
            const int64_t phase[3] = {of[0]->first + f / (of[1]->phases * wide_phases), of[1]->first + f / wide_phases % of[1]->phases,
                                      of[2]->first + f % wide_phases * (t.phase_lanes ? L : 1)};
            const int64_t channel = t.phase_lanes ? block : block * L, next = t.phase_lanes ? 1 : taps_all;
            const int64_t panel = column / WIDE, wide = least(WIDE, columns - panel * WIDE), lane0 = column % WIDE * L;
            for (int64_t segment = 0; segment < g.segments; ++segment) {
                for (int64_t i = 0; i < count; ++i) {
                    // the sample furthest back meets the last tap of the phase
                    const int64_t tap = i % factors.count, quarter = i / factors.count;  // of the channels out and in
                    const int64_t d = tap / (factors.taps[1] * factors.taps[2]), h = tap / factors.taps[2] % factors.taps[1];
                    const int64_t age = (segment + 1) * factors.taps[2] - 1 - tap % factors.taps[2];
                    offset[i] = age >= of[2]->taps ? -1
                                                     : ((phase[0] + t.axis[0].stride * (factors.taps[0] - 1 - d)) * geo.kernel[1] + phase[1] +
                                                        t.axis[1].stride * (factors.taps[1] - 1 - h)) * geo.kernel[2] +
                                                           phase[2] + t.axis[2].stride * age +
                                                           (quarter % 2 * t.depth * geo.c_out + quarter / 2 * (geo.c_out / 2)) * taps_all;
                }
                for (int64_t c = 0; c < t.depth; ++c) {
                    const float* from = weight + (c * geo.c_out + channel) * taps_all;
                    for (int64_t tap = 0; tap < count; ++tap) {
                        double* to_lanes = taps + tap * L;
                        const float* at = from + offset[tap];
                        if (offset[tap] < 0 || many < L)
                            for (int64_t i = 0; i < L; ++i) to_lanes[i] = offset[tap] >= 0 && i < many ? static_cast<double>(at[i * next]) : 0.0;
                        else if (next == 1)
                            for (int64_t i = 0; i < L; ++i) to_lanes[i] = static_cast<double>(at[i]);
                        else
                            for (int64_t i = 0; i < L; ++i) to_lanes[i] = static_cast<double>(at[i * next]);
                        if (next == 1) __builtin_prefetch(at + 8 * geo.c_out * taps_all);  // a channel's taps are on a page of its own
                    }
                    const int64_t slice = c / WINOGRAD_SLICE, steps = least(WINOGRAD_SLICE, t.depth - slice * WINOGRAD_SLICE);
                    float* to = packed + blocks * g.first_weight + (segment * t.depth + slice * WINOGRAD_SLICE) * columns * L +
                                panel * WIDE * steps * L + (c % WINOGRAD_SLICE) * wide * L + lane0;
                    for (int64_t plane = 0; plane < g.weight_planes * t.factors; ++plane, to += g.segments * t.depth * columns * L) {
                        Vec<double> sum[HALVES] = {};
                        for (int64_t e = factors.begin[plane]; e < factors.begin[plane + 1]; ++e) {
                            const Vec<double> factor = broadcast(factors.terms[e].factor);
                            for (int half = 0; half < HALVES; ++half) sum[half] += factor * load(taps + factors.terms[e].tap * L + half * D);
                        }
                        for (int half = 0; half < HALVES; ++half) {
                            tame &= (sum[half] < broadcast(LARGEST)) & (sum[half] > broadcast(-LARGEST));
                            const auto rounded = __builtin_convertvector(sum[half], Narrow::vec);
                            std::memcpy(to + half * D, &rounded, sizeof rounded);
                        }
                    }
                }
            }
        }
    }
    for (int i = 0; i < D; ++i)
        if (!tame[i]) return false;
    return true;
}

}  // namespace upweave::UPWEAVE_ISA
