#include "direct.h"

#define UPWEAVE_ISA plain
#include "body/activate.h"
#include "threads.h"

namespace upweave {
namespace {

using namespace plain;

template <class T, class S>
void direct_typed(const Geometry& g, const S* source, const S* weight, const S* bias, S* result, int threads) {
    const bool forward = g.direction == Direction::forward;
    const int64_t reduce = forward ? g.c_in : g.c_out, produce = forward ? g.c_out : g.c_in;
    const int64_t *in = forward ? g.size : g.out, *out = forward ? g.out : g.size;
    const int64_t plane_in = in[0] * in[1] * in[2], plane_out = out[0] * out[1] * out[2];
    const int64_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2], channels = produce * g.groups;
    const auto at = [&](int64_t n, int64_t all, int64_t c, int64_t plane, int64_t position) {
        return g.channels_last ? (n * plane + position) * all + c : (n * all + c) * plane + position;
    };
    // The input that tap t of output n reads on an axis, or −1.
    const auto read = [&](int a, int64_t n, int64_t t) -> int64_t {
        if (forward) {
            const int64_t i = n + g.padding[a] - g.dilation[a] * t;
            return i >= 0 && i % g.stride[a] == 0 && i / g.stride[a] < in[a] ? i / g.stride[a] : -1;
        }
        const int64_t i = g.stride[a] * n + g.dilation[a] * t - g.padding[a];
        return i >= 0 && i < in[a] ? i : -1;
    };
    parallel(g.batch * channels, threads, 1, [&](int64_t item) {
        const int64_t n = item / channels, c = item % channels, cg = c / produce, own = c % produce;
        for (int64_t position = 0; position < plane_out; ++position) {
            const int64_t o[3] = {position / (out[1] * out[2]), position / out[2] % out[1], position % out[2]};
            T sum = 0;
            for (int64_t d = 0; d < g.kernel[0]; ++d)
                for (int64_t h = 0; h < g.kernel[1]; ++h)
                    for (int64_t w = 0; w < g.kernel[2]; ++w) {
                        const int64_t i[3] = {read(0, o[0], d), read(1, o[1], h), read(2, o[2], w)};
                        if (i[0] < 0 || i[1] < 0 || i[2] < 0) continue;
                        const int64_t from = (i[0] * in[1] + i[1]) * in[2] + i[2];
                        const int64_t tap = (d * g.kernel[1] + h) * g.kernel[2] + w;
                        for (int64_t r = 0; r < reduce; ++r) {
                            const int64_t ci = cg * g.c_in + (forward ? r : own), co = forward ? own : r;
                            sum += static_cast<T>(widen(source[at(n, reduce * g.groups, cg * reduce + r, plane_in, from)])) *
                                   static_cast<T>(widen(weight[(ci * g.c_out + co) * taps + tap]));
                        }
                    }
            if (bias) sum += static_cast<T>(widen(bias[c]));
            const Vec<T> v = activate<T>(broadcast(sum), g.activation, static_cast<T>(g.slope));
            narrow(v[0], result + at(n, channels, c, plane_out, position));
        }
    });
}

// By the exponent's bits, all ones in what is infinite or not a number: integers add up in any order, so that this is
// vectorised, and floats do not.
template <class Bits> bool finite(const void* values, int64_t count, Bits exponent) {
    const char* at = static_cast<const char*>(values);
    Bits bad = 0;
    for (int64_t i = 0; i < count; ++i) {
        Bits bits;
        std::memcpy(&bits, at + i * static_cast<int64_t>(sizeof bits), sizeof bits);
        bad |= static_cast<Bits>((bits & exponent) == exponent);
    }
    return !bad;
}

template <class T, class S> void add(const T* parts, int64_t number, int64_t count, S* result) {
    for (int64_t i = 0; i < count; ++i) {
        T sum = parts[i];
        for (int64_t p = 1; p < number; ++p) sum += parts[p * count + i];
        narrow(sum, result + i);
    }
}

}  // namespace

void direct(const Geometry& g, const void* source, const void* weight, const void* bias, void* result, int threads) {
    const auto with = [&](auto sum, auto element) {
        using T = decltype(sum);
        using S = decltype(element);
        direct_typed<T, S>(g, static_cast<const S*>(source), static_cast<const S*>(weight), static_cast<const S*>(bias),
                           static_cast<S*>(result), threads);
    };
    switch (g.dtype) {
        case Dtype::float32: return with(float{}, float{});
        case Dtype::bfloat16: return with(float{}, bfloat16{});
        case Dtype::float64: return with(double{}, double{});
    }
}

bool all_finite(Dtype d, const void* values, int64_t count) {
    return d == Dtype::float64 ? finite<uint64_t>(values, count, 0x7ff0000000000000u)
                               : finite<uint32_t>(values, count, 0x7f800000u);
}

void add_parts(Dtype d, const void* parts, int64_t number, int64_t count, void* result) {
    switch (d) {
        case Dtype::float32: return add(static_cast<const float*>(parts), number, count, static_cast<float*>(result));
        case Dtype::bfloat16: return add(static_cast<const float*>(parts), number, count, static_cast<bfloat16*>(result));
        case Dtype::float64: return add(static_cast<const double*>(parts), number, count, static_cast<double*>(result));
    }
}

}  // namespace upweave
