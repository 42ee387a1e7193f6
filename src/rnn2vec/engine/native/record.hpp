// The memory of one slice of one network, and what goes in and out of it.
#pragma once

#include "cells.hpp"
#include "kernels.hpp"
#include "lanes.hpp"

namespace {

using rnn2vec::Architecture;
using rnn2vec::Layout;
using rnn2vec::Shape;
using rnn2vec::Slice;

// What stays the same over all of a layer's steps.
struct Layer {
  std::int64_t index, units, inputs;
  std::int64_t block;           // floats of one gate, or of h
  const float* const* weights;  // its tensors
  std::int64_t state;           // where in a tensor [L, B, H] its part is
};

template <class Z, class Cell>
class Record {
 public:
  Record(const Slice& slice, bool keep, float* tape, float* workspace)
      : slice_(slice), shape_(*slice.shape), net_(*shape_.architecture), at_(shape_, Z::width, keep), tape_(tape),
        work_(workspace) {}

  float* outputs() { return work_ + at_.outputs; }  // [T][Y][width]; for backward(), their gradient

  void load_output_gradients(const float* from) {
    const bool has_head = !net_.head.empty();
    const std::int64_t size = net_.outputs(), stride = shape_.steps * size;
    for (std::int64_t t = 0; t < shape_.steps; ++t)
      load_gradient<Z>(has_head ? outputs() + t * size * Z::width : errors(t),
                       from ? from + slice_.first * stride + t * size : nullptr, stride, size, slice_.lanes);
  }

 protected:
  static constexpr bool reads_inner = Cell::is_leaky && Cell::has_inner;  // h is a function of it, and no state itself
  static constexpr int parts = Cell::has_inner && !Cell::is_leaky ? 2 : 1;
  static constexpr bool is_inner(int part) { return part == 1 || reads_inner; }

  Layer layer(std::int64_t index) const {
    const std::int64_t units = net_.hidden[index];
    return {index, units, index ? net_.hidden[index - 1] : net_.input_size, Z::block(units),
            slice_.weights + index * net_.layer_tensors(), (index * shape_.batch + slice_.first) * net_.widest};
  }
  std::int64_t head_tensors() const { return net_.layers() * net_.layer_tensors(); }
  std::int32_t* tokens(std::int64_t t) const { return reinterpret_cast<std::int32_t*>(tape_) + t * Z::width; }
  float* errors(std::int64_t t) { return work_ + at_.errors + t * at_.hidden_step; }
  float* extra(std::int64_t t) { return work_ + at_.extra + t * at_.input_step; }
  Series top() const { return {moment(net_.layers() - 1, 0).h, at_.hidden_step}; }

  Moment moment(std::int64_t layer, std::int64_t t) const {
    float* own = tape_ + at_.layer + layer * at_.layer_size;
    float* h = own + at_.hidden + t * at_.hidden_step;
    float* inner = own + at_.inner + t * at_.hidden_step;
    return {own + at_.gates + t * at_.gates_step, h, inner, h + at_.hidden_step, inner + at_.hidden_step,
            work_ + at_.leak, net_.nonlinearity};
  }

  // A part of a layer's state before the first step.
  float* start(const Layer& layer, int part) {
    return tape_ + at_.layer + layer.index * at_.layer_size + (is_inner(part) ? at_.inner : at_.hidden);
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

  void load_state(const Layer& layer) {
    for (int part = 0; part < parts; ++part) {
      float* to = start(layer, part);
      if (slice_.state[part])
        load_lanes<Z>(to, slice_.state[part] + layer.state, net_.widest, layer.units, slice_.lanes);
      else if (net_.own_state)
        spread(layer, to, layer.weights[net_.start() + part]);
      else
        std::memset(to, 0, layer.units * Z::width * sizeof(float));
    }
    if constexpr (reads_inner) {
      const Moment first = moment(layer.index, 0);
      Cell::read(layer.block, first, const_cast<float*>(first.h_before));
    }
  }

  // The state after the last chunk is the one before this one.
  void carry_state(const Layer& layer) {
    const Moment first = moment(layer.index, 0), last = moment(layer.index, at_.steps - 1);
    const std::size_t size = layer.block * sizeof(float);
    std::memcpy(const_cast<float*>(first.h_before), last.h, size);
    if (Cell::has_inner) std::memcpy(const_cast<float*>(first.inner_before), last.inner, size);
  }

  // A number of each unit for all lanes.
  void spread(const Layer& layer, float* to, const float* from) {
    for (std::int64_t unit = 0; unit < layer.units; ++unit) std::fill_n(to + unit * Z::width, Z::width, from[unit]);
  }

  void store_outputs(float* to, std::int64_t first, std::int64_t steps) {
    const std::int64_t size = net_.outputs(), stride = shape_.steps * size;
    for (std::int64_t t = 0; t < steps; ++t)
      store_lanes<Z>(to + slice_.first * stride + (first + t) * size,
                     net_.head.empty() ? moment(net_.layers() - 1, t).h : outputs() + t * size * Z::width, stride, size,
                     slice_.lanes);
  }

  void store_state(float* const* to, std::int64_t steps) const {
    for (std::int64_t index = 0; index < net_.layers(); ++index) {
      const Moment last = moment(index, steps - 1);
      for (int part = 0; part < parts; ++part) store_units(layer(index), to[part], is_inner(part) ? last.inner : last.h);
    }
  }

  // A layer's part of a tensor [L, B, H]; there are zeros beyond a smaller layer's size.
  void store_units(const Layer& layer, float* to, const float* from) const {
    to += layer.state;
    store_lanes<Z>(to, from, net_.widest, layer.units, slice_.lanes);
    for (std::int64_t lane = 0; layer.units < net_.widest && lane < slice_.lanes; ++lane)
      std::fill(to + lane * net_.widest + layer.units, to + (lane + 1) * net_.widest, 0.0f);
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

  const Slice& slice_;
  const Shape& shape_;
  const Architecture& net_;
  const Layout at_;
  float *tape_, *work_;
};

}  // namespace
