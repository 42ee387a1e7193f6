// The pre-activations of many steps of a single sequence, the shape of sound. A step's products are too short to run along
// the weights' rows and sum up vectors (single.hpp). So weights are copied once into the order in which steps read them:
// vectors run over units, and each number that is read meets a few tiles of units, for every gate.
#pragma once

#include "cells.hpp"

namespace {

template <class Z, class Cell>
class Streaming {
  using S = typename Z::S;
  using F = typename S::F;
  static constexpr bool apart = Cell::recurrent == Recurrent::apart;  // the last gate's halves
  static constexpr int gates = Cell::gates, sums = gates + apart;
  static constexpr std::int64_t row = gates * S::lanes, bias_row = sums * S::lanes;
  static constexpr std::int64_t most_tiles = S::lanes == 16 ? 4 : 3;  // at once, as many sums as there are registers for

 public:
  // A reset that comes before the product would need all gates of all units in between.
  static constexpr bool fits = Z::width == 1 && Cell::recurrent != Recurrent::gated;

  Streaming(std::int64_t units, std::int64_t inputs, float* memory)
      : units_(units), inputs_(inputs), tiles_((units + S::lanes - 1) / S::lanes), packed_(memory) {}

  // input, recurrent: weights [gates * units][columns]; bias: of every sum
  void pack(const float* input, const float* recurrent, const float* bias) {
    std::memset(packed_, 0, tiles_ * tile() * sizeof(float));
    for (std::int64_t first = 0; first < tiles_; first += tiles_at(first))
      for (std::int64_t unit = first * S::lanes; unit < std::min((first + tiles_at(first)) * S::lanes, units_); ++unit) {
        const std::int64_t step = tiles_at(first) * row;  // between what is read
        float* const to = packed_ + first * tile() + unit % S::lanes;
        const std::int64_t own = unit / S::lanes - first;
        for (int sum = 0; sum < sums; ++sum) to[own * bias_row + sum * S::lanes] = bias[sum * units_ + unit];
        for (int gate = 0; gate < gates; ++gate) {
          const std::int64_t from = gate * units_ + unit;
          float* next = to + tiles_at(first) * bias_row + own * row + gate * S::lanes;
          for (std::int64_t k = 0; k < inputs_; ++k, next += step) *next = input[from * inputs_ + k];
          for (std::int64_t k = 0; k < units_; ++k, next += step) *next = recurrent[from * units_ + k];
        }
      }
  }

  // To out, so many floats a gate. x: numbers, or null and a token; h: of the step before
  void preactivate(float* out, std::int64_t block, const float* x, std::int32_t token, const float* h) const {
    for (std::int64_t first = 0; first < tiles_; first += tiles_at(first)) {
      const float* const packed = packed_ + first * tile();
      float* const to = out + first * S::lanes;
      switch (tiles_at(first)) {
        case 1: tiles<1>(to, block, packed, x, token, h); break;
        case 2: tiles<2>(to, block, packed, x, token, h); break;
        case 3: tiles<3>(to, block, packed, x, token, h); break;
        default: tiles<4>(to, block, packed, x, token, h);
      }
    }
  }

 private:
  std::int64_t tile() const { return bias_row + (inputs_ + units_) * row; }  // the bias comes first

  // As even as they can be shared.
  std::int64_t tiles_at(std::int64_t first) const {
    const std::int64_t left = tiles_ - first, times = (left + most_tiles - 1) / most_tiles;
    return (left + times - 1) / times;
  }

  template <int T>
  void tiles(float* out, std::int64_t block, const float* packed, const float* x, std::int32_t token, const float* h) const {
    constexpr int size = T * sums, chains = size >= 8 ? 1 : size >= 4 ? 2 : 4;  // independent sums, to hide an addition's time
    F sum[chains][size] = {};
#pragma GCC unroll 16
    for (int v = 0; v < size; ++v) sum[0][v] = S::load(packed + v * S::lanes);
    packed += T * bias_row;
    if (x) add<T, false>(sum, packed, x, inputs_);
    else add_one<T, false>(sum[0], packed + token * T * row, 1.0f);
    add<T, apart>(sum, packed + inputs_ * T * row, h, units_);
#pragma GCC unroll 16
    for (int v = 0; v < size; ++v) {
#pragma GCC unroll 4
      for (int chain = 1; chain < chains; ++chain) sum[0][v] += sum[chain][v];
      S::store(out + v % sums * block + v / sums * S::lanes, sum[0][v]);
    }
  }

  // Recurrent: to the other half of the last gate
  template <int T, bool Recurrent>
  static INLINE void add_one(F (&sum)[T * sums], const float* weights, float x) {
    const F value = S::broadcast(x);
#pragma GCC unroll 16
    for (int v = 0; v < T * gates; ++v)
      sum[v / gates * sums + v % gates + (Recurrent && v % gates == gates - 1)] += S::load(weights + v * S::lanes) * value;
  }

  template <int T, bool Recurrent, int Chains>
  static INLINE void add(F (&sum)[Chains][T * sums], const float* weights, const float* x, std::int64_t depth) {
    std::int64_t k = 0;
    for (; k + Chains <= depth; k += Chains, weights += Chains * T * row)
#pragma GCC unroll 4
      for (int chain = 0; chain < Chains; ++chain) add_one<T, Recurrent>(sum[chain], weights + chain * T * row, x[k + chain]);
    for (; k < depth; ++k, weights += T * row) add_one<T, Recurrent>(sum[0], weights, x[k]);
  }

  const std::int64_t units_, inputs_, tiles_;
  float* const packed_;
};

}  // namespace
