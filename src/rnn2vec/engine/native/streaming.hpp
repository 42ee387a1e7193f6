// The pre-activations of many steps of a single sequence, the shape of sound. A step's products are too short to run along
// the weights' rows and sum up vectors (single.hpp). So weights are copied once into the order in which steps read them:
// vectors run over units, and each number that is read meets a few tiles of units, for every gate.
#pragma once

#include <algorithm>

#include "simd.hpp"

namespace {

// S: vectors; Gates: of each unit; Apart: the last gate's halves are
template <class S, int Gates, bool Apart>
class Streaming {
  using F = typename S::F;
  static constexpr int gates = Gates, sums = gates + Apart;
  static constexpr std::int64_t row = gates * S::lanes, bias_row = sums * S::lanes;
  static constexpr std::int64_t most_tiles = S::lanes == 16 ? 4 : 3;  // at once, as many sums as there are registers for

 public:
  Streaming(std::int64_t units, std::int64_t inputs, float* memory)
      : units_(units), inputs_(inputs), tiles_((units + S::lanes - 1) / S::lanes),
        groups_((tiles_ + most_tiles - 1) / most_tiles), least_(tiles_ / groups_), larger_(tiles_ % groups_), packed_(memory) {}

  // input, recurrent: weights [gates * units][columns]; bias: of every sum
  NOINLINE void pack(const float* input, const float* recurrent, const float* bias) const {
    std::memset(packed_, 0, tiles_ * tile() * sizeof(float));
    for (std::int64_t group = 0, first = 0; group < groups_; first += tiles_of(group++)) {
      const std::int64_t count = tiles_of(group), step = count * row;  // between what is read
      for (std::int64_t unit = first * S::lanes; unit < std::min((first + count) * S::lanes, units_); ++unit) {
        float* const to = packed_ + first * tile() + unit % S::lanes;
        const std::int64_t own = unit / S::lanes - first;
        for (int sum = 0; sum < sums; ++sum) to[own * bias_row + sum * S::lanes] = bias[sum * units_ + unit];
        for (int gate = 0; gate < gates; ++gate) {
          const std::int64_t from = gate * units_ + unit;
          float* next = to + count * bias_row + own * row + gate * S::lanes;
          for (std::int64_t k = 0; k < inputs_; ++k, next += step) *next = input[from * inputs_ + k];
          for (std::int64_t k = 0; k < units_; ++k, next += step) *next = recurrent[from * units_ + k];
        }
      }
    }
  }

  // To out, so many floats a gate. x: numbers, or null and a token; h: of the step before
  void preactivate(float* out, std::int64_t block, const float* x, std::int32_t token, const float* h) const {
    for (std::int64_t group = 0, first = 0; group < groups_; first += tiles_of(group++)) {
      const float* const packed = packed_ + first * tile();
      float* const to = out + first * S::lanes;
      switch (tiles_of(group)) {
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
  std::int64_t tiles_of(std::int64_t group) const { return least_ + (group < larger_); }

  template <int T>
  NOINLINE void tiles(float* out, std::int64_t block, const float* packed, const float* x, std::int32_t token, const float* h) const {
    constexpr int size = T * sums, chains = size >= 8 ? 1 : size >= 4 ? 2 : 4;  // independent sums, to hide an addition's time
    F sum[chains][size] = {};
#pragma GCC unroll 16
    for (int v = 0; v < size; ++v) sum[0][v] = S::load(packed + v * S::lanes);
    packed += T * bias_row;
    if (x) add<T, false>(sum, packed, x, inputs_);
    else add_one<T, false>(sum[0], packed + token * T * row, 1.0f);
    add<T, Apart>(sum, packed + inputs_ * T * row, h, units_);
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
  const std::int64_t groups_, least_, larger_;  // tiles at once: in how many groups, how many in each, one more in how many
  float* const packed_;
};

}  // namespace
