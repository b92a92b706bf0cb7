// The definition, output by output: for weights that are not finite, whose product with a padded zero must not be made.
#pragma once

#include "geometry.h"

namespace upweave {

// As a kernel would, in the tensors' layout; weight in PyTorch's order.
void direct(const Geometry&, const void* source, const void* weight, const void* bias, void* result, int threads);

bool all_finite(Dtype, const void* values, int64_t count);  // of the accumulator's type

// result[i] = Σ parts[p · count + i], in order.
void add_parts(Dtype, const void* parts, int64_t number, int64_t count, void* result);

}  // namespace upweave
