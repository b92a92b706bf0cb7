// Gradient of the weight: one product a convolution group, summed over positions.
//
//     gw[ci, (co, t)] = Σ_(n, i)  x[ci, (n, i)] · gy[co, s i + d t − p]
//
// Rows are input channels, columns are (output channel, tap), which is the order of the weight in memory. An item owns
// a range of columns and sums all positions, or, where there are few columns, a part of the positions for itself.
#pragma once

#include "../arena.h"
#include "../target.h"
#include "microkernel.h"
#include "panel.h"

namespace upweave::UPWEAVE_ISA {

struct GradientBlocks {
    int64_t taps, columns, positions, tile, tiles, slice, parts;
};

template <class T> inline GradientBlocks gradient_blocks(const Geometry& g, int threads) {
    constexpr int64_t L = LANES<T>;
    GradientBlocks b{};
    b.taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
    b.columns = g.c_out * b.taps;
    b.positions = g.batch * g.size[0] * g.size[1] * g.size[2];
    b.slice = g.c_in > 1024 ? 64 : 128;
    const int64_t room = (int64_t{1} << 20) / (static_cast<int64_t>(sizeof(T)) * g.c_in);
    b.tile = most(2 * L, least(512, room) / L * L);
    b.tile = least(b.tile, (b.columns + L - 1) / L * L);
    b.tiles = (b.columns + b.tile - 1) / b.tile;
    // Few columns: the positions are shared out instead, each part with sums of its own.
    b.parts = g.groups * b.tiles >= 2 * threads ? 1 : least(threads, most(1, b.positions / b.slice));
    return b;
}

template <class T, class S> int64_t gradient_items(const Geometry& g, int threads) {
    const GradientBlocks b = gradient_blocks<T>(g, threads);
    return g.groups * b.tiles * b.parts;
}

// A row of the output's gradient, zeros around it, so that taps need no bounds.
template <class T, class S>
inline void padded_row(T* to, const S* row, int64_t in, int64_t first, int64_t length) {
    for (int64_t j = 0; j < length; ++j) {
        const int64_t at = first + j;
        to[j] = at >= 0 && at < in ? static_cast<T>(widen(row[at])) : T(0);
    }
}

// `gw` has parts × weight elements of type T where b.parts > 1, else the tensor itself.
template <class T, class S>
void gradient_item(const WeightGradient& w, int threads, int64_t item) {
    constexpr int64_t L = LANES<T>, E = sizeof(T);
    const Geometry& g = w.geo;
    const GradientBlocks b = gradient_blocks<T>(g, threads);
    const int64_t part = item % b.parts, tile = item / b.parts % b.tiles, cg = item / (b.parts * b.tiles);
    const int64_t j0 = tile * b.tile, j1 = least(b.columns, j0 + b.tile), wide = (j1 - j0 + L - 1) / L;
    const int64_t first = b.positions * part / b.parts, last = b.positions * (part + 1) / b.parts;
    const int64_t kw = g.kernel[2], tiles = (g.c_in + MAX_HEIGHT - 1) / MAX_HEIGHT;
    const int64_t reach = g.stride[2] * (least(b.slice, g.size[2]) - 1) + g.dilation[2] * (kw - 1) + 1;

    const int64_t a_at = 0;
    const int64_t b_at = a_at + (b.slice * g.c_in * E + 63) / 64 * 64;
    const int64_t c_at = b_at + (b.slice * b.tile * E + 63) / 64 * 64;
    const int64_t row_at = c_at + (g.c_in * b.tile * E + 63) / 64 * 64;
    const int64_t address_at = row_at + (reach * E + 63) / 64 * 64;
    char* memory = static_cast<char*>(arena(static_cast<size_t>(address_at + b.slice * 4)));
    T *A = reinterpret_cast<T*>(memory + a_at), *B = reinterpret_cast<T*>(memory + b_at);
    T *C = reinterpret_cast<T*>(memory + c_at), *padded = reinterpret_cast<T*>(memory + row_at);
    int32_t* address = reinterpret_cast<int32_t*>(memory + address_at);
    for (int64_t k = 0; k < b.slice; ++k) address[k] = static_cast<int32_t>(k * b.tile);
    for (int64_t i = 0; i < g.c_in * b.tile; ++i) C[i] = 0;
    if (wide * L > j1 - j0)
        for (int64_t k = 0; k < b.slice; ++k)
            for (int64_t j = j1 - j0; j < wide * L; ++j) B[k * b.tile + j] = 0;

    const int64_t plane_x = g.size[0] * g.size[1] * g.size[2], plane_y = g.out[0] * g.out[1] * g.out[2];
    const S* x = static_cast<const S*>(w.x) + cg * g.c_in * plane_x;
    const S* gy = static_cast<const S*>(w.gy) + cg * g.c_out * plane_y;
    for (int64_t p0 = first; p0 < last; p0 += b.slice) {
        const int64_t many = least(b.slice, last - p0);
        for (int64_t k = 0; k < many;) {  // pieces of one image, and in it of one row
            const int64_t n = (p0 + k) / plane_x, at = (p0 + k) % plane_x;
            const int64_t run = least(many - k, plane_x - at);
            for (int64_t i = 0; i < tiles; ++i) {
                const int64_t m0 = g.c_in * i / tiles, height = g.c_in * (i + 1) / tiles - m0;
                for (int64_t m = 0; m < height; ++m) {
                    const S* from = x + (n * g.groups * g.c_in + m0 + m) * plane_x + at;
                    T* to = A + m0 * b.slice + k * height + m;
                    for (int64_t j = 0; j < run; ++j) to[j * height] = static_cast<T>(widen(from[j]));
                }
            }
            k += run;
        }
        for (int64_t k = 0; k < many;) {
            const int64_t at = p0 + k, iw = at % g.size[2], row = at / g.size[2];
            const int64_t ih = row % g.size[1], id = row / g.size[1] % g.size[0], n = row / (g.size[1] * g.size[0]);
            const int64_t run = least(many - k, g.size[2] - iw);
            const int64_t length = g.stride[2] * (run - 1) + g.dilation[2] * (kw - 1) + 1;
            for (int64_t j = j0; j < j1;) {
                const int64_t tw = j % kw, unit = j / kw, th = unit % g.kernel[1], td = unit / g.kernel[1] % g.kernel[0];
                const int64_t co = unit / (g.kernel[1] * g.kernel[0]), taps = least(kw - tw, j1 - j);
                const int64_t d = g.stride[0] * id + g.dilation[0] * td - g.padding[0];
                const int64_t h = g.stride[1] * ih + g.dilation[1] * th - g.padding[1];
                T* to = B + k * b.tile + j - j0;
                if (d < 0 || d >= g.out[0] || h < 0 || h >= g.out[1]) {
                    for (int64_t i = 0; i < run; ++i)
                        for (int64_t u = 0; u < taps; ++u) to[i * b.tile + u] = 0;
                } else {
                    const S* from = gy + ((n * g.groups * g.c_out + co) * g.out[0] + d) * g.out[1] * g.out[2] + h * g.out[2];
                    padded_row(padded, from, g.out[2], g.stride[2] * iw - g.padding[2], length);
                    for (int64_t i = 0; i < run; ++i)
                        for (int64_t u = 0; u < taps; ++u)
                            to[i * b.tile + u] = padded[g.stride[2] * i + g.dilation[2] * (tw + u)];
                }
                j += taps;
            }
            k += run;
        }
        for (int64_t i = 0; i < tiles; ++i) {
            const int64_t m0 = g.c_in * i / tiles, height = g.c_in * (i + 1) / tiles - m0;
            const int64_t widest_here = widest(static_cast<int>(height)), pieces = (wide + widest_here - 1) / widest_here;
            for (int64_t p = 0; p < pieces; ++p) {
                const int64_t v = wide * p / pieces, vectors = wide * (p + 1) / pieces - v;
                MICROKERNELS<T>.of[height][vectors](many, A + m0 * b.slice, B + v * L, address, C + m0 * b.tile + v * L, b.tile, true);
            }
        }
    }
    for (int64_t m = 0; m < g.c_in; ++m) {
        const int64_t at = (cg * g.c_in + m) * b.columns + j0;
        if (b.parts > 1) {
            T* to = static_cast<T*>(w.gw) + part * g.groups * g.c_in * b.columns + at;
            for (int64_t j = 0; j < j1 - j0; ++j) to[j] = C[m * b.tile + j];
        } else {
            S* to = static_cast<S*>(w.gw) + at;
            for (int64_t j = 0; j < j1 - j0; ++j) narrow(C[m * b.tile + j], to + j);
        }
    }
}

}  // namespace upweave::UPWEAVE_ISA
