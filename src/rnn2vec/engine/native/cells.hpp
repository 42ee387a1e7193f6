// What the kinds of cells do with their gates, element by element, forward and backward.
//
// forward() takes the gates' pre-activations and leaves in their place what backward() needs; backward() replaces that
// by the gradients of the pre-activations. `above` is the gradient that reaches h from the layer above, `dh` (and `dc`
// or `dv`, of what is inner) the one from the next step; backward() leaves in them what passes to the previous step
// *around* the gates.
#pragma once

#include "activations.hpp"
#include "products.hpp"

namespace {

struct Moment {
  float* gates;               // [kept][H][width]
  const float* h_before;
  const float* inner_before;
  float* h;                   // [H][width]: what the next step and the layer above read
  float* inner;               // an LSTM's c, the v of a leaky cell with its leak outside
  const float* leak;
  rnn2vec::Activation nonlinearity;  // of an Elman or leaky cell
};

// What the recurrent product of the last gate reads or gives: h like the others; a half that is kept apart; or h times
// the reset gate.
enum class Recurrent { together, apart, gated };

template <class Z>
struct Lstm {
  using S = typename Z::S;
  static constexpr int gates = 4;  // i, f, g, o
  static constexpr Recurrent recurrent = Recurrent::together;
  static constexpr bool has_inner = true, is_leaky = false;

  static void forward(std::int64_t hidden, const Moment& m) {
    const std::int64_t size = Z::block(hidden);
    float *i = m.gates, *f = i + size, *g = f + size, *o = g + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto input = sigmoid<S>(S::load(i + e)), forget = sigmoid<S>(S::load(f + e));
      const auto candidate = hyperbolic_tangent<S>(S::load(g + e)), output = sigmoid<S>(S::load(o + e));
      const auto c = forget * S::load(m.inner_before + e) + input * candidate;
      S::store(i + e, input);
      S::store(f + e, forget);
      S::store(g + e, candidate);
      S::store(o + e, output);
      S::store(m.inner + e, c);
      S::store(m.h + e, output * hyperbolic_tangent<S>(c));
    }
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float* dc) {
    const std::int64_t size = Z::block(hidden);
    float *i = m.gates, *f = i + size, *g = f + size, *o = g + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto input = S::load(i + e), forget = S::load(f + e), candidate = S::load(g + e), output = S::load(o + e);
      const auto squashed = hyperbolic_tangent<S>(S::load(m.inner + e));
      const auto d_h = S::load(above + e) + S::load(dh + e);
      const auto d_c = S::load(dc + e) + d_h * output * (1.0f - squashed * squashed);
      S::store(i + e, d_c * candidate * input * (1.0f - input));
      S::store(f + e, d_c * S::load(m.inner_before + e) * forget * (1.0f - forget));
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
  static constexpr int gates = 3;  // r, z, n's input half (then n itself); kept, too: n's recurrent half
  static constexpr Recurrent recurrent = Recurrent::apart;
  static constexpr bool has_inner = false, is_leaky = false;

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

template <class Z>
struct GruResetBefore {
  using S = typename Z::S;
  static constexpr int gates = 3;  // r, z, n; kept, too: r h, which n's recurrent product reads
  static constexpr Recurrent recurrent = Recurrent::gated;
  static constexpr bool has_inner = false, is_leaky = false;

  // Between the gates r and z and the last one.
  static void reset(std::int64_t hidden, const Moment& m) {
    const std::int64_t size = Z::block(hidden);
    float *r = m.gates, *read = r + 3 * size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto reset = sigmoid<S>(S::load(r + e));
      S::store(r + e, reset);
      S::store(read + e, reset * S::load(m.h_before + e));
    }
  }

  static void forward(std::int64_t hidden, const Moment& m) {
    const std::int64_t size = Z::block(hidden);
    float *z = m.gates + size, *n = z + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto update = sigmoid<S>(S::load(z + e)), candidate = hyperbolic_tangent<S>(S::load(n + e));
      S::store(z + e, update);
      S::store(n + e, candidate);
      S::store(m.h + e, candidate + update * (S::load(m.h_before + e) - candidate));
    }
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float*) {
    const std::int64_t size = Z::block(hidden);
    float *z = m.gates + size, *n = z + size;
    for (std::int64_t e = 0; e < size; e += S::lanes) {
      const auto update = S::load(z + e), candidate = S::load(n + e), d_h = S::load(above + e) + S::load(dh + e);
      S::store(z + e, d_h * (S::load(m.h_before + e) - candidate) * update * (1.0f - update));
      S::store(n + e, d_h * (1.0f - update) * (1.0f - candidate * candidate));
      S::store(dh + e, d_h * update);
    }
  }

  // read: gradient of r h
  static void reset_backward(std::int64_t hidden, const Moment& m, const float* read, float* dh) {
    for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) {
      const auto reset = S::load(m.gates + e), d = S::load(read + e);
      S::store(m.gates + e, d * S::load(m.h_before + e) * reset * (1.0f - reset));
      S::store(dh + e, S::load(dh + e) + d * reset);
    }
  }
};

template <class Z>
struct Elman {
  using S = typename Z::S;
  static constexpr int gates = 1;
  static constexpr Recurrent recurrent = Recurrent::together;
  static constexpr bool has_inner = false, is_leaky = false;

  static void forward(std::int64_t hidden, const Moment& m) {
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) S::store(m.h + e, f.value(S::load(m.gates + e)));
    });
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float*) {
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) {
        const auto d_h = S::load(above + e) + S::load(dh + e);
        S::store(m.gates + e, f.pull(d_h, S::load(m.h + e)));
        S::store(dh + e, typename S::F{});
      }
    });
  }
};

// v <- v + a (W f(v) + U x + b - v); what is read is h = f(v).
template <class Z>
struct LeakyOutside {
  using S = typename Z::S;
  static constexpr int gates = 1;  // the drive W f(v) + U x + b; kept, too: the gradient of a
  static constexpr Recurrent recurrent = Recurrent::together;
  static constexpr bool has_inner = true, is_leaky = true;

  // What is read of a state that was given, before the first moment.
  static void read(std::int64_t size, const Moment& m, float* h) {
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < size; e += S::lanes) S::store(h + e, f.value(S::load(m.inner_before + e)));
    });
  }

  // The gradient of that state, in dv.
  static void read_backward(std::int64_t size, const Moment& m, const float* dh, float* dv) {
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < size; e += S::lanes)
        S::store(dv + e, S::load(dv + e) + f.pull(S::load(dh + e), S::load(m.h_before + e)));
    });
  }

  static void forward(std::int64_t hidden, const Moment& m) {
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) {
        const auto before = S::load(m.inner_before + e);
        const auto v = before + S::load(m.leak + e) * (S::load(m.gates + e) - before);
        S::store(m.inner + e, v);
        S::store(m.h + e, f.value(v));
      }
    });
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float* dv) {
    const std::int64_t size = Z::block(hidden);
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < size; e += S::lanes) {
        const auto leak = S::load(m.leak + e);
        const auto d_h = S::load(above + e) + S::load(dh + e);
        const auto d_v = S::load(dv + e) + f.pull(d_h, S::load(m.h + e));
        S::store(m.gates + size + e, d_v * (S::load(m.gates + e) - S::load(m.inner_before + e)));
        S::store(m.gates + e, leak * d_v);
        S::store(dh + e, typename S::F{});
        S::store(dv + e, d_v - leak * d_v);
      }
    });
  }
};

// h <- h + a (f(W h + U x + b) - h)
template <class Z>
struct LeakyInside {
  using S = typename Z::S;
  static constexpr int gates = 1;  // the drive f(W h + U x + b); kept, too: the gradient of a
  static constexpr Recurrent recurrent = Recurrent::together;
  static constexpr bool has_inner = false, is_leaky = true;

  static void forward(std::int64_t hidden, const Moment& m) {
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < Z::block(hidden); e += S::lanes) {
        const auto before = S::load(m.h_before + e), drive = f.value(S::load(m.gates + e));
        S::store(m.gates + e, drive);
        S::store(m.h + e, before + S::load(m.leak + e) * (drive - before));
      }
    });
  }

  static void backward(std::int64_t hidden, const Moment& m, const float* above, float* dh, float*) {
    const std::int64_t size = Z::block(hidden);
    with_activation<S>(m.nonlinearity, [&](auto f) {
      for (std::int64_t e = 0; e < size; e += S::lanes) {
        const auto leak = S::load(m.leak + e), drive = S::load(m.gates + e);
        const auto d_h = S::load(above + e) + S::load(dh + e);
        S::store(m.gates + size + e, d_h * (drive - S::load(m.h_before + e)));
        S::store(m.gates + e, f.pull(leak * d_h, drive));
        S::store(dh + e, d_h - leak * d_h);
      }
    });
  }
};

}  // namespace
