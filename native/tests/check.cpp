#include "check.h"

#include <atomic>
#include <cstdio>
#include <limits>

namespace vivace {
namespace {

std::atomic<int> failed{0};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double decode_half(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude = exponent == 31  ? (fraction ? kNan : std::numeric_limits<double>::infinity())
                     : exponent == 0 ? std::ldexp(fraction, -24)
                                     : std::ldexp(fraction + 1024, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

uint16_t encode_half(double value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(value);
  if (std::isnan(value)) return 0x7E00;
  if (magnitude >= 65520) return sign | 0x7C00;
  if (magnitude < 0x1p-14) return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24)));
  int exponent;
  double fraction = std::frexp(magnitude, &exponent);  // 0.5 to 1
  return sign | static_cast<uint16_t>(((exponent + 14) << 10) + std::nearbyint((fraction * 2 - 1) * 1024));
}

}  // namespace

double decode(Type type, const void* from) {
  if (type == Type::f32) {
    float value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  if (type == Type::f16) return decode_half(bits);
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  return decode(Type::f32, &wide);
}

void encode(Type type, double value, void* to) {
  if (type == Type::f32) {
    float narrow = static_cast<float>(value);
    std::memcpy(to, &narrow, sizeof narrow);
    return;
  }
  uint16_t bits;
  if (type == Type::f16) {
    bits = encode_half(value);
  } else {
    float narrow = static_cast<float>(value);
    uint32_t wide;
    std::memcpy(&wide, &narrow, sizeof wide);
    bits = static_cast<uint16_t>((wide + 0x7FFF + (wide >> 16 & 1)) >> 16);
  }
  std::memcpy(to, &bits, sizeof bits);
}

double tolerance(Type type) { return type == Type::f32 ? 2e-5 : type == Type::f16 ? 2e-3 : 1.6e-2; }

void compare(const std::string& what, const Array& got, const std::vector<double>& want, double limit) {
  double squares = 0;
  for (double value : want)
    if (std::isfinite(value)) squares += value * value;
  double scale = std::sqrt(squares / static_cast<double>(want.empty() ? 1 : want.size()));
  expect(got.size() == static_cast<int64_t>(want.size()), what + ": another size");
  for (int64_t i = 0; i < got.size(); i++) {
    double have = got[i], need = want[i];
    if (std::isnan(need) ? std::isnan(have) : have == need) continue;
    if (std::fabs(have - need) <= limit * (scale + std::fabs(need))) continue;
    return expect(false, what + ": [" + std::to_string(i) + "] is " + std::to_string(have) + ", not " +
                             std::to_string(need));
  }
}

void expect(bool good, const std::string& what) {
  if (good) return;
  failed++;
  std::fprintf(stderr, "%s\n", what.c_str());
}

int failures() { return failed; }

}  // namespace vivace
