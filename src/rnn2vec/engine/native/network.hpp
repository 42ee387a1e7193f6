// One slice of one network: all layers and time steps, forward and backward.
#pragma once

#include "cells.hpp"
#include "kernels.hpp"
#include "lanes.hpp"
#include "products.hpp"

namespace {

using rnn2vec::Gradients;
using rnn2vec::Layout;
using rnn2vec::Shape;
using rnn2vec::Slice;

constexpr Term nothing{nullptr, 0, 0, nullptr};

template <class Z, class Cell>
class Network {
  using S = typename Z::S;
  using F = typename S::F;

 public:
  using Slots = Z;

  Network(const Slice& slice, bool keep, float* tape, float* workspace)
      : slice_(slice), shape_(*slice.shape), at_(shape_, Z::width, keep), tape_(tape), work_(workspace) {}

  float* outputs() { return work_ + at_.outputs; }  // [T][Y][width]; for backward(), their gradient

  void forward() {
    load_inputs();
    for (std::int64_t layer = 0; layer < shape_.layers; ++layer) {
      load_state(layer);
      merge_biases(layer);
      for (std::int64_t t = 0; t < shape_.steps; ++t) {
        const Moment now = moment(layer, t);
        const float* bias = work_ + at_.bias;
        if (layer == 0 && shape_.tokens) preactivate(layer, t, Lookup{weight(0, 0), bias, tokens(t), shape_.input_size});
        else preactivate(layer, t, Bias{bias});
        Cell::forward(shape_.hidden, now);
      }
    }
    const float* bias = slice_.weights[4 * shape_.layers + 1];
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      affine<Z, false>(shape_.outputs, outputs() + t * shape_.outputs * Z::width, Bias{bias},
                       {slice_.weights[4 * shape_.layers], shape_.hidden, shape_.hidden,
                        moment(shape_.layers - 1, t).h},
                       nothing);
  }

  void store_results(float* to, float* const* final_state) const {
    const std::int64_t stride = shape_.steps * shape_.outputs;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      store_lanes<Z>(to + slice_.first * stride + t * shape_.outputs,
                     work_ + at_.outputs + t * shape_.outputs * Z::width, stride, shape_.outputs, slice_.lanes);
    for (std::int64_t layer = 0; layer < shape_.layers; ++layer) {
      const Moment last = moment(layer, shape_.steps - 1);
      store_lanes<Z>(final_state[0] + state_offset(layer), last.h, shape_.hidden, shape_.hidden, slice_.lanes);
      if (Cell::has_cell)
        store_lanes<Z>(final_state[1] + state_offset(layer), last.c, shape_.hidden, shape_.hidden, slice_.lanes);
    }
  }

  void load_output_gradients(const float* from) {
    const std::int64_t stride = shape_.steps * shape_.outputs;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      load_gradient<Z>(outputs() + t * shape_.outputs * Z::width,
                       from ? from + slice_.first * stride + t * shape_.outputs : nullptr, stride, shape_.outputs,
                       slice_.lanes);
  }

  void backward(const Gradients& gradients) {
    head_backward(gradients);
    for (std::int64_t layer = shape_.layers - 1; layer >= 0; --layer) {
      layer_backward(layer, gradients);
      weights_backward(layer, gradients);
    }
    if (!gradients.floats) return;
    const std::int64_t stride = shape_.steps * shape_.input_size;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      store_lanes<Z>(gradients.floats + slice_.first * stride + t * shape_.input_size, extra(t), stride,
                     shape_.input_size, slice_.lanes);
  }

 private:
  struct Zero {
    INLINE F operator()(std::int64_t, int) const { return F{}; }
    INLINE float one(std::int64_t) const { return 0.0f; }
  };
  struct Bias {
    const float* bias;
    INLINE F operator()(std::int64_t row, int) const { return S::broadcast(bias[row]); }
    INLINE float one(std::int64_t row) const { return bias[row]; }
    Bias after(std::int64_t rows) const { return {bias + rows}; }
  };
  struct Present {  // what is there already
    const float* x;
    INLINE F operator()(std::int64_t row, int v) const { return S::load(x + row * Z::width + v * S::lanes); }
    INLINE float one(std::int64_t row) const { return x[row]; }
  };
  struct Lookup {  // the first layer's input half for tokens: a column of its weights
    const float *weights, *bias;
    const std::int32_t* tokens;
    std::int64_t size;
    INLINE F operator()(std::int64_t row, int v) const {
      return S::lookup(weights + row * size, size, S::load(tokens + v * S::lanes)) + bias[row];
    }
    INLINE float one(std::int64_t row) const { return weights[row * size + *tokens] + bias[row]; }
    Lookup after(std::int64_t rows) const { return {weights + rows * size, bias + rows, tokens, size}; }
  };

  const float* weight(std::int64_t layer, int which) const { return slice_.weights[4 * layer + which]; }
  std::int64_t columns(std::int64_t layer) const { return layer == 0 ? shape_.input_size : shape_.hidden; }
  std::int64_t state_offset(std::int64_t layer) const {
    return (layer * shape_.batch + slice_.first) * shape_.hidden;
  }
  std::int32_t* tokens(std::int64_t t) const { return reinterpret_cast<std::int32_t*>(tape_) + t * Z::width; }
  float* errors(std::int64_t t) { return work_ + at_.errors + t * at_.hidden_step; }
  float* extra(std::int64_t t) { return work_ + at_.extra + t * at_.input_step; }

  Moment moment(std::int64_t layer, std::int64_t t) const {
    float* own = tape_ + at_.layer + layer * at_.layer_size;
    float* h = own + at_.hidden + t * at_.hidden_step;
    float* c = own + at_.cells + t * at_.hidden_step;
    return {own + at_.gates + t * at_.gates_step, h, c, h + at_.hidden_step, c + at_.hidden_step};
  }

  // What a layer reads at step t, [columns][width]
  const float* below(std::int64_t layer, std::int64_t t) const {
    return layer == 0 ? tape_ + t * at_.input_step : moment(layer - 1, t).h;
  }

  void load_inputs() {
    const std::int64_t size = shape_.tokens ? 1 : shape_.input_size, stride = shape_.steps * size;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      if (shape_.tokens)
        load_lanes<Z>(tokens(t), slice_.tokens + slice_.first * stride + t, stride, slice_.lanes);
      else
        load_lanes<Z>(tape_ + t * at_.input_step, slice_.floats + slice_.first * stride + t * size, stride, size,
                      slice_.lanes);
  }

  void load_state(std::int64_t layer) {
    float* own = tape_ + at_.layer + layer * at_.layer_size;
    for (int part = 0; part <= Cell::has_cell; ++part) {
      float* to = own + (part ? at_.cells : at_.hidden);
      if (slice_.state[part])
        load_lanes<Z>(to, slice_.state[part] + state_offset(layer), shape_.hidden, shape_.hidden, slice_.lanes);
      else
        std::memset(to, 0, shape_.hidden * Z::width * sizeof(float));
    }
  }

  // Both biases only ever appear as their sum, but for a GRU's candidate, whose recurrent half is kept apart.
  void merge_biases(std::int64_t layer) {
    const std::int64_t hidden = shape_.hidden, merged = (Cell::gates == Cell::kept ? Cell::gates : 2) * hidden;
    const float *input = weight(layer, 2), *recurrent = weight(layer, 3);
    float* bias = work_ + at_.bias;
    for (std::int64_t row = 0; row < merged; ++row) bias[row] = input[row] + recurrent[row];
    for (std::int64_t row = merged; row < Cell::gates * hidden; ++row) {
      bias[row] = input[row];
      bias[row + hidden] = recurrent[row];
    }
  }

  // Gate by gate: out = start + input half + recurrent half. A GRU's candidate has its two halves apart, as gates 2, 3.
  template <class Start>
  void preactivate(std::int64_t layer, std::int64_t t, const Start& start) {
    const std::int64_t hidden = shape_.hidden, inputs = columns(layer);
    const Moment now = moment(layer, t);
    Term above{weight(layer, 1), hidden, hidden, now.h_before};
    Term input{weight(layer, 0), inputs, layer == 0 && shape_.tokens ? 0 : inputs, below(layer, t)};
    for (int gate = 0; gate < Cell::gates; ++gate) {
      const bool apart = gate == 2 && Cell::gates != Cell::kept;
      float* out = now.gates + gate * block_;
      affine<Z, false>(hidden, out, start.after(gate * hidden), input, apart ? nothing : above);
      if (apart) affine<Z, false>(hidden, out + block_, Bias{work_ + at_.bias + 3 * hidden}, above, nothing);
      above.weights += hidden * hidden;
      input.weights += hidden * inputs;
    }
  }

  // out = start + weights^T * gates' gradients, where `recurrent` tells which half of a GRU's candidate.
  template <class Start>
  void pull_back(std::int64_t columns, float* out, const Start& start, const float* weights, const float* gates,
                 bool recurrent) {
    const std::int64_t hidden = shape_.hidden;
    const auto term = [&](int gate, int count, int at) {
      return Term{weights + gate * hidden * columns, columns, count * hidden, gates + at * block_};
    };
    const bool apart = recurrent && Cell::gates != Cell::kept;
    if (block_ == hidden * Z::width) {  // the gates lie back to back
      if (apart) affine<Z, true>(columns, out, start, term(0, 2, 0), term(2, 1, 3));
      else affine<Z, true>(columns, out, start, term(0, Cell::gates, 0), nothing);
      return;
    }
    affine<Z, true>(columns, out, start, term(0, 1, 0), nothing);
    for (int gate = 1; gate < Cell::gates; ++gate)
      affine<Z, true>(columns, out, Present{out}, term(gate, 1, apart && gate == 2 ? 3 : gate), nothing);
  }

  void head_backward(const Gradients& gradients) {
    const std::int64_t top = shape_.layers - 1;
    const Term term{slice_.weights[4 * shape_.layers], shape_.hidden, shape_.outputs, nullptr};
    for (std::int64_t t = 0; t < shape_.steps; ++t) {
      Term now = term;
      now.x = outputs() + t * shape_.outputs * Z::width;
      affine<Z, true>(shape_.hidden, errors(t), Zero{}, now, nothing);
    }
    if (!gradients.weights) return;
    const Series d{outputs(), shape_.outputs * Z::width}, x{moment(top, 0).h, at_.hidden_step};
    if (float* grad = gradients.weights[4 * shape_.layers])
      outer<Z>(shape_.outputs, shape_.hidden, grad, d, x, shape_.steps);
    if (float* grad = gradients.weights[4 * shape_.layers + 1])
      sum_rows<Z>(shape_.outputs, grad, nullptr, d, shape_.steps);
  }

  // Through time: gates become gradients of pre-activations, errors those of the layer's inputs.
  void layer_backward(std::int64_t layer, const Gradients& gradients) {
    const std::int64_t hidden = shape_.hidden;
    float *dh = work_ + at_.carry, *dc = dh + block_;
    for (int part = 0; part <= Cell::has_cell; ++part) {
      const float* from = gradients.final_state[part];
      load_gradient<Z>(part ? dc : dh, from ? from + state_offset(layer) : nullptr, hidden, hidden, slice_.lanes);
    }
    for (std::int64_t t = shape_.steps - 1; t >= 0; --t) {
      const Moment now = moment(layer, t);
      Cell::backward(hidden, now, errors(t), dh, dc);
      if (t > 0 || gradients.state[0]) pull_back(hidden, dh, Present{dh}, weight(layer, 1), now.gates, true);
      if (layer > 0 || gradients.floats)
        pull_back(columns(layer), layer > 0 ? errors(t) : extra(t), Zero{}, weight(layer, 0), now.gates, false);
    }
    for (int part = 0; part <= Cell::has_cell; ++part)
      if (gradients.state[part])
        store_lanes<Z>(gradients.state[part] + state_offset(layer), part ? dc : dh, hidden, hidden, slice_.lanes);
  }

  void weights_backward(std::int64_t layer, const Gradients& gradients) {
    if (!gradients.weights) return;
    float* const* grads = gradients.weights + 4 * layer;
    const std::int64_t hidden = shape_.hidden, inputs = columns(layer);
    const Series x{below(layer, 0), layer == 0 ? at_.input_step : at_.hidden_step};
    const Series h{moment(layer, 0).h_before, at_.hidden_step};
    if (layer == 0 && shape_.tokens && grads[0]) mark_tokens();
    for (int gate = 0; gate < Cell::gates; ++gate) {
      const bool apart = gate == 2 && Cell::gates != Cell::kept;
      const Series d{moment(layer, 0).gates + gate * block_, at_.gates_step};
      const Series recurrent{d.data + (apart ? block_ : 0), at_.gates_step};
      const std::int64_t row = gate * hidden;
      if (grads[0]) {
        if (layer == 0 && shape_.tokens) tokens_backward(grads[0] + row * inputs, d);
        else outer<Z>(hidden, inputs, grads[0] + row * inputs, d, x, shape_.steps);
      }
      if (grads[1]) outer<Z>(hidden, hidden, grads[1] + row * hidden, recurrent, h, shape_.steps);
      float *input_bias = grads[2] ? grads[2] + row : nullptr, *bias = grads[3] ? grads[3] + row : nullptr;
      sum_rows<Z>(hidden, input_bias, apart ? nullptr : bias, d, shape_.steps);
      if (apart) sum_rows<Z>(hidden, bias, nullptr, recurrent, shape_.steps);
    }
  }

  // Gradients of the weights' columns that were looked up: few columns are multiplied by ones and zeros, many scattered.
  void mark_tokens() {
    if (shape_.input_size > rnn2vec::one_hot_limit) return;
    std::memset(extra(0), 0, shape_.steps * at_.input_step * sizeof(float));
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      for (int lane = 0; lane < Z::width; ++lane) extra(t)[tokens(t)[lane] * Z::width + lane] = 1.0f;
  }

  void tokens_backward(float* grad, const Series& d) {
    const std::int64_t size = shape_.input_size;
    if (size <= rnn2vec::one_hot_limit)
      return outer<Z>(shape_.hidden, size, grad, d, {extra(0), at_.input_step}, shape_.steps);
    float* sum = extra(0);
    for (std::int64_t row = 0; row < shape_.hidden; ++row, grad += size) {
      std::memset(sum, 0, size * sizeof(float));
      for (std::int64_t t = 0; t < shape_.steps; ++t)
        for (int lane = 0; lane < Z::width; ++lane)
          sum[tokens(t)[lane]] += d.data[t * d.step + row * Z::width + lane];
      for (std::int64_t token = 0; token < size; ++token) grad[token] += sum[token];
    }
  }

  const Slice& slice_;
  const Shape& shape_;
  const Layout at_;
  const std::int64_t block_ = Z::block(shape_.hidden);  // floats of one gate, or of h
  float *tape_, *work_;
};

}  // namespace
