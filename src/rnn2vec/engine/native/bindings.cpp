// The module rnn2vec.engine._native. Tensors come as Python objects; memory.hpp turns them into addresses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "dispatch.hpp"
#include "engine.hpp"
#include "memory.hpp"

using namespace rnn2vec;

namespace {

// A call, what it reads, and the shapes of all that it reads or writes.
struct CheckedCall {
  Call call;
  Kept kept;
  Sizes inputs, outputs, state;
  std::vector<Sizes> weights;

  // sizes: X, H, L, Y
  CheckedCall(int cell, const std::array<std::int64_t, 4>& sizes, int threads, nb::handle floats_or_tokens,
              const nb::list& given_state, const nb::list& given_weights)
      : call{}, inputs{}, outputs{}, state{} {
    const auto [features, hidden, layers, classes] = sizes;
    const std::vector<std::int64_t> shape = shape_of(floats_or_tokens);
    if (shape.size() < 3) throw std::invalid_argument("inputs are [N, B, T, X] or tokens [N, B, T]");
    const bool tokens = attribute(floats_or_tokens, torch().dtype).is(torch().int64);
    const std::int64_t models = shape[0], batch = shape[1], steps = shape[2];
    Shape& own = call.shape;
    own = {static_cast<Cell>(cell), tokens, models, batch, steps, features, hidden, layers, classes};
    inputs = tokens ? Sizes{models, batch, steps} : Sizes{models, batch, steps, features};
    outputs = {models, batch, steps, classes};
    state = {models, layers, batch, hidden};
    const std::int64_t rows = own.gates() * hidden;
    weights.reserve(own.parameters());
    for (std::int64_t layer = 0; layer < layers; ++layer)
      weights.insert(weights.end(),
                     {{models, rows, layer ? hidden : features}, {models, rows, hidden}, {models, rows}, {models, rows}});
    weights.insert(weights.end(), {{models, classes, hidden}, {models, classes}});

    kept.reserve(weights.size() + 3);
    call.threads = threads;
    call.kernels = &kernels();
    call.weights = memories(given_weights, weights, kept, Use::read);
    call.floats = tokens ? nullptr : memory(floats_or_tokens, inputs, kept, Use::read);
    call.tokens = tokens ? memory<std::int64_t>(floats_or_tokens, inputs, kept, Use::read) : nullptr;
    if (nb::len(given_state) == 0) return;  // zeros
    const auto [h, c] = parts(given_state, 0, kept, Use::read);
    call.state[0] = h;
    call.state[1] = c;
  }

  struct Parts {
    float *h, *c;
  };
  // h and (LSTM) c at the end of a list of tensors, from the first on.
  Parts parts(const nb::list& tensors, std::size_t first, Kept& alive, Use use) const {
    const bool has_c = call.shape.cell == Cell::lstm;
    check_length(tensors, first + (has_c ? 2 : 1));
    return {memory(tensors[first], state, alive, use), has_c ? memory(tensors[first + 1], state, alive, use) : nullptr};
  }
};

}  // namespace

NB_MODULE(_native, m) {
  m.def("instruction_sets", &instruction_sets);
  m.def("instruction_set", [] { return std::string(kernels().name); });
  m.def("use_instruction_set", &use_instruction_set);

  nb::class_<CheckedCall>(m, "Call")
      .def(nb::init<int, const std::array<std::int64_t, 4>&, int, nb::handle, const nb::list&, const nb::list&>())
      .def_prop_ro("instruction_set", [](const CheckedCall& own) { return std::string(own.call.kernels->name); });

  m.def("tape_size", [](const CheckedCall& own) { return tape_size(own.call); });

  m.def("forward", [](const CheckedCall& own, nb::handle tape, const nb::list& written) {
    Kept kept;
    float* const record = memory(tape, {tape_size(own.call)}, kept, Use::written_if_wanted);
    const auto [h, c] = own.parts(written, 1, kept, Use::written);
    float* const outputs = memory(written[0], own.outputs, kept, Use::written);
    float* const final_state[2] = {h, c};
    nb::gil_scoped_release release;
    forward(own.call, record, outputs, final_state);
  }, nb::arg(), nb::arg().none(), nb::arg());

  m.def("backward", [](const CheckedCall& own, nb::handle tape, const nb::list& incoming, const nb::list& found,
                       const nb::list& found_weights) {
    Kept kept;
    float* const record = memory(tape, {tape_size(own.call)}, kept, Use::written_if_wanted);
    const auto [final_h, final_c] = own.parts(incoming, 1, kept, Use::read_if_given);
    const float* const outputs = memory(incoming[0], own.outputs, kept, Use::read_if_given);
    const auto [h, c] = own.parts(found, 1, kept, Use::written_if_wanted);
    float* const inputs = memory(found[0], own.inputs, kept, Use::written_if_wanted);
    const std::vector<float*> weights = memories(found_weights, own.weights, kept, Use::written_if_wanted);
    nb::gil_scoped_release release;
    backward(own.call, record, {outputs, {final_h, final_c}, inputs, {h, c}, nullptr}, weights);
  }, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg());

  // weights: those of the call, which change in place; steps: for each model the seven numbers of AdamW, in the order of
  // its fields
  m.def("train", [](const CheckedCall& own, const nb::list& weights, nb::handle targets, const nb::list& first,
                    const nb::list& second, const std::vector<std::array<float, 7>>& steps, nb::handle losses) {
    Kept kept;
    const Shape& shape = own.call.shape;
    if (steps.size() != static_cast<std::size_t>(shape.models)) throw std::invalid_argument("steps are one a model");
    Call call = own.call;
    call.weights = memories(weights, own.weights, kept, Use::written);
    const std::int64_t* const classes = memory<std::int64_t>(targets, {shape.models, shape.batch, shape.steps}, kept, Use::read);
    const Moments moments{memories(first, own.weights, kept, Use::written),
                          memories(second, own.weights, kept, Use::written)};
    float* const means = memory(losses, {shape.models}, kept, Use::written);
    nb::gil_scoped_release release;
    std::vector<AdamW> options;
    for (const auto& s : steps) options.push_back({s[0], s[1], s[2], s[3], s[4], s[5], s[6]});
    train(call, classes, moments, options, means);
  });
}
