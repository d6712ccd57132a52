// Each file of ops/ adds its functions to the module.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

namespace vivace {

namespace nb = nanobind;

void bind_norm(nb::module_& module);
void bind_draw(nb::module_& module);
void bind_packed(nb::module_& module);
void bind_parts(nb::module_& module);
void bind_mlp(nb::module_& module);
void bind_attention_block(nb::module_& module);
void bind_delta_block(nb::module_& module);
void bind_dense(nb::module_& module);
void bind_gather(nb::module_& module);
void bind_sample(nb::module_& module);
void bind_quantized(nb::module_& module);
void bind_attention(nb::module_& module);
void bind_activate(nb::module_& module);
void bind_rope(nb::module_& module);
void bind_conv(nb::module_& module);
void bind_gated_delta(nb::module_& module);

}  // namespace vivace
