// Packing what is read: a tile's samples, with zeros where the taps read outside, one channel after another.
//
// Copies for each offset (few, narrow or strided rows)        Padded rows (wide rows, few output channels)
//
//     channel c                                               channel c        pitch
//       offset −1   │ x[q−1] for all positions q │              ┌ 0 │ row h−1 … │ 0 ┐
//       offset  0   │ x[q]                       │              │ 0 │ row h   … │ 0 │   a tap is an address:
//       offset +1   │ x[q+1]                     │              └ 0 │ row h+1 … │ 0 ┘   base + dh · pitch + dw
#pragma once

#include "../tables.h"
#include "vec.h"
#include "weave.h"

namespace upweave::UPWEAVE_ISA {

struct Run {  // neighbouring positions in one row
    int64_t n, q[3], length;
    int64_t column;  // in the scratch
};

struct Piece {  // of a channel: samples copied, or zeros where source < 0
    int64_t source;
    int32_t to, length;
};

struct Tile {
    Run* runs;
    int64_t run_count;
    Piece* pieces;
    int64_t piece_count;
    int64_t lines, vectors;  // lines of so many vectors for the micro-kernels
};

inline int64_t offsets_of(const Tables& t, int axis) { return most(1, static_cast<int64_t>(t.axis[axis].offsets.size())); }

// What lies between and behind the samples is read by whole vectors and never stored; it is zero all the same, since
// leftovers may be denormal numbers, on which some processors are very slow.

// Upper bounds, for allocation.
inline int64_t most_runs(const Tables& t) {
    if (t.blocks.rows) return t.blocks.tile_rows;
    return t.columns / t.axis[2].count + 2;
}
inline int64_t most_pieces(const Tables& t) {
    if (t.blocks.rows) return 4 * offsets_of(t, 0) * t.panel_rows;
    return (3 * most_runs(t) + 1) * offsets_of(t, 0) * offsets_of(t, 1) * offsets_of(t, 2);
}

// Zeros at `to`, joined to the piece before where that ends here in zeros too.
inline Piece* zero_piece(Piece* begin, Piece* p, int64_t to, int64_t length) {
    if (length <= 0) return p;
    if (p > begin && p[-1].source < 0 && p[-1].to + p[-1].length == to) {
        p[-1].length += static_cast<int32_t>(length);
        return p;
    }
    *p = Piece{-1, static_cast<int32_t>(to), static_cast<int32_t>(length)};
    return p + 1;
}

// One row of samples at `to`: positions q …, source index step·q + offset, or zeros if the row itself is outside.
inline Piece* row_pieces(Piece* begin, Piece* p, int64_t row_at, int64_t in, int64_t step, int64_t first, int64_t length,
                         int64_t to) {
    if (row_at < 0) return zero_piece(begin, p, to, length);
    int64_t zeros = 0, end = length;  // valid samples: zeros ≤ j < end
    if (first < 0) zeros = least(length, (-first + step - 1) / step);
    if (first + step * (length - 1) >= in) end = first >= in ? 0 : (in - 1 - first) / step + 1;
    end = most(end, zeros);
    p = zero_piece(begin, p, to, zeros);
    if (end > zeros)
        *p++ = Piece{row_at + first + step * zeros, static_cast<int32_t>(to + zeros), static_cast<int32_t>(end - zeros)};
    return zero_piece(begin, p, to + end, length - end);
}

// The row (n, d, h) in units of samples of one channel plane, relative to image 0; −1 if it is outside. `image` is the
// distance from one image to the next.
inline int64_t row_index(const Tables& t, int64_t image, int64_t n, int64_t d, int64_t h) {
    if (d < 0 || d >= t.in[0] || h < 0 || h >= t.in[1]) return -1;
    return n * image + (d * t.in[1] + h) * t.in[2];
}

// Runs and pieces of tile number `tile`; of planes the runs alone.
inline void lay_out(const Tables& t, int64_t image, int64_t tile, Tile* out) {
    const AxisPhases *D = &t.axis[0], *H = &t.axis[1], *W = &t.axis[2];
    Run* run = out->runs;
    Piece* piece = out->pieces;
    if (t.blocks.rows) {
        const int64_t column = tile % t.tile_grid[2], row = tile / t.tile_grid[2] % t.tile_grid[1];
        const int64_t plane = tile / (t.tile_grid[2] * t.tile_grid[1]);
        const int64_t n = plane / D->count, qd = plane % D->count;
        const int64_t h0 = row * t.blocks.tile_rows, rows = least(t.blocks.tile_rows, H->count - h0);
        const int64_t w0 = column * t.blocks.tile, width = least(t.blocks.tile, W->count - w0);
        for (int64_t h = 0; h < rows; ++h) *run++ = Run{n, {qd, h0 + h, w0}, width, h * t.column_pitch};
        const int64_t span = W->offsets.empty() ? 0 : W->offsets.back() - W->offsets.front();
        const int64_t first_h = H->offsets.empty() ? 0 : H->offsets.front();
        const int64_t first_w = W->offsets.empty() ? 0 : W->offsets.front();
        const int64_t used = rows + t.panel_rows - t.blocks.tile_rows;
        for (int64_t d = 0; d < static_cast<int64_t>(D->offsets.size()); ++d)
            for (int64_t r = 0; r < used; ++r) {
                const int64_t at = row_index(t, image, n, qd + D->offsets[d], h0 + first_h + r);
                const int64_t to = (d * t.panel_rows + r) * t.row_pitch;
                piece = row_pieces(out->pieces, piece, at, t.in[2], 1, w0 + first_w, width + span, to);
                piece = zero_piece(out->pieces, piece, to + width + span, t.row_pitch - width - span);
            }
        out->lines = t.flat ? 1 : rows;
        const int64_t line = t.flat ? (rows - 1) * t.column_pitch + width : width;
        out->vectors = (line + t.lanes - 1) / t.lanes;
    } else {
        const int64_t positions = t.geo.batch * D->count * H->count * W->count;
        const int64_t first = tile * t.columns, length = least(t.columns, positions - first);
        for (int64_t j = 0; j < length;) {
            const int64_t at = first + j, w = at % W->count, r = at / W->count;
            const int64_t many = least(length - j, W->count - w);
            *run++ = Run{r / (H->count * D->count), {r / H->count % D->count, r % H->count, w}, many, j};
            j += many;
        }
        if (!t.planes) {
            int64_t offset = 0;
            for (int64_t od : D->offsets)
                for (int64_t oh : H->offsets)
                    for (int64_t ow : W->offsets) {
                        for (Run* u = out->runs; u < run; ++u) {
                            const int64_t at = row_index(t, image, u->n, D->step_in * u->q[0] + od, H->step_in * u->q[1] + oh);
                            piece = row_pieces(out->pieces, piece, at, t.in[2], W->step_in, W->step_in * u->q[2] + ow,
                                               u->length, offset * t.columns + u->column);
                        }
                        if (length % t.lanes)
                            piece = zero_piece(out->pieces, piece, offset * t.columns + length, t.lanes - length % t.lanes);
                        ++offset;
                    }
        }
        out->lines = 1;
        out->vectors = (length + t.lanes - 1) / t.lanes;
    }
    out->run_count = run - out->runs;
    out->piece_count = piece - out->pieces;
}

template <class T, class S> inline void copy(T* to, const S* from, int64_t length, int64_t step) {
    for (int64_t j = 0; j < length; ++j) to[j] = widen(from[j * step]);
}

// `readable` samples lie behind `from`. A channel's plane is on other pages than the last one's, where no hardware
// prefetcher follows: `ahead` is where the channel after next has what is read here.
template <class T>
inline __attribute__((always_inline)) void copy_row(T* to, const T* from, int64_t length, int64_t readable, int64_t ahead) {
    int64_t j = 0;
    for (; j + LANES<T> <= length; j += LANES<T>) {
        __builtin_prefetch(from + ahead + j);
        store(to + j, load(from + j));
    }
    if (j == length) return;
    __builtin_prefetch(from + ahead + j);
    if (j + LANES<T> <= readable) store_some<T>(to + j, load(from + j), length - j);
    else for (; j < length; ++j) to[j] = from[j];
}

template <class T> inline __attribute__((always_inline)) void clear_row(T* to, int64_t length) {
    int64_t j = 0;
    for (; j + LANES<T> <= length; j += LANES<T>) store(to + j, Vec<T>{});
    if (j < length) store_some<T>(to + j, Vec<T>{}, length - j);
}

// Channels first … last − 1 of the tile. `source` points at channel 0 of the convolution group, `end` behind the tensor.
// Zeros are in the same places for all panels of a tile: they are written with the first one alone.
template <class T, class S>
__attribute__((noinline)) void pack_panel(const Tables& t, const Tile& tile, const S* source, const S* end, int64_t plane, int64_t first,
                       int64_t last, T* panel) {
    const int64_t step = t.axis[2].step_in;
    for (int64_t c = first; c < last; ++c) {
        T* to = panel + (c - first) * t.channel_stride;
        const S* from = source + c * plane;
        for (const Piece *p = tile.pieces, *stop = p + tile.piece_count; p < stop; ++p) {
            if (p->source < 0) {
                if (first == 0) clear_row<T>(to + p->to, p->length);
                continue;
            }
            if constexpr (sizeof(S) == sizeof(T)) {
                if (step == 1) {
                    const T* at = reinterpret_cast<const T*>(from + p->source);
                    copy_row<T>(to + p->to, at, p->length, reinterpret_cast<const T*>(end) - at, 2 * plane);
                    continue;
                }
            }
            copy(to + p->to, from + p->source, p->length, step);
        }
    }
}

// The same where each position is an image, each sample of which is read: channel c of the images, transposed.
template <class T, class S>
__attribute__((noinline)) void pack_planes(const Tables& t, const Tile& tile, const S* source, int64_t plane, int64_t image,
                        int64_t first, int64_t last, T* panel) {
    constexpr int L = LANES<T>;
    const int64_t many = tile.run_count, padded = (many + L - 1) / L * L;
    source += tile.runs[0].n * image;
    for (int64_t c = first; c < last; ++c) {
        T* to = panel + (c - first) * t.channel_stride;
        const S* from = source + c * plane;
        if constexpr (sizeof(S) == sizeof(T)) {
            if (plane >= L) {
                for (int64_t j = 0; j < many; j += L)
                    for (int64_t o = 0;; o += L) {
                        const int64_t at = least(o, plane - L);  // the last block overlaps the one before it
                        Vec<T> v[L];
#pragma GCC unroll 16
                        for (int i = 0; i < L; ++i)  // behind the last image comes the last image
                            v[i] = load(reinterpret_cast<const T*>(from + least(j + i, many - 1) * image + at));
                        weave_vectors<T, L>(v);
#pragma GCC unroll 16
                        for (int i = 0; i < L; ++i) store(to + (at + i) * t.columns + j, v[i]);
                        if (at + L >= plane) break;
                    }
                continue;
            }
        }
        for (int64_t o = 0; o < plane; ++o)
            for (int64_t j = 0; j < padded; ++j) to[o * t.columns + j] = j < many ? widen(from[j * image + o]) : T(0);
    }
}

// `many` positions, `step` apart, of `channels` neighbouring channels: LANES × LANES of them are transposed at a time.
template <class T, class S>
inline void pack_transposed(const S* from, int64_t step, int64_t many, int64_t channels, T* to, int64_t channel_stride) {
    constexpr int L = LANES<T>;
    if (channels < L) {
        for (int64_t j = 0; j < many; ++j)
            for (int64_t c = 0; c < channels; ++c) to[c * channel_stride + j] = widen(from[j * step + c]);
        return;
    }
    for (int64_t j = 0; j < many; j += L) {
        const int64_t real = least(L, many - j);
        for (int64_t c = 0;; c += L) {
            const int64_t at = least(c, channels - L);  // the last block overlaps the one before it
            Vec<T> v[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) v[i] = load_as<T>(from + least(j + i, many - 1) * step + at);
            weave_vectors<T, L>(v);
            T* row = to + at * channel_stride + j;
            if (real == L) {
#pragma GCC unroll 16
                for (int i = 0; i < L; ++i) store(row + i * channel_stride, v[i]);
            } else {
                for (int i = 0; i < L; ++i) store_some<T>(row + i * channel_stride, v[i], real);
            }
            if (at + L >= channels) break;
        }
    }
}

// The same from memory with channels last: `source` points at the group's channel 0 of sample 0, `pitch` is C.
template <class T, class S>
__attribute__((noinline)) void pack_planes_channels_last(const Tables& t, const Tile& tile, const S* source, int64_t pitch, int64_t plane,
                                      int64_t first, int64_t last, T* panel) {
    const int64_t image = plane * pitch;
    for (int64_t o = 0; o < plane; ++o)
        pack_transposed<T>(source + tile.runs[0].n * image + o * pitch + first, image, tile.run_count, last - first,
                           panel + o * t.columns, t.channel_stride);
}

template <class T, class S>
__attribute__((noinline)) void pack_panel_channels_last(const Tables& t, const Tile& tile, const S* source, int64_t pitch, int64_t first,
                                     int64_t last, T* panel) {
    const int64_t step = t.axis[2].step_in * pitch, channels = last - first;
    for (const Piece *p = tile.pieces, *end = p + tile.piece_count; p < end; ++p) {
        T* to = panel + p->to;
        if (p->source < 0) {
            for (int64_t c = 0; c < channels && first == 0; ++c) clear_row<T>(to + c * t.channel_stride, p->length);
            continue;
        }
        pack_transposed<T>(source + p->source * pitch + first, step, p->length, channels, to, t.channel_stride);
    }
}

}  // namespace upweave::UPWEAVE_ISA
