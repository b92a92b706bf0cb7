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
#include "strassen.h"
#include "tile_kernel.h"
#include "toom_cook.h"
#include "weave.h"
#include "winograd_samples.h"
#include "winograd_weights.h"

namespace upweave::UPWEAVE_ISA {

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
        int64_t* to = places;
        for (int64_t tile = 0; tile < tiles; ++tile)
            for (int64_t i = 0; i < own; ++i) *to++ = tile * pitch + i * L;
        for (int64_t i = 0; i < L; ++i) to[i] = to[-1];
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
