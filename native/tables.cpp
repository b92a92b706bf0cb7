#include "tables.h"

#include <algorithm>
#include <map>
#include <string>

#include "counting.h"

namespace upweave {

AxisPhases phases_of(int64_t in, int64_t out, int64_t k, int64_t s, int64_t p, int64_t d, Direction direction, bool unroll) {
    AxisPhases a;
    const bool forward = direction == Direction::forward;
    // An input of one sample is unrolled always.
    unroll = unroll || (forward && in == 1);
    a.step_out = unroll ? out : forward ? s : 1;
    a.step_in = forward ? 1 : s;
    a.phases = std::min(a.step_out, out);
    a.count = ceil_div(out, a.step_out);
    a.group.assign(a.phases, -1);
    a.index.assign(a.phases, -1);

    std::vector<std::vector<std::pair<int64_t, int>>> taps(a.phases);  // (offset, tap)
    for (int64_t t = 0; t < k; ++t) {
        if (unroll) {
            for (int64_t q = 0; q < (forward ? in : out); ++q) {
                const int64_t other = s * q + d * t - p;
                if (other >= 0 && other < (forward ? out : in))
                    taps[forward ? other : q].push_back({forward ? q : other, static_cast<int>(t)});
            }
            continue;
        }
        if (!forward) {
            const int64_t offset = d * t - p, last = a.step_in * (a.count - 1) + offset;
            if (offset < in && last >= 0) taps[0].push_back({offset, static_cast<int>(t)});
            continue;
        }
        const int64_t at = d * t - p;                                 // output of input 0
        const int64_t r = ((at % a.step_out) + a.step_out) % a.step_out;
        if (r >= a.phases) continue;
        const int64_t offset = (r - at) / a.step_out;
        const int64_t last = (out - 1 - r) / a.step_out;              // last position of this phase
        if (offset < in && last + offset >= 0) taps[r].push_back({offset, static_cast<int>(t)});
    }
    std::map<std::vector<int64_t>, std::vector<int64_t>> members;
    for (int64_t r = 0; r < a.phases; ++r) {
        std::sort(taps[r].begin(), taps[r].end());
        std::vector<int64_t> key;
        for (auto& [offset, tap] : taps[r]) {
            key.push_back(offset);
            a.offsets.push_back(offset);
        }
        if (!key.empty()) members[key].push_back(r);
    }
    std::sort(a.offsets.begin(), a.offsets.end());
    a.offsets.erase(std::unique(a.offsets.begin(), a.offsets.end()), a.offsets.end());
    for (auto& [key, residues] : members) {
        AxisPhases::Group g;
        for (int64_t offset : key)
            g.offset.push_back(static_cast<int>(std::lower_bound(a.offsets.begin(), a.offsets.end(), offset) -
                                                a.offsets.begin()));
        for (int64_t r : residues) {
            a.group[r] = static_cast<int>(a.groups.size());
            a.index[r] = static_cast<int>(g.phases.size());
            g.phases.push_back(r);
            std::vector<int> tap;
            for (auto& entry : taps[r]) tap.push_back(entry.second);
            g.tap.push_back(std::move(tap));
        }
        a.groups.push_back(std::move(g));
    }
    return a;
}

namespace {

// Cost of a block of `channels` rows-per-phase in micro-kernel steps for each channel: a tile of m rows takes about
// m + 1 (its loads and the loop), and rows are shared out evenly over as few tiles as possible.
double block_cost(const std::vector<PhaseGroup>& groups, int64_t channels, int height, bool by_tap) {
    double cost = 0;
    for (auto& g : groups) {
        const int64_t rows = by_tap ? channels : channels * g.phases, times = by_tap ? g.phases : 1;
        cost += static_cast<double>(g.taps * times) * static_cast<double>(rows + ceil_div(rows, height));
    }
    return cost / static_cast<double>(channels);
}

}  // namespace

Tables make_tables(const Geometry& geo, const Blocks& blocks, int lanes, int tile_height) {
    Tables t{};
    t.geo = geo;
    t.blocks = blocks;
    t.lanes = lanes;
    t.tile_height = tile_height;
    const bool forward = geo.direction == Direction::forward;
    t.reduce = forward ? geo.c_in : geo.c_out;
    t.produce = forward ? geo.c_out : geo.c_in;
    require(geo.batch >= 0 && geo.groups >= 1 && t.reduce >= 1 && t.produce >= 1, "batch, groups or channels");
    for (int a = 0; a < 3; ++a) {
        require(geo.size[a] >= 1 && geo.out[a] >= 1 && geo.kernel[a] >= 1 && geo.stride[a] >= 1 &&
                    geo.dilation[a] >= 1, "a size, kernel, stride or dilation below 1");
        t.in[a] = forward ? geo.size[a] : geo.out[a];
        t.out[a] = forward ? geo.out[a] : geo.size[a];
        t.axis[a] = phases_of(t.in[a], t.out[a], geo.kernel[a], geo.stride[a], geo.padding[a], geo.dilation[a],
                              geo.direction, blocks.images);
    }
    t.phases = t.axis[0].phases * t.axis[1].phases * t.axis[2].phases;

    for (size_t d = 0; d < t.axis[0].groups.size(); ++d)
        for (size_t h = 0; h < t.axis[1].groups.size(); ++h)
            for (size_t w = 0; w < t.axis[2].groups.size(); ++w) {
                PhaseGroup g{};
                g.axis_group[0] = static_cast<int>(d);
                g.axis_group[1] = static_cast<int>(h);
                g.axis_group[2] = static_cast<int>(w);
                g.phases = g.taps = 1;
                for (int a = 0; a < 3; ++a) {
                    auto& part = t.axis[a].groups[g.axis_group[a]];
                    g.phases *= static_cast<int64_t>(part.phases.size());
                    g.taps *= static_cast<int64_t>(part.offset.size());
                }
                const AxisPhases::Group* part[3];
                for (int a = 0; a < 3; ++a) part[a] = &t.axis[a].groups[g.axis_group[a]];
                for (auto& depth : part[0]->tap)
                    for (auto& height : part[1]->tap)
                        for (auto& width : part[2]->tap)
                            for (int i : depth)
                                for (int j : height)
                                    for (int k : width)
                                        g.tap.push_back(static_cast<int32_t>((i * geo.kernel[1] + j) * geo.kernel[2] + k));
                t.groups.push_back(std::move(g));
            }

    // blocks of output channels: what fills the micro-kernel's rows best, at most about 8 tiles high
    t.by_tap = blocks.images;
    const int64_t together = t.by_tap ? 1 : t.phases;  // phases whose rows make a tile
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(t.produce, 8 * tile_height / std::max<int64_t>(1, together)));
    // Channels that are neighbours in memory are stored as whole vectors.
    const int64_t unit = geo.channels_last && most >= lanes ? lanes : 1;
    int64_t best = unit;
    for (int64_t c = 2 * unit; c <= most; c += unit)
        if (block_cost(t.groups, c, tile_height, t.by_tap) < block_cost(t.groups, best, tile_height, t.by_tap) - 1e-9) best = c;
    t.block_count = ceil_div(t.produce, best);
    t.block = ceil_div(t.produce, t.block_count);
    t.block_rows = 0;
    for (auto& g : t.groups) {
        g.first_row = t.block_rows;
        t.block_rows += t.block * g.phases;
    }
    const int64_t taps_all = geo.kernel[0] * geo.kernel[1] * geo.kernel[2];
    if (t.by_tap) t.packed_group = taps_all * t.reduce * t.produce;
    for (int64_t b = 0; b < t.block_count && !t.by_tap; ++b) {
        const int64_t channels = t.block_begin(b + 1) - t.block_begin(b);
        std::map<std::pair<int64_t, std::vector<int32_t>>, int64_t> packed;  // groups with the same taps share their weights
        for (auto& g : t.groups) {
            const auto [known, fresh] = packed.insert({{g.phases, g.tap}, t.packed_group});
            t.packed_at.push_back(known->second);
            if (fresh) t.packed_group += channels * g.phases * g.taps * t.reduce;
        }
    }
    t.packed_size = t.packed_group * geo.groups;

    t.rows.assign(t.phases, Row{-1, 0});
    for (int64_t f = 0; f < t.phases; ++f) {
        const int64_t r[3] = {f / (t.axis[1].phases * t.axis[2].phases), f / t.axis[2].phases % t.axis[1].phases,
                              f % t.axis[2].phases};
        for (auto& g : t.groups) {
            int64_t at = 0;
            bool here = true;
            for (int a = 0; a < 3; ++a) {
                here = here && t.axis[a].group[r[a]] == g.axis_group[a];
                at = at * static_cast<int64_t>(t.axis[a].groups[g.axis_group[a]].phases.size()) + t.axis[a].index[r[a]];
            }
            if (here) t.rows[f] = t.by_tap ? Row{g.first_row + at * t.block, 1} : Row{g.first_row + at, g.phases};
        }
    }

    t.images = !blocks.rows && t.axis[0].count == 1 && t.axis[1].count == 1 && t.axis[2].count == 1;
    for (int a = 0; a < 3; ++a) t.planes = (a == 0 || t.planes) && static_cast<int64_t>(t.axis[a].offsets.size()) == t.in[a];
    t.planes = t.planes && t.images;

    // the panel and the tiles of positions
    const int64_t channels = std::clamp<int64_t>(blocks.channels, 1, t.reduce);
    t.blocks.channels = channels;
    int64_t span[3], first[3];
    for (int a = 0; a < 3; ++a) {
        first[a] = t.axis[a].offsets.empty() ? 0 : t.axis[a].offsets.front();
        span[a] = t.axis[a].offsets.empty() ? 0 : t.axis[a].offsets.back() - first[a];
    }
    require(!(blocks.rows && blocks.images), "images have no rows");
    if (blocks.rows) {
        require(t.axis[0].step_in == 1 && t.axis[1].step_in == 1 && t.axis[2].step_in == 1, "rows need stride 1");
        t.blocks.tile = std::clamp<int64_t>(blocks.tile, 1, t.axis[2].count);
        t.blocks.tile_rows = std::clamp<int64_t>(blocks.tile_rows, 1, t.axis[1].count);
        const int64_t width = round_up(t.blocks.tile, lanes);
        // One line over all rows wastes what is between two rows; a line for each wastes what is behind its last vector,
        // and if it is short it keeps the micro-kernels narrow.
        const int64_t line = (t.blocks.tile_rows - 1) * (t.blocks.tile + span[2]) + t.blocks.tile;
        const int64_t lines = t.blocks.tile_rows * width;
        t.flat = round_up(line, lanes) <= lines + (width < 4 * lanes ? lines / 8 : 0);
        t.row_pitch = t.flat ? t.blocks.tile + span[2] : round_up(width + span[2], lanes);
        t.column_pitch = t.flat ? t.row_pitch : width;
        t.panel_rows = t.blocks.tile_rows + span[1];
        t.channel_stride = static_cast<int64_t>(std::max<size_t>(1, t.axis[0].offsets.size())) * t.panel_rows * t.row_pitch;
        t.columns = t.flat ? round_up(line, lanes) : t.blocks.tile_rows * width;
        t.tile_grid[0] = geo.batch * t.axis[0].count;
        t.tile_grid[1] = ceil_div(t.axis[1].count, t.blocks.tile_rows);
        t.tile_grid[2] = ceil_div(t.axis[2].count, t.blocks.tile);
        t.tiles = t.tile_grid[0] * t.tile_grid[1] * t.tile_grid[2];
    } else {
        const int64_t positions = geo.batch * t.axis[0].count * t.axis[1].count * t.axis[2].count;
        t.blocks.tile = round_up(std::clamp<int64_t>(blocks.tile, 1, std::max<int64_t>(1, positions)), lanes);
        t.columns = t.blocks.tile;
        t.channel_stride = t.columns;
        for (auto& a : t.axis) t.channel_stride *= static_cast<int64_t>(std::max<size_t>(1, a.offsets.size()));
        t.tiles = ceil_div(positions, t.columns);
    }
    // odd multiples of a vector, so that channels or rows do not all fall into the same sets of the first-level cache
    t.channel_stride = odd_multiple(t.channel_stride, lanes);
    t.scratch_pitch = odd_multiple(t.columns, lanes);
    t.panel_size = channels * t.channel_stride + 2 * lanes;
    require(t.panel_size < (int64_t{1} << 29), "the panel is too large");

    for (auto& g : t.groups) {
        g.address.resize(channels * g.taps);
        for (int64_t c = 0; c < channels; ++c) {
            int64_t tap = 0;
            for (int d : t.axis[0].groups[g.axis_group[0]].offset)
                for (int h : t.axis[1].groups[g.axis_group[1]].offset)
                    for (int w : t.axis[2].groups[g.axis_group[2]].offset) {
                        int64_t o;
                        if (blocks.rows)
                            o = (d * t.panel_rows + t.axis[1].offsets[h] - first[1]) * t.row_pitch +
                                t.axis[2].offsets[w] - first[2];
                        else
                            o = ((d * static_cast<int64_t>(t.axis[1].offsets.size()) + h) *
                                     static_cast<int64_t>(t.axis[2].offsets.size()) + w) * t.columns;
                        g.address[t.by_tap ? tap * channels + c : c * g.taps + tap] = static_cast<int32_t>(c * t.channel_stride + o);
                        ++tap;
                    }
        }
    }

    t.chunks = std::min(t.block_count, ceil_div(t.produce, std::max<int64_t>(1, blocks.chunk)));
    t.chunk_blocks = ceil_div(t.block_count, t.chunks);  // at most: the chunks share the blocks evenly
    const bool split = channels < t.reduce;  // partial sums of the whole chunk wait between panels
    t.scratch_size = (split ? t.chunk_blocks : 1) * t.block_rows * t.scratch_pitch;
    require(t.scratch_size < (int64_t{1} << 31), "the scratch is too large");
    return t;
}

}  // namespace upweave
