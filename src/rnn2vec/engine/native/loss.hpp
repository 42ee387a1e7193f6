// Losses of a slice's outputs, and their gradients in their place.
#pragma once

#include <cmath>

#include "activations.hpp"
#include "lanes.hpp"

namespace {

// What a term counts in the loss: mask [sequence][T], or null and all count 1.
struct Mask {
  const float* values;
  std::int64_t steps;
  float operator()(std::int64_t lane, std::int64_t t) const { return values ? values[lane * steps + t] : 1.0f; }
};

// Turn outputs [T][Y][width] into the gradient of scale * sum(mask * -log softmax(outputs)[targets]); return the sum.
template <class Z>
double cross_entropy(float* outputs, const std::int64_t* targets, const Mask& mask, std::int64_t classes,
                     std::int64_t lanes, float scale) {
  const std::int64_t steps = mask.steps;
  using S = typename Z::S;
  using F = typename S::F;
  double total = 0.0;
  for (std::int64_t t = 0; t < steps; ++t, outputs += classes * Z::width) {
    alignas(64) std::int32_t wanted[Z::width];
    alignas(64) float share[Z::width], sums[Z::width], margin[Z::width];
    load_lanes<Z>(wanted, targets + t, steps, lanes);
    for (int lane = 0; lane < Z::width; ++lane) share[lane] = lane < lanes ? scale * mask(lane, t) : 0.0f;
    for (int v = 0; v < Z::width; v += S::lanes) {
      F highest = S::load(outputs + v);
      for (std::int64_t y = 1; y < classes; ++y) {
        const F x = S::load(outputs + y * Z::width + v);
        highest = x > highest ? x : highest;
      }
      const typename S::I target = S::load(wanted + v);
      F sum{}, own{};
      for (std::int64_t y = 0; y < classes; ++y) {
        const F x = S::load(outputs + y * Z::width + v) - highest;
        const F e = exponential<S>(x);
        own = target == static_cast<std::int32_t>(y) ? x : own;
        sum += e;
        S::store(outputs + y * Z::width + v, e);
      }
      const F factor = S::load(share + v);
      for (std::int64_t y = 0; y < classes; ++y) {
        const F one = target == static_cast<std::int32_t>(y) ? S::broadcast(1.0f) : F{};
        S::store(outputs + y * Z::width + v, (S::load(outputs + y * Z::width + v) / sum - one) * factor);
      }
      S::store(sums + v, sum);
      S::store(margin + v, own);
    }
    for (std::int64_t lane = 0; lane < lanes; ++lane) total += mask(lane, t) * (std::log(sums[lane]) - margin[lane]);
  }
  return total;
}

// Likewise of scale * sum(mask * (outputs - targets)^2), targets [sequence][T][Y].
template <class Z>
double squared_error(float* outputs, const float* targets, const Mask& mask, std::int64_t size, std::int64_t lanes,
                     float scale) {
  double total = 0.0;
  for (std::int64_t row = 0; row < mask.steps * size; ++row, outputs += Z::width) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const float difference = outputs[lane] - targets[lane * mask.steps * size + row], count = mask(lane, row / size);
      total += count * static_cast<double>(difference) * difference;
      outputs[lane] = 2.0f * scale * count * difference;
    }
    for (std::int64_t lane = lanes; lane < Z::width; ++lane) outputs[lane] = 0.0f;
  }
  return total;
}

}  // namespace
