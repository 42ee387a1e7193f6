// What the products of products.hpp start from.
#pragma once

#include "products.hpp"

namespace {

constexpr Term nothing{nullptr, 0, 0, nullptr};

template <class Z>
struct Zero {
  INLINE typename Z::F operator()(std::int64_t, int) const { return typename Z::F{}; }
  INLINE float one(std::int64_t) const { return 0.0f; }
};

template <class Z>
struct Bias {
  const float* bias;
  INLINE typename Z::F operator()(std::int64_t row, int) const { return Z::S::broadcast(bias[row]); }
  INLINE float one(std::int64_t row) const { return bias[row]; }
  Bias after(std::int64_t rows) const { return {bias + rows}; }
};

template <class Z>
struct Present {  // what is there already
  const float* x;
  INLINE typename Z::F operator()(std::int64_t row, int v) const {
    return Z::S::load(x + row * Z::width + v * Z::S::lanes);
  }
  INLINE float one(std::int64_t row) const { return x[row]; }
};

template <class Z>
struct Lookup {  // the first layer's input half for tokens: a column of its weights
  const float *weights, *bias;
  const std::int32_t* tokens;
  std::int64_t size;
  INLINE typename Z::F operator()(std::int64_t row, int v) const {
    return Z::S::lookup(weights + row * size, size, Z::S::load(tokens + v * Z::S::lanes)) + bias[row];
  }
  INLINE float one(std::int64_t row) const { return weights[row * size + *tokens] + bias[row]; }
  Lookup after(std::int64_t rows) const { return {weights + rows * size, bias + rows, tokens, size}; }
};

}  // namespace
