// Winograd's way (Toom-Cook): fewer multiplications than taps, for products of few taps along an axis.
//
// Along one axis, with n + p = s u + ρ: phase ρ of cell u is a correlation of the samples x[u − r + 1] … x[u] with its r
// taps w[ρ + s (r − 1)] … w[ρ]. For m neighbouring cells that is r m products; F(m, r) needs m + r − 1:
//
//     y = A (G g ⊙ B x)       B, x: m + r − 1 points of the samples     G g: of the taps, once     A: back to m cells
//
// A kernel has phases of ⌈k/s⌉ and of ⌊k/s⌋ taps: two classes, each with its own points over the same tile of m cells. Their
// windows end at the same sample. Where p mod s = k mod s they may begin at the same sample instead, with the outputs of the
// class that has more taps one cell earlier: cells then begin at the first output, and one less covers them.
// Axes combine freely: one product of matrices (channels × channels) for each point of each combination of classes.
//
// Along the last axis there may be more taps than a scheme takes, in segments of as many as it takes: segment j of tile t
// reads the samples of an earlier tile, so that the segments share the points of the samples and add up before the way back.
// The products of matrices may be Strassen's (body/strassen.h): tiles along the width go in pairs then.
// With taps d apart (and stride 1) the samples of every d-th cell are a signal of their own: a block of d tiles of m cells.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "geometry.h"

namespace upweave {

constexpr int64_t WINOGRAD_SLICE = 128;  // channels summed in registers; also from one tile's samples to the next one's

struct WinogradBlocks {
    int64_t cells[3];    // m of each axis; 1: the axis is left as it is, a product for each tap
    int64_t tile_rows;   // rows of tiles in a work item
    int64_t tiles;       // tiles of each row
    int64_t shares;      // the output channels are shared out over so many items
    bool strassen;       // products by Strassen's way: of two tiles, halves of the channels in and out
};

struct WinogradAxis {
    struct Class {
        int taps;
        int scheme;                 // r of F(m, r): of a segment
        int segments;
        int64_t first, phases;      // ρ of the first phase, and how many follow each other
        int64_t skip;               // samples of a tile's window before those it reads
        int64_t place;              // of its first phase among a cell's outputs
        int64_t reach() const { return int64_t{scheme} * segments; }
    };
    int64_t in, out, stride, dilation;
    int64_t cells;                  // m
    int64_t first, count, tiles;    // the last sample that the first cell reads, cells, tiles of them
    int64_t origin;                 // output at the first cell's first place, or before the first output
    int64_t reach;                  // taps of all segments of the class with most
    int64_t lead;                   // tiles before the first whose samples are read
    int class_count;
    Class classes[2];
    int64_t points(int c) const { return cells + classes[c].scheme - 1; }
    int64_t weights(int c) const { return classes[c].scheme == 1 ? 1 : points(c); }  // one tap is the same at all points
    int64_t segment_tiles(int c) const { return classes[c].scheme / cells * dilation; }  // from a segment to the next
    int64_t lead_of(int c) const { return (classes[c].segments - 1) * segment_tiles(c); }
    int64_t reads() const { return cells + reach - 1; }                                  // without segments or dilation
    int64_t width(int64_t row) const { return cells * row + (reach - 1) * dilation; }   // samples of a row of tiles
    int64_t begin(int64_t tile) const { return origin + stride * cells * tile; }        // its output at the first place
    int class_at(int64_t place) const {                                                 // whose phase is there
        return place < classes[0].place || place >= classes[0].place + classes[0].phases;
    }
};

struct WinogradProduct {            // one class an axis
    int classes[3];
    int64_t points[3], planes;      // planes: the product of the points
    int64_t weights[3], weight_planes;
    int64_t phases;                 // vectors of a block at each point: phases, or lanes of them
    int segments;                   // along the last axis
    bool shares;                    // the points of the product before
    int64_t first_plane;            // among those of all products
    int64_t first_weight;           // in the weights of a share of one block; those of more blocks lie as many times on
    int64_t first_sum;              // likewise in the sums of a chunk
};

struct WinogradTables {
    Geometry geo;
    WinogradBlocks blocks;
    int lanes;
    WinogradAxis axis[3];
    std::vector<WinogradProduct> products;
    int64_t planes;                 // of all products
    // A block of output channels fills a vector's lanes; or it is one channel, whose phases along the width fill them, where
    // channels would not.
    bool phase_lanes;
    int64_t weave;                  // vectors of a block that a cell along the width takes
    int64_t halves;                 // of the channels in and out: 2 by Strassen's way
    int64_t factors;                // products in the place of one: 7 by Strassen's way
    int64_t depth;                  // input channels of a product
    int64_t out_blocks;             // of a group, of a half
    int64_t slices;                 // of input channels
    int64_t granule;                // tiles along the width that stay together
    int64_t tiles;                  // in an item, at most
    int64_t lead;                   // transformed before each row of tiles, for the segments
    int64_t plane_pitch;            // of transformed samples: [plane][slice][tile][channel]
    int64_t factor_pitch;           // of those of Strassen's products: [plane][factor][slice][pair of tiles][channel]
    int64_t factor_sums;            // of a plane's products in a chunk: [factor][pair of tiles][phase][channel]
    int64_t block_weights;          // of one block of output channels, all products
    int64_t packed_group, packed_size;
    int64_t block_sums;             // of one block: [product][plane][tile][phase][channel]
    int64_t window;                 // samples that a row of tiles reads, in vectors
    int64_t pass;                   // the largest result of a transform along one axis, in vectors
    bool straight;                  // of tiles of one cell and one tap the sums are the outputs
    int64_t finished;               // outputs of a row of tiles, in vectors
    int64_t places;                 // of a line of outputs in them
    int64_t rows, row_items, columns;  // rows of tiles in all, items along them, items along a row
    int64_t chunk_blocks;           // blocks that are multiplied before they are written: two where one has odd columns
    int64_t chunks, items;          // chunks of one convolution group

    int64_t units() const { return geo.groups * chunks; }  // that are packed at a time
    std::string layout() const;
    int64_t chunk_begin(int64_t i) const { return i < chunks ? i * chunk_blocks : out_blocks; }
    int64_t factored() const { return planes * factors * factor_pitch; }
    int64_t workspace() const {     // bytes of a thread
        const int64_t points = planes * plane_pitch + factored(), sums = factor_sums + chunk_blocks * halves * block_sums;
        return 4 * (points + sums + lanes * (window + 2 * pass + finished) + 2 * places);
    }
};

// Throw std::invalid_argument where the numbers make no sense.
WinogradAxis make_winograd_axis(const Geometry&, int axis, int64_t cells);
WinogradTables make_winograd_tables(const Geometry&, const WinogradBlocks&, int lanes);

}  // namespace upweave
