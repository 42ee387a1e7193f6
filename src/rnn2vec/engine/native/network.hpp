// One slice of one network: all layers and time steps, forward and backward.
#pragma once

#include "cells.hpp"
#include "head.hpp"
#include "noise.hpp"
#include "record.hpp"
#include "starts.hpp"
#include "streaming.hpp"

namespace {

using rnn2vec::Gradients;

template <class Z, class Cell>
class Network : public Record<Z, Cell> {
  using Base = Record<Z, Cell>;
  using Base::at_, Base::net_, Base::shape_, Base::slice_, Base::work_;
  using Base::below, Base::extra, Base::errors, Base::layer, Base::moment, Base::tokens, Base::top;
  using Base::carry_state, Base::load_inputs, Base::load_state, Base::spread, Base::store_units;
  using Base::is_inner, Base::parts, Base::reads_inner;

 public:
  using Slots = Z;
  using Base::outputs;

  Network(const Slice& slice, bool keep, float* tape, float* workspace)
      : Base(slice, keep, tape, workspace),
        head_(net_, slice.weights + this->head_tensors(), at_.steps, outputs(), work_ + at_.head) {}

  // As many steps at once as the memory holds. to, final_state: null if only the tape (and outputs()) matter
  void forward(float* to, float* const* final_state) {
    for (std::int64_t first = 0; first < shape_.steps; first += at_.steps) {
      const std::int64_t steps = std::min(at_.steps, shape_.steps - first);
      load_inputs(first, steps);
      for (std::int64_t index = 0; index < net_.layers(); ++index) {
        const Layer own = layer(index);
        if (first) carry_state(own);
        else load_state(own);
        layer_forward(own, first, steps);
      }
      if (!net_.head.empty()) head_.forward(top(), steps);
      if (net_.skip) this->add_inputs(steps);
      if (to) this->store_outputs(to, first, steps);
      if (final_state && first + steps == shape_.steps) this->store_state(final_state, steps);
    }
  }

  void backward(const Gradients& gradients) {
    if (net_.skip && gradients.floats) this->skip_backward();
    if (!net_.head.empty())
      head_.backward(top(), errors(0), at_.hidden_step, gradients.weights ? gradients.weights + this->head_tensors() : nullptr);
    for (std::int64_t index = net_.layers() - 1; index >= 0; --index) {
      const Layer own = layer(index);
      layer_backward(own, gradients);
      weights_backward(own, gradients);
    }
    if (!gradients.floats) return;
    const std::int64_t stride = shape_.steps * net_.input_size;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      store_lanes<Z>(gradients.floats + slice_.first * stride + t * net_.input_size, extra(t), stride,
                     net_.input_size, slice_.lanes);
  }

 private:
  // A reset that comes before the product would need all gates of all units in between.
  static constexpr bool can_stream = Z::width == 1 && Cell::recurrent != Recurrent::gated;

  void layer_forward(const Layer& layer, std::int64_t first, std::int64_t steps) {
    merge_biases(layer);
    if (Cell::is_leaky) spread(layer, work_ + at_.leak, layer.weights[net_.leak()]);
    if (shape_.noise > 0.0f) scale_noise(layer);
    const float* bias = work_ + at_.bias;
    const bool looked_up = layer.index == 0 && shape_.tokens;
    const bool streams = can_stream && at_.streams;
    [[maybe_unused]] const Streaming<typename Z::S, Cell::gates, Cell::recurrent == Recurrent::apart> streaming(
        layer.units, layer.inputs, work_ + at_.packed + layer.index * at_.packed_layer);
    if constexpr (can_stream)
      if (streams && first == 0) streaming.pack(layer.weights[0], layer.weights[1], bias);
    [[maybe_unused]] const std::uint64_t own_stem = mixed(slice_.noise_key + (layer.index + 1) * golden);
    for (std::int64_t t = 0; t < steps; ++t) {
      const Moment now = moment(layer.index, t);
      if (streams) {
        if constexpr (can_stream)
          streaming.preactivate(now.gates, layer.block, looked_up ? nullptr : below(layer.index, t),
                                looked_up ? *tokens(t) : 0, now.h_before);
      } else if (looked_up) {
        preactivate(layer, t, Lookup<Z>{layer.weights[0], bias, tokens(t), net_.input_size});
      } else {
        preactivate(layer, t, Bias<Z>{bias});
      }
      if constexpr (Cell::gates == 1)  // the gate is the unit's pre-activation
        if (shape_.noise > 0.0f)
          add_noise<Z>(now.gates, layer.units, mixed(own_stem + (first + t + 1) * golden), work_ + at_.noise, slice_.first);
      Cell::forward(layer.units, now);
    }
  }

  // Of each unit; a leaky cell's is such that the noise of its state is sqrt(2 a) times the standard deviation.
  void scale_noise(const Layer& layer) {
    float* scale = work_ + at_.noise;
    std::memset(scale, 0, rnn2vec::aligned(layer.units) * sizeof(float));
    for (std::int64_t unit = 0; unit < layer.units; ++unit)
      scale[unit] = shape_.noise * (Cell::is_leaky ? __builtin_sqrtf(2.0f / layer.weights[net_.leak()][unit]) : 1.0f);
  }

  // Both biases only ever appear as their sum, but for a candidate whose recurrent half is kept apart.
  void merge_biases(const Layer& layer) {
    const std::int64_t size = layer.units, merged = (Cell::recurrent == Recurrent::apart ? 2 : Cell::gates) * size;
    const float *input = layer.weights[2], *recurrent = layer.weights[3];
    float* bias = work_ + at_.bias;
    for (std::int64_t row = 0; row < merged; ++row) bias[row] = input[row] + recurrent[row];
    for (std::int64_t row = merged; row < Cell::gates * size; ++row) {
      bias[row] = input[row];
      bias[row + size] = recurrent[row];
    }
  }

  // Gate by gate: out = start + input half + recurrent half. A candidate's two halves may be apart, as gates 2 and 3.
  template <class Start>
  void preactivate(const Layer& layer, std::int64_t t, const Start& start) {
    const std::int64_t size = layer.units, inputs = layer.inputs, gate_size = layer.block;
    const Moment now = moment(layer.index, t);
    Term above{layer.weights[1], size, size, now.h_before};
    Term input{layer.weights[0], inputs, layer.index == 0 && shape_.tokens ? 0 : inputs, below(layer.index, t)};
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

  // out = start + weights^T * gates' gradients, where `recurrent` tells which half of a candidate that has two.
  template <class Start>
  void pull_back(const Layer& layer, std::int64_t columns, float* out, const Start& start, const float* weights,
                 const float* gates, bool recurrent) {
    const std::int64_t size = layer.units, gate_size = layer.block;
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
  float* own_start(const Layer& layer, int part, const Gradients& gradients) const {
    if (slice_.state[part] || !net_.own_state || !gradients.weights) return nullptr;
    return gradients.weights[layer.index * net_.layer_tensors() + net_.start() + part];
  }

  // Through time: gates become gradients of pre-activations, errors those of the layer's inputs.
  void layer_backward(const Layer& layer, const Gradients& gradients) {
    const std::int64_t size = layer.units;
    float *dh = work_ + at_.carry, *inner = dh + layer.block;
    bool wants_start = false;
    if (reads_inner) std::memset(dh, 0, size * Z::width * sizeof(float));
    for (int part = 0; part < parts; ++part) {
      const float* from = gradients.final_state[part];
      load_gradient<Z>(is_inner(part) ? inner : dh, from ? from + layer.state : nullptr, net_.widest, size,
                       slice_.lanes);
      wants_start = wants_start || gradients.state[part] || own_start(layer, part, gradients);
    }
    if (Cell::is_leaky) spread(layer, work_ + at_.leak, layer.weights[net_.leak()]);
    for (std::int64_t t = shape_.steps - 1; t >= 0; --t) {
      const Moment now = moment(layer.index, t);
      Cell::backward(size, now, errors(t), dh, inner);
      if constexpr (Cell::recurrent == Recurrent::gated) {
        affine<Z, true>(size, inner, Zero<Z>{},
                        {layer.weights[1] + 2 * size * size, size, size, now.gates + 2 * layer.block}, nothing);
        Cell::reset_backward(size, now, inner, dh);
      }
      if (t > 0 || wants_start) pull_back(layer, size, dh, Present<Z>{dh}, layer.weights[1], now.gates, true);
      if (layer.index > 0) pull_back(layer, layer.inputs, errors(t), Zero<Z>{}, layer.weights[0], now.gates, false);
      else if (gradients.floats && net_.skip)
        pull_back(layer, layer.inputs, extra(t), Present<Z>{extra(t)}, layer.weights[0], now.gates, false);
      else if (gradients.floats)
        pull_back(layer, layer.inputs, extra(t), Zero<Z>{}, layer.weights[0], now.gates, false);
    }
    if (!wants_start) return;
    if constexpr (reads_inner) Cell::read_backward(layer.block, moment(layer.index, 0), dh, inner);
    for (int part = 0; part < parts; ++part) {
      const float* own = is_inner(part) ? inner : dh;
      if (gradients.state[part]) store_units(layer, gradients.state[part], own);
      sum_rows<Z>(size, own_start(layer, part, gradients), nullptr, {own, 0}, 1);
    }
  }

  void weights_backward(const Layer& layer, const Gradients& gradients) {
    if (!gradients.weights) return;
    float* const* grads = gradients.weights + layer.index * net_.layer_tensors();
    const std::int64_t size = layer.units, inputs = layer.inputs, steps = shape_.steps;
    const Moment first = moment(layer.index, 0);
    const Series x{below(layer.index, 0), layer.index == 0 ? at_.input_step : at_.hidden_step};
    const Series h{first.h_before, at_.hidden_step};
    const auto kept = [&](int gate) { return Series{first.gates + gate * layer.block, at_.gates_step}; };
    if (layer.index == 0 && shape_.tokens && grads[0]) mark_tokens();
    for (int gate = 0; gate < Cell::gates; ++gate) {
      const bool apart = gate == 2 && Cell::recurrent == Recurrent::apart;
      const bool gated = gate == 2 && Cell::recurrent == Recurrent::gated;
      const Series d = kept(gate), recurrent = apart ? kept(3) : d;
      const std::int64_t row = gate * size;
      if (grads[0]) {
        if (layer.index == 0 && shape_.tokens) tokens_backward(grads[0] + row * inputs, d);
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
      return outer<Z>(net_.hidden[0], size, grad, d, {extra(0), at_.input_step}, shape_.steps);
    float* sum = extra(0);
    for (std::int64_t row = 0; row < net_.hidden[0]; ++row, grad += size) {
      std::memset(sum, 0, size * sizeof(float));
      for (std::int64_t t = 0; t < shape_.steps; ++t)
        for (int lane = 0; lane < Z::width; ++lane)
          sum[tokens(t)[lane]] += d.data[t * d.step + row * Z::width + lane];
      for (std::int64_t token = 0; token < size; ++token) grad[token] += sum[token];
    }
  }

  Head<Z> head_;
};

}  // namespace
