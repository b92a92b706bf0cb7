// The extension module upweave._native: kernels as objects, memory as addresses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__linux__)
#include <unistd.h>
#endif

#include "direct.h"
#include "huge_pages.h"
#include "target.h"
#include "threads.h"

namespace nb = nanobind;
using namespace upweave;

namespace {

using Three = std::array<int64_t, 3>;

Geometry geometry(int64_t batch, int64_t groups, int64_t c_in, int64_t c_out, const Three& size, const Three& out,
                  const Three& kernel, const Three& stride, const Three& padding, const Three& dilation, int dtype,
                  bool channels_last, int direction, int activation, double slope) {
    if (dtype < 0 || dtype > 2 || direction < 0 || direction > 1 || activation < 0 || activation > 5)
        throw std::invalid_argument("native core: an enumeration is out of range");
    Geometry g{};
    g.batch = batch;
    g.groups = groups;
    g.c_in = c_in;
    g.c_out = c_out;
    for (int a = 0; a < 3; ++a) {
        g.size[a] = size[a];
        g.out[a] = out[a];
        g.kernel[a] = kernel[a];
        g.stride[a] = stride[a];
        g.padding[a] = padding[a];
        g.dilation[a] = dilation[a];
    }
    g.dtype = static_cast<Dtype>(dtype);
    g.channels_last = channels_last;
    g.direction = static_cast<Direction>(direction);
    g.activation = static_cast<Activation>(activation);
    g.slope = slope;
    return g;
}

const Target& target_named(const std::string& name) {
    const Target* t = find_target(name.c_str());
    if (!t) throw std::invalid_argument("native core: this processor or build has no target '" + name + "'");
    return *t;
}

int lanes(const Target& t, Dtype d) { return d == Dtype::float64 ? t.lanes_double : t.lanes_float; }
size_t sum_size(Dtype d) { return d == Dtype::float64 ? 8 : 4; }
size_t element_size(Dtype d) { return d == Dtype::float64 ? 8 : d == Dtype::float32 ? 4 : 2; }

// Weights in the order of one kernel.
struct Packed {
    std::unique_ptr<void, void (*)(void*)> memory{nullptr, std::free};
    int64_t bytes;
    bool finite = true;  // products with padding are skipped by definition; with an infinite weight 0 · ∞ would show

    explicit Packed(size_t size) : bytes(static_cast<int64_t>(size)) {
        memory.reset(std::aligned_alloc(64, (size + 64 + 63) / 64 * 64));
        if (!memory) throw std::bad_alloc();
        if (size > MANY_BYTES) huge_pages(memory.get(), size);
    }

    void check(Dtype dtype, int64_t count, int threads) {
        const int64_t part = 1 << 14, parts = (count + part - 1) / part;
        std::atomic<bool> all{true};
        parallel(parts, threads, std::max<int64_t>(1, parts / (8 * threads)), [&](int64_t i) {
            const char* at = static_cast<const char*>(memory.get()) + static_cast<size_t>(i * part) * sum_size(dtype);
            if (!all_finite(dtype, at, std::min(part, count - i * part))) all = false;
        });
        finite = all;
    }
};

int team(int threads) { return threads > 0 ? threads : default_threads(); }

template <class P> P* pointer(uint64_t address) { return reinterpret_cast<P*>(static_cast<uintptr_t>(address)); }

class Kernel {
public:
    Kernel(const std::string& target, const Geometry& geo, const Blocks& blocks)
        : target_(target_named(target)), tables_(make_tables(geo, blocks, lanes(target_, geo.dtype), target_.tile_height)) {
        int64_t positions = geo.batch;
        for (auto& a : tables_.axis) positions *= a.count;
        int64_t steps = 0;
        for (auto& g : tables_.groups) steps += g.phases * g.taps;
        work_ = static_cast<double>(steps) * static_cast<double>(tables_.reduce * tables_.produce * geo.groups) *
                static_cast<double>(positions);
        output_bytes_ = static_cast<size_t>(geo.batch * geo.groups * tables_.produce * tables_.out[0] * tables_.out[1] *
                                            tables_.out[2]) * element_size(geo.dtype);
    }

    Packed* pack(uint64_t weight, int threads) const {  // owned by the caller
        const size_t size = static_cast<size_t>(tables_.packed_size) * sum_size(tables_.geo.dtype);
        auto packed = std::make_unique<Packed>(size);
        nb::gil_scoped_release release;
        const int64_t units = tables_.geo.groups * tables_.block_count;
        const int many = size < (1 << 16) ? 1 : team(threads);
        parallel(units, many, std::max<int64_t>(1, units / 64),
                 [&](int64_t unit) { target_.pack(tables_, pointer<void>(weight), packed->memory.get(), unit, unit + 1); });
        packed->check(tables_.geo.dtype, tables_.packed_size, many);
        return packed.release();
    }

    // `packed` is what `pack` of a kernel with the same `layout` returned for this weight. True: the outputs are there.
    bool run(uint64_t source, uint64_t weight, const Packed& packed, uint64_t bias, uint64_t result, int threads) const {
        if (tables_.geo.batch == 0) return true;
        if (packed.bytes != static_cast<int64_t>(tables_.packed_size * sum_size(tables_.geo.dtype)))
            throw std::invalid_argument("native core: these weights were packed for another kernel");
        nb::gil_scoped_release release;
        const Arguments args{pointer<void>(source), packed.memory.get(), pointer<void>(bias), pointer<void>(result)};
        if (output_bytes_ >= MANY_BYTES) huge_pages(args.result, output_bytes_);
        if (!packed.finite) {
            direct(tables_.geo, args.source, pointer<void>(weight), args.bias, args.result, team(threads));
            return true;
        }
        const int64_t items = tables_.geo.groups * tables_.chunks * tables_.tiles;
        const int many = work_ < 2e5 ? 1 : team(threads);
        parallel(items, many, std::max<int64_t>(1, items / (16 * many)),
                 [&](int64_t item) { target_.run(tables_, args, item); });
        return true;
    }

    // Kernels with equal layouts read equally packed weights.
    std::string layout() const {
        std::string key = target_.name;
        if (tables_.by_tap) return key + "/by_tap#" + std::to_string(tables_.block_count);
        for (auto& g : tables_.groups) key += "/" + std::to_string(g.phases) + "x" + std::to_string(g.taps);
        for (int a = 0; a < 3; ++a)
            for (auto& g : tables_.axis[a].groups) {
                key += "|";
                for (auto& tap : g.tap)
                    for (int t : tap) key += std::to_string(t) + ",";
            }
        return key + "#" + std::to_string(tables_.block_count);
    }

    int64_t workspace() const {  // bytes a thread, but for lists of a few KiB
        return (tables_.panel_size + tables_.scratch_size) * static_cast<int64_t>(sum_size(tables_.geo.dtype));
    }
    int64_t items() const { return tables_.geo.groups * tables_.chunks * tables_.tiles; }
    const Tables& tables() const { return tables_; }

private:
    const Target& target_;
    Tables tables_;
    double work_;
    size_t output_bytes_;
};

// A unit of the weights, an item of the work; false where a number cannot be transformed.
bool pack_unit(const Target& t, const DepthwiseTables& form, const void* weight, void* packed, int64_t unit) {
    t.depthwise_pack(form, weight, packed, unit);
    return true;
}
bool pack_unit(const Target& t, const WinogradTables& form, const void* weight, void* packed, int64_t unit) {
    return t.winograd_pack(form, weight, packed, unit);
}
bool pack_unit(const Target& t, const WinogradRowTables& form, const void* weight, void* packed, int64_t unit) {
    return t.winograd_rows_pack(form, weight, packed, unit);
}
bool run_item(const Target& t, const DepthwiseTables& form, const Arguments& args, int64_t item) {
    t.depthwise_run(form, args, item);
    return true;
}
bool run_item(const Target& t, const WinogradTables& form, const Arguments& args, int64_t item) { return t.winograd_run(form, args, item); }
bool run_item(const Target& t, const WinogradRowTables& form, const Arguments& args, int64_t item) {
    return t.winograd_rows_run(form, args, item);
}

// The same in a form with tables of its own, which may have to give up.
template <class Form> class FormKernel {
public:
    FormKernel(const Target& target, const Form& tables) : target_(target), tables_(tables) {
        const Geometry& geo = tables_.geo;
        output_bytes_ = static_cast<size_t>(geo.batch * geo.groups * geo.c_out * geo.out[0] * geo.out[1] * geo.out[2]) * element_size(geo.dtype);
        packed_bytes_ = static_cast<size_t>(tables_.packed_size) * sum_size(geo.dtype);
    }

    Packed* pack(uint64_t weight, int threads) const {
        auto packed = std::make_unique<Packed>(packed_bytes_);
        nb::gil_scoped_release release;
        std::atomic<bool> tame{true};
        parallel(tables_.units(), packed_bytes_ < (1 << 16) ? 1 : team(threads), 1, [&](int64_t unit) {
            if (!pack_unit(target_, tables_, pointer<void>(weight), packed->memory.get(), unit)) tame = false;
        });
        packed->finite = tame;
        return packed.release();
    }

    // False if a weight or a sample is not finite, or so large that its sums may not be: the outputs are unusable then.
    bool run(uint64_t source, uint64_t, const Packed& packed, uint64_t bias, uint64_t result, int threads) const {
        if (tables_.geo.batch == 0) return true;
        if (packed.bytes != static_cast<int64_t>(packed_bytes_))
            throw std::invalid_argument("native core: these weights were packed for another kernel");
        if (!packed.finite) return false;
        nb::gil_scoped_release release;
        const Arguments args{pointer<void>(source), packed.memory.get(), pointer<void>(bias), pointer<void>(result)};
        if (output_bytes_ >= MANY_BYTES) huge_pages(args.result, output_bytes_);
        std::atomic<bool> tame{true};
        const int many = team(threads);
        parallel(tables_.items, many, std::max<int64_t>(1, tables_.items / (16 * many)), [&](int64_t item) {
            if (tame.load(std::memory_order_relaxed) && !run_item(target_, tables_, args, item)) tame = false;
        });
        return tame;
    }

    std::string layout() const { return std::string(target_.name) + "/" + tables_.layout(); }
    int64_t workspace() const { return tables_.workspace(); }
    int64_t items() const { return tables_.items; }

private:
    const Target& target_;
    Form tables_;
    size_t output_bytes_, packed_bytes_;
};
using DepthwiseKernel = FormKernel<DepthwiseTables>;
using WinogradKernel = FormKernel<WinogradTables>;
using WinogradRowKernel = FormKernel<WinogradRowTables>;

template <class Form> nb::class_<FormKernel<Form>> bind_form(nb::module_& m, const char* name) {
    typedef FormKernel<Form> K;
    return nb::class_<K>(m, name)
        .def("pack", &K::pack)
        .def("run", &K::run)
        .def_prop_ro("layout", &K::layout)
        .def_prop_ro("workspace", &K::workspace)
        .def_prop_ro("items", &K::items);
}

void weight_gradient(const std::string& target, const Geometry& geo, uint64_t x, uint64_t gy, uint64_t gw, int threads) {
    const Target& t = target_named(target);
    nb::gil_scoped_release release;
    threads = threads > 0 ? threads : default_threads();
    const size_t weights = static_cast<size_t>(geo.groups * geo.c_in * geo.c_out * geo.kernel[0] * geo.kernel[1] * geo.kernel[2]);
    if (geo.batch == 0) {
        std::memset(pointer<void>(gw), 0, weights * element_size(geo.dtype));
        return;
    }
    const int64_t parts = t.gradient_parts(geo, threads), items = t.gradient_items(geo, threads);
    std::vector<char> sums(parts > 1 ? weights * static_cast<size_t>(parts) * sum_size(geo.dtype) : 0);
    const WeightGradient w{geo, pointer<void>(x), pointer<void>(gy), parts > 1 ? sums.data() : pointer<void>(gw)};
    parallel(items, threads, 1, [&](int64_t item) { t.gradient(w, threads, item); });
    if (parts > 1) add_parts(geo.dtype, sums.data(), parts, static_cast<int64_t>(weights), pointer<void>(gw));
}

std::vector<std::string> target_names() {
    int count = 0;
    auto* list = targets(&count);
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back(list[i]->name);
    return names;
}

// A number that changes when the memory does, almost surely: 32 samples of 8 bytes spread over it.
uint64_t fingerprint(uint64_t address, int64_t bytes) {
    const char* at = pointer<char>(address);
    uint64_t mixed = static_cast<uint64_t>(bytes);
    const int64_t words = bytes / 8;
    for (int64_t i = 0; i < 32; ++i) {
        uint64_t word = 0;
        if (words > 0) std::memcpy(&word, at + (words - 1) * i / 31 * 8, 8);
        else std::memcpy(&word, at, static_cast<size_t>(bytes));
        mixed = (mixed ^ word) * 0x9E3779B97F4A7C15u;
        mixed ^= mixed >> 29;
    }
    return mixed;
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The native core of Upweave: transposed convolutions on memory. Use upweave.conv_transpose.";
    nb::class_<Geometry>(m, "Geometry")
        .def("__init__",
             [](Geometry* self, int64_t batch, int64_t groups, int64_t c_in, int64_t c_out, const Three& size, const Three& out,
                const Three& kernel, const Three& stride, const Three& padding, const Three& dilation, int dtype,
                bool channels_last, int direction, int activation, double slope) {
                 new (self) Geometry(geometry(batch, groups, c_in, c_out, size, out, kernel, stride, padding, dilation, dtype,
                                              channels_last, direction, activation, slope));
             });
    nb::class_<Packed>(m, "Packed")
        .def_prop_ro("nbytes", [](const Packed& p) { return p.bytes; })
        .def_prop_ro("finite", [](const Packed& p) { return p.finite; });
    nb::class_<Kernel>(m, "Kernel")
        .def("__init__",
             [](Kernel* self, const std::string& target, const Geometry& geo, bool images, bool rows, int64_t tile_rows, int64_t tile,
                int64_t channels, int64_t chunk) {
                 new (self) Kernel(target, geo, Blocks{images, rows, tile_rows, tile, channels, chunk});
             })
        .def("pack", &Kernel::pack)
        .def("run", &Kernel::run)
        .def_prop_ro("layout", &Kernel::layout)
        .def_prop_ro("workspace", &Kernel::workspace)
        .def_prop_ro("items", &Kernel::items)
        .def_prop_ro("block", [](const Kernel& k) { return k.tables().block; });
    bind_form<DepthwiseTables>(m, "DepthwiseKernel").def("__init__", [](DepthwiseKernel* self, const std::string& name, const Geometry& geo) {
        new (self) DepthwiseKernel(target_named(name), make_depthwise(geo));
    });
    bind_form<WinogradTables>(m, "WinogradKernel")
        .def("__init__",
             [](WinogradKernel* self, const std::string& name, const Geometry& geo, const Three& cells, int64_t tile_rows,
                int64_t tiles, int64_t shares, bool strassen) {
                 const Target& target = target_named(name);
                 const WinogradBlocks blocks{{cells[0], cells[1], cells[2]}, tile_rows, tiles, shares, strassen};
                 new (self) WinogradKernel(target, make_winograd_tables(geo, blocks, target.lanes_float));
             });
    bind_form<WinogradRowTables>(m, "WinogradRowKernel")
        .def("__init__",
             [](WinogradRowKernel* self, const std::string& name, const Geometry& geo, int64_t depth_cells, int64_t height_cells,
                int64_t tile_rows, int64_t tile, int64_t channels) {
                 const Target& target = target_named(name);
                 const WinogradRowBlocks blocks{{depth_cells, height_cells}, tile_rows, tile, channels};
                 new (self) WinogradRowKernel(target, make_winograd_rows(geo, blocks, target.lanes_float, target.tile_height));
             });
    m.def("weight_gradient", &weight_gradient);
    m.def("targets", &target_names);
    m.def("tile", [](const std::string& name) {
        const Target& t = target_named(name);
        return std::array<int, 3>{t.lanes_float, t.lanes_double, t.tile_height};
    });
    m.def("default_threads", &default_threads);
    m.def("pool", [] { return std::string(pool_name()); });
    m.def("fingerprint", &fingerprint);
}
