// Compiled once for each instruction set: the body, behind a table.
#include "target.h"

#include "body/depthwise.h"
#include "body/engine.h"
#include "body/gradient.h"
#include "body/winograd.h"
#include "body/winograd_rows.h"

namespace upweave {
namespace UPWEAVE_ISA {
namespace {

void pack(const Tables& t, const void* weight, void* packed, int64_t first, int64_t last) {
    switch (t.geo.dtype) {
        case Dtype::float32: return pack_weights<float, float>(t, weight, packed, first, last);
        case Dtype::bfloat16: return pack_weights<float, bfloat16>(t, weight, packed, first, last);
        case Dtype::float64: return pack_weights<double, double>(t, weight, packed, first, last);
    }
}

void run(const Tables& t, const Arguments& a, int64_t item) {
    switch (t.geo.dtype) {
        case Dtype::float32: return run_item<float, float>(t, a, item);
        case Dtype::bfloat16: return run_item<float, bfloat16>(t, a, item);
        case Dtype::float64: return run_item<double, double>(t, a, item);
    }
}

void depthwise_pack(const DepthwiseTables& t, const void* weight, void* packed, int64_t tap) {
    switch (t.geo.dtype) {
        case Dtype::float32: return depthwise_pack_tap<float, float>(t, weight, packed, tap);
        case Dtype::bfloat16: return depthwise_pack_tap<float, bfloat16>(t, weight, packed, tap);
        case Dtype::float64: return depthwise_pack_tap<double, double>(t, weight, packed, tap);
    }
}

void depthwise_run(const DepthwiseTables& t, const Arguments& a, int64_t item) {
    switch (t.geo.dtype) {
        case Dtype::float32: return depthwise_item<float, float>(t, a, item);
        case Dtype::bfloat16: return depthwise_item<float, bfloat16>(t, a, item);
        case Dtype::float64: return depthwise_item<double, double>(t, a, item);
    }
}

int64_t parts(const Geometry& g, int threads) {
    return g.dtype == Dtype::float64 ? gradient_blocks<double>(g, threads).parts : gradient_blocks<float>(g, threads).parts;
}

int64_t items(const Geometry& g, int threads) {
    return g.dtype == Dtype::float64 ? gradient_items<double, double>(g, threads) : gradient_items<float, float>(g, threads);
}

void gradient(const WeightGradient& w, int threads, int64_t item) {
    switch (w.geo.dtype) {
        case Dtype::float32: return gradient_item<float, float>(w, threads, item);
        case Dtype::bfloat16: return gradient_item<float, bfloat16>(w, threads, item);
        case Dtype::float64: return gradient_item<double, double>(w, threads, item);
    }
}

}  // namespace
}  // namespace UPWEAVE_ISA

#define UPWEAVE_TEXT_(x) #x
#define UPWEAVE_TEXT(x) UPWEAVE_TEXT_(x)
#define UPWEAVE_TABLE_(isa) target_##isa
#define UPWEAVE_TABLE(isa) UPWEAVE_TABLE_(isa)

extern const Target UPWEAVE_TABLE(UPWEAVE_ISA);
const Target UPWEAVE_TABLE(UPWEAVE_ISA) = {
    UPWEAVE_TEXT(UPWEAVE_ISA), UPWEAVE_ISA::LANES<float>, UPWEAVE_ISA::LANES<double>, UPWEAVE_ISA::MAX_HEIGHT,
    UPWEAVE_ISA::pack, UPWEAVE_ISA::run, UPWEAVE_ISA::depthwise_pack, UPWEAVE_ISA::depthwise_run, UPWEAVE_ISA::winograd_pack, UPWEAVE_ISA::winograd_item,
    UPWEAVE_ISA::winograd_rows_pack, UPWEAVE_ISA::winograd_rows_item, UPWEAVE_ISA::parts, UPWEAVE_ISA::items, UPWEAVE_ISA::gradient,
};

}  // namespace upweave
