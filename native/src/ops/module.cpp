#include "mlx/version.h"
#include "ops/bindings.h"
#include "runtime/level.h"
#include "runtime/pool.h"

NB_MODULE(_native, module) {
  using namespace nanobind::literals;
  module.doc() = "Kernels for MLX on a CPU.";
  module.attr("built_for_mlx") = std::to_string(MLX_VERSION_MAJOR) + "." + std::to_string(MLX_VERSION_MINOR) + "." +
                                 std::to_string(MLX_VERSION_PATCH);
  module.def("level", &vivace::level, "The instruction set in use.");
  module.def("levels", &vivace::levels, "Those that this processor can use, the best first.");
  module.def("set_level", &vivace::set_level, "name"_a, "Use another instruction set; ValueError if it cannot be.");
  module.def("threads", &vivace::threads, "Threads that compute, the caller included.");
  module.def("set_threads", &vivace::set_threads, "count"_a, nanobind::call_guard<nanobind::gil_scoped_release>());
  vivace::bind_norm(module);
  vivace::bind_draw(module);
  vivace::bind_packed(module);
  vivace::bind_parts(module);
  vivace::bind_mlp(module);
  vivace::bind_attention_block(module);
  vivace::bind_delta_block(module);
  vivace::bind_dense(module);
  vivace::bind_gather(module);
  vivace::bind_sample(module);
  vivace::bind_quantized(module);
  vivace::bind_attention(module);
  vivace::bind_activate(module);
  vivace::bind_rope(module);
  vivace::bind_conv(module);
  vivace::bind_gated_delta(module);
}
