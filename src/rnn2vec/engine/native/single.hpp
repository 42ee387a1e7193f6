// The products of products.hpp for a batch of one, where a vector over the batch would be empty but for one lane: vectors
// run along the weights' rows instead. Probing one sequence at a time spends its time here.
#pragma once

#include "simd.hpp"

namespace {

// Vectors that a sum over their lanes does not take too long for.
template <class S>
using Row = Simd<(S::lanes < 8 ? 4 : 8)>;

// Lane l of the result is the sum over the lanes of v[l].
template <class S>
INLINE typename S::F sums_of_each(typename S::F (&v)[S::lanes]) {
  static_assert(S::lanes == 8 || S::lanes == 4);
#pragma GCC unroll 8
  for (int left = S::lanes / 2; left > 0; left /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < left; ++i) {
      const auto a = v[2 * i], b = v[2 * i + 1];
      if constexpr (S::lanes == 8)
        v[i] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14) +
               __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
      else
        v[i] = __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
    }
  return v[0];
}

// Adds the inner products of R rows of a term's weights with x to `sum`, lane by lane, and what is left to `rest`.
template <class S, int R>
INLINE void add_inner_products(typename S::F (&sum)[S::lanes], float (&rest)[S::lanes], const Term& term,
                               std::int64_t row) {
  const float* weights = term.weights + row * term.stride;
  std::int64_t k = 0;
  for (; k + S::lanes <= term.depth; k += S::lanes) {
    const auto x = S::load_anywhere(term.x + k);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r] += S::load_anywhere(weights + r * term.stride + k) * x;
  }
  for (; k < term.depth; ++k)
    for (int r = 0; r < R; ++r) rest[r] += weights[r * term.stride + k] * term.x[k];
}

// out[row + r] = start + a + b for R rows, which is 1 or S::lanes; lanes are summed up once for both terms.
template <class S, int R, class Start>
INLINE void rows_single(float* out, std::int64_t row, const Start& start, const Term& a, const Term& b) {
  typename S::F sum[S::lanes] = {};
  alignas(64) float rest[S::lanes] = {}, total[S::lanes];
  add_inner_products<S, R>(sum, rest, a, row);
  add_inner_products<S, R>(sum, rest, b, row);
  if constexpr (R == 1) total[0] = S::sum(sum[0]);
  else S::store(total, sums_of_each<S>(sum));
  for (int r = 0; r < R; ++r) out[row + r] = start.one(row + r) + (total[r] + rest[r]);
}

// Some neighbouring columns of the weights, each row of them times one number of x; C vectors, or one column if C is 0.
template <class S, int C>
INLINE void add_columns(float* out, const Term& term, std::int64_t column) {
  const float* weights = term.weights + column;
  if constexpr (C == 0) {
    for (std::int64_t k = 0; k < term.depth; ++k) out[column] += weights[k * term.stride] * term.x[k];
  } else {
    typename S::F sum[C];
    for (int c = 0; c < C; ++c) sum[c] = S::load_anywhere(out + column + c * S::lanes);
    for (std::int64_t k = 0; k < term.depth; ++k, weights += term.stride)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sum[c] += term.x[k] * S::load_anywhere(weights + c * S::lanes);
    for (int c = 0; c < C; ++c) S::store_anywhere(out + column + c * S::lanes, sum[c]);
  }
}

template <class S, bool Transposed, class Start>
NOINLINE void affine_single(std::int64_t rows, float* out, const Start& start, const Term& a, const Term& b) {
  std::int64_t row = 0;
  if constexpr (!Transposed) {
    for (; row + S::lanes <= rows; row += S::lanes) rows_single<S, S::lanes>(out, row, start, a, b);
    for (; row < rows; ++row) rows_single<S, 1>(out, row, start, a, b);
    return;
  }
  for (; row < rows; ++row) out[row] = start.one(row);
  for (const Term* term = &a; term; term = term == &a ? &b : nullptr) {
    for (row = 0; row + 4 * S::lanes <= rows; row += 4 * S::lanes) add_columns<S, 4>(out, *term, row);
    for (; row + S::lanes <= rows; row += S::lanes) add_columns<S, 1>(out, *term, row);
    for (; row < rows; ++row) add_columns<S, 0>(out, *term, row);
  }
}

template <class S>
NOINLINE void outer_single(std::int64_t rows, std::int64_t columns, float* grad, const Series& d, const Series& x,
                  std::int64_t steps) {
  for (std::int64_t row = 0; row < rows; ++row, grad += columns) {
    std::int64_t column = 0;
    for (; column + S::lanes <= columns; column += S::lanes) {
      typename S::F sum{};
      for (std::int64_t t = 0; t < steps; ++t)
        sum += d.data[t * d.step + row] * S::load_anywhere(x.data + t * x.step + column);
      S::store_anywhere(grad + column, S::load_anywhere(grad + column) + sum);
    }
    for (; column < columns; ++column) {
      float sum = 0.0f;
      for (std::int64_t t = 0; t < steps; ++t) sum += d.data[t * d.step + row] * x.data[t * x.step + column];
      grad[column] += sum;
    }
  }
}

}  // namespace
