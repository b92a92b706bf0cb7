#include "winograd_rows.h"

#include <algorithm>
#include <string>

#include "counting.h"

namespace upweave {

WinogradRowTables make_winograd_rows(const Geometry& geo, const WinogradRowBlocks& blocks, int lanes, int tile_height) {
    require(geo.dtype == Dtype::float32, "Winograd's way computes with float32");
    require(geo.direction == Direction::forward, "Winograd's way goes forward");
    require(!geo.channels_last, "Winograd's rows are channels first");
    require(geo.groups > 0 && geo.c_in > 0 && geo.c_out > 0 && geo.batch >= 0, "channels and groups are positive");
    WinogradRowTables t{};
    t.geo = geo;
    t.blocks = blocks;
    t.lanes = lanes;
    t.tile_height = tile_height;
    for (int a = 0; a < 2; ++a) {
        t.axis[a] = make_winograd_axis(geo, a, blocks.cells[a]);
        require(t.axis[a].cells > 1 || t.axis[a].reach == 1, "Winograd's rows take an axis with more taps in tiles of cells");
    }
    t.width = phases_of(geo.size[2], geo.out[2], geo.kernel[2], geo.stride[2], geo.padding[2], geo.dilation[2], Direction::forward, false);
    const WinogradAxis *D = &t.axis[0], *H = &t.axis[1];
    const AxisPhases& W = t.width;
    t.first_offset = W.offsets.empty() ? 0 : W.offsets.front();
    t.span = W.offsets.empty() ? 0 : W.offsets.back() - t.first_offset;
    t.blocks.tile_rows = std::clamp<int64_t>(blocks.tile_rows, 1, H->tiles);
    t.blocks.tile = std::clamp<int64_t>(blocks.tile, 1, W.count);
    t.blocks.channels = std::clamp<int64_t>(blocks.channels, 1, geo.c_in);

    t.window_rows = H->cells * t.blocks.tile_rows + H->reach - 1;
    t.window_pitch = round_up(t.blocks.tile + t.span, lanes);
    // the tiles of a plane are one line, gaps and all; whole vectors are written, the last one past its end
    t.row_pitch = t.blocks.tile + t.span;
    t.plane_pitch = t.blocks.tile_rows * t.row_pitch + lanes;
    const int64_t columns = round_up((t.blocks.tile_rows - 1) * t.row_pitch + t.blocks.tile, lanes);
    t.scratch_pitch = odd_multiple(columns, lanes);

    for (int d = 0; d < D->class_count; ++d)
        for (int h = 0; h < H->class_count; ++h) {
            const int64_t first_plane = t.planes;
            t.planes += D->points(d) * H->points(h);
            for (size_t w = 0; w < W.groups.size(); ++w) {
                WinogradRowProduct g{};
                g.classes[0] = d;
                g.classes[1] = h;
                g.group = static_cast<int>(w);
                g.points[0] = D->points(d);
                g.points[1] = H->points(h);
                g.planes = g.points[0] * g.points[1];
                g.phases[0] = D->classes[d].phases;
                g.phases[1] = H->classes[h].phases;
                g.phases[2] = static_cast<int64_t>(W.groups[w].phases.size());
                g.rows = geo.c_out * g.phases[0] * g.phases[1] * g.phases[2];
                g.taps = static_cast<int64_t>(W.groups[w].offset.size());
                g.first_plane = first_plane;
                g.first_row = t.scratch_rows;
                g.first_weight = t.packed_group;
                t.scratch_rows += g.planes * g.rows;
                t.packed_group += g.planes * g.rows * geo.c_in * g.taps;
                for (int64_t plane = 0; plane < g.planes; ++plane) t.packing.push_back({static_cast<int>(t.products.size()), plane});
                t.products.push_back(std::move(g));
            }
        }
    t.channel_pitch = odd_multiple(t.planes * t.plane_pitch, lanes);
    t.packed_size = geo.groups * t.packed_group;
    const int64_t most = int64_t{1} << 29;
    require(t.panel_size() < most && t.scratch_size() < most && t.window_size() < most && t.packed_size < most,
            "the work of Winograd's way is too large");
    for (auto& g : t.products)
        for (int64_t c = 0; c < t.blocks.channels; ++c)
            for (int w : W.groups[static_cast<size_t>(g.group)].offset)
                g.address.push_back(static_cast<int32_t>(c * t.channel_pitch + W.offsets[static_cast<size_t>(w)] - t.first_offset));

    t.row_items = ceil_div(H->tiles, t.blocks.tile_rows);
    t.columns = ceil_div(W.count, t.blocks.tile);
    t.items = geo.groups * geo.batch * D->tiles * t.row_items * t.columns;
    return t;
}

std::string WinogradRowTables::layout() const {
    std::string key = "winograd_rows";
    for (auto& a : axis) key.append("/").append(std::to_string(a.cells)).append(",").append(std::to_string(a.stride));
    for (auto& g : width.groups) {
        key += "|";
        for (auto& tap : g.tap)
            for (int i : tap) key.append(std::to_string(i)).append(",");
    }
    return key;
}

}  // namespace upweave
