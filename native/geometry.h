// One layer bound to shapes, as Python hands it over. Plain data: every instruction set's code shares it.
#pragma once

#include <cstdint>

namespace upweave {

enum class Dtype : int { float32 = 0, bfloat16 = 1, float64 = 2 };
enum class Activation : int { none = 0, relu = 1, leaky_relu = 2, silu = 3, tanh = 4, sigmoid = 5 };

// forward:     y[n]  = sum over taps of x[q + offset] for the phase of n        (transposed convolution)
// grad_input:  gx[i] = sum over taps of gy[s i + d t - p]                       (strided convolution)
enum class Direction : int { forward = 0, grad_input = 1 };

struct Geometry {
    int64_t batch, groups;
    int64_t c_in, c_out;          // of one group, of the transposed convolution
    int64_t size[3], out[3];      // input and output of the transposed convolution; leading axes of 1 where unused
    int64_t kernel[3], stride[3], padding[3], dilation[3];
    Dtype dtype;
    bool channels_last;
    Direction direction;
    Activation activation;
    double slope;
};

// How the planner wants it done; see upweave/ops/schedule.py, which explains each number.
struct Blocks {
    bool images;           // a position is a whole image: every output of it is a phase of its own; not with rows
    bool rows;             // panel of padded rows, read at shifted addresses; otherwise one copy for each tap offset
    int64_t tile_rows;     // rows of positions in a tile (rows), unused otherwise
    int64_t tile;          // positions in a tile, or in a row of the tile
    int64_t channels;      // reduction channels in one panel
    int64_t chunk;         // output channels of one work item
};

}  // namespace upweave
