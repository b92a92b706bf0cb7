// What each instruction set's translation unit offers, and which one runs.
#pragma once

#include <cstdint>

#include "depthwise.h"
#include "tables.h"
#include "winograd.h"
#include "winograd_rows.h"

namespace upweave {

struct Arguments {
    const void* source;   // what is read: x, or the output's gradient
    const void* packed;   // weights in packed order, of the accumulator's type
    const void* bias;     // in the tensor's type, or null
    void* result;         // what is written
};

// Gradient of the weight: its reduction runs over positions, so it has blocks of its own.
struct WeightGradient {
    Geometry geo;
    const void* x;
    const void* gy;
    void* gw;
};

struct Target {
    const char* name;
    int lanes_float, lanes_double, tile_height;
    void (*pack)(const Tables&, const void* weight, void* packed, int64_t first, int64_t last);  // units: groups x blocks
    void (*run)(const Tables&, const Arguments&, int64_t item);
    void (*depthwise_pack)(const DepthwiseTables&, const void* weight, void* packed, int64_t tap);
    void (*depthwise_run)(const DepthwiseTables&, const Arguments&, int64_t item);
    // All four are false where a number is too large to be transformed, or none.
    bool (*winograd_pack)(const WinogradTables&, const void* weight, void* packed, int64_t unit);
    bool (*winograd_run)(const WinogradTables&, const Arguments&, int64_t item);
    bool (*winograd_rows_pack)(const WinogradRowTables&, const void* weight, void* packed, int64_t unit);
    bool (*winograd_rows_run)(const WinogradRowTables&, const Arguments&, int64_t item);
    int64_t (*gradient_parts)(const Geometry&, int threads);  // partial sums that gw has room for, if more than one
    int64_t (*gradient_items)(const Geometry&, int threads);
    void (*gradient)(const WeightGradient&, int threads, int64_t item);
};

// Instruction sets that were compiled in and that this processor has, best first.
const Target* const* targets(int* count);
const Target* find_target(const char* name);  // null if there is none of this name

}  // namespace upweave
