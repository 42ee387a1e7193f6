// Normal numbers from a counter, for the noise that a recurrent layer adds to its pre-activations; see engine/noise.py,
// which states the recipe. A number depends on the network's key, the layer, the step, the sequence and the unit alone.
#pragma once

#include "simd.hpp"

namespace {

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
INLINE std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;

// The standard normal quantile of (1 + x) / 2, for |x| <= 1 - 2^-23, within 1e-6: x times a polynomial in
// w = -log(1 - x^2), one where w is small and one for the tails. Both were fitted to the exact quantile.
template <class S>
INLINE typename S::F normal_quantile(typename S::F x) {
  using F = typename S::F;
  using I = typename S::I;
  const F v = (1.0f - x) * (1.0f + x);
  // v = 2^e m with m from 2/3 to 4/3; log m = 2 artanh((m - 1) / (m + 1))
  const I e = (S::bits(v) - 0x3f2aaaab) >> 23;
  const F m = S::bits(S::bits(v) - e * (1 << 23));
  const F s = (m - 1.0f) * S::reciprocal(m + 1.0f), q = s * s;
  const F series = 1.0f + q * (1.0f / 3.0f + q * (1.0f / 5.0f + q * (1.0f / 7.0f + q * (1.0f / 9.0f))));
  const F whole = S::bits(e + 0x4b400000) - 12582912.0f;  // e as a float: it sits in the lowest bits of 1.5 * 2^23
  const F w = whole * -0.69314718056f - 2.0f * s * series;
  const F near = w - 2.5f, far = w - 10.5f;
  F p = near * 3.293115716e-08f + 4.844032988e-07f;
  p = p * near + -4.897925261e-06f;
  p = p * near + -6.199391248e-06f;
  p = p * near + 3.087891681e-04f;
  p = p * near + -1.773068289e-03f;
  p = p * near + -5.907721253e-03f;
  p = p * near + 3.488027053e-01f;
  p = p * near + 2.123313479e+00f;
  F r = far * -5.554955167e-11f + 7.031413394e-10f;
  r = r * far + -2.757838155e-09f;
  r = r * far + -6.254446550e-09f;
  r = r * far + 4.351640270e-07f;
  r = r * far + -1.071880254e-05f;
  r = r * far + 2.199148352e-04f;
  r = r * far + -5.038157239e-03f;
  r = r * far + 2.193426733e-01f;
  r = r * far + 4.347583716e+00f;
  return x * (w < 5.0f ? p : r);
}

// Add noise to one step of a layer, [units][width]. stem: of the key, the layer and the step; scale: of each unit, padded
// to whole vectors; first: the slice's first sequence.
template <class Z>
void add_noise(float* to, std::int64_t units, std::uint64_t stem, const float* scale, std::int64_t first) {
  using S = typename Z::S;
  using F = typename S::F;
  using U = typename S::U;
  const std::uint32_t low = static_cast<std::uint32_t>(stem), high = static_cast<std::uint32_t>(stem >> 32);
  const auto add = [&](float* at, U position, F size) {
    U x = position + low;
    x = (x ^ (x >> 16)) * 0x7feb352du ^ high;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    x ^= x >> 16;
    // odd multiples of 2^-23 between -1 and 1, by way of a number from 1 to 2; each sum is exact
    const F uniform = (S::bits((typename S::I)((x >> 9) | 0x3f800000u)) * 2.0f - 3.0f) + 0x1p-23f;
    S::store(at, S::load(at) + size * normal_quantile<S>(uniform));
  };
  U lanes;
  for (int lane = 0; lane < S::lanes; ++lane) lanes[lane] = static_cast<std::uint32_t>(lane);
  if constexpr (Z::width == 1) {
    const U row = lanes + static_cast<std::uint32_t>(first * units);
    for (std::int64_t unit = 0; unit < units; unit += S::lanes)
      add(to + unit, row + static_cast<std::uint32_t>(unit), S::load(scale + unit));
  } else {
    for (int lane = 0; lane < Z::width; lane += S::lanes) {
      U position = (lanes + static_cast<std::uint32_t>(first + lane)) * static_cast<std::uint32_t>(units);
      for (std::int64_t unit = 0; unit < units; ++unit, position += 1)
        add(to + unit * Z::width + lane, position, S::broadcast(scale[unit]));
    }
  }
}

}  // namespace
