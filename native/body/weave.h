// The epilogue of a line: s rows of scratch, one a phase, become one line of output.
//
//     phase 0   a0 a1 a2 …
//     phase 1   b0 b1 b2 …      →     a0 b0 c0 a1 b1 c1 a2 b2 c2 …
//     phase 2   c0 c1 c2 …
#pragma once

#include "activate.h"
#include "vec.h"

namespace upweave::UPWEAVE_ISA {

template <class T> struct Epilogue {
    T bias;
    Activation activation;
    T slope;
    __attribute__((always_inline)) Vec<T> operator()(Vec<T> v) const {
        v += broadcast(bias);
        return activation == Activation::none ? v : activate<T>(v, activation, slope);
    }
};

// Weaves S = 2^m vectors in place: m times, the lower half is zipped with the upper half. Seen on the concatenation of
// all vectors, each time rotates the bits of an element's index by one.
template <class T, int S> inline __attribute__((always_inline)) void weave_vectors(Vec<T>* v) {
    if constexpr (S > 1) {
#pragma GCC unroll 8
        for (int stage = 1; stage < S; stage *= 2) {
            Vec<T> w[S];
#pragma GCC unroll 32
            for (int i = 0; i < S / 2; ++i) {
                w[2 * i] = zip_low<T>(v[i], v[i + S / 2]);
                w[2 * i + 1] = zip_high<T>(v[i], v[i + S / 2]);
            }
#pragma GCC unroll 32
            for (int i = 0; i < S; ++i) v[i] = w[i];
        }
    }
}

// Strides 1, 2, 4 and 8 up to the vector's lanes; `limit` outputs. Whole blocks of LANES positions are stored as vectors,
// of the last one only the lanes that exist.
template <class T, int S, bool STREAM>
inline void weave_power(T* to, const T* const* from, int64_t limit, const Epilogue<T>& finish) {
    int64_t q = 0;
    for (; (q + LANES<T>) * S <= limit; q += LANES<T>) {
        Vec<T> v[S];
#pragma GCC unroll 32
        for (int r = 0; r < S; ++r) v[r] = finish(load(from[r] + q));
        weave_vectors<T, S>(v);
#pragma GCC unroll 32
        for (int r = 0; r < S; ++r) {
            T* at = to + q * S + r * LANES<T>;
            if constexpr (STREAM) store_past_caches<T>(at, v[r]);
            else store(at, v[r]);
        }
    }
    while (q * S < limit) {
        Vec<T> v[S];
#pragma GCC unroll 32
        for (int r = 0; r < S; ++r) v[r] = finish(load(from[r] + q));  // scratch rows are padded to whole vectors
        weave_vectors<T, S>(v);
        const int64_t rest = least(limit - q * S, S * LANES<T>);
#pragma GCC unroll 32
        for (int r = 0; r < S; ++r) {
            const int64_t left = rest - r * LANES<T>;
            if (left >= LANES<T>) store(to + q * S + r * LANES<T>, v[r]);
            else if (left > 0) store_some<T>(to + q * S + r * LANES<T>, v[r], left);
        }
        q += LANES<T>;
    }
}

// Any other stride below the number of lanes: output vector j takes from each phase the lanes that are its own.
template <class T>
inline void weave_any(T* to, const T* const* from, int stride, int64_t limit, const Epilogue<T>& finish) {
    typedef typename Of<T>::integer Int;
    constexpr int L = LANES<T>;
    IVec<T> position[L], owner[L];  // [output vector j < stride]
    for (int j = 0; j < stride; ++j)
        for (int i = 0; i < L; ++i) {
            position[j][i] = static_cast<Int>((j * L + i) / stride);
            owner[j][i] = static_cast<Int>((j * L + i) % stride);
        }
    for (int64_t q = 0; q * stride < limit; q += L) {
        Vec<T> v[L] = {};
        for (int r = 0; r < stride; ++r) v[r] = finish(load(from[r] + q));
        for (int j = 0; j < stride; ++j) {
            const int64_t n = q * stride + j * L;
            if (n >= limit) break;
            Vec<T> out = permute<T>(v[0], position[j]);
            for (int r = 1; r < stride; ++r) {
                const Vec<T> other = permute<T>(v[r], position[j]);
                out = owner[j] == static_cast<Int>(r) ? other : out;
            }
            if (n + L <= limit) store(to + n, out);
            else store_some<T>(to + n, out, limit - n);
        }
    }
}

// Strides from the number of lanes on: blocks of LANES phases × LANES positions are transposed; a last block of phases
// overlaps the one before it. A position's phases are `pitch` from those of the position before.
template <class T>
inline void weave_wide(T* to, const T* const* from, int64_t stride, int64_t pitch, int64_t length, int64_t limit,
                       const Epilogue<T>& finish) {
    constexpr int L = LANES<T>;
    for (int64_t q = 0; q < length && q * stride < limit; q += L) {
        for (int64_t r = 0;; r += L) {
            const int64_t first = least(r, stride - L);
            Vec<T> v[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) v[i] = finish(load(from[first + i] + q));
            weave_vectors<T, L>(v);
            for (int64_t i = 0; i < L && q + i < length; ++i) {
                const int64_t n = (q + i) * stride + first;
                T* at = to + (q + i) * pitch + first;
                if (n + L <= limit) store(at, v[i]);
                else if (n < limit) store_some<T>(at, v[i], limit - n);
            }
            if (first + L >= stride) break;
        }
    }
}

// `stream`: past the caches, into whole vectors; `to` is on a boundary then.
template <class T>
inline void weave_line(T* to, const T* const* from, int64_t stride, int64_t length, int64_t limit, const Epilogue<T>& finish,
                       bool stream) {
    if (stream) {
        if (stride == 1) return weave_power<T, 1, true>(to, from, limit, finish);
        if (stride == 2) return weave_power<T, 2, true>(to, from, limit, finish);
        if (stride == 4 && LANES<T> >= 4) return weave_power<T, 4, true>(to, from, limit, finish);
    }
    if (stride == 1) return weave_power<T, 1, false>(to, from, limit, finish);
    if (stride == 2) return weave_power<T, 2, false>(to, from, limit, finish);
    if (stride == 4 && LANES<T> >= 4) return weave_power<T, 4, false>(to, from, limit, finish);
    if (stride == 8 && LANES<T> >= 8) return weave_power<T, 8, false>(to, from, limit, finish);
    if (stride < LANES<T>) return weave_any<T>(to, from, static_cast<int>(stride), limit, finish);
    weave_wide<T>(to, from, stride, stride, length, limit, finish);
}

// A line that does not start on a vector's boundary is written up to the next one; from there on, `skew` outputs later,
// the phases take turns in another order:
//
//     skew = 1, s = 2     a0 | b0 a1 b1 a2 …      first source b, from position 0; second source a, from position 1
template <class T>
inline void weave(T* to, const T* const* from, int64_t stride, int64_t length, int64_t limit, const Epilogue<T>& finish,
                  bool stream) {
    const T* turned[4];
    if (stride <= 4 && limit >= 6 * LANES<T>) {
        const int64_t off = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) & (BYTES - 1));
        const int64_t skew = off ? (BYTES - off) / static_cast<int64_t>(sizeof(T)) : 0;
        if (skew) {
            weave_line<T>(to, from, stride, length, skew, finish, false);
            for (int64_t j = 0; j < stride; ++j) turned[j] = from[(skew + j) % stride] + (skew + j) / stride;
            to += skew;
            limit -= skew;
            from = turned;
            stream = false;  // the ends share cache lines with their neighbours, and those would have to be read
        }
        return weave_line<T>(to, from, stride, length, limit, finish, stream);
    }
    weave_line<T>(to, from, stride, length, limit, finish, false);
}

}  // namespace upweave::UPWEAVE_ISA
