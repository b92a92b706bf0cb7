// Strassen's way with a product of matrices: seven products of halves for eight.
//
// V. Strassen, Gaussian Elimination is not Optimal, 1969. With weights W of output half m and input half k, and samples X of
// input half k and of the n-th of two neighbouring tiles:
//
//     M1 = (W11 + W22)(X11 + X22)     M3 = W11 (X12 − X22)     Y11 = M1 + M4 − M5 + M7     Y12 = M3 + M5
//     M2 = (W21 + W22) X11            M4 = W22 (X21 − X11)     Y21 = M2 + M4               Y22 = M1 − M2 + M3 + M6
//     M5 = (W11 + W12) X22            M6 = (W21 − W11)(X11 + X12)
//                                     M7 = (W12 − W22)(X21 + X22)
#pragma once

#include "vec.h"

namespace upweave::UPWEAVE_ISA {

constexpr double STRASSEN_WEIGHTS[7][4] = {  // of W11, W12, W21, W22
    {1, 0, 0, 1}, {0, 0, 1, 1}, {1, 0, 0, 0}, {0, 0, 0, 1}, {1, 1, 0, 0}, {-1, 0, 1, 0}, {0, 1, 0, -1},
};

// The samples of two tiles, `half` channels of each half, to those of the seven products, `pitch` apart.
inline void strassen_split(const float* x11, const float* x12, const float* x21, const float* x22, float* to, int64_t pitch, int64_t half) {
    constexpr int L = LANES<float>;
    for (int64_t c = 0; c < half; c += L) {
        const Vec<float> a = load(x11 + c), b = load(x12 + c), d = load(x21 + c), e = load(x22 + c);
        float* at = to + c;
        store(at, a + e);
        store(at + pitch, a);
        store(at + 2 * pitch, b - e);
        store(at + 3 * pitch, d - a);
        store(at + 4 * pitch, e);
        store(at + 5 * pitch, a + b);
        store(at + 6 * pitch, d + e);
    }
}

// The seven products of a pair of tiles, `pitch` apart, to the sums of both tiles, `tile` apart, of both halves of the channels.
inline void strassen_join(const float* from, int64_t pitch, float* first, float* second, int64_t tile, int64_t size) {
    constexpr int L = LANES<float>;
    for (int64_t c = 0; c < size; c += L) {
        const float* at = from + c;
        const Vec<float> m1 = load(at), m2 = load(at + pitch), m3 = load(at + 2 * pitch), m4 = load(at + 3 * pitch),
                         m5 = load(at + 4 * pitch), m6 = load(at + 5 * pitch), m7 = load(at + 6 * pitch);
        store(first + c, (m1 + m4) + (m7 - m5));
        store(first + tile + c, m3 + m5);
        store(second + c, m2 + m4);
        store(second + tile + c, (m1 - m2) + (m3 + m6));
    }
}

}  // namespace upweave::UPWEAVE_ISA
