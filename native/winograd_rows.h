// Winograd's way where few channels come out: tiles along depth and height, and along the width the taps as they are.
//
// With output channels in the lanes, as in winograd.h, three of sixteen would work. Here the lanes are neighbours in a row,
// as in the direct loops: the rows of a tile become the rows of its points, each point is a product of matrices (output
// channels and phases × input channels and taps of the width), and rows of sums become the rows of the output's cells.
#pragma once

#include "tables.h"
#include "winograd.h"

namespace upweave {

struct WinogradRowBlocks {
    int64_t cells[2];    // m along depth and height; 1 only where each phase has one tap
    int64_t tile_rows;   // tiles along the height in a work item
    int64_t tile;        // positions along the width
    int64_t channels;    // input channels in the panel
};

struct WinogradRowProduct {    // a class of phases along depth and height, a group of phases along the width
    int classes[2], group;
    int64_t points[2], planes;
    int64_t phases[3], rows;   // of a plane: output channels × phases
    int64_t taps;              // along the width
    int64_t first_plane;       // in a channel's part of the panel
    int64_t first_row;         // in the scratch: [plane][channel][phase]
    int64_t first_weight;      // in the weights of a convolution group: [plane][tile of rows][channel, tap][row]
    std::vector<int32_t> address;  // [channel of the panel, tap] from a plane of the panel
};

struct WinogradRowTables {
    Geometry geo;
    WinogradRowBlocks blocks;
    int lanes, tile_height;
    WinogradAxis axis[2];
    AxisPhases width;
    std::vector<WinogradRowProduct> products;
    struct Unit { int product; int64_t plane; };
    std::vector<Unit> packing;       // what is packed at a time
    int64_t first_offset, span;      // of what a position reads along the width
    int64_t window_rows, window_pitch;
    int64_t row_pitch, plane_pitch, channel_pitch;  // of the panel: [channel][plane][tile][sample]
    int64_t planes, scratch_rows, scratch_pitch;
    int64_t packed_group, packed_size;
    int64_t row_items, columns, items;

    int64_t window_size() const { return axis[0].reads() * window_rows * window_pitch + lanes; }
    int64_t pass_size() const { return (axis[0].cells > 1 ? (axis[0].reads() * window_rows * window_pitch) : 0) + lanes; }
    int64_t panel_size() const { return blocks.channels * channel_pitch + lanes; }
    int64_t scratch_size() const { return scratch_rows * scratch_pitch + 2 * lanes; }
    int64_t workspace() const { return 4 * (window_size() + pass_size() + panel_size() + scratch_size()); }
    int64_t units() const { return geo.groups * static_cast<int64_t>(packing.size()); }
    std::string layout() const;
};

// Throws std::invalid_argument where the numbers make no sense.
WinogradRowTables make_winograd_rows(const Geometry&, const WinogradRowBlocks&, int lanes, int tile_height);

}  // namespace upweave
