#include "winograd.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace upweave {
namespace {

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("native core: ") + what);
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

WinogradAxis make_axis(const Geometry& geo, int a, int64_t cells) {
    WinogradAxis axis{};
    axis.in = geo.size[a];
    axis.out = geo.out[a];
    axis.stride = geo.stride[a];
    axis.padding = geo.padding[a];
    const int64_t k = geo.kernel[a], s = geo.stride[a], p = geo.padding[a];
    require(axis.in > 0 && axis.out > 0 && s > 0 && p >= 0, "sizes, strides and outputs are positive");
    require(geo.dilation[a] == 1 || k == 1, "Winograd's way takes no dilation");
    require(k >= s, "Winograd's way takes no phases without taps");
    axis.cells = cells;
    axis.first = p / s;
    axis.count = (axis.out - 1 + p) / s - axis.first + 1;
    axis.tiles = ceil_div(axis.count, cells);
    axis.taps = static_cast<int>(ceil_div(k, s));
    if (k % s) axis.classes[axis.class_count++] = {axis.taps, 0, k % s};
    axis.classes[axis.class_count++] = {static_cast<int>(k / s), k % s, s - k % s};
    const bool left = cells == 1, known = cells == 2 || cells == 3 || cells == 4;
    require(left || (known && axis.taps <= 3), "Winograd's way takes 2 to 4 cells of at most 3 taps");
    require(left || cells != 3 || axis.taps <= 2, "Winograd's way takes 3 cells of at most 2 taps");
    require(axis.taps <= 64, "Winograd's way takes at most 64 taps");
    return axis;
}

}  // namespace

WinogradTables make_winograd_tables(const Geometry& geo, const WinogradBlocks& blocks, int lanes) {
    require(geo.dtype == Dtype::float32, "Winograd's way computes with float32");
    require(geo.direction == Direction::forward, "Winograd's way goes forward");
    require(geo.groups > 0 && geo.c_in > 0 && geo.c_out > 0 && geo.batch >= 0, "channels and groups are positive");
    WinogradTables t{};
    t.geo = geo;
    t.lanes = lanes;
    for (int a = 0; a < 3; ++a) t.axis[a] = make_axis(geo, a, blocks.cells[a]);
    const WinogradAxis *D = &t.axis[0], *H = &t.axis[1], *W = &t.axis[2];

    t.rows = geo.batch * D->tiles * H->tiles;
    t.blocks = blocks;
    t.blocks.tile_rows = std::clamp<int64_t>(blocks.tile_rows, 1, std::max<int64_t>(1, t.rows));
    t.blocks.tiles = std::clamp<int64_t>(blocks.tiles, 1, W->tiles);
    t.tiles = t.blocks.tile_rows * t.blocks.tiles;
    t.row_items = ceil_div(t.rows, t.blocks.tile_rows);
    t.columns = ceil_div(W->tiles, t.blocks.tiles);
    t.out_blocks = ceil_div(geo.c_out, lanes);
    t.slices = ceil_div(geo.c_in, WINOGRAD_SLICE);
    // not a multiple of a page: the planes of one tile are written one after the other
    t.plane_pitch = t.slices * t.tiles * WINOGRAD_SLICE + lanes;

    for (int d = 0; d < D->class_count; ++d)
        for (int h = 0; h < H->class_count; ++h)
            for (int w = 0; w < W->class_count; ++w) {
                const int chosen[3] = {d, h, w};
                WinogradProduct g{};
                g.planes = g.phases = g.weight_planes = 1;
                for (int a = 0; a < 3; ++a) {
                    g.classes[a] = chosen[a];
                    g.points[a] = t.axis[a].points(chosen[a]);
                    g.weights[a] = t.axis[a].weights(chosen[a]);
                    g.planes *= g.points[a];
                    g.weight_planes *= g.weights[a];
                    g.phases *= t.axis[a].classes[chosen[a]].phases;
                }
                g.first_plane = t.planes;
                g.first_weight = t.block_weights;
                g.first_sum = t.block_sums;
                t.planes += g.planes;
                t.block_weights += g.weight_planes * geo.c_in * g.phases * lanes;
                t.block_sums += g.planes * t.tiles * g.phases * lanes;
                t.products.push_back(g);
                if (g.phases % 2) t.chunk_blocks = 2;
            }
    t.chunk_blocks = std::clamp<int64_t>(t.chunk_blocks, 1, t.out_blocks);
    t.chunks = ceil_div(t.out_blocks, t.chunk_blocks);
    t.blocks.shares = std::clamp<int64_t>(blocks.shares, 1, t.chunks);
    t.items = geo.groups * t.blocks.shares * t.row_items * t.columns;
    require(t.planes <= 4096, "too many planes");
    t.packed_group = t.out_blocks * t.block_weights;
    t.packed_size = geo.groups * t.packed_group;
    t.window = D->reads() * H->reads() * (W->cells * t.blocks.tiles + W->taps - 1);
    // Forward along depth, then height; back along width, height, depth: each result is no larger than this.
    const int64_t across = std::max(W->cells * t.blocks.tiles + W->taps - 1, W->cells * t.blocks.tiles);
    t.pass = D->reads() * H->reads() * across;
    t.finished = D->cells * D->stride * H->cells * H->stride * W->cells * W->stride * t.blocks.tiles;
    const int64_t most = int64_t{1} << 29;
    require(t.planes * t.plane_pitch < most && t.block_sums < most && t.finished * lanes < most && t.packed_size < (most << 4),
            "the work of Winograd's way is too large");
    return t;
}

}  // namespace upweave
