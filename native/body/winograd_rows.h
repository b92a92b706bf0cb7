// One work item of Winograd's rows: some tiles along the height at some positions along the width, all output channels.
//
//     for each panel of input channels
//       for each channel: rows of samples  →  along depth, height  →  panel[channel][plane][tile][sample]
//       for each product, each plane: scratch[channel, phase][position] (+)= Σ weights · panel      most of the time
//     for each row of sums: back along height, depth
//     the phases of the width are woven into the output's rows
#pragma once

#include "../arena.h"
#include "../target.h"
#include "engine.h"
#include "microkernel.h"
#include "panel.h"
#include "weave.h"
#include "winograd_samples.h"
#include "winograd_weights.h"

namespace upweave::UPWEAVE_ISA {

// The factor of tap j at point i; one tap is the same at all points.
inline double row_factor(const WinogradAxis& axis, int c, int64_t i, int64_t j) {
    return axis.classes[c].scheme == 1 ? 1 : tap_factor(axis, c, i, j);
}

// Weights of one plane of one product, transformed in double precision. False if one is too large, or not a number.
inline bool winograd_rows_pack(const WinogradRowTables& t, const void* weight_, void* packed_, int64_t unit) {
    const Geometry& geo = t.geo;
    const int64_t many = static_cast<int64_t>(t.packing.size()), cg = unit / many;
    const WinogradRowTables::Unit one = t.packing[static_cast<size_t>(unit % many)];
    const WinogradRowProduct& g = t.products[static_cast<size_t>(one.product)];
    const WinogradAxis &D = t.axis[0], &H = t.axis[1];
    const WinogradAxis::Class &cd = D.classes[g.classes[0]], &ch = H.classes[g.classes[1]];
    const AxisPhases::Group& cw = t.width.groups[static_cast<size_t>(g.group)];
    const int64_t pd = one.plane / g.points[1], ph = one.plane % g.points[1];
    const int64_t taps_all = geo.kernel[0] * geo.kernel[1] * geo.kernel[2], steps = geo.c_in * g.taps;
    const float* weight = static_cast<const float*>(weight_) + cg * geo.c_in * geo.c_out * taps_all;
    float* to = static_cast<float*>(packed_) + cg * t.packed_group + g.first_weight + one.plane * g.rows * steps;
    const int64_t tiles = (g.rows + t.tile_height - 1) / t.tile_height;
    bool tame = true;
    for (int64_t i = 0; i < tiles; ++i) {
        const int64_t r0 = share(g.rows, tiles, i), height = share(g.rows, tiles, i + 1) - r0;
        for (int64_t m = 0; m < height; ++m) {
            const int64_t row = r0 + m, fw = row % g.phases[2], fh = row / g.phases[2] % g.phases[1];
            const int64_t fd = row / (g.phases[2] * g.phases[1]) % g.phases[0], channel = row / (g.phases[2] * g.phases[1] * g.phases[0]);
            for (int64_t c = 0; c < geo.c_in; ++c)
                for (int64_t w = 0; w < g.taps; ++w) {
                    const float* from = weight + (c * geo.c_out + channel) * taps_all + cw.tap[static_cast<size_t>(fw)][static_cast<size_t>(w)];
                    double sum = 0;
                    for (int64_t d = 0; d < cd.scheme; ++d)
                        for (int64_t h = 0; h < ch.scheme; ++h) {
                            const double factor = row_factor(D, g.classes[0], pd, d) * row_factor(H, g.classes[1], ph, h);
                            if (factor == 0) continue;
                            sum += factor * from[((cd.first + fd + D.stride * (cd.scheme - 1 - d)) * geo.kernel[1] +
                                                  ch.first + fh + H.stride * (ch.scheme - 1 - h)) * geo.kernel[2]];
                        }
                    tame &= sum < LARGEST && sum > -LARGEST;
                    to[r0 * steps + (c * g.taps + w) * height + m] = static_cast<float>(sum);
                }
        }
    }
    return tame;
}

struct WinogradRowItem {
    const WinogradRowTables& t;
    const Arguments& args;
    int64_t cg, n, d, h, tiles, q, width;  // image, tile along depth, first tile along height and how many, positions
    float *window, *pass, *panel, *scratch;
    Magnitude seen;

    int64_t vectors() const { return ((tiles - 1) * t.row_pitch + width + L - 1) / L; }

    // Rows of one channel around the tiles, with zeros outside.
    void read(int64_t channel) {
        const Geometry& geo = t.geo;
        const WinogradAxis &D = t.axis[0], &H = t.axis[1];
        const int64_t d0 = D.first + D.cells * d - D.reach + 1, h0 = H.first + H.cells * h - H.reach + 1;
        const int64_t rows = H.cells * tiles + H.reach - 1, x0 = q + t.first_offset, in = geo.size[2];
        const int64_t before = least(t.window_pitch, most(0, -x0)), end = most(before, least(width + t.span, in - x0));
        const int64_t ahead = 2 * D.in * H.in * in;
        const float* plane = static_cast<const float*>(args.source) + (n * geo.groups * geo.c_in + channel) * D.in * H.in * in;
        for (int64_t i = 0; i < D.reads(); ++i)
            for (int64_t j = 0; j < rows; ++j) {
                float* to = window + (i * t.window_rows + j) * t.window_pitch;
                const int64_t xd = d0 + i, xh = h0 + j;
                if (xd < 0 || xd >= D.in || xh < 0 || xh >= H.in || end == before) {
                    clear_row<float>(to, t.window_pitch);
                    continue;
                }
                const float* from = plane + (xd * H.in + xh) * in + x0;
                if (before) clear_row<float>(to, before);
                int64_t x = before;
                for (; x + L <= end; x += L) {
                    __builtin_prefetch(from + ahead + x);  // the channel after next is on other pages, where nothing else asks
                    const Vec<float> v = load(from + x);
                    seen.see(v);
                    store(to + x, v);
                }
                if (x < end) {
                    Vec<float> v{};
                    for (int64_t k = 0; x + k < end; ++k) v[k] = from[x + k];
                    seen.see(v);
                    store_some<float>(to + x, v, end - x);
                }
                clear_row<float>(to + end, t.window_pitch - end);
            }
    }

    // One axis of cells, or as it is: `count` vectors.
    static void transform(const WinogradAxis& axis, int c, const float* in, int64_t in_step, float* out, int64_t out_step, int64_t count) {
        if (axis.cells > 1) return scheme_of(axis, c).forward(in, in_step, L, out, out_step, L, count);
        for (int64_t i = 0; i < count; ++i) store(out + i * L, load(in + i * L));
    }

    void pack(int64_t channel, float* to) {
        const WinogradAxis &D = t.axis[0], &H = t.axis[1];
        const int64_t depth = t.window_rows * t.window_pitch, rows = H.cells * tiles + H.reach - 1;
        read(channel);
        int64_t plane = 0;
        for (int cd = 0; cd < D.class_count; ++cd) {
            const float* deep = window;
            if (D.cells > 1) {
                transform(D, cd, window + D.classes[cd].skip * depth, depth, pass, depth, rows * t.window_pitch / L);
                deep = pass;
            }
            for (int ch = 0; ch < H.class_count; ++ch) {
                for (int64_t pd = 0; pd < D.points(cd); ++pd, plane += H.points(ch))
                    for (int64_t j = 0; j < tiles; ++j)
                        transform(H, ch, deep + pd * depth + (j * H.cells + H.classes[ch].skip) * t.window_pitch,
                                  t.window_pitch, to + plane * t.plane_pitch + j * t.row_pitch, t.plane_pitch,
                                  (width + t.span + L - 1) / L);
            }
        }
    }

    void multiply(int64_t first, int64_t channels) {
        const float* packed = static_cast<const float*>(args.packed) + cg * t.packed_group;
        const int64_t wide = vectors();
        for (const WinogradRowProduct& g : t.products) {
            const int64_t steps_all = t.geo.c_in * g.taps, steps = channels * g.taps, from = first * g.taps;
            const int64_t heights = (g.rows + t.tile_height - 1) / t.tile_height;
            for (int64_t plane = 0; plane < g.planes; ++plane) {
                const float* b = panel + (g.first_plane + plane) * t.plane_pitch;
                for (int64_t k = 0; k < steps; k += SLICE)
                    for (int64_t i = 0; i < heights; ++i) {
                        const int64_t r0 = share(g.rows, heights, i), height = share(g.rows, heights, i + 1) - r0;
                        const float* a = packed + g.first_weight + plane * g.rows * steps_all + r0 * steps_all + (from + k) * height;
                        const int64_t parts = (wide + widest(static_cast<int>(height)) - 1) / widest(static_cast<int>(height));
                        for (int64_t p = 0; p < parts; ++p) {
                            const int64_t v = share(wide, parts, p), length = share(wide, parts, p + 1) - v;
                            MICROKERNELS<float>.of[height][length](
                                least(SLICE, steps - k), a, b + v * L, g.address.data() + k,
                                scratch + (g.first_row + plane * g.rows + r0) * t.scratch_pitch + v * L, t.scratch_pitch, from + k > 0);
                        }
                    }
            }
        }
    }

    // Points to cells, in place.
    void back() {
        const WinogradAxis &D = t.axis[0], &H = t.axis[1];
        const int64_t count = vectors();
        for (const WinogradRowProduct& g : t.products) {
            const int64_t next = g.rows * t.scratch_pitch;  // from a plane to the next
            for (int64_t r = 0; r < g.rows; ++r) {
                float* at = scratch + (g.first_row + r) * t.scratch_pitch;
                for (int64_t pd = 0; pd < g.points[0] && H.cells > 1; ++pd) {
                    float* row = at + pd * g.points[1] * next;
                    scheme_of(H, g.classes[1]).back(row, next, L, row, next, L, count);
                }
                for (int64_t j = 0; j < H.cells && D.cells > 1; ++j)
                    scheme_of(D, g.classes[0]).back(at + j * next, g.points[1] * next, L, at + j * next, g.points[1] * next, L, count);
            }
        }
    }

    void write(const float* zeros, const float** from, bool stream) {
        const Geometry& geo = t.geo;
        const WinogradAxis &D = t.axis[0], &H = t.axis[1];
        const AxisPhases& W = t.width;
        const int64_t limit = least(W.phases * width, geo.out[2] - W.step_out * q), groups = static_cast<int64_t>(W.groups.size());
        const int64_t n0 = D.begin(d), n1 = H.begin(h);
        for (int64_t c = 0; c < geo.c_out; ++c) {
            const int64_t channel = cg * geo.c_out + c;
            const Epilogue<float> finish{args.bias ? static_cast<const float*>(args.bias)[channel] : 0.f, geo.activation,
                                         static_cast<float>(geo.slope)};
            float* plane = static_cast<float*>(args.result) + (n * geo.groups * geo.c_out + channel) * geo.out[0] * geo.out[1] * geo.out[2];
            for (int64_t i = most(0, -n0); i < D.cells * D.stride && n0 + i < geo.out[0]; ++i) {
                const int64_t fd = i % D.stride;
                const int cd = D.class_at(fd);
                for (int64_t j = most(0, -n1); j < tiles * H.cells * H.stride && n1 + j < geo.out[1]; ++j) {
                    const int64_t fh = j % H.stride, cell = j / H.stride;
                    const int ch = H.class_at(fh);
                    const WinogradRowProduct* product = t.products.data() + (cd * H.class_count + ch) * groups;
                    for (int64_t w = 0; w < W.phases; ++w) {
                        if (W.group[static_cast<size_t>(w)] < 0) {
                            from[w] = zeros;
                            continue;
                        }
                        const WinogradRowProduct& g = product[W.group[static_cast<size_t>(w)]];
                        const int64_t row = ((c * g.phases[0] + fd - D.classes[cd].place) * g.phases[1] + fh - H.classes[ch].place) * g.phases[2] +
                                            W.index[static_cast<size_t>(w)];
                        const int64_t at = i / D.stride * g.points[1] + cell % H.cells;  // the plane that holds the cell now
                        from[w] = scratch + (g.first_row + at * g.rows + row) * t.scratch_pitch + cell / H.cells * t.row_pitch;
                    }
                    weave<float>(plane + ((n0 + i) * geo.out[1] + n1 + j) * geo.out[2] + W.step_out * q, from, W.phases, width, limit,
                                 finish, stream);
                }
            }
        }
    }
};

// False if a sample was too large for the transforms, or not a number: the outputs are worth nothing then.
inline bool winograd_rows_item(const WinogradRowTables& t, const Arguments& args, int64_t item) {
    const WinogradAxis &D = t.axis[0], &H = t.axis[1];
    constexpr int64_t E = sizeof(float);
    const int64_t zeros = t.blocks.tile + 2 * L;
    const int64_t pass_at = in_bytes(t.window_size(), E), panel_at = pass_at + in_bytes(t.pass_size(), E);
    const int64_t scratch_at = panel_at + in_bytes(t.panel_size(), E), zeros_at = scratch_at + in_bytes(t.scratch_size(), E);
    const int64_t from_at = zeros_at + in_bytes(zeros, E), end = from_at + in_bytes(t.width.phases, sizeof(float*));
    char* memory = static_cast<char*>(arena(static_cast<size_t>(end)));
    const auto at = [&](int64_t offset) { return reinterpret_cast<float*>(memory + offset); };

    const int64_t column = item % t.columns, row = item / t.columns % t.row_items, plane = item / (t.columns * t.row_items);
    const int64_t h = share(H.tiles, t.row_items, row), q = share(t.width.count, t.columns, column);
    WinogradRowItem work{t, args, plane / (D.tiles * t.geo.batch), plane / D.tiles % t.geo.batch, plane % D.tiles, h,
                         share(H.tiles, t.row_items, row + 1) - h, q, share(t.width.count, t.columns, column + 1) - q,
                         at(0), at(pass_at), at(panel_at), at(scratch_at), {}};
    for (int64_t c = 0; c < t.geo.c_in; c += t.blocks.channels) {
        const int64_t channels = least(t.blocks.channels, t.geo.c_in - c);
        for (int64_t i = 0; i < channels; ++i) work.pack(work.cg * t.geo.c_in + c + i, work.panel + i * t.channel_pitch);
        if (!work.seen.tame()) return false;
        work.multiply(c, channels);
    }
    work.back();
    clear_row<float>(at(zeros_at), zeros);
    const Geometry& geo = t.geo;
    const int64_t written = geo.batch * geo.groups * geo.c_out * geo.out[0] * geo.out[1] * geo.out[2] * E;
    work.write(at(zeros_at), reinterpret_cast<const float**>(memory + from_at), written > PAST_CACHES);
    return true;
}

}  // namespace upweave::UPWEAVE_ISA
