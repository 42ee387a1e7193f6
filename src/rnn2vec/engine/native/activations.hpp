// exp, sigmoid, tanh and softplus of vectors, accurate to a few ulp relative (also where they saturate), and what
// gradients pass through; NaN in gives NaN out.
#pragma once

#include "architecture.hpp"
#include "simd.hpp"

namespace {

// Of x from -87 to 88.
template <class S>
INLINE typename S::F exponential_within(typename S::F x) {
  using F = typename S::F;
  using I = typename S::I;
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
INLINE typename S::F exponential(typename S::F x) {
  return exponential_within<S>(S::clamp(x, -87.0f, 88.0f));
}

template <class S>
INLINE typename S::F sigmoid(typename S::F x) {
  return S::reciprocal(1.0f + exponential_within<S>(S::clamp(-x, -80.0f, 80.0f)));
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

// log(1 + exp(x)) = max(x, 0) + log(1 + z), z = exp(-|x|), by the series of 2 artanh(z / (2 + z)).
template <class S>
INLINE typename S::F softplus(typename S::F x) {
  using F = typename S::F;
  const F z = exponential<S>(x < 0.0f ? x : -x);
  const F s = z / (2.0f + z), q = s * s;
  F p = q * (1.0f / 15.0f) + (1.0f / 13.0f);
  p = p * q + (1.0f / 11.0f);
  p = p * q + (1.0f / 9.0f);
  p = p * q + (1.0f / 7.0f);
  p = p * q + (1.0f / 5.0f);
  p = p * q + (1.0f / 3.0f);
  p = p * q + 1.0f;
  return (x > 0.0f ? x : F{}) + 2.0f * s * p;
}

// Nonlinearities: their value, and the gradient d passed back through them, where y was their value.
template <class S>
struct Identity {
  using F = typename S::F;
  static INLINE F value(F x) { return x; }
  static INLINE F pull(F d, F) { return d; }
};

template <class S>
struct Tanh {
  using F = typename S::F;
  static INLINE F value(F x) { return hyperbolic_tangent<S>(x); }
  static INLINE F pull(F d, F y) { return d * (1.0f - y * y); }
};

template <class S>
struct Relu {
  using F = typename S::F;
  static INLINE F value(F x) { return x < 0.0f ? F{} : x; }
  static INLINE F pull(F d, F y) { return y <= 0.0f ? F{} : d; }
};

template <class S>
struct Sigmoid {
  using F = typename S::F;
  static INLINE F value(F x) { return sigmoid<S>(x); }
  static INLINE F pull(F d, F y) { return d * y * (1.0f - y); }
};

template <class S>
struct Softplus {
  using F = typename S::F;
  static INLINE F value(F x) { return softplus<S>(x); }
  // The slope is 1 - exp(-y); for a small y by its series, where that would cancel.
  static INLINE F pull(F d, F y) {
    const F series = y * (1.0f - y * (1.0f / 2.0f) * (1.0f - y * (1.0f / 3.0f) * (1.0f - y * (1.0f / 4.0f))));
    return d * (y < 0.05f ? series : 1.0f - exponential<S>(-y));
  }
};

// Call action with the nonlinearity that fits.
template <class S, class Action>
void with_activation(rnn2vec::Activation activation, const Action& action) {
  switch (activation) {
    case rnn2vec::Activation::identity: return action(Identity<S>{});
    case rnn2vec::Activation::tanh: return action(Tanh<S>{});
    case rnn2vec::Activation::relu: return action(Relu<S>{});
    case rnn2vec::Activation::sigmoid: return action(Sigmoid<S>{});
    case rnn2vec::Activation::softplus: return action(Softplus<S>{});
  }
}

}  // namespace
