// One channel in, one out, and channels last: a vector is as many channels of one position.
//
// Nothing is summed over channels, so that there is no matrix product. Each output is a sum over the few taps of its phase,
// and a tap's weights serve several positions of the phase before the next tap's are loaded.
#pragma once

#include <string>
#include <vector>

#include "tables.h"

namespace upweave {

struct DepthwiseTables {
    struct Tap { int64_t offset, tap; };     // reads input q + offset
    struct Axis {
        int64_t in, out, step;               // output n = step q + phase
        std::vector<std::vector<Tap>> taps;  // [phase], by offset
    };
    Geometry geo;
    Axis axis[3];
    int64_t channels;                        // of all groups
    int64_t positions;                       // q along the width in an item, at most
    int64_t parts, items;                    // of a row; items are parts of rows
    int64_t packed_size;                     // weights: [tap][channel]

    int64_t units() const { return geo.kernel[0] * geo.kernel[1] * geo.kernel[2]; }  // taps, packed at a time
    int64_t workspace() const { return units() * 16; }                                // bytes of a thread
    std::string layout() const { return "depthwise"; }
};

// Throws std::invalid_argument where there are more channels in a group than one, or channels do not come last.
DepthwiseTables make_depthwise(const Geometry&);

}  // namespace upweave
