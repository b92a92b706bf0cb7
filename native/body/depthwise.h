// One part of a row of outputs, channels in the lanes.
//
//     for each phase of the width, some positions at a time, for each vector of channels
//       sums[position] = bias
//       for each line of input that the row reads, for each tap of the phase
//         sums[position] += weight · sample[position + offset]
#pragma once

#include "../arena.h"
#include "../target.h"
#include "activate.h"
#include "engine.h"
#include "vec.h"

namespace upweave::UPWEAVE_ISA {

template <class T, class S> void depthwise_pack_tap(const DepthwiseTables& t, const void* weight_, void* packed_, int64_t tap) {
    const S* weight = static_cast<const S*>(weight_) + tap;
    T* packed = static_cast<T*>(packed_) + tap * t.channels;
    for (int64_t c = 0; c < t.channels; ++c) packed[c] = static_cast<T>(widen(weight[c * t.units()]));
}

template <class T, class S> struct DepthwiseRow {
    typedef DepthwiseTables::Tap Tap;
    struct Line { const S* samples; const T* weights; };  // a line of input, and the weights of its taps along the width

    const DepthwiseTables& t;
    const S* bias;
    const Line* lines;
    int64_t count;
    bool stream;

    static inline __attribute__((always_inline)) Vec<T> take(const S* from, int64_t many) {
        if (many == LANES<T>) return load_as<T, S>(from);
        Vec<T> v{};
        for (int64_t i = 0; i < many; ++i) v[i] = static_cast<T>(widen(from[i]));
        return v;
    }

    inline __attribute__((always_inline)) void put(S* to, Vec<T> v, int64_t many) const {
        if (t.geo.activation != Activation::none) v = activate<T>(v, t.geo.activation, static_cast<T>(t.geo.slope));
        if constexpr (sizeof(S) == sizeof(T)) {
            T* at = reinterpret_cast<T*>(to);
            if (many < LANES<T>) store_some<T>(at, v, many);
            else if (stream) store_past_caches<T>(at, v);
            else store(at, v);
        } else {
            for (int64_t i = 0; i < many; ++i) narrow(v[i], to + i);
        }
    }

    // `many` channels from c on, at N positions from q on of one phase, whose outputs are `next` apart. Inside: every tap
    // reads a sample; else those that do are looked for.
    template <int N, bool INSIDE>
    inline __attribute__((always_inline)) void sums(const Tap* taps, int64_t tap_count, int64_t q, int64_t c, int64_t many, S* to, int64_t next) const {
        Vec<T> sum[N];
        const Vec<T> start = bias ? take(bias + c, many) : Vec<T>{};
        for (int i = 0; i < N; ++i) sum[i] = start;
        for (int64_t l = 0; l < count; ++l)
            for (int64_t j = 0; j < tap_count; ++j) {
                const int64_t x = q + taps[j].offset;
                if (!INSIDE && (x < 0 || x >= t.axis[2].in)) continue;
                const Vec<T> weight = load(lines[l].weights + taps[j].tap * t.channels + c);
                const S* from = lines[l].samples + x * t.channels + c;
#pragma GCC unroll 8
                for (int i = 0; i < N; ++i) sum[i] += weight * take(from + i * t.channels, many);
            }
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) put(to + i * next, sum[i], many);
    }

    // All channels; the last vector begins early enough to be whole.
    template <int N, bool INSIDE> void channels(const Tap* taps, int64_t tap_count, int64_t q, S* to, int64_t next) const {
        constexpr int64_t L = LANES<T>;
        if (t.channels < L) return sums<N, INSIDE>(taps, tap_count, q, 0, t.channels, to, next);
        for (int64_t at = 0; at < t.channels; at += L) {
            const int64_t c = least(at, t.channels - L);
            sums<N, INSIDE>(taps, tap_count, q, c, L, to + c, next);
        }
    }

    void phase(int64_t r, int64_t q0, int64_t q1, S* row) const {
        const DepthwiseTables::Axis& W = t.axis[2];
        const int64_t tap_count = static_cast<int64_t>(W.taps[static_cast<size_t>(r)].size());
        const Tap* taps = W.taps[static_cast<size_t>(r)].data();
        q1 = least(q1, (W.out - r + W.step - 1) / W.step);
        const int64_t lowest = tap_count ? taps[0].offset : 0, highest = tap_count ? taps[tap_count - 1].offset : 0;
        const int64_t next = W.step * t.channels;
        constexpr int N = REGISTERS == 32 ? 8 : 4;
        for (int64_t q = q0; q < q1;) {
            S* to = row + (W.step * q + r) * t.channels;
            const bool inside = q + lowest >= 0;
            if (inside && q + N <= q1 && q + N - 1 + highest < W.in) {
                channels<N, true>(taps, tap_count, q, to, next);
                q += N;
            } else if (inside && q + 2 <= q1 && q + 1 + highest < W.in) {
                channels<2, true>(taps, tap_count, q, to, next);
                q += 2;
            } else {
                channels<1, false>(taps, tap_count, q, to, next);
                ++q;
            }
        }
    }
};

template <class T, class S> void depthwise_item(const DepthwiseTables& t, const Arguments& args, int64_t item) {
    typedef typename DepthwiseRow<T, S>::Line Line;
    const Geometry& geo = t.geo;
    const DepthwiseTables::Axis &D = t.axis[0], &H = t.axis[1], &W = t.axis[2];
    const int64_t part = item % t.parts, row = item / t.parts, h = row % H.out, d = row / H.out % D.out, n = row / (H.out * D.out);
    const int64_t kernel = geo.kernel[1] * geo.kernel[2];
    Line* lines = static_cast<Line*>(arena(static_cast<size_t>(geo.kernel[0] * geo.kernel[1]) * sizeof(Line)));
    int64_t count = 0;
    for (const DepthwiseTables::Tap& a : D.taps[static_cast<size_t>(d % D.step)])
        for (const DepthwiseTables::Tap& b : H.taps[static_cast<size_t>(h % H.step)]) {
            const int64_t xd = d / D.step + a.offset, xh = h / H.step + b.offset;
            if (xd < 0 || xd >= D.in || xh < 0 || xh >= H.in) continue;
            lines[count++] = {static_cast<const S*>(args.source) + ((n * D.in + xd) * H.in + xh) * W.in * t.channels,
                              static_cast<const T*>(args.packed) + (a.tap * kernel + b.tap * geo.kernel[2]) * t.channels};
        }
    S* result = static_cast<S*>(args.result) + row * W.out * t.channels;
    const int64_t written = geo.batch * D.out * H.out * W.out * t.channels * static_cast<int64_t>(sizeof(S));
    const bool whole = t.channels % LANES<T> == 0 && (reinterpret_cast<uintptr_t>(args.result) & (BYTES - 1)) == 0;
    const DepthwiseRow<T, S> work{t, static_cast<const S*>(args.bias), lines, count, whole && written > PAST_CACHES};
    const int64_t q0 = part * t.positions;
    for (int64_t r = 0; r < static_cast<int64_t>(W.taps.size()); ++r) work.phase(r, q0, q0 + t.positions, result);
}

}  // namespace upweave::UPWEAVE_ISA
