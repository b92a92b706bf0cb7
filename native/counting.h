// Small integer arithmetic of the tables, and what refuses numbers that make no sense.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace upweave {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
inline int64_t odd_multiple(int64_t a, int64_t b) { return (ceil_div(a, b) | 1) * b; }

inline void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("native core: ") + what);
}

}  // namespace upweave
