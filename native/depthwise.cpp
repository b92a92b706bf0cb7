#include "depthwise.h"

#include <algorithm>

#include "counting.h"

namespace upweave {

DepthwiseTables make_depthwise(const Geometry& geo) {
    require(geo.direction == Direction::forward, "the depthwise form goes forward");
    require(geo.channels_last, "the depthwise form has channels last");
    require(geo.c_in == 1 && geo.c_out == 1, "the depthwise form has one channel in and one out in each group");
    require(geo.batch >= 0 && geo.groups > 0, "batch or channels");
    DepthwiseTables t{};
    t.geo = geo;
    t.channels = geo.groups;
    for (int a = 0; a < 3; ++a) {
        require(geo.size[a] >= 1 && geo.out[a] >= 1 && geo.kernel[a] >= 1 && geo.stride[a] >= 1 && geo.dilation[a] >= 1,
                "a size, kernel, stride or dilation below 1");
        const AxisPhases phases = phases_of(geo.size[a], geo.out[a], geo.kernel[a], geo.stride[a], geo.padding[a], geo.dilation[a],
                                            Direction::forward, false);
        DepthwiseTables::Axis& axis = t.axis[a];
        axis = {geo.size[a], geo.out[a], phases.step_out, std::vector<std::vector<DepthwiseTables::Tap>>(phases.phases)};
        for (int64_t r = 0; r < phases.phases; ++r) {
            if (phases.group[r] < 0) continue;
            const AxisPhases::Group& group = phases.groups[phases.group[r]];
            for (size_t j = 0; j < group.offset.size(); ++j)
                axis.taps[r].push_back({phases.offsets[group.offset[j]], group.tap[phases.index[r]][j]});
        }
    }
    const int64_t count = ceil_div(t.axis[2].out, t.axis[2].step);
    t.parts = ceil_div(count, 256);
    t.positions = ceil_div(count, t.parts);
    t.items = geo.batch * t.axis[0].out * t.axis[1].out * t.parts;
    t.packed_size = t.units() * t.channels;
    return t;
}

}  // namespace upweave
