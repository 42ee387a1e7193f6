// One slice of one network: all layers and time steps, forward and backward.
#pragma once

#include "cells.hpp"
#include "head.hpp"
#include "kernels.hpp"
#include "lanes.hpp"
#include "starts.hpp"

namespace {

using rnn2vec::Architecture;
using rnn2vec::Gradients;
using rnn2vec::Layout;
using rnn2vec::Shape;
using rnn2vec::Slice;

template <class Z, class Cell>
class Network {
  using S = typename Z::S;

 public:
  using Slots = Z;

  Network(const Slice& slice, bool keep, float* tape, float* workspace)
      : slice_(slice), shape_(*slice.shape), net_(*shape_.architecture), at_(shape_, Z::width, keep), tape_(tape), work_(workspace),
        head_(net_, slice.weights + head_tensors(), at_.steps, outputs(), work_ + at_.head) {}

  float* outputs() { return work_ + at_.outputs; }  // [T][Y][width]; for backward(), their gradient

  // As many steps at once as the memory holds. to, final_state: null if only the tape (and outputs()) matter
  void forward(float* to, float* const* final_state) {
    for (std::int64_t first = 0; first < shape_.steps; first += at_.steps) {
      const std::int64_t steps = std::min(at_.steps, shape_.steps - first);
      load_inputs(first, steps);
      for (std::int64_t layer = 0; layer < layers(); ++layer) {
        if (first) carry_state(layer);
        else load_state(layer);
        layer_forward(layer, steps);
      }
      if (!net_.head.empty()) head_.forward(top(), steps);
      if (net_.skip) add_inputs(steps);
      if (to) store_outputs(to, first, steps);
      if (final_state && first + steps == shape_.steps) store_state(final_state, steps);
    }
  }

  void load_output_gradients(const float* from) {
    const bool has_head = !net_.head.empty();
    const std::int64_t size = net_.outputs(), stride = shape_.steps * size;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      load_gradient<Z>(has_head ? outputs() + t * size * Z::width : errors(t),
                       from ? from + slice_.first * stride + t * size : nullptr, stride, size, slice_.lanes);
  }

  void backward(const Gradients& gradients) {
    if (net_.skip && gradients.floats) skip_backward();
    if (!net_.head.empty())
      head_.backward(top(), errors(0), at_.hidden_step, gradients.weights ? gradients.weights + head_tensors() : nullptr);
    for (std::int64_t layer = layers() - 1; layer >= 0; --layer) {
      layer_backward(layer, gradients);
      weights_backward(layer, gradients);
    }
    if (!gradients.floats) return;
    const std::int64_t stride = shape_.steps * net_.input_size;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      store_lanes<Z>(gradients.floats + slice_.first * stride + t * net_.input_size, extra(t), stride,
                     net_.input_size, slice_.lanes);
  }

 private:
  static constexpr bool reads_inner = Cell::is_leaky && Cell::has_inner;  // h is a function of it, and no state itself
  static constexpr int parts = Cell::has_inner && !Cell::is_leaky ? 2 : 1;
  static constexpr bool is_inner(int part) { return part == 1 || reads_inner; }

  std::int64_t layers() const { return net_.layers(); }
  std::int64_t hidden(std::int64_t layer) const { return net_.hidden[layer]; }
  std::int64_t block(std::int64_t layer) const { return Z::block(hidden(layer)); }  // floats of one gate, or of h
  std::int64_t head_tensors() const { return layers() * net_.layer_tensors(); }
  const float* weight(std::int64_t layer, std::int64_t which) const {
    return slice_.weights[layer * net_.layer_tensors() + which];
  }
  std::int64_t columns(std::int64_t layer) const { return layer == 0 ? net_.input_size : hidden(layer - 1); }
  std::int64_t state_offset(std::int64_t layer) const {
    return (layer * shape_.batch + slice_.first) * net_.widest;
  }
  std::int32_t* tokens(std::int64_t t) const { return reinterpret_cast<std::int32_t*>(tape_) + t * Z::width; }
  float* errors(std::int64_t t) { return work_ + at_.errors + t * at_.hidden_step; }
  float* extra(std::int64_t t) { return work_ + at_.extra + t * at_.input_step; }
  Series top() const { return {moment(layers() - 1, 0).h, at_.hidden_step}; }

  Moment moment(std::int64_t layer, std::int64_t t) const {
    float* own = tape_ + at_.layer + layer * at_.layer_size;
    float* h = own + at_.hidden + t * at_.hidden_step;
    float* inner = own + at_.inner + t * at_.hidden_step;
    return {own + at_.gates + t * at_.gates_step, h, inner, h + at_.hidden_step, inner + at_.hidden_step,
            work_ + at_.leak};
  }

  // A part of a layer's state before the first step.
  float* start(std::int64_t layer, int part) {
    return tape_ + at_.layer + layer * at_.layer_size + (is_inner(part) ? at_.inner : at_.hidden);
  }

  // What a layer reads at step t, [columns][width]
  const float* below(std::int64_t layer, std::int64_t t) const {
    return layer == 0 ? tape_ + t * at_.input_step : moment(layer - 1, t).h;
  }

  void load_inputs(std::int64_t first, std::int64_t steps) {
    const std::int64_t size = shape_.tokens ? 1 : net_.input_size, stride = shape_.steps * size;
    const std::int64_t from = slice_.first * stride + first * size;
    for (std::int64_t t = 0; t < steps; ++t)
      if (shape_.tokens) load_lanes<Z>(tokens(t), slice_.tokens + from + t, stride, slice_.lanes);
      else load_lanes<Z>(tape_ + t * at_.input_step, slice_.floats + from + t * size, stride, size, slice_.lanes);
  }

  void load_state(std::int64_t layer) {
    for (int part = 0; part < parts; ++part) {
      float* to = start(layer, part);
      if (slice_.state[part])
        load_lanes<Z>(to, slice_.state[part] + state_offset(layer), net_.widest, hidden(layer), slice_.lanes);
      else if (net_.own_state)
        spread(layer, to, weight(layer, net_.start() + part));
      else
        std::memset(to, 0, hidden(layer) * Z::width * sizeof(float));
    }
    if constexpr (reads_inner) {
      const Moment first = moment(layer, 0);
      Cell::read(block(layer), first.inner_before, const_cast<float*>(first.h_before));
    }
  }

  // The state after the last chunk is the one before this one.
  void carry_state(std::int64_t layer) {
    const Moment first = moment(layer, 0), last = moment(layer, at_.steps - 1);
    const std::size_t size = block(layer) * sizeof(float);
    std::memcpy(const_cast<float*>(first.h_before), last.h, size);
    if (Cell::has_inner) std::memcpy(const_cast<float*>(first.inner_before), last.inner, size);
  }

  // A number of each unit for all lanes.
  void spread(std::int64_t layer, float* to, const float* from) {
    for (std::int64_t unit = 0; unit < hidden(layer); ++unit) std::fill_n(to + unit * Z::width, Z::width, from[unit]);
  }

  void layer_forward(std::int64_t layer, std::int64_t steps) {
    merge_biases(layer);
    if (Cell::is_leaky) spread(layer, work_ + at_.leak, weight(layer, net_.leak()));
    const float* bias = work_ + at_.bias;
    for (std::int64_t t = 0; t < steps; ++t) {
      if (layer == 0 && shape_.tokens)
        preactivate(layer, t, Lookup<Z>{weight(0, 0), bias, tokens(t), net_.input_size});
      else preactivate(layer, t, Bias<Z>{bias});
      Cell::forward(hidden(layer), moment(layer, t));
    }
  }

  // Both biases only ever appear as their sum, but for a candidate whose recurrent half is kept apart.
  void merge_biases(std::int64_t layer) {
    const std::int64_t size = hidden(layer), merged = (Cell::recurrent == Recurrent::apart ? 2 : Cell::gates) * size;
    const float *input = weight(layer, 2), *recurrent = weight(layer, 3);
    float* bias = work_ + at_.bias;
    for (std::int64_t row = 0; row < merged; ++row) bias[row] = input[row] + recurrent[row];
    for (std::int64_t row = merged; row < Cell::gates * size; ++row) {
      bias[row] = input[row];
      bias[row + size] = recurrent[row];
    }
  }

  // Gate by gate: out = start + input half + recurrent half. A candidate's two halves may be apart, as gates 2 and 3.
  template <class Start>
  void preactivate(std::int64_t layer, std::int64_t t, const Start& start) {
    const std::int64_t size = hidden(layer), inputs = columns(layer), gate_size = block(layer);
    const Moment now = moment(layer, t);
    Term above{weight(layer, 1), size, size, now.h_before};
    Term input{weight(layer, 0), inputs, layer == 0 && shape_.tokens ? 0 : inputs, below(layer, t)};
    for (int gate = 0; gate < Cell::gates; ++gate) {
      const bool apart = gate == 2 && Cell::recurrent == Recurrent::apart;
      float* out = now.gates + gate * gate_size;
      if constexpr (Cell::recurrent == Recurrent::gated)
        if (gate == 2) {
          Cell::reset(size, now);
          above.x = out + gate_size;
        }
      affine<Z, false>(size, out, start.after(gate * size), input, apart ? nothing : above);
      if (apart) affine<Z, false>(size, out + gate_size, Bias<Z>{work_ + at_.bias + 3 * size}, above, nothing);
      above.weights += size * size;
      input.weights += size * inputs;
    }
  }

  // A token is an input with a single one.
  void add_inputs(std::int64_t steps) {
    const std::int64_t size = net_.outputs();
    for (std::int64_t t = 0; t < steps; ++t) {
      float* own = outputs() + t * size * Z::width;
      if (!shape_.tokens) {
        const float* x = tape_ + t * at_.input_step;
        for (std::int64_t e = 0; e < size * Z::width; ++e) own[e] += x[e];
        continue;
      }
      for (int lane = 0; lane < Z::width; ++lane)
        if (tokens(t)[lane] < size) own[tokens(t)[lane] * Z::width + lane] += 1.0f;
    }
  }

  void skip_backward() {
    const std::int64_t size = net_.outputs() * Z::width, all = net_.input_size * Z::width;
    for (std::int64_t t = 0; t < shape_.steps; ++t) {
      std::copy_n(outputs() + t * size, size, extra(t));
      std::fill_n(extra(t) + size, all - size, 0.0f);
    }
  }

  void store_outputs(float* to, std::int64_t first, std::int64_t steps) {
    const std::int64_t size = net_.outputs(), stride = shape_.steps * size;
    for (std::int64_t t = 0; t < steps; ++t)
      store_lanes<Z>(to + slice_.first * stride + (first + t) * size,
                     net_.head.empty() ? moment(layers() - 1, t).h : outputs() + t * size * Z::width, stride, size,
                     slice_.lanes);
  }

  void store_state(float* const* to, std::int64_t steps) const {
    for (std::int64_t layer = 0; layer < layers(); ++layer) {
      const Moment last = moment(layer, steps - 1);
      for (int part = 0; part < parts; ++part) store_units(layer, to[part], is_inner(part) ? last.inner : last.h);
    }
  }

  // A layer's part of a tensor [L, B, H]; there are zeros beyond a smaller layer's size.
  void store_units(std::int64_t layer, float* to, const float* from) const {
    to += state_offset(layer);
    store_lanes<Z>(to, from, net_.widest, hidden(layer), slice_.lanes);
    for (std::int64_t lane = 0; hidden(layer) < net_.widest && lane < slice_.lanes; ++lane)
      std::fill(to + lane * net_.widest + hidden(layer), to + (lane + 1) * net_.widest, 0.0f);
  }

  // out = start + weights^T * gates' gradients, where `recurrent` tells which half of a candidate that has two.
  template <class Start>
  void pull_back(std::int64_t layer, std::int64_t columns, float* out, const Start& start, const float* weights,
                 const float* gates, bool recurrent) {
    const std::int64_t size = hidden(layer), gate_size = block(layer);
    const auto term = [&](int gate, int count, int at) {
      return Term{weights + gate * size * columns, columns, count * size, gates + at * gate_size};
    };
    const bool apart = recurrent && Cell::recurrent == Recurrent::apart;
    const int count = recurrent && Cell::recurrent == Recurrent::gated ? 2 : Cell::gates;
    if (gate_size == size * Z::width) {  // the gates lie back to back
      if (apart) affine<Z, true>(columns, out, start, term(0, 2, 0), term(2, 1, 3));
      else affine<Z, true>(columns, out, start, term(0, count, 0), nothing);
      return;
    }
    affine<Z, true>(columns, out, start, term(0, 1, 0), nothing);
    for (int gate = 1; gate < count; ++gate)
      affine<Z, true>(columns, out, Present<Z>{out}, term(gate, 1, apart && gate == 2 ? 3 : gate), nothing);
  }

  // The gradient of a part of the initial state that is a parameter, if it is wanted.
  float* own_start(std::int64_t layer, int part, const Gradients& gradients) const {
    if (slice_.state[part] || !net_.own_state || !gradients.weights) return nullptr;
    return gradients.weights[layer * net_.layer_tensors() + net_.start() + part];
  }

  // Through time: gates become gradients of pre-activations, errors those of the layer's inputs.
  void layer_backward(std::int64_t layer, const Gradients& gradients) {
    const std::int64_t size = hidden(layer);
    float *dh = work_ + at_.carry, *inner = dh + block(layer);
    bool wants_start = false;
    if (reads_inner) std::memset(dh, 0, size * Z::width * sizeof(float));
    for (int part = 0; part < parts; ++part) {
      const float* from = gradients.final_state[part];
      load_gradient<Z>(is_inner(part) ? inner : dh, from ? from + state_offset(layer) : nullptr, net_.widest, size,
                       slice_.lanes);
      wants_start = wants_start || gradients.state[part] || own_start(layer, part, gradients);
    }
    if (Cell::is_leaky) spread(layer, work_ + at_.leak, weight(layer, net_.leak()));
    for (std::int64_t t = shape_.steps - 1; t >= 0; --t) {
      const Moment now = moment(layer, t);
      Cell::backward(size, now, errors(t), dh, inner);
      if constexpr (Cell::recurrent == Recurrent::gated) {
        affine<Z, true>(size, inner, Zero<Z>{},
                        {weight(layer, 1) + 2 * size * size, size, size, now.gates + 2 * block(layer)}, nothing);
        Cell::reset_backward(size, now, inner, dh);
      }
      if (t > 0 || wants_start) pull_back(layer, size, dh, Present<Z>{dh}, weight(layer, 1), now.gates, true);
      if (layer > 0) pull_back(layer, columns(layer), errors(t), Zero<Z>{}, weight(layer, 0), now.gates, false);
      else if (gradients.floats && net_.skip)
        pull_back(layer, columns(layer), extra(t), Present<Z>{extra(t)}, weight(layer, 0), now.gates, false);
      else if (gradients.floats)
        pull_back(layer, columns(layer), extra(t), Zero<Z>{}, weight(layer, 0), now.gates, false);
    }
    if (!wants_start) return;
    if constexpr (reads_inner) Cell::read_backward(block(layer), moment(layer, 0).h_before, dh, inner);
    for (int part = 0; part < parts; ++part) {
      const float* own = is_inner(part) ? inner : dh;
      if (gradients.state[part]) store_units(layer, gradients.state[part], own);
      sum_rows<Z>(size, own_start(layer, part, gradients), nullptr, {own, 0}, 1);
    }
  }

  void weights_backward(std::int64_t layer, const Gradients& gradients) {
    if (!gradients.weights) return;
    float* const* grads = gradients.weights + layer * net_.layer_tensors();
    const std::int64_t size = hidden(layer), inputs = columns(layer), steps = shape_.steps;
    const Moment first = moment(layer, 0);
    const Series x{below(layer, 0), layer == 0 ? at_.input_step : at_.hidden_step};
    const Series h{first.h_before, at_.hidden_step};
    const auto kept = [&](int gate) { return Series{first.gates + gate * block(layer), at_.gates_step}; };
    if (layer == 0 && shape_.tokens && grads[0]) mark_tokens();
    for (int gate = 0; gate < Cell::gates; ++gate) {
      const bool apart = gate == 2 && Cell::recurrent == Recurrent::apart;
      const bool gated = gate == 2 && Cell::recurrent == Recurrent::gated;
      const Series d = kept(gate), recurrent = apart ? kept(3) : d;
      const std::int64_t row = gate * size;
      if (grads[0]) {
        if (layer == 0 && shape_.tokens) tokens_backward(grads[0] + row * inputs, d);
        else outer<Z>(size, inputs, grads[0] + row * inputs, d, x, steps);
      }
      if (grads[1]) outer<Z>(size, size, grads[1] + row * size, recurrent, gated ? kept(3) : h, steps);
      float *input_bias = grads[2] ? grads[2] + row : nullptr, *bias = grads[3] ? grads[3] + row : nullptr;
      sum_rows<Z>(size, input_bias, apart ? nullptr : bias, d, steps);
      if (apart) sum_rows<Z>(size, bias, nullptr, recurrent, steps);
    }
    if (Cell::is_leaky) sum_rows<Z>(size, grads[net_.leak()], nullptr, kept(1), steps);
  }

  // Gradients of the weights' columns that were looked up: few columns are multiplied by ones and zeros, many scattered.
  void mark_tokens() {
    if (net_.input_size > rnn2vec::one_hot_limit) return;
    std::memset(extra(0), 0, shape_.steps * at_.input_step * sizeof(float));
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      for (int lane = 0; lane < Z::width; ++lane) extra(t)[tokens(t)[lane] * Z::width + lane] = 1.0f;
  }

  void tokens_backward(float* grad, const Series& d) {
    const std::int64_t size = net_.input_size;
    if (size <= rnn2vec::one_hot_limit)
      return outer<Z>(hidden(0), size, grad, d, {extra(0), at_.input_step}, shape_.steps);
    float* sum = extra(0);
    for (std::int64_t row = 0; row < hidden(0); ++row, grad += size) {
      std::memset(sum, 0, size * sizeof(float));
      for (std::int64_t t = 0; t < shape_.steps; ++t)
        for (int lane = 0; lane < Z::width; ++lane)
          sum[tokens(t)[lane]] += d.data[t * d.step + row * Z::width + lane];
      for (std::int64_t token = 0; token < size; ++token) grad[token] += sum[token];
    }
  }

  const Slice& slice_;
  const Shape& shape_;
  const Architecture& net_;
  const Layout at_;
  float *tape_, *work_;
  Head<Z> head_;
};

}  // namespace
