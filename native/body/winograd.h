// One work item of Winograd's way: some rows of tiles times a share of the output channels.
//
//     for each row of tiles, for each vector of input channels
//       samples, channels side by side  →  along depth, height, width  →  points[plane][slice][tile][channel]
//     for each chunk of output channels
//       for each plane: sums[tile][channel] = Σ points · weights                   the product, most of the time
//       for each row of tiles, for each vector of output channels
//         sums  →  back along width, height, depth  →  outputs, bias, activation
#pragma once

#include <utility>

#include "../arena.h"
#include "../target.h"
#include "engine.h"
#include "microkernel.h"
#include "panel.h"
#include "strassen.h"
#include "toom_cook.h"
#include "weave.h"

namespace upweave::UPWEAVE_ISA {

constexpr int L = LANES<float>;
constexpr int64_t PITCH = WINOGRAD_SLICE;
constexpr int WIDE = 2;                                 // vectors of output channels in a micro-kernel
constexpr int TILE_AHEAD = 40;
constexpr int HIGH = REGISTERS == 32 ? 14 : 6;          // tiles

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

inline const Scheme& scheme_of(const WinogradAxis& axis, int c) { return SCHEMES[axis.cells - 2][axis.classes[c].scheme - 1]; }

// The factor of tap j at point i of an axis; on an axis that is left as it is, each tap is a point.
inline double tap_factor(const WinogradAxis& axis, int c, int64_t i, int64_t j) {
    if (axis.cells == 1) return i == j;
    return scheme_of(axis, c).taps[i][j];
}

struct Narrow { typedef float vec __attribute__((vector_size(BYTES / 2))); };  // half a vector of float: what doubles round to

constexpr double LARGEST = 5e28;  // of a weight or a sample: sums of a few products of two are finite if they are small

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

struct TileRow {  // a row of an item's tiles
    int64_t n, d, h;   // image, tile along depth, along height
    int64_t w, tiles;  // first tile along width, how many
    int64_t number;    // of this row in the item
};

struct WinogradItem {
    const WinogradTables& t;
    const Arguments& args;
    int64_t cg;
    float *points, *factored, *factor_sums, *sums, *window, *pass_a, *pass_b, *finished;
    int64_t* places;  // of the outputs of a line, and the last one's over and over
    bool stream;  // the output is too large for the caches
    Magnitude seen;

    // Transforms `lines` × `reads` × `across` vectors along the middle axis, or passes them on.
    static const float* forward(const WinogradAxis& axis, int c, const float* in, int64_t lines, int64_t across, float* out) {
        const int64_t reads = axis.reads(), points = axis.points(c), skip = axis.classes[c].skip;
        if (axis.cells == 1 && points == reads) return in;
        for (int64_t i = 0; i < lines; ++i) {
            const float* from = in + (i * reads + skip) * across * L;
            float* to = out + i * points * across * L;
            if (axis.cells > 1) scheme_of(axis, c).forward(from, across * L, L, to, across * L, L, across);
            else std::memcpy(to, from, static_cast<size_t>(points * across * L) * sizeof(float));
        }
        return out;
    }

    // One vector of input channels of a row of tiles, from memory to points.
    void transform(const TileRow& row, int64_t c0) {
        const Geometry& geo = t.geo;
        const WinogradAxis &D = t.axis[0], &H = t.axis[1], &W = t.axis[2];
        const int64_t many = least(L, geo.c_in - c0), channels = geo.groups * geo.c_in, channel = cg * geo.c_in + c0;
        const int64_t plane = D.in * H.in * W.in, width = W.width(row.tiles);
        const int64_t x0[3] = {D.first + D.cells * row.d - D.reach + 1, H.first + H.cells * row.h - H.reach + 1,
                               W.first + W.cells * row.w - (W.reach - 1) * W.dilation};
        const float* source = static_cast<const float*>(args.source);
        const int64_t transformed = row.tiles + t.lead;  // of a row
        float* const all = points + (c0 / WINOGRAD_SLICE * t.blocks.tile_rows * (t.blocks.tiles + t.lead) + row.number * transformed) * PITCH +
                           c0 % WINOGRAD_SLICE;
        // of tiles of one cell and one tap, the samples are the points
        const bool in_place = D.reads() * H.reads() * W.cells * W.reach == 1;
        const int64_t next = in_place ? PITCH : L;
        for (int64_t d = 0; d < D.reads(); ++d)
            for (int64_t h = 0; h < H.reads(); ++h) {
                float* to = in_place ? all : window + (d * H.reads() + h) * width * L;
                const int64_t xd = x0[0] + d, xh = x0[1] + h;
                if (xd < 0 || xd >= D.in || xh < 0 || xh >= H.in) {
                    clear_vectors(to, next, width);
                    continue;
                }
                const int64_t line = xd * H.in + xh;
                if (geo.channels_last)
                    gather_row_channels_last(source + (row.n * plane + line * W.in) * channels + channel, channels, many, W.in,
                                             x0[2], width, to, next, &seen);
                else
                    gather_row(source + (row.n * channels + channel) * plane, plane, many, line, W.in, x0[2], width, to, next, &seen);
            }
        if (in_place) return;
        const WinogradProduct* g = t.products.data();
        for (int cd = 0; cd < D.class_count; ++cd) {
            const float* deep = forward(D, cd, window, 1, H.reads() * width, pass_a);
            for (int ch = 0; ch < H.class_count; ++ch) {
                const float* high = forward(H, ch, deep, D.points(cd), width, pass_b);
                for (int cw = 0; cw < W.class_count; ++cw, ++g) {
                    if (g->shares) continue;
                    // tiles that end where the row does
                    const int64_t first = t.lead - W.lead_of(cw), many_tiles = row.tiles + W.lead_of(cw);
                    const int64_t lines = g->points[0] * g->points[1], skip = W.classes[cw].skip;
                    for (int64_t i = 0; i < lines; ++i) {
                        const float* from = high + (i * width + skip) * L;
                        float* at = all + (g->first_plane + i * g->points[2]) * t.plane_pitch + first * PITCH;
                        if (W.cells == 1) {
                            for (int64_t p = 0; p < g->points[2]; ++p)
                                for (int64_t j = 0; j < row.tiles; ++j)
                                    store(at + p * t.plane_pitch + j * PITCH, load(from + (j + p) * L));
                        } else if (W.dilation == 1) {
                            scheme_of(W, cw).forward(from, L, W.cells * L, at, t.plane_pitch, PITCH, many_tiles);
                        } else {
                            for (int64_t j = 0; j < many_tiles; j += W.dilation)
                                scheme_of(W, cw).forward(from + j * W.cells * L, W.dilation * L, L, at + j * PITCH, t.plane_pitch,
                                                         PITCH, W.dilation);
                        }
                    }
                }
            }
        }
    }

    // The samples of Strassen's products, of so many tiles.
    void split(int64_t tiles) {
        const int64_t slice_pitch = t.tiles * PITCH;
        for (int64_t plane = 0; plane < t.planes; ++plane) {
            const float* from = points + plane * t.plane_pitch;
            float* to = factored + plane * t.factors * t.factor_pitch;
            // channels that end with a slice of either half: where half of them are no whole slices, the second begins within one
            for (int64_t c = 0, many = 0; c < t.depth; c += many) {
                const int64_t second = t.depth + c;
                many = least(t.depth - c, least(PITCH - c % PITCH, PITCH - second % PITCH));
                for (int64_t pair = 0; pair < tiles / 2; ++pair) {
                    const float* one = from + c / PITCH * slice_pitch + pair * 2 * PITCH + c % PITCH;
                    const float* two = from + second / PITCH * slice_pitch + pair * 2 * PITCH + second % PITCH;
                    strassen_split(one, one + PITCH, two, two + PITCH, to + (c / PITCH * (t.tiles / 2) + pair) * PITCH + c % PITCH,
                                   t.factor_pitch, many);
                }
            }
        }
    }

    // Seven products of half as many tiles, and their sums.
    void multiply_strassen(const float* a, const float* b, float* c, int64_t tiles, int64_t columns) {
        const int64_t pairs = tiles / 2, half = columns * L, size = pairs * half;
        for (int64_t q = 0; q < t.factors; ++q, a += t.factor_pitch, b += t.depth * columns * L)
            for (int64_t c0 = 0; c0 < t.depth; c0 += PITCH)
                multiply_slice(least(PITCH, t.depth - c0), a + c0 * (t.tiles / 2), 0, b + c0 * columns * L, factor_sums + q * size, 1, pairs,
                               columns, c0 > 0);
        for (int64_t pair = 0; pair < pairs; ++pair, c += 4 * half)
            strassen_join(factor_sums + pair * half, size, c, c + half, 2 * half, half);
    }

    // c (+)= a · b for a slice of channels; `runs` runs of tiles that follow each other, `gap` tiles apart.
    static void multiply_slice(int64_t steps, const float* a, int64_t gap, const float* b, float* c, int64_t runs, int64_t run,
                               int64_t columns, bool accumulate) {
        const int64_t parts = (run + HIGH - 1) / HIGH, pitch = columns * L;
        for (int64_t v = 0; v < columns; v += WIDE) {
            const int64_t wide = least(WIDE, columns - v);
            for (int64_t r = 0; r < runs; ++r)
                for (int64_t i = 0; i < parts; ++i) {
                    const int64_t first = run * i / parts, high = run * (i + 1) / parts - first;
                    TILE_KERNELS.of[high][wide](steps, a + (r * (run + gap) + first) * PITCH, b + v * steps * L,
                                                c + (r * run + first) * pitch + v * L, pitch, accumulate);
                }
        }
    }

    // `rows` rows of `tiles`; tiles that follow each other in memory are multiplied together.
    void multiply(int64_t chunk, int64_t rows, int64_t tiles) {
        const int64_t b0 = t.chunk_begin(chunk), blocks = t.chunk_begin(chunk + 1) - b0;
        const float* packed = static_cast<const float*>(args.packed) + cg * t.packed_group + b0 * t.block_weights;
        const WinogradAxis& W = t.axis[2];
        const int64_t runs = t.lead ? rows : 1, run = t.lead ? tiles : rows * tiles;
        for (const WinogradProduct& g : t.products) {
            const int64_t columns = blocks * g.phases, pitch = columns * L;
            const float* weights = packed + blocks * g.first_weight;
            float* to = sums + t.halves * blocks * g.first_sum;
            for (int64_t plane = 0; plane < g.planes; ++plane) {
                const int64_t pw = plane % g.points[2], ph = plane / g.points[2] % g.points[1], pd = plane / (g.points[2] * g.points[1]);
                const int64_t weight_plane = (least(pd, g.weights[0] - 1) * g.weights[1] + least(ph, g.weights[1] - 1)) * g.weights[2] +
                                             least(pw, g.weights[2] - 1);
                const float* b_plane = weights + weight_plane * t.factors * g.segments * t.depth * columns * L;
                float* c_plane = to + plane * t.tiles * t.halves * pitch;
                if (t.blocks.strassen) {
                    multiply_strassen(factored + (g.first_plane + plane) * t.factors * t.factor_pitch, b_plane, c_plane, run, columns);
                    continue;
                }
                const float* a_plane = points + (g.first_plane + plane) * t.plane_pitch + t.lead * PITCH;
                for (int64_t segment = 0; segment < g.segments; ++segment)
                    for (int64_t slice = 0; slice < t.slices; ++slice) {
                        const int64_t steps = least(WINOGRAD_SLICE, t.geo.c_in - slice * WINOGRAD_SLICE);
                        const float* b = b_plane + (segment * t.geo.c_in + slice * WINOGRAD_SLICE) * columns * L;
                        const float* a = a_plane + (slice * t.blocks.tile_rows * (t.blocks.tiles + t.lead) -
                                                    segment * W.segment_tiles(g.classes[2])) * PITCH;
                        multiply_slice(steps, a, t.lead, b, c_plane, runs, run, columns, segment + slice > 0);
                    }
            }
        }
    }

    // Back along one axis: `lines` × points × `across` vectors become `lines` × cells × `across`.
    static void back(const WinogradAxis& axis, int c, const float* in, int64_t in_line, int64_t in_step, int64_t in_next, float* out,
                     int64_t out_line, int64_t out_step, int64_t out_next, int64_t lines, int64_t across) {
        for (int64_t i = 0; i < lines; ++i, in += in_line, out += out_line) {
            if (axis.cells > 1) {
                scheme_of(axis, c).back(in, in_step, in_next, out, out_step, out_next, across);
                continue;
            }
            for (int64_t j = 0; j < across; ++j) {
                Vec<float> sum = load(in + j * in_next);
                for (int64_t p = 1; p < axis.points(c); ++p) sum += load(in + j * in_next + p * in_step);
                store(out + j * out_next, sum);
            }
        }
    }

    // Where the outputs of a line lie that `write` reads: where sums are outputs, a tile's phases follow each other.
    void place(int64_t tiles, int64_t blocks) {
        const int64_t own = t.axis[2].cells * t.weave, pitch = t.straight ? blocks * t.products[0].phases * L : own * L;
        for (int64_t j = 0; j < tiles * own + L; ++j) {
            const int64_t i = least(j, tiles * own - 1);
            places[j] = i / own * pitch + i % own * L;
        }
    }

    // A row of tiles of one block of output channels: from sums to memory.
    void finish(const TileRow& row, int64_t block, int64_t own, int64_t blocks) {
        const WinogradAxis &D = t.axis[0], &H = t.axis[1], &W = t.axis[2];
        const int64_t across = W.cells * row.tiles, width = across * t.weave;  // vectors of a line
        const int64_t height = H.cells * H.stride;
        if (t.straight) {
            const int64_t phases = t.products[0].phases * L;
            return write(row, block, sums + (row.number * row.tiles * blocks + own) * phases, W.stride * L, width, height);
        }
        for (const WinogradProduct& g : t.products) {
            const WinogradAxis::Class &cd = D.classes[g.classes[0]], &ch = H.classes[g.classes[1]], &cw = W.classes[g.classes[2]];
            const int64_t pitch = blocks * g.phases * L;
            for (int64_t f = 0; f < g.phases; ++f) {
                const int64_t lanes = t.phase_lanes ? L : 1, phases = cw.phases / lanes;
                const int64_t rd = cd.place + f / (ch.phases * phases), rh = ch.place + f / phases % ch.phases,
                              rw = cw.place / lanes + f % phases;
                const float* in = sums + blocks * g.first_sum + row.number * row.tiles * pitch + (own * g.phases + f) * L;
                float* out = finished + ((rd * height + rh) * width + rw) * L;
                const bool deep = g.points[0] > 1, high = g.points[1] > 1 || deep;
                // the last axis with more than a point writes to the outputs' places
                const int64_t plane = t.tiles * pitch, lines = g.points[0] * g.points[1];
                float* flat = high ? pass_a : out;
                back_wide(W, g.classes[2], in, g.points[2] * plane, plane, pitch, flat, high ? across * L : 0,
                          high ? L : t.weave * L, lines, row.tiles);
                if (!high) continue;
                float* tall = deep ? pass_b : out;
                back(H, g.classes[1], pass_a, g.points[1] * across * L, across * L, L, tall, H.cells * across * L,
                     deep ? across * L : H.stride * width * L, deep ? L : t.weave * L, g.points[0], across);
                if (!deep) continue;
                for (int64_t i = 0; i < H.cells; ++i)
                    back(D, g.classes[0], pass_b + i * across * L, 0, H.cells * across * L, L, out + i * H.stride * width * L, 0,
                         D.stride * height * width * L, t.weave * L, 1, across);
            }
        }
        if (t.phase_lanes) write_phases(row, block, across * W.stride, height);
        else write(row, block, finished, width * L, width, height);
    }

    // Along the width a cell is `next` from the one before: those of a tile follow each other, or every `dilation`-th is one's.
    static void back_wide(const WinogradAxis& W, int c, const float* in, int64_t in_line, int64_t in_step, int64_t in_next, float* out,
                          int64_t out_line, int64_t next, int64_t lines, int64_t tiles) {
        if (W.dilation == 1) {
            back(W, c, in, in_line, in_step, in_next, out, out_line, next, W.cells * next, lines, tiles);
            return;
        }
        for (int64_t j = 0; j < tiles; j += W.dilation, in += W.dilation * in_next, out += W.dilation * W.cells * next)
            back(W, c, in, in_line, in_step, in_next, out, out_line, W.dilation * next, next, lines, W.dilation);
    }

    // One channel, whose samples lie in order: `width` of a line.
    void write_phases(const TileRow& row, int64_t block, int64_t width, int64_t height) {
        const Geometry& geo = t.geo;
        const WinogradAxis &D = t.axis[0], &H = t.axis[1], &W = t.axis[2];
        const int64_t channel = cg * geo.c_out + block, n0[3] = {D.begin(row.d), H.begin(row.h), W.begin(row.w)};
        const Epilogue<float> finish{args.bias ? static_cast<const float*>(args.bias)[channel] : 0.f, geo.activation,
                                     static_cast<float>(geo.slope)};
        const int64_t j0 = most(0, -n0[2]), j1 = least(width, W.out - n0[2]);
        float* plane = static_cast<float*>(args.result) + (row.n * geo.groups * geo.c_out + channel) * D.out * H.out * W.out;
        for (int64_t d = most(0, -n0[0]); d < D.cells * D.stride && n0[0] + d < D.out; ++d)
            for (int64_t h = most(0, -n0[1]); h < height && n0[1] + h < H.out; ++h) {
                const float* from = finished + (d * height + h) * width;
                float* to = plane + ((n0[0] + d) * H.out + n0[1] + h) * W.out + n0[2];
                int64_t j = j0;
                for (; j + L <= j1; j += L) store(to + j, finish(load(from + j)));
                if (j < j1) store_some<float>(to + j, finish(load(from + j)), j1 - j);
            }
    }

    // Outputs from `from` on, lines `next` apart.
    void write(const TileRow& row, int64_t block, const float* source, int64_t next, int64_t width, int64_t height) {
        const Geometry& geo = t.geo;
        const WinogradAxis &D = t.axis[0], &H = t.axis[1], &W = t.axis[2];
        const int64_t many = least(L, geo.c_out - block * L), channels = geo.groups * geo.c_out, channel = cg * geo.c_out + block * L;
        const float* biases = static_cast<const float*>(args.bias);
        float* result = static_cast<float*>(args.result);
        float bias[L] = {};
        for (int64_t c = 0; c < many && biases; ++c) bias[c] = biases[channel + c];
        const Vec<float> add = load(bias);
        const int64_t n0[3] = {D.begin(row.d), H.begin(row.h), W.begin(row.w)};
        const int64_t j0 = most(0, -n0[2]), j1 = least(width, W.out - n0[2]);
        const int64_t plane = D.out * H.out * W.out;
        for (int64_t d = most(0, -n0[0]); d < D.cells * D.stride && n0[0] + d < D.out; ++d)
            for (int64_t h = most(0, -n0[1]); h < height && n0[1] + h < H.out; ++h) {
                const float* from = source + (d * height + h) * next;
                const int64_t line = ((n0[0] + d) * H.out + n0[1] + h) * W.out + n0[2];
                if (geo.channels_last) {
                    float* to = result + (row.n * plane + line) * channels + channel;
                    for (int64_t j = j0; j < j1; ++j) {
                        Vec<float> v = load(from + places[j]) + add;
                        if (geo.activation != Activation::none)
                            v = activate<float>(v, geo.activation, static_cast<float>(geo.slope));
                        if (many == L) store(to + j * channels, v);
                        else store_some<float>(to + j * channels, v, many);
                    }
                    continue;
                }
                float* to = result + (row.n * channels + channel) * plane + line;
                // Whole vectors on their boundaries; the first block ends at one, in the first channel's plane.
                const int64_t off = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to + j0) / sizeof(float)) % L;
                const bool past = stream && plane % L == 0;
                int64_t length = least(L - off, j1 - j0);
                for (int64_t j = j0; j < j1; j += length, length = least(L, j1 - j)) {
                    Vec<float> v[L];
#pragma GCC unroll 16
                    for (int i = 0; i < L; ++i) v[i] = load(from + places[j + i]) + add;
                    if (geo.activation != Activation::none)
                        for (int i = 0; i < L; ++i) v[i] = activate<float>(v[i], geo.activation, static_cast<float>(geo.slope));
                    weave_vectors<float, L>(v);
                    float* here = to + j;
                    if (length < L || many < L) {
                        for (int c = 0; c < many; ++c) store_some<float>(here + c * plane, v[c], length);
                    } else if (past) {
#pragma GCC unroll 16
                        for (int c = 0; c < L; ++c, here += plane) store_past_caches<float>(here, v[c]);
                    } else {
#pragma GCC unroll 16
                        for (int c = 0; c < L; ++c, here += plane) store(here, v[c]);
                    }
                }
            }
    }
};

// False if a sample was too large for the transforms, or not a number: the outputs are worth nothing then.
inline bool winograd_item(const WinogradTables& t, const Arguments& args, int64_t item) {
    const int64_t column = item % t.columns, row_item = item / t.columns % t.row_items;
    const int64_t share_at = item / (t.columns * t.row_items) % t.blocks.shares, cg = item / (t.columns * t.row_items * t.blocks.shares);
    constexpr int64_t E = sizeof(float);
    int64_t end = 0;
    const auto part = [&](int64_t elements) { return std::exchange(end, end + in_bytes(elements, E)); };
    const int64_t points_at = part(t.planes * t.plane_pitch), factored_at = part(t.factored()), factor_sums_at = part(t.factor_sums);
    const int64_t sums_at = part(t.chunk_blocks * t.halves * t.block_sums), window_at = part(t.window * L);
    const int64_t a_at = part(t.pass * L), b_at = part(t.pass * L), finished_at = part(t.finished * L), places_at = part(t.places * 2);
    char* memory = static_cast<char*>(arena(static_cast<size_t>(end)));
    const auto at = [&](int64_t offset) { return reinterpret_cast<float*>(memory + offset); };
    const Geometry& geo = t.geo;
    const int64_t written = geo.batch * geo.groups * geo.c_out * geo.out[0] * geo.out[1] * geo.out[2] * E;
    WinogradItem work{t, args, cg, at(points_at), at(factored_at), at(factor_sums_at), at(sums_at), at(window_at), at(a_at), at(b_at),
                      at(finished_at), reinterpret_cast<int64_t*>(memory + places_at), written > PAST_CACHES, {}};

    const WinogradAxis &D = t.axis[0], &H = t.axis[1], &W = t.axis[2];
    const auto tile_at = [&](int64_t i) { return share(W.tiles / t.granule, t.columns, i) * t.granule; };
    const int64_t w0 = tile_at(column), tiles = tile_at(column + 1) - w0;
    const int64_t r0 = share(t.rows, t.row_items, row_item), rows = share(t.rows, t.row_items, row_item + 1) - r0;
    const auto row_of = [&](int64_t r) {
        const int64_t i = r0 + r;
        return TileRow{i / (H.tiles * D.tiles), i / H.tiles % D.tiles, i % H.tiles, w0, tiles, r};
    };
    for (int64_t c = 0; c < geo.c_in; c += L)
        for (int64_t r = 0; r < rows; ++r) work.transform(row_of(r), c);
    if (!work.seen.tame()) return false;
    if (t.blocks.strassen) work.split(rows * tiles);
    for (int64_t chunk = share(t.chunks, t.blocks.shares, share_at); chunk < share(t.chunks, t.blocks.shares, share_at + 1); ++chunk) {
        work.multiply(chunk, rows, tiles);
        const int64_t b0 = t.chunk_begin(chunk), blocks = t.chunk_begin(chunk + 1) - b0;
        work.place(tiles, blocks * t.halves);
        for (int64_t b = 0; b < blocks * t.halves; ++b)
            for (int64_t r = 0; r < rows; ++r)
                work.finish(row_of(r), b / blocks * t.out_blocks + b0 + b % blocks, b, blocks * t.halves);
    }
    return true;
}

}  // namespace upweave::UPWEAVE_ISA
