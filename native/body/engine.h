// One work item: a tile of positions times a chunk of output channels, from packing to finished output.
//
//     for each panel of channels          pack what the tile reads
//       for each block of output channels
//         for each phase group            rows = channels × phases, one product each
//           for each slice of the reduction
//             micro-kernels
//         after the last panel: weave the phases into the output
#pragma once

#include "../arena.h"
#include "../target.h"
#include "microkernel.h"
#include "panel.h"
#include "weave.h"

namespace upweave::UPWEAVE_ISA {

constexpr int64_t SLICE = 128;  // steps summed in registers before they are added to the scratch

// Rows of tile `i` of `count` that share `rows` evenly.
inline int64_t share(int64_t rows, int64_t count, int64_t i) { return rows * i / count; }

struct Move {
    int64_t from, to;
};

// Weights in the order in which they are read: [convolution group][block][phase group][tile of rows][k][row].
template <class T, class S>
void pack_weights_by_group(const Tables& t, const void* weight_, void* packed_, int64_t first, int64_t last) {
    const S* weight = static_cast<const S*>(weight_);
    T* packed = static_cast<T*>(packed_);
    const Geometry& geo = t.geo;
    const bool forward = geo.direction == Direction::forward;
    const int64_t taps_all = geo.kernel[0] * geo.kernel[1] * geo.kernel[2];
    const int64_t along_reduce = (forward ? geo.c_out : 1) * taps_all, along_produce = (forward ? 1 : geo.c_out) * taps_all;
    const int64_t group_count = static_cast<int64_t>(t.groups.size());
    for (int64_t unit = first; unit < last; ++unit) {
        const int64_t cg = unit / t.block_count, b = unit % t.block_count;
        const int64_t c0 = t.block_begin(b), channels = t.block_begin(b + 1) - c0;
        const S* from = weight + cg * geo.c_in * geo.c_out * taps_all;
        int64_t packed_to = -1;
        for (int64_t g = 0; g < group_count; ++g) {
            const int64_t place = t.packed_at[b * group_count + g];
            if (place <= packed_to) continue;  // shared with a group before it
            packed_to = place;
            const PhaseGroup& group = t.groups[g];
            const int64_t rows = channels * group.phases, steps = t.reduce * group.taps;
            const int64_t tiles = (rows + t.tile_height - 1) / t.tile_height;
            T* to = packed + cg * t.packed_group + place;
            for (int64_t i = 0; i < tiles; ++i) {
                const int64_t r0 = share(rows, tiles, i), height = share(rows, tiles, i + 1) - r0;
                const int64_t many = height * group.taps;
                Move* move = static_cast<Move*>(arena(static_cast<size_t>(many) * sizeof(Move)));
                for (int64_t m = 0; m < height; ++m) {
                    const int64_t row = (c0 + (r0 + m) / group.phases) * along_produce;
                    const int32_t* tap = group.tap.data() + (r0 + m) % group.phases * group.taps;
                    for (int64_t k = 0; k < group.taps; ++k) move[m * group.taps + k] = Move{row + tap[k], k * height + m};
                }
                T* at = to + r0 * steps;
                for (int64_t c = 0; c < t.reduce; ++c, at += many) {  // rows of neighbouring channels share cache lines
                    const S* kernel = from + c * along_reduce;
                    for (int64_t j = 0; j < many; ++j) at[move[j].to] = static_cast<T>(widen(kernel[move[j].from]));
                }
            }
        }
    }
}

// The same by tap: [convolution group][block][tap][tile of rows][channel][row].
template <class T, class S>
void pack_weights_by_tap(const Tables& t, const void* weight_, void* packed_, int64_t first, int64_t last) {
    const Geometry& geo = t.geo;
    const bool forward = geo.direction == Direction::forward;
    const int64_t taps = geo.kernel[0] * geo.kernel[1] * geo.kernel[2];
    const int64_t along_reduce = (forward ? geo.c_out : 1) * taps, along_produce = (forward ? 1 : geo.c_out) * taps;
    for (int64_t unit = first; unit < last; ++unit) {
        const int64_t cg = unit / t.block_count, b = unit % t.block_count;
        const int64_t c0 = t.block_begin(b), channels = t.block_begin(b + 1) - c0, plane = channels * t.reduce;
        const S* from = static_cast<const S*>(weight_) + cg * geo.c_in * geo.c_out * taps + c0 * along_produce;
        T* to = static_cast<T*>(packed_) + cg * t.packed_group + c0 * t.reduce * taps;
        const int64_t tiles = (channels + t.tile_height - 1) / t.tile_height;
        for (int64_t i = 0; i < tiles; ++i) {
            const int64_t r0 = share(channels, tiles, i), height = share(channels, tiles, i + 1) - r0;
            for (int64_t c = 0; c < t.reduce; ++c)
                for (int64_t m = 0; m < height; ++m) {
                    const S* kernel = from + c * along_reduce + (r0 + m) * along_produce;
                    T* at = to + r0 * t.reduce + c * height + m;
                    for (int64_t tap = 0; tap < taps; ++tap) at[tap * plane] = static_cast<T>(widen(kernel[tap]));
                }
        }
    }
}

// scratch (+)= one phase group of one block of so many channels.
template <class T>
inline void multiply_by_tap(const Tables& t, const Tile& tile, const PhaseGroup& group, int64_t rows, const T* packed, int64_t first,
                            int64_t channels, const T* panel, T* scratch) {
    const int64_t tiles = (rows + t.tile_height - 1) / t.tile_height;
    for (int64_t phase = 0; phase < group.phases; ++phase)
        for (int64_t i = 0; i < tiles; ++i) {
            const int64_t r0 = share(rows, tiles, i), height = share(rows, tiles, i + 1) - r0;
            const int64_t parts = (tile.vectors + widest(static_cast<int>(height)) - 1) / widest(static_cast<int>(height));
            T* to = scratch + (group.first_row + phase * t.block + r0) * t.scratch_pitch;
            for (int64_t tap = 0; tap < group.taps; ++tap) {
                const T* a = packed + (group.tap[phase * group.taps + tap] * rows + r0) * t.reduce + first * height;
                for (int64_t k = 0; k < channels; k += SLICE)
                    for (int64_t p = 0; p < parts; ++p) {
                        const int64_t v = share(tile.vectors, parts, p), wide = share(tile.vectors, parts, p + 1) - v;
                        MICROKERNELS<T>.of[height][wide](
                            least(SLICE, channels - k), a + k * height, panel + v * LANES<T>,
                            group.address.data() + tap * t.blocks.channels + k, to + v * LANES<T>, t.scratch_pitch,
                            first + tap + k > 0);
                    }
            }
        }
}

// scratch (+)= one phase group of one block.
template <class T>
inline void multiply(const Tables& t, const Tile& tile, const PhaseGroup& group, int64_t rows, const T* packed,
                     int64_t first_channel, int64_t channels, const T* panel, T* scratch) {
    const int64_t steps_all = t.reduce * group.taps, steps = channels * group.taps, from = first_channel * group.taps;
    const int64_t tiles = (rows + t.tile_height - 1) / t.tile_height;
    for (int64_t k = 0; k < steps; k += SLICE) {
        const int64_t many = least(SLICE, steps - k);
        const bool accumulate = from + k > 0;
        for (int64_t i = 0; i < tiles; ++i) {
            const int64_t r0 = share(rows, tiles, i), height = share(rows, tiles, i + 1) - r0;
            const T* a = packed + r0 * steps_all + (from + k) * height;
            const int64_t parts = (tile.vectors + widest(static_cast<int>(height)) - 1) / widest(static_cast<int>(height));
            for (int64_t line = 0; line < tile.lines; ++line)
                for (int64_t p = 0; p < parts; ++p) {
                    const int64_t v = share(tile.vectors, parts, p), wide = share(tile.vectors, parts, p + 1) - v;
                    MICROKERNELS<T>.of[height][wide](
                        many, a, panel + line * t.row_pitch + v * LANES<T>, group.address.data() + k,
                        scratch + (group.first_row + r0) * t.scratch_pitch + line * t.column_pitch + v * LANES<T>, t.scratch_pitch, accumulate);
                }
        }
    }
}

// Units are blocks, of one convolution group after the other.
template <class T, class S>
void pack_weights(const Tables& t, const void* weight, void* packed, int64_t first, int64_t last) {
    if (t.by_tap) pack_weights_by_tap<T, S>(t, weight, packed, first, last);
    else pack_weights_by_group<T, S>(t, weight, packed, first, last);
}

template <class T, class S> struct Finisher {
    const Tables& t;
    const Arguments& args;
    const Tile& tile;
    const T* zeros;      // a line of them
    const T** from;      // [phase] of a row
    T* line;             // a finished row, where the output's type is not T; with channels last the block's biases
    bool stream;

    const T* source(const T* scratch, int64_t channel, int64_t phase) const {
        const Row row = t.rows[phase];
        return row.first < 0 ? zeros : scratch + (row.first + channel * row.step) * t.scratch_pitch;
    }

    void row_sources(const T* scratch, int64_t channel, int64_t phase_row, int64_t column) const {
        const int64_t nw = t.axis[2].phases;
        for (int64_t w = 0; w < nw; ++w) from[w] = source(scratch, channel, phase_row * nw + w) + column;
    }

    __attribute__((noinline)) void channels_first(const T* scratch, int64_t cg, int64_t block) const {
        const AxisPhases *D = &t.axis[0], *H = &t.axis[1], *W = &t.axis[2];
        const int64_t c0 = t.block_begin(block), channels = t.block_begin(block + 1) - c0;
        S* result = static_cast<S*>(args.result);
        for (int64_t c = 0; c < channels; ++c) {
            const int64_t channel = cg * t.produce + c0 + c;
            const Epilogue<T> finish{args.bias ? static_cast<T>(widen(static_cast<const S*>(args.bias)[channel])) : T(0),
                                     t.geo.activation, static_cast<T>(t.geo.slope)};
            if constexpr (sizeof(S) == sizeof(T))
                if (t.images && t.phases >= LANES<T>) {
                    for (int64_t f = 0; f < t.phases; ++f) from[f] = source(scratch, c, f);
                    const int64_t pitch = t.produce * t.geo.groups * t.phases;
                    T* to = reinterpret_cast<T*>(result) + tile.runs[0].n * pitch + channel * t.phases;
                    weave_wide<T>(to, from, t.phases, pitch, tile.run_count, tile.run_count * t.phases, finish);
                    continue;
                }
            for (int64_t u = 0; u < tile.run_count; ++u) {
                const Run& run = tile.runs[u];
                const int64_t limit = least(W->phases * run.length, t.out[2] - W->step_out * run.q[2]);
                for (int64_t rd = 0; rd < D->phases; ++rd) {
                    const int64_t d = D->step_out * run.q[0] + rd;
                    if (d >= t.out[0]) break;
                    for (int64_t rh = 0; rh < H->phases; ++rh) {
                        const int64_t h = H->step_out * run.q[1] + rh;
                        if (h >= t.out[1]) break;
                        row_sources(scratch, c, rd * H->phases + rh, run.column);
                        S* to = result + (((run.n * t.produce * t.geo.groups + channel) * t.out[0] + d) * t.out[1] + h) * t.out[2] +
                                W->step_out * run.q[2];
                        if constexpr (sizeof(S) == sizeof(T)) {
                            weave<T>(reinterpret_cast<T*>(to), from, W->phases, run.length, limit, finish, stream);
                        } else {
                            weave<T>(line, from, W->phases, run.length, limit, finish, false);
                            for (int64_t i = 0; i < limit; ++i) narrow(line[i], to + i);
                        }
                    }
                }
            }
        }
    }

    // LANES channels, `step` apart, × LANES positions: transposed, finished and stored; `many` channels and `length`
    // positions of them exist.
    inline void positions(const T* at, int64_t step, int64_t many, S* to, int64_t pitch, int64_t length,
                          const T* biases) const {
        constexpr int L = LANES<T>;
        Vec<T> v[L];
#pragma GCC unroll 16
        for (int c = 0; c < L; ++c) v[c] = load(at + least(c, many - 1) * step);
        weave_vectors<T, L>(v);
        const Vec<T> bias = load(biases);
        const Epilogue<T> finish{T(0), t.geo.activation, static_cast<T>(t.geo.slope)};
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) {
            if (i >= length) break;
            const Vec<T> out = finish(v[i] + bias);
            if constexpr (sizeof(S) == sizeof(T)) {
                T* here = reinterpret_cast<T*>(to + i * pitch);
                if (many < L) store_some<T>(here, out, many);
                else if (stream && (reinterpret_cast<uintptr_t>(here) & (BYTES - 1)) == 0) store_past_caches<T>(here, out);
                else store(here, out);
            } else {
                for (int64_t c = 0; c < many; ++c) narrow(out[c], to + i * pitch + c);
            }
        }
    }

    // All channels of a block at `length` positions of one phase, `pitch` apart in the output.
    void finish_line(const T* scratch, int64_t phase, int64_t column, int64_t channels, S* to, int64_t pitch, int64_t length) const {
        constexpr int L = LANES<T>;
        const Row row = t.rows[phase];
        const int64_t step = row.first < 0 ? 0 : row.step * t.scratch_pitch;
        const T* at = row.first < 0 ? zeros : scratch + row.first * t.scratch_pitch + column;
        for (int64_t c = 0; c < channels; c += L)
            for (int64_t i = 0; i < length; i += L)
                positions(at + c * step + i, step, least(L, channels - c), to + c + i * pitch, pitch, least(L, length - i), line + c);
    }

    __attribute__((noinline)) void channels_last(const T* scratch, int64_t cg, int64_t block) const {
        const AxisPhases *D = &t.axis[0], *H = &t.axis[1], *W = &t.axis[2];
        const int64_t c0 = t.block_begin(block), channels = t.block_begin(block + 1) - c0;
        const int64_t pitch = t.produce * t.geo.groups, first = cg * t.produce + c0;
        S* result = static_cast<S*>(args.result);
        for (int64_t c = 0; c < channels; ++c)
            line[c] = args.bias ? static_cast<T>(widen(static_cast<const S*>(args.bias)[first + c])) : T(0);
        if (t.images) {
            const int64_t image = t.phases * pitch;
            for (int64_t f = 0; f < t.phases; ++f)
                finish_line(scratch, f, 0, channels, result + tile.runs[0].n * image + f * pitch + first, image, tile.run_count);
            return;
        }
        for (int64_t u = 0; u < tile.run_count; ++u) {
            const Run& run = tile.runs[u];
            for (int64_t rd = 0; rd < D->phases; ++rd) {
                const int64_t d = D->step_out * run.q[0] + rd;
                if (d >= t.out[0]) break;
                for (int64_t rh = 0; rh < H->phases; ++rh) {
                    const int64_t h = H->step_out * run.q[1] + rh;
                    if (h >= t.out[1]) break;
                    S* line_at = result + ((run.n * t.out[0] + d) * t.out[1] + h) * t.out[2] * pitch + first;
                    for (int64_t rw = 0; rw < W->phases; ++rw) {
                        const int64_t f = (rd * H->phases + rh) * W->phases + rw, w = W->step_out * run.q[2] + rw;
                        const int64_t length = least(run.length, (t.out[2] - w + W->step_out - 1) / W->step_out);
                        finish_line(scratch, f, run.column, channels, line_at + w * pitch, W->step_out * pitch, length);
                    }
                }
            }
        }
    }
};

inline int64_t in_bytes(int64_t elements, int64_t size) { return (elements * size + 63) / 64 * 64; }

template <class T, class S> void run_item(const Tables& t, const Arguments& args, int64_t item) {
    const int64_t tile_number = item % t.tiles, chunk = item / t.tiles % t.chunks, cg = item / (t.tiles * t.chunks);
    const int64_t group_count = static_cast<int64_t>(t.groups.size());
    const int64_t b0 = share(t.block_count, t.chunks, chunk), b1 = share(t.block_count, t.chunks, chunk + 1);
    const bool split = t.blocks.channels < t.reduce;

    constexpr int64_t E = sizeof(T);
    const int64_t panel_at = 0;
    const int64_t scratch_at = panel_at + in_bytes(t.panel_size + LANES<T>, E);
    const int64_t zeros_at = scratch_at + in_bytes(t.scratch_size + 2 * LANES<T>, E);
    const int64_t line_at = zeros_at + in_bytes(t.columns + 2 * LANES<T>, E);
    const int64_t line_size = t.geo.channels_last ? t.block + LANES<T>
                              : sizeof(S) == sizeof(T) ? 0 : t.axis[2].phases * (t.columns + LANES<T>) + LANES<T>;
    const int64_t from_at = line_at + in_bytes(line_size, E);
    const int64_t runs_at = from_at + in_bytes(t.images ? t.phases : t.axis[2].phases, sizeof(T*));
    const int64_t pieces_at = runs_at + in_bytes(most_runs(t), sizeof(Run));
    char* memory = static_cast<char*>(arena(static_cast<size_t>(pieces_at + in_bytes(t.planes ? 0 : most_pieces(t), sizeof(Piece)))));
    T* panel = reinterpret_cast<T*>(memory + panel_at);
    T* scratch = reinterpret_cast<T*>(memory + scratch_at);
    T* zeros = reinterpret_cast<T*>(memory + zeros_at);
    for (int64_t i = 0; i < t.columns + 2 * LANES<T>; ++i) zeros[i] = 0;

    Tile tile{reinterpret_cast<Run*>(memory + runs_at), 0, reinterpret_cast<Piece*>(memory + pieces_at), 0, 0, 0};
    const int64_t plane = t.in[0] * t.in[1] * t.in[2];
    const int64_t image = t.geo.channels_last ? plane : plane * t.reduce * t.geo.groups;
    lay_out(t, image, tile_number, &tile);

    const int64_t written = t.geo.batch * t.produce * t.geo.groups * t.out[0] * t.out[1] * t.out[2] * static_cast<int64_t>(sizeof(S));
    const Finisher<T, S> finisher{t, args, tile, zeros, reinterpret_cast<const T**>(memory + from_at),
                                  reinterpret_cast<T*>(memory + line_at), written > PAST_CACHES};
    const S* source = static_cast<const S*>(args.source);
    const T* packed = static_cast<const T*>(args.packed) + cg * t.packed_group;
    for (int64_t c0 = 0; c0 < t.reduce; c0 += t.blocks.channels) {
        const int64_t c1 = least(t.reduce, c0 + t.blocks.channels);
        if (group_count) {
            if (t.planes && t.geo.channels_last)
                pack_planes_channels_last<T, S>(t, tile, source + cg * t.reduce, t.reduce * t.geo.groups, plane, c0, c1, panel);
            else if (t.planes) pack_planes<T, S>(t, tile, source + cg * t.reduce * plane, plane, image, c0, c1, panel);
            else if (t.geo.channels_last)
                pack_panel_channels_last<T, S>(t, tile, source + cg * t.reduce, t.reduce * t.geo.groups, c0, c1, panel);
            else
                pack_panel<T, S>(t, tile, source + cg * t.reduce * plane,
                                 source + t.geo.batch * t.reduce * t.geo.groups * plane, plane, c0, c1, panel);
        }
        for (int64_t b = b0; b < b1; ++b) {
            T* at = scratch + (split ? b - b0 : 0) * t.block_rows * t.scratch_pitch;
            const int64_t channels = t.block_begin(b + 1) - t.block_begin(b);
            for (int64_t g = 0; g < group_count; ++g) {
                const PhaseGroup& group = t.groups[g];
                if (t.by_tap)
                    multiply_by_tap<T>(t, tile, group, channels,
                                       packed + t.block_begin(b) * t.reduce * t.geo.kernel[0] * t.geo.kernel[1] * t.geo.kernel[2],
                                       c0, c1 - c0, panel, at);
                else
                    multiply<T>(t, tile, group, channels * group.phases, packed + t.packed_at[b * group_count + g], c0, c1 - c0,
                                panel, at);
            }
            if (c1 < t.reduce) continue;
            if (t.geo.channels_last) finisher.channels_last(at, cg, b);
            else finisher.channels_first(at, cg, b);
        }
    }
}

}  // namespace upweave::UPWEAVE_ISA
