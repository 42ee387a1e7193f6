// Between torch's layout, [sequence][feature], and the kernels', [feature][lane].
#pragma once

#include "simd.hpp"

namespace {

// to[j][i] = from[i][j] for a square of as many as a vector has lanes, by riffling its rows.
template <class S>
INLINE void transpose_square(float* to, std::int64_t to_stride, const float* from, std::int64_t from_stride) {
  static_assert(S::lanes == 8 || S::lanes == 4);
  constexpr int half = S::lanes / 2;
  typename S::F rows[S::lanes], riffled[S::lanes];
#pragma GCC unroll 8
  for (int i = 0; i < S::lanes; ++i) rows[i] = S::load_anywhere(from + i * from_stride);
#pragma GCC unroll 3
  for (int left = S::lanes; left > 1; left /= 2) {
#pragma GCC unroll 4
    for (int i = 0; i < half; ++i) {
      const auto a = rows[i], b = rows[i + half];
      if constexpr (S::lanes == 8) {
        riffled[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
        riffled[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
      } else {
        riffled[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        riffled[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < S::lanes; ++i) rows[i] = riffled[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < S::lanes; ++i) S::store_anywhere(to + i * to_stride, rows[i]);
}

// to[column][row] = from[row][column]
template <class Z>
void transpose(float* to, std::int64_t to_stride, const float* from, std::int64_t from_stride, std::int64_t rows,
               std::int64_t columns) {
  using S = Simd<(Z::S::lanes < 8 ? 4 : 8)>;
  const std::int64_t whole_rows = rows / S::lanes * S::lanes, whole_columns = columns / S::lanes * S::lanes;
  for (std::int64_t row = 0; row < rows; ++row) {
    const bool whole = row < whole_rows;
    if (whole && row % S::lanes == 0)
      for (std::int64_t column = 0; column < whole_columns; column += S::lanes)
        transpose_square<S>(to + column * to_stride + row, to_stride, from + row * from_stride + column, from_stride);
    for (std::int64_t column = whole ? whole_columns : 0; column < columns; ++column)
      to[column * to_stride + row] = from[row * from_stride + column];
  }
}

// Lanes beyond the batch repeat its last sequence: whatever they compute is as finite as what is real.
template <class Z>
void load_lanes(float* to, const float* from, std::int64_t stride, std::int64_t features, std::int64_t lanes) {
  if constexpr (Z::width == 1) {
    std::memcpy(to, from, features * sizeof(float));
  } else {
    transpose<Z>(to, Z::width, from, stride, lanes, features);
    for (std::int64_t f = 0; f < features; ++f)
      for (std::int64_t lane = lanes; lane < Z::width; ++lane) to[f * Z::width + lane] = to[f * Z::width + lanes - 1];
  }
}

// A number of each sequence, tokens or classes, likewise.
template <class Z>
void load_lanes(std::int32_t* to, const std::int64_t* from, std::int64_t stride, std::int64_t lanes) {
  for (std::int64_t lane = 0; lane < Z::width; ++lane)
    to[lane] = static_cast<std::int32_t>(from[(lane < lanes ? lane : lanes - 1) * stride]);
}

// Gradients are zero in lanes beyond the batch, and everywhere if there are none.
template <class Z>
void load_gradient(float* to, const float* from, std::int64_t stride, std::int64_t features, std::int64_t lanes) {
  if (!from) lanes = 0;
  if (lanes < Z::width) std::memset(to, 0, features * Z::width * sizeof(float));
  if (Z::width == 1 && lanes) std::memcpy(to, from, features * sizeof(float));
  else if (lanes) transpose<Z>(to, Z::width, from, stride, lanes, features);
}

template <class Z>
void store_lanes(float* to, const float* from, std::int64_t stride, std::int64_t features, std::int64_t lanes) {
  if constexpr (Z::width == 1) std::memcpy(to, from, features * sizeof(float));
  else transpose<Z>(to, stride, from, Z::width, features, lanes);
}

}  // namespace
