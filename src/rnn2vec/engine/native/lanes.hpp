// Between torch's layout, [sequence][feature], and the kernels', [feature][lane].
#pragma once

#include "simd.hpp"

namespace {

// Lanes beyond the batch repeat its last sequence: whatever they compute is as finite as what is real.
template <class Z, class T, class U>
void load_lanes(U* to, const T* from, std::int64_t stride, std::int64_t features, std::int64_t lanes) {
  for (std::int64_t lane = 0; lane < Z::width; ++lane) {
    const T* own = from + (lane < lanes ? lane : lanes - 1) * stride;
    for (std::int64_t f = 0; f < features; ++f) to[f * Z::width + lane] = static_cast<U>(own[f]);
  }
}

// Gradients are zero in lanes beyond the batch, and everywhere if there are none.
template <class Z>
void load_gradient(float* to, const float* from, std::int64_t stride, std::int64_t features, std::int64_t lanes) {
  if (!from) lanes = 0;
  for (std::int64_t lane = 0; lane < Z::width; ++lane)
    for (std::int64_t f = 0; f < features; ++f)
      to[f * Z::width + lane] = lane < lanes ? from[lane * stride + f] : 0.0f;
}

template <class Z>
void store_lanes(float* to, const float* from, std::int64_t stride, std::int64_t features, std::int64_t lanes) {
  for (std::int64_t lane = 0; lane < lanes; ++lane)
    for (std::int64_t f = 0; f < features; ++f) to[lane * stride + f] = from[f * Z::width + lane];
}

}  // namespace
