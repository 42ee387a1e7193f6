// The head of one slice: linear maps with activations from the last layer's hidden states to the outputs.
#pragma once

#include "activations.hpp"
#include "starts.hpp"

namespace {

template <class Z>
class Head {
  using S = typename Z::S;

 public:
  // weights: its own tensors, in pairs; memory: as large as Layout says, for all but a single linear map
  Head(const rnn2vec::Architecture& architecture, const float* const* weights, std::int64_t steps, float* outputs,
       float* memory)
      : layers_(architecture.head), inputs_(architecture.hidden.back()), weights_(weights), outputs_(outputs),
        values_(memory), steps_(steps), plain_(layers_.size() == 1 && !architecture.has_activations()) {}

  // top: hidden states of the last layer, so many steps of them
  void forward(const Series& top, std::int64_t steps) {
    for (std::size_t layer = 0; layer < layers_.size(); ++layer)
      linear(layer, layer ? value(layer - 1) : top, layer + 1 < layers_.size() ? value(layer) : outputs(), steps);
  }

  // From the outputs' gradient, which is where they were, to that of the hidden states. grads: null, or of each tensor
  void backward(const Series& top, float* errors, std::int64_t errors_step, float* const* grads) {
    if (!plain_)  // again: outputs are no longer there
      for (std::size_t layer = 0; layer < layers_.size(); ++layer)
        linear(layer, layer ? value(layer - 1) : top, value(layer), steps_);
    for (std::size_t layer = layers_.size(); layer-- > 0;) {
      const bool last = layer + 1 == layers_.size();
      const auto [size, activation] = layers_[layer];
      const Series d = last ? outputs() : gradient(layer), x = layer ? value(layer - 1) : top;
      float* const own = last ? outputs_ : gradients(layer);
      if (activation != rnn2vec::Activation::identity) {
        const float* const y = values(layer);
        const std::int64_t count = steps_ * size * Z::width;
        with_activation<S>(activation, [&](auto f) {
          for (std::int64_t e = 0; e < count; e += S::lanes)
            S::store(own + e, f.pull(S::load(own + e), S::load(y + e)));
        });
      }
      float* const below = layer ? gradients(layer - 1) : errors;
      const std::int64_t depth = columns(layer), step = layer ? depth * Z::width : errors_step;
      for (std::int64_t t = 0; t < steps_; ++t)
        affine<Z, true>(depth, below + t * step, Zero<Z>{}, Term{weights_[2 * layer], depth, size, d.data + t * d.step},
                        nothing);
      if (!grads) continue;
      if (float* grad = grads[2 * layer]) outer<Z>(size, depth, grad, d, x, steps_);
      if (float* grad = grads[2 * layer + 1]) sum_rows<Z>(size, grad, nullptr, d, steps_);
    }
  }

 private:
  std::int64_t columns(std::size_t layer) const { return layer ? layers_[layer - 1].size : inputs_; }
  Series outputs() const { return {outputs_, layers_.back().size * Z::width}; }

  // Values of every layer, and after those all their gradients.
  float* values(std::size_t layer) const {
    float* at = values_;
    for (std::size_t before = 0; before < layer; ++before)
      at += rnn2vec::aligned(steps_ * layers_[before % layers_.size()].size * Z::width);
    return at;
  }
  float* gradients(std::size_t layer) const { return values(layers_.size() + layer); }
  Series value(std::size_t layer) const { return {values(layer), layers_[layer].size * Z::width}; }
  Series gradient(std::size_t layer) const { return {gradients(layer), layers_[layer].size * Z::width}; }

  void linear(std::size_t layer, const Series& x, const Series& to, std::int64_t steps) {
    const auto [size, activation] = layers_[layer];
    const std::int64_t depth = columns(layer), count = steps * to.step;
    float* const out = const_cast<float*>(to.data);
    for (std::int64_t t = 0; t < steps; ++t)
      affine<Z, false>(size, out + t * to.step, Bias<Z>{weights_[2 * layer + 1]},
                       {weights_[2 * layer], depth, depth, x.data + t * x.step}, nothing);
    if (activation == rnn2vec::Activation::identity) return;
    with_activation<S>(activation, [&](auto f) {
      for (std::int64_t e = 0; e < count; e += S::lanes) S::store(out + e, f.value(S::load(out + e)));
    });
  }

  const std::vector<rnn2vec::HeadLayer>& layers_;
  const std::int64_t inputs_;
  const float* const* weights_;
  float *outputs_, *values_;
  const std::int64_t steps_;
  const bool plain_;
};

}  // namespace
