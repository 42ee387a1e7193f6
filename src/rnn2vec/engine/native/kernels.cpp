// The table of kernels of one instruction set. CMake compiles this file once for each, with that set's flags and with
// RNN2VEC_SET naming it.
#include "kernels.hpp"

#include "loss.hpp"
#include "network.hpp"

namespace {

using rnn2vec::AdamW;
using rnn2vec::Cell;

// Narrow slices for narrow batches; blocks sized to the registers (32 of them, but for AVX2's and SSE's 16).
#if defined(__AVX512F__)
using Narrow = Slots<Simd<8>, 1, 8, 1, 4>;
using Medium = Slots<Simd<16>, 1, 8, 1, 4>;
using Wide = Slots<Simd<16>, 2, 8, 2, 4>;
#elif defined(__AVX2__)
using Narrow = Slots<Simd<8>, 1, 8, 1, 3>;
using Medium = Slots<Simd<8>, 2, 4, 2, 3>;
using Wide = Slots<Simd<8>, 4, 4, 2, 3>;
#elif defined(__aarch64__)
using Narrow = Slots<Simd<4>, 1, 8, 1, 4>;
using Medium = Slots<Simd<4>, 4, 4, 4, 4>;
using Wide = Slots<Simd<4>, 8, 4, 4, 4>;
#else
using Narrow = Slots<Simd<4>, 1, 8, 1, 3>;
using Medium = Slots<Simd<4>, 4, 4, 2, 3>;
using Wide = Slots<Simd<4>, 8, 4, 2, 3>;
#endif
static_assert(Wide::width == rnn2vec::slice_width);

std::int64_t width(std::int64_t lanes) {
  return lanes <= Narrow::width ? Narrow::width : lanes <= Medium::width ? Medium::width : Wide::width;
}

template <class Z, class Action>
auto with_cell(Cell cell, const Action& action) {
  switch (cell) {
    case Cell::lstm: return action(static_cast<Network<Z, Lstm<Z>>*>(nullptr));
    case Cell::gru: return action(static_cast<Network<Z, Gru<Z>>*>(nullptr));
    case Cell::tanh: return action(static_cast<Network<Z, Elman<Z, false>>*>(nullptr));
    default: return action(static_cast<Network<Z, Elman<Z, true>>*>(nullptr));
  }
}

// Call action with a null pointer to the type of network, and of slots, that fit the slice.
template <class Action>
auto with_network(const Slice& slice, const Action& action) {
  const auto lanes = width(slice.lanes);
  const auto cell = slice.shape->cell;
  if (lanes == Narrow::width) return with_cell<Narrow>(cell, [&](auto* n) { return action(n, static_cast<Narrow*>(nullptr)); });
  if (lanes == Medium::width) return with_cell<Medium>(cell, [&](auto* n) { return action(n, static_cast<Medium*>(nullptr)); });
  return with_cell<Wide>(cell, [&](auto* n) { return action(n, static_cast<Wide*>(nullptr)); });
}

void forward(const Slice& slice, bool keep, float* tape, float* workspace, float* outputs, float* const* final_state) {
  with_network(slice, [&](auto* type, auto*) {
    std::remove_pointer_t<decltype(type)> network(slice, keep, tape, workspace);
    network.forward();
    if (outputs) network.store_results(outputs, final_state);
  });
}

void backward(const Slice& slice, float* tape, float* workspace, const Gradients& gradients) {
  with_network(slice, [&](auto* type, auto*) {
    std::remove_pointer_t<decltype(type)> network(slice, true, tape, workspace);
    network.load_output_gradients(gradients.outputs);
    network.backward(gradients);
  });
}

double train(const Slice& slice, float* tape, float* workspace, const std::int64_t* targets, float scale,
             float* const* gradients) {
  return with_network(slice, [&](auto* type, auto* slots) {
    std::remove_pointer_t<decltype(type)> network(slice, true, tape, workspace);
    const Shape& shape = *slice.shape;
    network.forward();
    const double loss = cross_entropy<std::remove_pointer_t<decltype(slots)>>(
        network.outputs(), targets + slice.first * shape.steps, shape.steps, shape.outputs, slice.lanes, scale);
    Gradients wanted{};
    wanted.weights = gradients;
    network.backward(wanted);
    return loss;
  });
}

void adamw(std::int64_t size, float* weights, float* first, float* second, const float* gradient, const AdamW& step) {
  const AdamW s = step;
#pragma GCC ivdep
  for (std::int64_t p = 0; p < size; ++p) {
    const float g = gradient[p];
    const float m = first[p] + s.first_rate * (g - first[p]);
    const float v = second[p] * s.second_decay + s.second_rate * g * g;
    first[p] = m;
    second[p] = v;
    weights[p] = weights[p] * s.shrink - s.step_size * m / (__builtin_sqrtf(v) / s.root_correction + s.epsilon);
  }
}

}  // namespace

#define NAME(set) #set
#define QUOTED(set) NAME(set)

namespace rnn2vec::RNN2VEC_SET {

const Kernels& kernels() {
  static constexpr Kernels table{QUOTED(RNN2VEC_SET), width, forward, backward, train, adamw};
  return table;
}

}  // namespace rnn2vec::RNN2VEC_SET
