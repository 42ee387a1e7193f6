// The table of kernels of one instruction set. CMake compiles this file once for each, with that set's flags and with
// RNN2VEC_SET naming it.
#include "kernels.hpp"

#include "loss.hpp"
#include "network.hpp"

namespace {

using rnn2vec::AdamW;
using rnn2vec::Cell;
using rnn2vec::Targets;

// Narrow slices for narrow batches; blocks sized to the registers (32 of them, but for AVX2's and SSE's 16).
#if defined(__AVX512F__)
using Single = Slots<Simd<16>, 0, 1, 1, 1>;
using Narrow = Slots<Simd<8>, 1, 8, 1, 4>;
using Medium = Slots<Simd<16>, 1, 8, 1, 4>;
using Wide = Slots<Simd<16>, 2, 8, 2, 4>;
#elif defined(__AVX2__)
using Single = Slots<Simd<8>, 0, 1, 1, 1>;
using Narrow = Slots<Simd<8>, 1, 8, 1, 3>;
using Medium = Slots<Simd<8>, 2, 4, 2, 3>;
using Wide = Slots<Simd<8>, 4, 4, 2, 3>;
#elif defined(__aarch64__)
using Single = Slots<Simd<4>, 0, 1, 1, 1>;
using Narrow = Slots<Simd<4>, 1, 8, 1, 4>;
using Medium = Slots<Simd<4>, 4, 4, 4, 4>;
using Wide = Slots<Simd<4>, 8, 4, 4, 4>;
#else
using Single = Slots<Simd<4>, 0, 1, 1, 1>;
using Narrow = Slots<Simd<4>, 1, 8, 1, 3>;
using Medium = Slots<Simd<4>, 4, 4, 2, 3>;
using Wide = Slots<Simd<4>, 8, 4, 2, 3>;
#endif
static_assert(Wide::width == rnn2vec::slice_width);

std::int64_t width(std::int64_t lanes, bool training) {
  if (lanes == 1 && !training) return 1;
  return lanes <= Narrow::width ? Narrow::width : lanes <= Medium::width ? Medium::width : Wide::width;
}

template <class T>
struct Type {
  using type = T;
};

// Call action with the Type of network that fits.
template <class Z, class Action>
auto with_cell(Cell cell, const Action& action) {
  switch (cell) {
    case Cell::lstm: return action(Type<Network<Z, Lstm<Z>>>{});
    case Cell::gru: return action(Type<Network<Z, Gru<Z>>>{});
    case Cell::gru_reset_before: return action(Type<Network<Z, GruResetBefore<Z>>>{});
    case Cell::elman: return action(Type<Network<Z, Elman<Z>>>{});
    case Cell::leaky_outside: return action(Type<Network<Z, LeakyOutside<Z>>>{});
    default: return action(Type<Network<Z, LeakyInside<Z>>>{});
  }
}

template <bool Training, class Action>
auto with_network(const Slice& slice, const Action& action) {
  const Cell cell = slice.shape->architecture->cell;
  const std::int64_t lanes = width(slice.lanes, Training);
  if constexpr (!Training)
    if (lanes == 1) return with_cell<Single>(cell, action);
  if (lanes == Narrow::width) return with_cell<Narrow>(cell, action);
  if (lanes == Medium::width) return with_cell<Medium>(cell, action);
  return with_cell<Wide>(cell, action);
}

void forward(const Slice& slice, bool keep, float* tape, float* workspace, float* outputs, float* const* final_state) {
  with_network<false>(slice, [&](auto type) {
    typename decltype(type)::type network(slice, keep, tape, workspace);
    network.forward(outputs, final_state);
  });
}

void backward(const Slice& slice, float* tape, float* workspace, const Gradients& gradients) {
  with_network<false>(slice, [&](auto type) {
    typename decltype(type)::type network(slice, true, tape, workspace);
    network.load_output_gradients(gradients.outputs);
    network.backward(gradients);
  });
}

double train(const Slice& slice, float* tape, float* workspace, const Targets& targets, float scale,
             float* const* gradients) {
  return with_network<true>(slice, [&](auto type) {
    using Own = typename decltype(type)::type;
    Own network(slice, true, tape, workspace);
    const Shape& shape = *slice.shape;
    const std::int64_t outputs = shape.architecture->outputs();
    network.forward(nullptr, nullptr);
    const std::int64_t first = slice.first * shape.steps;
    const Mask mask{targets.mask ? targets.mask + first : nullptr, shape.steps};
    const auto loss_of = [&](auto loss, auto own, std::int64_t size) {
      return loss(network.outputs(), own + first * size, mask, outputs, slice.lanes, scale);
    };
    const double loss = targets.classes ? loss_of(cross_entropy<typename Own::Slots>, targets.classes, 1)
                                        : loss_of(squared_error<typename Own::Slots>, targets.numbers, outputs);
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
