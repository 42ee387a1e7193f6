// What the three kinds of cells do with their gates, element by element, forward and backward.
//
// forward() takes the gates' pre-activations and leaves in their place what backward() needs; backward() replaces that
// by the gradients of the pre-activations. `above` is the gradient that reaches h from the layer above, `dh` (and, LSTM,
// `dc`) the one from the next step; backward() leaves in them what passes to the previous step *around* the gates.
#pragma once

#include "activations.hpp"
#include "products.hpp"

namespace {

struct Moment {
  float* gates;         // [kept][H][width]
  const float* h_before;
  const float* c_before;
  float* h;             // [H][width]
  float* c;
};

template <class Z>
struct Lstm {
  using S = typename Z::S;
  static constexpr int gates = 4, kept = 4;  // i, f, g, o
  static constexpr bool has_cell = true;

  static void forward(std::int64_t hidden, const Moment& m) {
    const std::int64_t size = Z::block(hidden);
    float *i = m.gates, *f = i + size, *g = f + size, *o = g + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto input = sigmoid<S>(S::load(i + e)), forget = sigmoid<S>(S::load(f + e));
      const auto candidate = hyperbolic_tangent<S>(S::load(g + e)), output = sigmoid<S>(S::load(o + e));
      const auto c = forget * S::load(m.c_before + e) + input * candidate;
      S::store(i + e, input);
      S::store(f + e, forget);
      S::store(g + e, candidate);
      S::store(o + e, output);
      S::store(m.c + e, c);
      S::store(m.h + e, output * hyperbolic_tangent<S>(c));
    }
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float* dc) {
    const std::int64_t size = Z::block(hidden);
    float *i = m.gates, *f = i + size, *g = f + size, *o = g + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto input = S::load(i + e), forget = S::load(f + e), candidate = S::load(g + e), output = S::load(o + e);
      const auto squashed = hyperbolic_tangent<S>(S::load(m.c + e));
      const auto d_h = S::load(above + e) + S::load(dh + e);
      const auto d_c = S::load(dc + e) + d_h * output * (1.0f - squashed * squashed);
      S::store(i + e, d_c * candidate * input * (1.0f - input));
      S::store(f + e, d_c * S::load(m.c_before + e) * forget * (1.0f - forget));
      S::store(g + e, d_c * input * (1.0f - candidate * candidate));
      S::store(o + e, d_h * squashed * output * (1.0f - output));
      S::store(dh + e, typename S::F{});
      S::store(dc + e, d_c * forget);
    }
  }
};

template <class Z>
struct Gru {
  using S = typename Z::S;
  static constexpr int gates = 3, kept = 4;  // r, z, n's input half (then n itself), n's recurrent half
  static constexpr bool has_cell = false;

  static void forward(std::int64_t hidden, const Moment& m) {
    const std::int64_t size = Z::block(hidden);
    float *r = m.gates, *z = r + size, *n = z + size, *recurrent = n + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto reset = sigmoid<S>(S::load(r + e)), update = sigmoid<S>(S::load(z + e));
      const auto candidate = hyperbolic_tangent<S>(S::load(n + e) + reset * S::load(recurrent + e));
      S::store(r + e, reset);
      S::store(z + e, update);
      S::store(n + e, candidate);
      S::store(m.h + e, candidate + update * (S::load(m.h_before + e) - candidate));
    }
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float*) {
    const std::int64_t size = Z::block(hidden);
    float *r = m.gates, *z = r + size, *n = z + size, *recurrent = n + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto reset = S::load(r + e), update = S::load(z + e), candidate = S::load(n + e);
      const auto d_h = S::load(above + e) + S::load(dh + e);
      const auto d_n = d_h * (1.0f - update) * (1.0f - candidate * candidate);
      S::store(z + e, d_h * (S::load(m.h_before + e) - candidate) * update * (1.0f - update));
      S::store(r + e, d_n * S::load(recurrent + e) * reset * (1.0f - reset));
      S::store(n + e, d_n);
      S::store(recurrent + e, d_n * reset);
      S::store(dh + e, d_h * update);
    }
  }
};

template <class Z, bool Relu>
struct Elman {
  using S = typename Z::S;
  static constexpr int gates = 1, kept = 1;
  static constexpr bool has_cell = false;

  static void forward(std::int64_t hidden, const Moment& m) {
    for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) {
      const auto x = S::load(m.gates + e);
      if constexpr (Relu) S::store(m.h + e, x < 0.0f ? typename S::F{} : x);
      else S::store(m.h + e, hyperbolic_tangent<S>(x));
    }
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float*) {
    for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) {
      const auto h = S::load(m.h + e), d_h = S::load(above + e) + S::load(dh + e);
      if constexpr (Relu) S::store(m.gates + e, h <= 0.0f ? typename S::F{} : d_h);
      else S::store(m.gates + e, d_h * (1.0f - h * h));
      S::store(dh + e, typename S::F{});
    }
  }
};

}  // namespace
