// Vectors of the width this translation unit is compiled for, by the compiler's vector extensions.
//
// Everything in body/ is in a namespace named after the instruction set and calls no function template of the standard
// library: an inline function compiled for AVX-512 must never be the copy that the linker keeps for all.
#pragma once

#include <cstdint>
#include <cstring>

namespace upweave::UPWEAVE_ISA {

#if defined(__AVX512F__)
constexpr int BYTES = 64;
constexpr int REGISTERS = 32;
#elif defined(__AVX__)
constexpr int BYTES = 32;
constexpr int REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int BYTES = 16;
constexpr int REGISTERS = 32;
#else
constexpr int BYTES = 16;
constexpr int REGISTERS = 16;
#endif

template <class T> struct Of;
template <> struct Of<float> {
    typedef float vec __attribute__((vector_size(BYTES)));
    typedef int32_t ivec __attribute__((vector_size(BYTES)));
    typedef int32_t integer;
};
template <> struct Of<double> {
    typedef double vec __attribute__((vector_size(BYTES)));
    typedef int64_t ivec __attribute__((vector_size(BYTES)));
    typedef int64_t integer;
};
template <class T> using Vec = typename Of<T>::vec;
template <class T> using IVec = typename Of<T>::ivec;
template <class T> constexpr int LANES = BYTES / static_cast<int>(sizeof(T));

template <class T> inline __attribute__((always_inline)) Vec<T> load(const T* p) {
    Vec<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T> inline __attribute__((always_inline)) void store(T* p, Vec<T> v) { std::memcpy(p, &v, sizeof v); }

// Bytes of an output, above which it is written past the caches; `PAST_CACHES` in upweave/ops/winograd.py prices it.
constexpr int64_t PAST_CACHES = int64_t{32} << 20;

// Into whole cache lines, without reading them first; `p` is on a vector's boundary. Such stores wait for no order but
// that of a locked instruction, and every worker ends with one (`Job::loop` takes its next item).
template <class T> inline __attribute__((always_inline)) void store_past_caches(T* p, Vec<T> v) {
#if defined(__AVX512F__) && !defined(__clang__)
    if constexpr (sizeof(T) == 4) __builtin_ia32_movntps512(p, v);
    else __builtin_ia32_movntpd512(p, v);
#elif defined(__AVX__) && !defined(__clang__)
    if constexpr (sizeof(T) == 4) __builtin_ia32_movntps256(p, v);
    else __builtin_ia32_movntpd256(p, v);
#else
    store(p, v);
#endif
}

// The first `count` lanes alone, 0 ≤ count ≤ LANES.
template <class T> inline __attribute__((always_inline)) void store_some(T* p, Vec<T> v, int64_t count) {
#if defined(__AVX512F__) && !defined(__clang__)
    typedef double v8df __attribute__((vector_size(64)));
    typedef float v16sf __attribute__((vector_size(64)));
    const unsigned mask = (1u << count) - 1u;
    if constexpr (sizeof(T) == 4)
        __builtin_ia32_storeups512_mask(p, reinterpret_cast<v16sf&>(v), static_cast<unsigned short>(mask));
    else
        __builtin_ia32_storeupd512_mask(p, reinterpret_cast<v8df&>(v), static_cast<unsigned char>(mask));
#else
    T lane[LANES<T>];
    std::memcpy(lane, &v, sizeof v);
    for (int64_t i = 0; i < count; ++i) p[i] = lane[i];
#endif
}

// A true broadcast: `Vec{} + x` would be an addition (and would lose the sign of zero), and filling the lanes in a loop
// becomes a chain of masked inserts.
template <class T, int... I> struct Lanes {
    static inline __attribute__((always_inline)) Vec<T> broadcast(T x) { return Vec<T>{(static_cast<void>(I), x)...}; }
};
template <class T, int N, int... I> struct Count : Count<T, N - 1, N - 1, I...> {};
template <class T, int... I> struct Count<T, 0, I...> : Lanes<T, I...> {};
template <class T> inline __attribute__((always_inline)) Vec<T> broadcast(T x) { return Count<T, LANES<T>>::broadcast(x); }

#if defined(__clang__)
template <class T> inline Vec<T> permute(Vec<T> v, IVec<T> at) {
    Vec<T> r;
    for (int i = 0; i < LANES<T>; ++i) r[i] = v[at[i]];
    return r;
}
template <class T> inline Vec<T> permute2(Vec<T> a, Vec<T> b, IVec<T> at) {
    Vec<T> r;
    for (int i = 0; i < LANES<T>; ++i) r[i] = at[i] < LANES<T> ? a[at[i]] : b[at[i] - LANES<T>];
    return r;
}
#else
template <class T> inline __attribute__((always_inline)) Vec<T> permute(Vec<T> v, IVec<T> at) {
    return __builtin_shuffle(v, at);
}
template <class T> inline __attribute__((always_inline)) Vec<T> permute2(Vec<T> a, Vec<T> b, IVec<T> at) {
    return __builtin_shuffle(a, b, at);
}
#endif

// a0 b0 a1 b1 … : the first or the second half of a and b woven together.
template <class T> inline __attribute__((always_inline)) Vec<T> zip_low(Vec<T> a, Vec<T> b) {
    IVec<T> at;
    for (int i = 0; i < LANES<T>; ++i) at[i] = i / 2 + (i % 2) * LANES<T>;
    return permute2<T>(a, b, at);
}
template <class T> inline __attribute__((always_inline)) Vec<T> zip_high(Vec<T> a, Vec<T> b) {
    IVec<T> at;
    for (int i = 0; i < LANES<T>; ++i) at[i] = LANES<T> / 2 + i / 2 + (i % 2) * LANES<T>;
    return permute2<T>(a, b, at);
}

// bfloat16 is storage alone: the upper half of a float, rounded to nearest even.
struct bfloat16 {
    uint16_t bits;
};
inline float widen(bfloat16 v) {
    const uint32_t bits = static_cast<uint32_t>(v.bits) << 16;
    float f;
    std::memcpy(&f, &bits, sizeof f);
    return f;
}
inline float widen(float v) { return v; }
inline double widen(double v) { return v; }
inline void narrow(float f, bfloat16* to) {
    uint32_t bits;
    std::memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        to->bits = static_cast<uint16_t>((bits >> 16) | 0x40u);  // a NaN stays one
        return;
    }
    to->bits = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
inline void narrow(float f, float* to) { *to = f; }
inline void narrow(double f, double* to) { *to = f; }

template <class T, class S> inline __attribute__((always_inline)) Vec<T> load_as(const S* p) {
    if constexpr (sizeof(S) == sizeof(T)) return load(reinterpret_cast<const T*>(p));
    Vec<T> v;
    for (int i = 0; i < LANES<T>; ++i) v[i] = widen(p[i]);
    return v;
}

template <class S> struct Sum { typedef float type; };  // what elements of type S are added up in
template <> struct Sum<double> { typedef double type; };

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace upweave::UPWEAVE_ISA
