// The native core without Python: random layers on every instruction set of this processor, against the definition.
//
// For machines that are only emulated: `python -m scripts.cross` compiles it for another processor and runs it.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "direct.h"
#include "target.h"

using namespace upweave;

namespace {

std::mt19937 random_bits(1);
int64_t between(int64_t a, int64_t b) { return a + static_cast<int64_t>(random_bits() % static_cast<uint32_t>(b - a + 1)); }

Geometry random_geometry() {
    Geometry g{};
    const int64_t rank = between(1, 3);
    g.batch = between(1, 3);
    g.groups = between(1, 3);
    g.c_in = between(1, 20);
    g.c_out = between(1, 20);
    for (int a = 0; a < 3; ++a) {
        const bool used = a >= 3 - rank;
        g.size[a] = used ? between(1, rank == 1 ? 70 : 7) : 1;
        g.kernel[a] = used ? between(1, 6) : 1;
        g.stride[a] = used ? between(1, rank == 1 ? 9 : 4) : 1;
        g.dilation[a] = used ? between(1, 3) : 1;
        const int64_t full = g.stride[a] * (g.size[a] - 1) + g.dilation[a] * (g.kernel[a] - 1) + 1;
        g.padding[a] = used ? between(0, (full - 1) / 2) : 0;
        g.out[a] = full - 2 * g.padding[a] + (used ? between(0, g.stride[a] - 1) : 0);
    }
    g.channels_last = between(0, 1);
    g.slope = 0.1;
    return g;
}

template <class T> std::vector<T> random_values(int64_t count) {
    std::normal_distribution<double> normal;
    std::vector<T> v(static_cast<size_t>(count));
    for (auto& x : v) x = static_cast<T>(normal(random_bits));
    return v;
}

// ‖got − want‖ / ‖want‖, as far as the norm is no accident.
template <class T> double distance(const std::vector<T>& got, const std::vector<T>& want) {
    double off = 0, norm = 0;
    for (size_t i = 0; i < got.size(); ++i) {
        off += std::pow(double(got[i]) - double(want[i]), 2);
        norm += std::pow(double(want[i]), 2);
    }
    return std::sqrt(off / std::fmax(norm, 0.25 * static_cast<double>(got.size())));
}

int64_t volume(const int64_t* v) { return v[0] * v[1] * v[2]; }

template <class T> double layer(const Target& t, Geometry g, bool rows) {
    const bool forward = g.direction == Direction::forward;
    const int64_t reduce = forward ? g.c_in : g.c_out, produce = forward ? g.c_out : g.c_in;
    const auto source = random_values<T>(g.batch * g.groups * reduce * volume(forward ? g.size : g.out));
    const auto weight = random_values<T>(g.groups * g.c_in * g.c_out * volume(g.kernel));
    const auto bias = random_values<T>(g.groups * produce);
    const int lanes = sizeof(T) == 8 ? t.lanes_double : t.lanes_float;
    const int64_t tile = rows ? between(1, 40) : lanes * between(1, 4);
    const Tables tables = make_tables(g, {rows, rows ? between(1, 3) : 1, tile, between(1, reduce), between(1, produce)},
                                      lanes, t.tile_height);
    std::vector<T> want(static_cast<size_t>(g.batch * g.groups * produce * volume(forward ? g.out : g.size)));
    std::vector<T> got(want.size(), T(77)), packed(static_cast<size_t>(tables.packed_size) + 64);
    const int64_t units = g.groups * tables.block_count;
    const auto aligned = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(packed.data()) + 63) / 64 * 64);
    t.pack(tables, weight.data(), aligned, 0, units);
    const Arguments arguments{source.data(), aligned, bias.data(), got.data()};
    for (int64_t item = 0; item < g.groups * tables.chunks * tables.tiles; ++item) t.run(tables, arguments, item);
    direct(g, source.data(), weight.data(), bias.data(), want.data(), 1);
    return distance(got, want);
}

template <class T> double weight_gradient(const Target& t, Geometry g) {
    g.channels_last = false;
    const int64_t in = volume(g.size), out = volume(g.out), taps = volume(g.kernel), number = g.groups * g.c_in * g.c_out * taps;
    const auto x = random_values<T>(g.batch * g.groups * g.c_in * in), gy = random_values<T>(g.batch * g.groups * g.c_out * out);
    std::vector<double> want(static_cast<size_t>(number));
    for (int64_t w = 0; w < number; ++w) {
        const int64_t tap = w % taps, co = w / taps % g.c_out, ci = w / taps / g.c_out;  // ci over all groups
        const int64_t to = ci / g.c_in * g.c_out + co;
        const int64_t k[3] = {tap / (g.kernel[1] * g.kernel[2]), tap / g.kernel[2] % g.kernel[1], tap % g.kernel[2]};
        for (int64_t n = 0; n < g.batch; ++n)
            for (int64_t i = 0; i < in; ++i) {
                const int64_t from[3] = {i / (g.size[1] * g.size[2]), i / g.size[2] % g.size[1], i % g.size[2]};
                int64_t at = 0;
                bool inside = true;
                for (int a = 0; a < 3; ++a) {
                    const int64_t o = g.stride[a] * from[a] + g.dilation[a] * k[a] - g.padding[a];
                    inside = inside && o >= 0 && o < g.out[a];
                    at = at * g.out[a] + o;
                }
                if (inside)
                    want[w] += double(x[(n * g.groups * g.c_in + ci) * in + i]) * gy[(n * g.groups * g.c_out + to) * out + at];
            }
    }
    const int threads = static_cast<int>(between(1, 4));
    const int64_t parts = t.gradient_parts(g, threads);
    std::vector<T> sums(static_cast<size_t>(parts * number)), got(static_cast<size_t>(number));
    const WeightGradient w{g, x.data(), gy.data(), sums.data()};
    for (int64_t item = 0; item < t.gradient_items(g, threads); ++item) t.gradient(w, threads, item);
    add_parts(g.dtype, sums.data(), parts, number, got.data());
    return distance(got, std::vector<T>(want.begin(), want.end()));
}

template <class T> int run(const Target& t, Dtype dtype, double limit) {
    int wrong = 0, all = 0;
    for (int i = 0; i < 150; ++i) {
        Geometry g = random_geometry();
        g.dtype = dtype;
        const bool strided = g.stride[0] * g.stride[1] * g.stride[2] > 1;
        for (int what = 0; what < 5; ++what) {
            if (what == 3 && strided) continue;  // a strided convolution reads no rows
            g.direction = what < 2 ? Direction::forward : Direction::grad_input;
            g.activation = static_cast<Activation>(what < 2 ? between(0, 5) : 0);
            const double off = what < 4 ? layer<T>(t, g, what % 2) : weight_gradient<T>(t, g);
            ++all;
            if (!(off < limit)) {
                std::printf("%s, layer %d, %s: off by %g\n", t.name, i,
                            (const char*[]){"forward, offsets", "forward, rows", "input's gradient, offsets",
                                            "input's gradient, rows", "weight's gradient"}[what], off);
                ++wrong;
            }
        }
    }
    std::printf("%s, %s: %d of %d wrong\n", t.name, dtype == Dtype::float32 ? "float32" : "float64", wrong, all);
    return wrong;
}

}  // namespace

int main() {
    int count = 0, wrong = 0;
    const Target* const* list = targets(&count);
    for (int i = 0; i < count; ++i)
        wrong += run<float>(*list[i], Dtype::float32, 2e-6) + run<double>(*list[i], Dtype::float64, 1e-13);
    return wrong != 0;
}
