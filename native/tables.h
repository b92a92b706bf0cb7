// What a kernel needs to know beside its pointers, worked out once for a geometry and kept.
#pragma once

#include <cstdint>
#include <vector>

#include "geometry.h"

namespace upweave {

// The phases of one axis. Phases whose taps read the same input offsets form a group: they share the panel's addresses
// and are rows of one matrix product.
//
//     k = 4, s = 2, p = 1     phase 0: taps 1, 3 at offsets  0, -1      offsets = -1, 0, +1
//                             phase 1: taps 0, 2 at offsets +1,  0      groups  = {0}, {1}
struct AxisPhases {
    struct Group {
        std::vector<int> offset;              // [tap j] index into `offsets`
        std::vector<int64_t> phases;          // residues
        std::vector<std::vector<int>> tap;    // [phase i][tap j] kernel index
    };
    int64_t step_out = 1;                     // output n = step_out q + r
    int64_t step_in = 1;                      // input  i = step_in q + offset
    int64_t count = 0;                        // positions q
    int64_t phases = 1;                       // residues that exist: min(step_out, out)
    std::vector<int64_t> offsets;             // ascending
    std::vector<Group> groups;                // those that have taps
    std::vector<int> group, index;            // [residue] its group and place there, -1 if it has no taps
};

// The taps that residue r of a transposed convolution reads, or that every output of a strided one reads. Unrolled, every
// output is a phase of its own, and the taps that would read outside are none of it.
AxisPhases phases_of(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, Direction,
                     bool unroll);

// A product of one group an axis: rows = output channels x phases, reduction = channels x taps.
struct PhaseGroup {
    int axis_group[3];
    int64_t phases;               // phases in the group
    int64_t taps;                 // taps of each
    int64_t first_row;            // in the scratch of a block of output channels
    std::vector<int32_t> address; // [k = c taps + t] offset into the panel
    std::vector<int32_t> tap;     // [phase][t] index into a channel's kernel
};

struct Row {                      // where the scratch keeps a phase: row first + channel * step; first < 0: no taps
    int64_t first, step;
};

struct Tables {
    Geometry geo;
    Blocks blocks;
    int lanes, tile_height;       // of the instruction set: elements in a vector, most rows of a micro-kernel
    int64_t reduce;               // channels that are summed over, of a group
    int64_t produce;              // channels that come out, of a group
    int64_t in[3], out[3];        // sizes of what is read and of what is written
    AxisPhases axis[3];
    std::vector<PhaseGroup> groups;
    std::vector<Row> rows;        // [phase, row-major over the axes]
    int64_t phases;               // product over the axes
    int64_t block;                // output channels of a block, at most; blocks are of even size
    int64_t block_count;
    int64_t block_rows;           // scratch rows of a block
    std::vector<int64_t> packed_at;  // [block][group] offset of its weights, of one convolution group; equal taps share them
    int64_t packed_group;         // packed weights of one convolution group
    int64_t packed_size;          // all of them, in elements of the accumulator's type
    // panel
    bool images;                  // each position is an image
    bool planes;                  // and each sample of it is read
    int64_t channel_stride;       // from one channel to the next
    int64_t row_pitch;            // rows: from one padded row to the next
    int64_t panel_rows;           // rows: padded rows for each offset of the first axis
    int64_t columns;              // those of a tile, in whole vectors
    int64_t scratch_pitch;        // from one row of the scratch to the next
    int64_t column_pitch;         // rows: scratch columns from one row of the tile to the next
    bool flat;                    // rows: the tile's rows are one long line, gaps and all
    int64_t tiles;                // of positions
    int64_t tile_grid[3];         // rows: tiles along depth (times batch), rows, columns
    int64_t chunks, chunk_blocks; // of output channels; blocks of each, at most
    int64_t scratch_size, panel_size;  // elements for one thread

    int64_t block_begin(int64_t b) const { return produce * b / block_count; }
};

// Throws std::invalid_argument where the numbers make no sense; nothing is allocated in proportion to the input.
Tables make_tables(const Geometry&, const Blocks&, int lanes, int tile_height);

}  // namespace upweave
