// exp, sigmoid and tanh of vectors, accurate to a few ulp relative (also where they saturate); NaN in gives NaN out.
#pragma once

#include "simd.hpp"

namespace {

template <class S>
INLINE typename S::F exponential(typename S::F x) {
  using F = typename S::F;
  using I = typename S::I;
  x = S::clamp(x, -87.0f, 88.0f);
  // x = n ln 2 + r with n whole: adding 1.5 * 2^23 rounds to a whole number, which then sits in the lowest bits
  const F shifted = x * 1.44269504088896341f + 12582912.0f;
  const F n = shifted - 12582912.0f;
  const F r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  const I exponent = (S::bits(shifted) << 23) + 0x3f800000;
  return p * S::bits(exponent);
}

template <class S>
INLINE typename S::F sigmoid(typename S::F x) {
  return S::reciprocal(1.0f + exponential<S>(S::clamp(-x, -80.0f, 80.0f)));
}

// A rational approximation (odd degree 13 over even degree 6), the minimax fit used by Eigen.
template <class S>
INLINE typename S::F hyperbolic_tangent(typename S::F x) {
  using F = typename S::F;
  x = S::clamp(x, -7.90531110763549805f, 7.90531110763549805f);
  const F y = x * x;
  F p = y * -2.76076847742355e-16f + 2.00018790482477e-13f;
  p = p * y + -8.60467152213735e-11f;
  p = p * y + 5.12229709037114e-08f;
  p = p * y + 1.48572235717979e-05f;
  p = p * y + 6.37261928875436e-04f;
  p = p * y + 4.89352455891786e-03f;
  F q = y * 1.19825839466702e-06f + 1.18534705686654e-04f;
  q = q * y + 2.26843463243900e-03f;
  q = q * y + 4.89352518554385e-03f;
  return x * p * S::reciprocal(q);
}

}  // namespace
