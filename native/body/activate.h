// Point-wise functions on vectors, for the epilogue.
#pragma once

#include <cmath>

#include "../geometry.h"
#include "vec.h"

namespace upweave::UPWEAVE_ISA {

// exp by range reduction: x = n ln 2 + r with |r| ≤ ln 2 / 2, a polynomial for exp(r), then the exponent of 2ⁿ.
// Relative error below 2e-7 where the result is a normal number; the ends saturate, NaN stays.
inline Vec<float> exponential(Vec<float> x) {
    typedef Vec<float> V;
    typedef IVec<float> I;
    const V top = broadcast(88.0f), bottom = broadcast(-87.0f);
    V r = x > top ? top : x;                    // a NaN compares false and stays
    r = r < bottom ? bottom : r;
    const V magic = broadcast(12582912.0f);     // 1.5 · 2²³: adding it rounds to an integer
    const V shifted = r * broadcast(1.44269504088896341f) + magic;
    const V n = shifted - magic;
    r = r - n * broadcast(0.693359375f);
    r = r - n * broadcast(-2.12194440e-4f);
    V p = broadcast(1.9875691500e-4f);
    p = p * r + broadcast(1.3981999507e-3f);
    p = p * r + broadcast(8.3334519073e-3f);
    p = p * r + broadcast(4.1665795894e-2f);
    p = p * r + broadcast(1.6666665459e-1f);
    p = p * r + broadcast(5.0000001201e-1f);
    p = p * r * r + r + broadcast(1.0f);
    I exponent;
    for (int i = 0; i < LANES<float>; ++i) exponent[i] = static_cast<int32_t>(x[i] == x[i] ? n[i] : 0.0f);
    exponent = (exponent + 127) << 23;
    V scale;
    std::memcpy(&scale, &exponent, sizeof scale);
    V y = p * scale;
    const V infinity = broadcast(__builtin_inff());
    y = x > broadcast(88.72283f) ? infinity : y;
    y = x < broadcast(-103.97f) ? V{} : y;
    return x == x ? y : x;
}

inline Vec<double> exponential(Vec<double> x) {
    for (int i = 0; i < LANES<double>; ++i) x[i] = __builtin_exp(x[i]);
    return x;
}

template <class T> inline Vec<T> sigmoid(Vec<T> x) {
    // exp(−|x|) never overflows, and neither end loses digits
    const Vec<T> one = broadcast<T>(1);
    const Vec<T> e = exponential(x < 0 ? x : -x);
    return (x < 0 ? e : one) / (one + e);
}

template <class T> inline Vec<T> tangent(Vec<T> x) {
    // near 0 the quotient cancels: libm there, and everywhere for doubles
    for (int i = 0; i < LANES<T>; ++i) x[i] = sizeof(T) == 4 ? __builtin_tanhf(x[i]) : __builtin_tanh(x[i]);
    return x;
}

template <class T> inline Vec<T> activate(Vec<T> v, Activation f, T slope) {
    switch (f) {
        case Activation::relu: return v < 0 ? Vec<T>{} : v;  // NaN stays
        case Activation::leaky_relu: return v < 0 ? v * broadcast<T>(slope) : v;
        case Activation::silu: return v * sigmoid<T>(v);
        case Activation::tanh: return tangent<T>(v);
        case Activation::sigmoid: return sigmoid<T>(v);
        default: return v;
    }
}

}  // namespace upweave::UPWEAVE_ISA
