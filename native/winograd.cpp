#include "winograd.h"

#include <algorithm>
#include <string>

#include "counting.h"

namespace upweave {
namespace {

// r of F(m, r), at most.
int most_taps(int64_t cells) { return cells == 1 ? 64 : cells == 2 ? 4 : 3; }

}  // namespace

WinogradAxis make_winograd_axis(const Geometry& geo, int a, int64_t cells) {
    WinogradAxis axis{};
    axis.in = geo.size[a];
    axis.out = geo.out[a];
    axis.stride = geo.stride[a];
    axis.dilation = geo.kernel[a] == 1 ? 1 : geo.dilation[a];
    const int64_t k = geo.kernel[a], s = geo.stride[a], p = geo.padding[a];
    require(axis.in > 0 && axis.out > 0 && s > 0 && p >= 0, "sizes, strides and outputs are positive");
    require(axis.dilation == 1 || (a == 2 && s == 1 && cells > 1), "Winograd's way takes taps apart along tiles of the last axis, of stride 1");
    require(k >= s, "Winograd's way takes no phases without taps");
    require(cells >= 1 && cells <= 4, "Winograd's way takes tiles of 1 to 4 cells");
    axis.cells = cells;
    const bool aligned = k % s && p % s == k % s && ceil_div(k, s) <= 3;  // at the first output, with taps of one segment
    axis.first = p / s + aligned;
    axis.origin = aligned ? 0 : s * axis.first - p;
    axis.count = ceil_div(axis.out - axis.origin, s);
    axis.tiles = ceil_div(axis.count, cells * axis.dilation) * axis.dilation;
    const auto add = [&](int64_t taps, int64_t first, int64_t phases) {
        const int scheme = static_cast<int>(std::min<int64_t>(taps, most_taps(cells))), segments = static_cast<int>(ceil_div(taps, scheme));
        const int64_t place = aligned ? (first + s - k % s) % s : first;
        axis.classes[axis.class_count++] = {static_cast<int>(taps), scheme, segments, first, phases, 0, place};
        const int c = axis.class_count - 1;
        axis.reach = std::max(axis.reach, axis.classes[c].reach());
        axis.lead = std::max(axis.lead, axis.lead_of(c));
        require(segments == 1 || (a == 2 && cells > 1 && scheme % cells == 0),
                "Winograd's way takes segments of whole tiles along the last axis");
    };
    require(ceil_div(k, s) <= 64, "Winograd's way takes at most 64 taps");
    if (k % s) add(ceil_div(k, s), 0, k % s);
    add(k / s, k % s, s - k % s);
    for (int c = 0; c < axis.class_count && !aligned; ++c) axis.classes[c].skip = (axis.reach - axis.classes[c].reach()) * axis.dilation;
    return axis;
}

std::string WinogradTables::layout() const {
    std::string key = phase_lanes ? "winograd_phases" : blocks.strassen ? "winograd_strassen" : "winograd";
    for (auto& a : axis) key.append("/").append(std::to_string(a.cells)).append(",").append(std::to_string(a.stride));
    return key;
}

WinogradTables make_winograd_tables(const Geometry& geo, const WinogradBlocks& blocks, int lanes) {
    require(geo.dtype == Dtype::float32, "Winograd's way computes with float32");
    require(geo.direction == Direction::forward, "Winograd's way goes forward");
    require(geo.groups > 0 && geo.c_in > 0 && geo.c_out > 0 && geo.batch >= 0, "channels and groups are positive");
    WinogradTables t{};
    t.geo = geo;
    t.lanes = lanes;
    for (int a = 0; a < 3; ++a) t.axis[a] = make_winograd_axis(geo, a, blocks.cells[a]);
    const WinogradAxis *D = &t.axis[0], *H = &t.axis[1], *W = &t.axis[2];

    t.blocks = blocks;
    t.halves = blocks.strassen ? 2 : 1;
    t.factors = blocks.strassen ? 7 : 1;
    t.depth = geo.c_in / t.halves;
    t.granule = blocks.strassen ? 2 : W->dilation;
    require(!blocks.strassen || (geo.c_in % (2 * lanes) == 0 && geo.c_out % (2 * lanes) == 0),
            "Strassen's way takes whole vectors of half the channels");
    require(!blocks.strassen || (W->lead == 0 && W->dilation == 1), "Strassen's way takes no segments and no taps apart");
    t.axis[2].tiles = ceil_div(W->tiles, t.granule) * t.granule;
    t.rows = geo.batch * D->tiles * H->tiles;
    t.blocks.tile_rows = std::clamp<int64_t>(blocks.tile_rows, 1, std::max<int64_t>(1, t.rows));
    t.blocks.tiles = std::clamp<int64_t>(ceil_div(blocks.tiles, t.granule) * t.granule, 1, W->tiles);
    t.tiles = t.blocks.tile_rows * t.blocks.tiles;
    t.lead = W->lead;
    t.row_items = ceil_div(t.rows, t.blocks.tile_rows);
    t.columns = ceil_div(W->tiles, t.blocks.tiles);
    t.phase_lanes = !geo.channels_last && geo.c_out % lanes != 0;
    for (int c = 0; c < W->class_count; ++c) t.phase_lanes = t.phase_lanes && W->classes[c].phases % lanes == 0;
    const int64_t phases_of_vector = t.phase_lanes ? lanes : 1;
    t.weave = W->stride / phases_of_vector;
    t.out_blocks = t.phase_lanes ? geo.c_out : ceil_div(geo.c_out / t.halves, lanes);
    t.slices = ceil_div(geo.c_in, WINOGRAD_SLICE);
    // not a multiple of a page: the planes of one tile are written one after the other
    t.plane_pitch = t.slices * (t.tiles + t.blocks.tile_rows * t.lead) * WINOGRAD_SLICE + lanes;

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
                g.segments = W->classes[w].segments;
                // the points of two classes that differ in their segments alone
                g.shares = w > 0 && t.lead > 0 && W->classes[w].scheme == W->classes[w - 1].scheme;
                g.phases /= phases_of_vector;
                g.first_plane = g.shares ? t.products.back().first_plane : t.planes;
                g.first_weight = t.block_weights;
                g.first_sum = t.block_sums;
                if (!g.shares) t.planes += g.planes;
                t.block_weights += g.weight_planes * t.factors * t.depth * g.segments * g.phases * lanes;
                t.block_sums += g.planes * t.tiles * g.phases * lanes;
                t.products.push_back(g);
                if (g.phases % 2) t.chunk_blocks = 2;
            }
    t.chunk_blocks = std::clamp<int64_t>(t.chunk_blocks, 1, t.out_blocks);
    if (blocks.strassen) {
        t.factor_pitch = ceil_div(t.depth, WINOGRAD_SLICE) * t.tiles / 2 * WINOGRAD_SLICE + lanes;
        for (auto& g : t.products) t.factor_sums = std::max(t.factor_sums, t.factors * t.tiles / 2 * t.chunk_blocks * g.phases * lanes);
    }
    t.chunks = ceil_div(t.out_blocks, t.chunk_blocks);
    t.blocks.shares = std::clamp<int64_t>(blocks.shares, 1, t.chunks);
    t.items = geo.groups * t.blocks.shares * t.row_items * t.columns;
    require(t.planes <= 4096, "too many planes");
    t.packed_group = t.out_blocks * t.block_weights;
    t.packed_size = geo.groups * t.packed_group;
    // Forward along depth, then height; back along width, height, depth: each result is no larger than the window.
    t.window = t.pass = D->reads() * H->reads() * W->width(t.blocks.tiles);
    t.straight = t.products.size() == 1 && t.planes == 1 && !t.phase_lanes;
    if (!t.straight) t.finished = D->cells * D->stride * H->cells * H->stride * W->cells * t.weave * t.blocks.tiles;
    t.places = W->cells * t.weave * t.blocks.tiles + lanes;
    const int64_t most = int64_t{1} << 29;
    require(t.planes * t.plane_pitch < most && t.factored() < most && t.block_sums < most && t.finished * lanes < most &&
                t.packed_size < (most << 4),
            "the work of Winograd's way is too large");
    return t;
}

}  // namespace upweave
