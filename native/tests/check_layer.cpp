// The small kernels of a layer: activations, sums, rotary positions, convolution, gated norm.
#include "check.h"

namespace vivace {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double activated(const ActivateArgs& a, double gate, double up) {
  switch (a.kind) {
    case Activation::silu: return gate * sigmoid(gate) * up;
    case Activation::gelu: return gate * 0.5 * (1 + std::erf(gate / std::sqrt(2.0))) * up;
    case Activation::gelu_tanh:
      return gate * 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate))) * up;
    case Activation::sigmoid: return sigmoid(gate) * up;
    case Activation::clipped: break;
  }
  double g = std::fmin(gate, a.limit), u = std::fmin(std::fmax(up, -a.limit), a.limit);
  return g * sigmoid(a.alpha * g) * (u + 1);
}

}  // namespace

void check_activate(const Kernels& kernels, Random& random) {
  int64_t rows = random.between(0, 4), dim = random.between(1, 90), stride = dim + random.between(0, 9);
  Type type = random.type(), out_type = random.type();
  auto kind = static_cast<Activation>(random.between(0, 4));
  bool has_up = kind == Activation::clipped || random.maybe();
  int64_t size = rows ? (rows - 1) * stride + dim : 0;
  Array gate = Array::normal(type, size, random, 3), up = Array::normal(type, size, random, 3);
  Array out(out_type, rows * dim, random);
  ActivateArgs args{gate.data(), has_up ? up.data() : nullptr, out.data(), rows, dim, stride, stride, dim, kind,
                    1.702f,      2.0f,                         type,       out_type};
  kernels.activate(args);
  std::vector<double> want;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = r * stride; i < r * stride + dim; i++)
      want.push_back(activated(args, gate[i], has_up ? up[i] : 1));
  compare("activation " + std::to_string(static_cast<int>(kind)), out, want, tolerance(out_type));
}

void check_add(const Kernels& kernels, Random& random) {
  int64_t size = random.between(0, 200);
  Array x = Array::normal(random.type(), size, random), y = Array::normal(random.type(), size, random);
  Array out(random.type(), size, random);
  kernels.add({x.data(), y.data(), out.data(), size, x.type(), y.type(), out.type()});
  std::vector<double> want;
  for (int64_t i = 0; i < size; i++) want.push_back(x[i] + y[i]);
  compare("add of " + std::to_string(size), out, want, tolerance(out.type()));
}

void check_rope(const Kernels& kernels, Random& random) {
  int64_t rows = random.between(1, 3), tokens = random.between(1, 9), dim = random.between(2, 70);
  int64_t dims = random.between(0, dim / 2) * 2, heads = random.between(1, 3);
  Type type = random.type(), out_type = random.type();
  bool traditional = random.maybe();
  float factor = random.any({1.0f, 1.2f});
  std::vector<int64_t> offsets(rows);
  std::vector<float> frequencies(dims / 2);
  for (int64_t& offset : offsets) offset = random.between(0, 5000);
  for (int64_t i = 0; i < dims / 2; i++)
    frequencies[i] = static_cast<float>(std::pow(1e4, -2.0 * static_cast<double>(i) / static_cast<double>(dims)));
  int64_t head = tokens * dim, row = heads * head;
  Array x = Array::normal(type, rows * row, random), out(out_type, rows * row, random);
  RopePart part{x.data(), out.data(), heads, row, head, dim, row, head, dim, type, out_type, false};
  kernels.rope({&part, 1, rows, tokens, dim, dims, offsets.data(), dims ? frequencies.data() : nullptr, factor,
                traditional});

  std::vector<double> want(x.size());
  for (int64_t i = 0; i < x.size(); i++) want[i] = x[i];
  for (int64_t at = 0; at < rows * heads * tokens; at++)
    for (int64_t i = 0; i < dims / 2; i++) {
      double angle = static_cast<double>(offsets[at / (heads * tokens)] + at % tokens) * frequencies[i];
      int64_t first = at * dim + (traditional ? 2 * i : i), second = first + (traditional ? 1 : dims / 2);
      want[first] = factor * (x[first] * std::cos(angle) - x[second] * std::sin(angle));
      want[second] = factor * (x[first] * std::sin(angle) + x[second] * std::cos(angle));
    }
  // An angle of 5,000 radians is known to 2^-12 in float32.
  compare("rope of " + std::to_string(dims) + " of " + std::to_string(dim), out, want,
          std::max(tolerance(out_type), 1e-3));
}

void check_conv(const Kernels& kernels, Random& random) {
  int64_t batch = random.between(1, 3), tokens = random.between(1, 20), channels = random.between(1, 70);
  int64_t width = random.between(1, 8), past = width - 1;
  Type type = random.type(), weight_type = random.type(), out_type = random.type();
  bool silu = random.maybe(), has_state = random.maybe(), has_bias = random.maybe(), has_mask = random.maybe();
  bool has_lengths = random.maybe();
  Array x = Array::normal(type, batch * tokens * channels, random), out(out_type, x.size(), random);
  Array state = Array::normal(type, batch * past * channels, random), new_state(type, state.size(), random);
  Array weight = Array::normal(weight_type, channels * width, random);
  Array bias = Array::normal(weight_type, channels, random);
  std::vector<uint8_t> mask(batch * tokens);
  std::vector<int32_t> lengths(batch);
  for (uint8_t& m : mask) m = random.maybe();
  for (int32_t& length : lengths) length = static_cast<int32_t>(random.between(0, tokens));
  int64_t row = tokens * channels;
  kernels.conv({x.data(), has_state ? state.data() : nullptr, weight.data(), has_bias ? bias.data() : nullptr,
                out.data(), new_state.data(), has_mask ? reinterpret_cast<const bool*>(mask.data()) : nullptr,
                has_lengths ? lengths.data() : nullptr, batch, tokens, channels, row, channels, row, channels,
                static_cast<int32_t>(width), silu, type, weight_type, out_type});

  auto input = [&](int64_t b, int64_t t, int64_t c) {  // t counts from the first of the state
    if (t < past) return has_state ? state[(b * past + t) * channels + c] : 0;
    t -= past;
    return !has_mask || mask[b * tokens + t] ? x[b * row + t * channels + c] : 0;
  };
  std::vector<double> want(x.size()), want_state(state.size());
  for (int64_t b = 0; b < batch; b++)
    for (int64_t c = 0; c < channels; c++) {
      for (int64_t t = 0; t < tokens; t++) {
        double sum = has_bias ? bias[c] : 0;
        for (int64_t j = 0; j < width; j++) sum += weight[c * width + j] * input(b, t + j, c);
        want[b * row + t * channels + c] = silu ? sum * sigmoid(sum) : sum;
      }
      int64_t end = has_lengths ? lengths[b] : tokens;
      for (int64_t t = 0; t < past; t++) want_state[(b * past + t) * channels + c] = input(b, end + t, c);
    }
  compare("conv of width " + std::to_string(width), out, want, tolerance(out_type));
  compare("state of conv", new_state, want_state, 0);
}

void check_gated_norm(const Kernels& kernels, Random& random) {
  int64_t tokens = random.between(0, 4), heads = random.between(1, 3), dim = random.between(1, 90), row = heads * dim;
  Type type = random.type(), gate_type = random.type(), weight_type = random.type();
  bool by_sigmoid = random.maybe();
  Array x = Array::normal(type, tokens * row, random), gate = Array::normal(gate_type, tokens * row, random);
  Array weight = Array::normal(weight_type, dim, random), out(gate_type, tokens * row, random);
  kernels.gated_norm({x.data(), gate.data(), weight.data(), out.data(), tokens, heads, dim, row, row, row, 1e-5f,
                      by_sigmoid, type, gate_type, weight_type});
  std::vector<double> want(x.size());
  for (int64_t h = 0; h < tokens * heads; h++) {
    double squares = 0;
    for (int64_t i = h * dim; i < (h + 1) * dim; i++) squares += x[i] * x[i] / static_cast<double>(dim);
    for (int64_t i = h * dim; i < (h + 1) * dim; i++)
      want[i] = x[i] / std::sqrt(squares + 1e-5) * weight[i - h * dim] * sigmoid(gate[i]) * (by_sigmoid ? 1 : gate[i]);
  }
  compare("gated_norm of " + std::to_string(dim), out, want, tolerance(gate_type));
}

}  // namespace vivace
