// F(m, r): the transforms of Winograd's way along one axis, as small constant matrices.
//
// Exact in the rationals; the points are 0, ∞, then 1, −1, which keep float32 as accurate as the products themselves,
// then −1/2, or −2 and 1/2, which lose half a digit.
#pragma once

#include "vec.h"

namespace upweave::UPWEAVE_ISA {

constexpr int L = LANES<float>;
constexpr int MAX_POINTS = 6, MAX_CELLS = 4, MAX_TAPS = 4;
constexpr double LARGEST = 5e28;  // of a weight or a sample: sums of a few products of two are finite if they are small

// What F(m, r) with m + r − 1 = N points has whatever m and r are: samples[point][sample], and with the finite points p the
// factors of the taps, scale · p^tap. The last point is ∞.
template <int N> struct Points;

template <> struct Points<3> {
    static constexpr float samples[3][3] = {{1, -1, 0}, {0, 1, 0}, {0, -1, 1}};
    static constexpr double finite[2] = {0, 1}, scale[3] = {1, 1, 1};
};
template <> struct Points<4> {
    static constexpr float samples[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}};
    static constexpr double finite[3] = {0, 1, -1}, scale[4] = {1, .5, .5, 1};
};
template <> struct Points<5> {
    static constexpr float samples[5][5] = {{-1, -2, 1, 2, 0}, {0, 1, 3, 2, 0}, {0, -1, -1, 2, 0}, {0, -1, 0, 1, 0}, {0, -1, -2, 1, 2}};
    static constexpr double finite[4] = {0, 1, -1, -.5}, scale[5] = {-1, 1. / 6, -.5, 8. / 3, .5};
};
template <> struct Points<6> {
    static constexpr float samples[6][6] = {{2, -3, -4, 3, 2, 0}, {0, -2, 1, 5, 2, 0}, {0, 2, -5, 1, 2, 0}, {0, 1, -2, -1, 2, 0}, {0, -2, -1, 2, 1, 0}, {0, 2, -3, -4, 3, 2}};
    static constexpr double finite[5] = {0, 1, -1, -2, .5}, scale[6] = {.5, 1. / 6, -1. / 6, 1. / 30, -16. / 15, .5};
};

template <int N> constexpr double power(int point, int exponent, int highest) {
    if (point == N - 1) return exponent == highest;
    double p = 1;
    for (int i = 0; i < exponent; ++i) p *= Points<N>::finite[point];
    return p;
}

// From points back to cells, back[cell][point].
template <int M, int R> struct Back {
    float of[M][M + R - 1];
    constexpr const float* operator[](int cell) const { return of[cell]; }
};
template <int M, int R> constexpr Back<M, R> make_back() {
    Back<M, R> back{};
    for (int j = 0; j < M; ++j)
        for (int i = 0; i < M + R - 1; ++i) back.of[j][i] = static_cast<float>(power<M + R - 1>(i, j, M - 1));
    return back;
}
template <int M, int R> inline constexpr Back<M, R> BACK = make_back<M, R>();

// out[point] = Σ matrix[point][sample] · in[sample], zeros and ones left out.
template <const auto& MATRIX, int ROWS, int COLUMNS>
inline __attribute__((always_inline)) void apply(const Vec<float>* in, Vec<float>* out) {
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
        Vec<float> sum{};
        bool any = false;
#pragma GCC unroll 8
        for (int j = 0; j < COLUMNS; ++j) {
            const float c = MATRIX[i][j];
            if (c == 0) continue;
            if (!any) sum = c == 1 ? in[j] : c == -1 ? -in[j] : broadcast(c) * in[j];
            else if (c == 1) sum += in[j];
            else if (c == -1) sum -= in[j];
            else sum += broadcast(c) * in[j];
            any = true;
        }
        out[i] = sum;
    }
}

// A line of `count` vectors, `next` apart, of which each takes its inputs and leaves its outputs `step` apart.
using Pass = void (*)(const float* in, int64_t in_step, int64_t in_next, float* out, int64_t out_step, int64_t out_next,
                      int64_t count);

template <const auto& MATRIX, int ROWS, int COLUMNS>
__attribute__((noinline)) void pass(const float* in, int64_t in_step, int64_t in_next, float* out, int64_t out_step, int64_t out_next,
                 int64_t count) {
    for (int64_t i = 0; i < count; ++i, in += in_next, out += out_next) {
        Vec<float> from[COLUMNS], to[ROWS];
#pragma GCC unroll 8
        for (int j = 0; j < COLUMNS; ++j) from[j] = load(in + j * in_step);
        apply<MATRIX, ROWS, COLUMNS>(from, to);
#pragma GCC unroll 8
        for (int j = 0; j < ROWS; ++j) store(out + j * out_step, to[j]);
    }
}

// One tap: each sample is a point, each point a cell.
template <int M>
__attribute__((noinline)) void copy_pass(const float* in, int64_t in_step, int64_t in_next, float* out, int64_t out_step, int64_t out_next,
                      int64_t count) {
    for (int64_t i = 0; i < count; ++i, in += in_next, out += out_next)
#pragma GCC unroll 8
        for (int j = 0; j < M; ++j) store(out + j * out_step, load(in + j * in_step));
}

struct Scheme {
    Pass forward, back;
    double taps[MAX_POINTS][MAX_TAPS];
};

template <int M, int R> constexpr Scheme scheme() {
    constexpr int N = M + R - 1;
    Scheme s{&pass<Points<N>::samples, N, N>, &pass<BACK<M, R>, M, N>, {}};
    for (int i = 0; i < N; ++i)
        for (int j = 0; j < R; ++j) s.taps[i][j] = Points<N>::scale[i] * power<N>(i, j, R - 1);
    return s;
}
template <int M> constexpr Scheme one_tap() {
    Scheme s{&copy_pass<M>, &copy_pass<M>, {}};
    s.taps[0][0] = 1;  // its weights are kept once, for all points
    return s;
}

inline constexpr Scheme SCHEMES[3][4] = {  // [cells − 2][taps − 1]
    {one_tap<2>(), scheme<2, 2>(), scheme<2, 3>(), scheme<2, 4>()},
    {one_tap<3>(), scheme<3, 2>(), scheme<3, 3>(), {}},
    {one_tap<4>(), scheme<4, 2>(), scheme<4, 3>(), {}},
};

}  // namespace upweave::UPWEAVE_ISA
