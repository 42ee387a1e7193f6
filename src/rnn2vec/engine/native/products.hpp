// The two matrix products that nearly all the time goes into, register-blocked, without packing anything.
//
// Activations are stored [feature][lane]: a lane is one sequence of the batch slice, so vectors run over the batch and
// hidden sizes need not be multiples of anything. A slice is `Slots::width` lanes wide.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace {

// How a slice of the batch lies in vectors, and how many accumulators a product may hold in registers.
template <class Vector, int Count, int Rows, int Columns, int Side>
struct Slots {
  using S = Vector;
  using F = typename S::F;
  static constexpr int count = Count;      // vectors to a feature
  static constexpr int width = Count ? Count * S::lanes : 1;  // a Count of 0 is a batch of one, see single.hpp
  // Floats that so many features take, in whole vectors.
  static constexpr std::int64_t block(std::int64_t features) { return rnn2vec::block_size(features, width); }
  static constexpr int rows = Rows;        // affine(): a block is Rows features x Columns vectors
  static constexpr int columns = Columns;
  static constexpr int side = Side;        // outer(): a block is Side x Side inner products
};

// One summand of affine(): weights * x, weights [features, depth] row-major or, if Transposed, [depth, features].
struct Term {
  const float* weights;
  std::int64_t stride;  // between the rows of `weights`, as stored
  std::int64_t depth;   // 0 leaves the term out
  const float* x;       // [depth][width]
};

// Sequences of activations: a [features][width] block for each time step.
struct Series {
  const float* data;
  std::int64_t step;  // floats between steps
};

}  // namespace

#include "single.hpp"

namespace {

template <class Z, int R, bool Transposed>
INLINE void accumulate(typename Z::F (&sum)[R][Z::columns], const Term& term, std::int64_t row, int column) {
  using S = typename Z::S;
  const float* weights = term.weights + (Transposed ? row : row * term.stride);
  const float* x = term.x + column * S::lanes;
  for (std::int64_t k = 0; k < term.depth; ++k, x += Z::width) {
    typename Z::F value[Z::columns];
#pragma GCC unroll 16
    for (int c = 0; c < Z::columns; ++c) value[c] = S::load(x + c * S::lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto weight = S::broadcast(Transposed ? weights[k * term.stride + r] : weights[r * term.stride + k]);
#pragma GCC unroll 16
      for (int c = 0; c < Z::columns; ++c) sum[r][c] += weight * value[c];
    }
  }
}

template <class Z, int R, bool Transposed, class Start>
INLINE void affine_block(float* out, std::int64_t row, const Start& start, const Term& a, const Term& b) {
  using S = typename Z::S;
  for (int column = 0; column < Z::count; column += Z::columns) {
    typename Z::F sum[R][Z::columns];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int c = 0; c < Z::columns; ++c) sum[r][c] = start(row + r, column + c);
    accumulate<Z, R, Transposed>(sum, a, row, column);
    accumulate<Z, R, Transposed>(sum, b, row, column);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int c = 0; c < Z::columns; ++c) S::store(out + (row + r) * Z::width + (column + c) * S::lanes, sum[r][c]);
  }
}

template <class Z, bool Transposed, class Start>
NOINLINE void affine_blocks(std::int64_t rows, float* out, const Start& start, const Term& a, const Term& b) {
  std::int64_t row = 0;
  for (; row + Z::rows <= rows; row += Z::rows) affine_block<Z, Z::rows, Transposed>(out, row, start, a, b);
  for (; row + 2 <= rows; row += 2) affine_block<Z, 2, Transposed>(out, row, start, a, b);
  for (; row < rows; ++row) affine_block<Z, 1, Transposed>(out, row, start, a, b);
}

// out[row] = start(row, vector) + a + b for all rows; out is [rows][width].
template <class Z, bool Transposed, class Start>
INLINE void affine(std::int64_t rows, float* out, const Start& start, const Term& a, const Term& b) {
  if constexpr (Z::width == 1) affine_single<Row<typename Z::S>, Transposed>(rows, out, start, a, b);
  else affine_blocks<Z, Transposed>(rows, out, start, a, b);
}

template <class Z, int M, int K>
INLINE void outer_block(float* grad, std::int64_t stride, const Series& d, const Series& x, std::int64_t steps,
                        std::int64_t row, std::int64_t column) {
  using S = typename Z::S;
  typename Z::F sum[M][K] = {};
  const float* left = d.data + row * Z::width;
  const float* right = x.data + column * Z::width;
  for (std::int64_t t = 0; t < steps; ++t, left += d.step, right += x.step)
    for (int lane = 0; lane < Z::width; lane += S::lanes) {
      typename Z::F value[K];
#pragma GCC unroll 16
      for (int k = 0; k < K; ++k) value[k] = S::load(right + k * Z::width + lane);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const auto own = S::load(left + m * Z::width + lane);
#pragma GCC unroll 16
        for (int k = 0; k < K; ++k) sum[m][k] += own * value[k];
      }
    }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) grad[(row + m) * stride + column + k] += S::sum(sum[m][k]);
}

template <class Z, int M>
INLINE void outer_rows(float* grad, std::int64_t columns, const Series& d, const Series& x, std::int64_t steps,
                       std::int64_t row) {
  std::int64_t column = 0;
  for (; column + Z::side <= columns; column += Z::side)
    outer_block<Z, M, Z::side>(grad, columns, d, x, steps, row, column);
  for (; column < columns; ++column) outer_block<Z, M, 1>(grad, columns, d, x, steps, row, column);
}

// grad[row][column] += sum over steps and lanes of d[step][row][lane] * x[step][column][lane]
template <class Z>
NOINLINE void outer(std::int64_t rows, std::int64_t columns, float* grad, const Series& d, const Series& x,
           std::int64_t steps) {
  if constexpr (Z::width == 1) return outer_single<Row<typename Z::S>>(rows, columns, grad, d, x, steps);
  std::int64_t row = 0;
  for (; row + Z::side <= rows; row += Z::side) outer_rows<Z, Z::side>(grad, columns, d, x, steps, row);
  for (; row < rows; ++row) outer_rows<Z, 1>(grad, columns, d, x, steps, row);
}

// grad[row] += sum over steps and lanes of d[step][row][lane]; the same to `twin`; either may be null
template <class Z>
NOINLINE void sum_rows(std::int64_t rows, float* grad, float* twin, const Series& d, std::int64_t steps) {
  using S [[maybe_unused]] = typename Z::S;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* own = d.data + row * Z::width;
    float total = 0.0f;
    if constexpr (Z::width == 1) {
      for (std::int64_t t = 0; t < steps; ++t) total += own[t * d.step];
    } else {
      typename Z::F sum[Z::count] = {};
      for (std::int64_t t = 0; t < steps; ++t, own += d.step)
        for (int v = 0; v < Z::count; ++v) sum[v] += S::load(own + v * S::lanes);
      for (int v = 1; v < Z::count; ++v) sum[0] += sum[v];
      total = S::sum(sum[0]);
    }
    if (grad) grad[row] += total;
    if (twin) twin[row] += total;
  }
}

}  // namespace
