// Gradient of the weight: one product a convolution group, summed over positions.
//
//     gw[ci, (co, t)] = Σ_(n, i)  x[ci, (n, i)] · gy[co, s i + d t − p]
//
// Rows are input channels, columns are (output channel, tap), which is the order of the weight in memory. An item owns
// a range of columns and sums all positions, or, where there are few columns, a part of the positions for itself: a slice
// of positions after the other, whose columns are laid out once and whose rows a few at a time.
#pragma once

#include "../arena.h"
#include "../target.h"
#include "microkernel.h"
#include "panel.h"
#include "weave.h"

namespace upweave::UPWEAVE_ISA {

struct GradientBlocks {
    int64_t columns, positions;     // in all
    int64_t tile, tiles, slice, parts;
    int64_t pitch;                  // from a position's columns to the next one's
};

template <class T> inline GradientBlocks gradient_blocks(const Geometry& g, int threads) {
    constexpr int64_t L = LANES<T>, E = sizeof(T);
    GradientBlocks b{};
    b.columns = g.c_out * g.kernel[0] * g.kernel[1] * g.kernel[2];
    b.positions = g.batch * g.size[0] * g.size[1] * g.size[2];
    b.slice = 1024 / E;
    // the sums stay in the second-level cache, beside a slice of the columns
    const int64_t room = (int64_t{1} << 19) / (E * g.c_in), widest_tile = most(128, least(512, room));
    b.tiles = (b.columns + widest_tile - 1) / widest_tile;
    if (g.groups == 1 && b.tiles < 4 * threads) b.tiles = (b.tiles + threads - 1) / threads * threads;
    b.tile = ((b.columns + b.tiles - 1) / b.tiles + L - 1) / L * L;
    b.tiles = (b.columns + b.tile - 1) / b.tile;
    b.pitch = (b.tile / L | 1) * L + L;  // room for what is written past the last column
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
    const int64_t before = least(length, most(0, -first)), end = most(before, least(length, in - first));
    for (int64_t j = 0; j < before; ++j) to[j] = 0;
    for (int64_t j = before; j < end; ++j) to[j] = static_cast<T>(widen(row[first + j]));
    for (int64_t j = end; j < length; ++j) to[j] = 0;
}

// Rows become columns: to[j][m] of `height` rows, `plane` apart, for `length` positions. Whole vectors are stored, so that
// each position overwrites what the one before left behind its rows.
template <class T, class S>
inline void turn_rows(T* to, const S* from, int64_t plane, int64_t height, int64_t length) {
    constexpr int64_t L = LANES<T>;
    int64_t j = 0;
    for (; j + L <= length; j += L)
        for (int64_t m = (height - 1) / L * L; m >= 0; m -= L) {
            Vec<T> v[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) v[i] = load_as<T, S>(from + least(m + i, height - 1) * plane + j);
            weave_vectors<T, L>(v);
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) store(to + (j + i) * height + m, v[i]);
        }
    for (; j < length; ++j)
        for (int64_t m = 0; m < height; ++m) to[j * height + m] = static_cast<T>(widen(from[m * plane + j]));
}

// `taps` neighbours for each of `run` positions, `step` apart; whole vectors are stored here, too.
template <class T, int N> inline __attribute__((always_inline)) void copy_taps(T* to, int64_t pitch, const T* from, int64_t step, int64_t run, int64_t taps) {
    for (int64_t i = 0; i < run; ++i, to += pitch, from += step)
        for (int64_t u = 0; u < taps; u += N) std::memcpy(to + u, from + u, N * sizeof(T));
}

template <class T> inline void spread_taps(T* to, int64_t pitch, const T* from, int64_t step, int64_t dilation, int64_t run, int64_t taps) {
    if (dilation > 1)
        for (int64_t i = 0; i < run; ++i)
            for (int64_t u = 0; u < taps; ++u) to[i * pitch + u] = from[i * step + dilation * u];
    else if (taps <= 2) copy_taps<T, 2>(to, pitch, from, step, run, taps);
    else if (taps < LANES<T>) copy_taps<T, 4>(to, pitch, from, step, run, taps);
    else copy_taps<T, LANES<T>>(to, pitch, from, step, run, taps);
}

// Part of one convolution group's product; `gw` has parts × weight elements of type T where there are several parts, else
// it is the tensor itself.
template <class T, class S> struct GradientItem {
    const WeightGradient& w;
    const GradientBlocks& b;
    int64_t cg, j0, j1;  // the columns
    T *rows, *columns, *sums, *padded;

    // Positions p0 and `many` after it, piece by piece of the input's `line`s: piece(first of them, its length).
    template <class F> static void pieces(int64_t p0, int64_t many, int64_t line, const F& piece) {
        for (int64_t k = 0, run; k < many; k += run) {
            run = least(many - k, line - (p0 + k) % line);
            piece(k, run);
        }
    }

    void lay_columns(int64_t p0, int64_t many) const {
        const Geometry& g = w.geo;
        const S* gy = static_cast<const S*>(w.gy) + cg * g.c_out * g.out[0] * g.out[1] * g.out[2];
        const int64_t kw = g.kernel[2];
        pieces(p0, many, g.size[2], [&](int64_t k, int64_t run) {
            const int64_t at = p0 + k, iw = at % g.size[2], row = at / g.size[2];
            const int64_t ih = row % g.size[1], id = row / g.size[1] % g.size[0], n = row / (g.size[1] * g.size[0]);
            const int64_t length = g.stride[2] * (run - 1) + g.dilation[2] * (kw - 1) + 1;
            for (int64_t j = j0, taps; j < j1; j += taps) {
                const int64_t tw = j % kw, unit = j / kw, th = unit % g.kernel[1], td = unit / g.kernel[1] % g.kernel[0];
                const int64_t co = unit / (g.kernel[1] * g.kernel[0]);
                const int64_t d = g.stride[0] * id + g.dilation[0] * td - g.padding[0];
                const int64_t h = g.stride[1] * ih + g.dilation[1] * th - g.padding[1];
                taps = least(kw - tw, j1 - j);
                T* to = columns + k * b.pitch + j - j0;
                if (d < 0 || d >= g.out[0] || h < 0 || h >= g.out[1]) {
                    for (int64_t i = 0; i < run; ++i)
                        for (int64_t u = 0; u < taps; ++u) to[i * b.pitch + u] = 0;
                    continue;
                }
                const S* from = gy + ((n * g.groups * g.c_out + co) * g.out[0] + d) * g.out[1] * g.out[2] + h * g.out[2];
                padded_row(padded, from, g.out[2], g.stride[2] * iw - g.padding[2], length);
                spread_taps(to, b.pitch, padded + g.dilation[2] * tw, g.stride[2], g.dilation[2], run, taps);
            }
        });
    }

    void add(int64_t p0, int64_t many, const int32_t* address) const {
        constexpr int64_t L = LANES<T>;
        const Geometry& g = w.geo;
        const int64_t plane = g.size[0] * g.size[1] * g.size[2], tiles = (g.c_in + MAX_HEIGHT - 1) / MAX_HEIGHT;
        const int64_t wide = (j1 - j0 + L - 1) / L;
        const S* x = static_cast<const S*>(w.x) + cg * g.c_in * plane;
        lay_columns(p0, many);
        for (int64_t i = 0; i < tiles; ++i) {
            const int64_t m0 = share(g.c_in, tiles, i), height = share(g.c_in, tiles, i + 1) - m0;
            pieces(p0, many, plane, [&](int64_t k, int64_t run) {
                const int64_t n = (p0 + k) / plane, at = (p0 + k) % plane;
                turn_rows(rows + k * height, x + (n * g.groups * g.c_in + m0) * plane + at, plane, height, run);
            });
            const int64_t widest_here = widest(static_cast<int>(height)), parts = (wide + widest_here - 1) / widest_here;
            for (int64_t p = 0; p < parts; ++p) {
                const int64_t v = share(wide, parts, p), vectors = share(wide, parts, p + 1) - v;
                MICROKERNELS<T>.of[height][vectors](many, rows, columns + v * L, address, sums + m0 * b.tile + v * L, b.tile, true);
            }
        }
    }

    void finish(int64_t part) const {
        const Geometry& g = w.geo;
        for (int64_t m = 0; m < g.c_in; ++m) {
            const int64_t at = (cg * g.c_in + m) * b.columns + j0;
            if (b.parts > 1) {
                T* to = static_cast<T*>(w.gw) + part * g.groups * g.c_in * b.columns + at;
                for (int64_t j = 0; j < j1 - j0; ++j) to[j] = sums[m * b.tile + j];
            } else {
                S* to = static_cast<S*>(w.gw) + at;
                for (int64_t j = 0; j < j1 - j0; ++j) narrow(sums[m * b.tile + j], to + j);
            }
        }
    }
};

template <class T, class S> void gradient_item(const WeightGradient& w, int threads, int64_t item) {
    constexpr int64_t E = sizeof(T), L = LANES<T>;
    const Geometry& g = w.geo;
    const GradientBlocks b = gradient_blocks<T>(g, threads);
    const int64_t part = item % b.parts, tile = item / b.parts % b.tiles, cg = item / (b.parts * b.tiles);
    const int64_t reach = g.stride[2] * (least(b.slice, g.size[2]) - 1) + g.dilation[2] * (g.kernel[2] - 1) + 1;
    const int64_t columns_at = in_bytes(b.slice * MAX_HEIGHT + L, E), sums_at = columns_at + in_bytes(b.slice * b.pitch + L, E);
    const int64_t padded_at = sums_at + in_bytes(g.c_in * b.tile, E), address_at = padded_at + in_bytes(reach + L, E);
    char* memory = static_cast<char*>(arena(static_cast<size_t>(address_at + in_bytes(b.slice, sizeof(int32_t)))));
    const auto at = [&](int64_t offset) { return reinterpret_cast<T*>(memory + offset); };
    int32_t* address = reinterpret_cast<int32_t*>(memory + address_at);
    for (int64_t k = 0; k < b.slice; ++k) address[k] = static_cast<int32_t>(k * b.pitch);
    const GradientItem<T, S> work{w, b, cg, tile * b.tile, least(b.columns, (tile + 1) * b.tile), at(0), at(columns_at), at(sums_at), at(padded_at)};
    clear_row<T>(work.columns, b.slice * b.pitch);  // columns beyond the last are multiplied, too
    clear_row<T>(work.sums, g.c_in * b.tile);
    const int64_t last = share(b.positions, b.parts, part + 1);
    for (int64_t p0 = share(b.positions, b.parts, part); p0 < last; p0 += b.slice) work.add(p0, least(b.slice, last - p0), address);
    work.finish(part);
}

}  // namespace upweave::UPWEAVE_ISA
