// The module rnn2vec.engine._native. Tensors come as Python objects; memory.hpp turns them into addresses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
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

  CheckedCall(nb::handle made_of, int threads, nb::handle floats_or_tokens, const nb::list& given_state,
              const nb::list& given_weights, float noise, nb::handle noise_keys)
      : call{{&nb::cast<const Architecture&>(made_of), false, 0, 0, 0, noise}, threads, {}, nullptr, nullptr,
             {nullptr, nullptr}, nullptr, &kernels()},
        inputs{}, outputs{}, state{} {
    const Architecture& architecture = *call.shape.architecture;
    const std::vector<std::int64_t> shape = shape_of(floats_or_tokens);
    if (shape.size() < 3) throw std::invalid_argument("inputs are [N, B, T, X] or tokens [N, B, T]");
    Shape& own = call.shape;
    own.tokens = attribute(floats_or_tokens, torch().dtype).is(torch().int64);
    own.models = shape[0];
    own.batch = shape[1];
    own.steps = shape[2];
    inputs = own.tokens ? Sizes{own.models, own.batch, own.steps}
                        : Sizes{own.models, own.batch, own.steps, architecture.input_size};
    outputs = {own.models, own.batch, own.steps, architecture.outputs()};
    state = {own.models, architecture.layers(), own.batch, architecture.widest};
    weights.reserve(architecture.parameters.size());
    for (const auto& [rows, columns] : architecture.parameters)
      weights.push_back(columns ? Sizes{own.models, rows, columns} : Sizes{own.models, rows});

    kept.reserve(weights.size() + 5);
    kept.push_back(nb::borrow(made_of));
    call.weights = memories(given_weights, weights, kept, Use::read);
    if (own.tokens) call.tokens = memory<std::int64_t>(floats_or_tokens, inputs, kept, Use::read);
    else call.floats = memory(floats_or_tokens, inputs, kept, Use::read);
    if (noise > 0.0f && architecture.gates() != 1) throw std::invalid_argument("only cells of one gate have noise");
    if (noise > 0.0f) call.noise_keys = memory<std::int64_t>(noise_keys, {own.models}, kept, Use::read);
    if (nb::len(given_state) == 0) return;  // the networks' own, or zeros
    const auto [first, second] = parts(given_state, 0, kept, Use::read);
    call.state[0] = first;
    call.state[1] = second;
  }

  struct Parts {
    float *first, *second;
  };
  // The parts of a state at the end of a list of tensors, from `begin` on.
  Parts parts(const nb::list& tensors, std::size_t begin, Kept& alive, Use use) const {
    const bool two = call.shape.architecture->state_parts() == 2;
    check_length(tensors, begin + (two ? 2 : 1));
    return {memory(tensors[begin], state, alive, use), two ? memory(tensors[begin + 1], state, alive, use) : nullptr};
  }
};

}  // namespace

NB_MODULE(_native, m) {
  nb::set_leak_warnings(false);  // Python keeps the architectures that it has seen until it ends
  m.def("instruction_sets", &instruction_sets);
  m.def("instruction_set", [] { return std::string(kernels().name); });
  m.def("use_instruction_set", &use_instruction_set);

  // cell, nonlinearity and activations: numbers of the enumerations; head: sizes and activations
  nb::class_<Architecture>(m, "Architecture")
      .def("__init__", [](Architecture* self, int cell, int nonlinearity, std::int64_t input_size,
                          std::vector<std::int64_t> hidden, const std::vector<std::pair<std::int64_t, int>>& head, bool skip, bool own_state) {
        if (hidden.empty()) throw std::invalid_argument("a network has at least one layer");
        std::vector<HeadLayer> layers;
        for (const auto& [size, activation] : head) layers.push_back({size, static_cast<Activation>(activation)});
        new (self) Architecture(static_cast<Cell>(cell), static_cast<Activation>(nonlinearity), input_size,
                                std::move(hidden), std::move(layers), skip, own_state);
      });

  nb::class_<CheckedCall>(m, "Call")
      // the last two: the standard deviation of the noise and each network's key; none by default
      .def(nb::init<nb::handle, int, nb::handle, const nb::list&, const nb::list&, float, nb::handle>(), nb::arg(), nb::arg(),
           nb::arg(), nb::arg(), nb::arg(), nb::arg() = 0.0f, nb::arg().none() = nb::none())
      .def_prop_ro("instruction_set", [](const CheckedCall& own) { return std::string(own.call.kernels->name); });

  m.def("tape_size", [](const CheckedCall& own) { return tape_size(own.call); });

  m.def("forward", [](const CheckedCall& own, nb::handle tape, const nb::list& written) {
    Kept kept;
    float* const record = memory(tape, {tape_size(own.call)}, kept, Use::written_if_wanted);
    const auto [first, second] = own.parts(written, 1, kept, Use::written);
    float* const outputs = memory(written[0], own.outputs, kept, Use::written);
    float* const final_state[2] = {first, second};
    nb::gil_scoped_release release;
    forward(own.call, record, outputs, final_state);
  }, nb::arg(), nb::arg().none(), nb::arg());

  // found: the gradients of inputs and, if one was given, of the state
  m.def("backward", [](const CheckedCall& own, nb::handle tape, const nb::list& incoming, const nb::list& found,
                       const nb::list& found_weights) {
    Kept kept;
    float* const record = memory(tape, {tape_size(own.call)}, kept, Use::written_if_wanted);
    const auto [final_first, final_second] = own.parts(incoming, 1, kept, Use::read_if_given);
    const float* const outputs = memory(incoming[0], own.outputs, kept, Use::read_if_given);
    CheckedCall::Parts state{nullptr, nullptr};
    if (own.call.state[0]) state = own.parts(found, 1, kept, Use::written_if_wanted);
    else check_length(found, 1);
    float* const inputs = memory(found[0], own.inputs, kept, Use::written_if_wanted);
    const std::vector<float*> weights = memories(found_weights, own.weights, kept, Use::written_if_wanted);
    nb::gil_scoped_release release;
    backward(own.call, record, {outputs, {final_first, final_second}, inputs, {state.first, state.second}, nullptr}, weights);
  }, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg());

  // weights: those of the call, which change in place; targets: classes or numbers; mask: None or what each counts; fixed: which weights stay as they are; steps: for
  // each model the eight numbers of AdamW, in the order of its fields
  m.def("train", [](const CheckedCall& own, const nb::list& weights, nb::handle targets, nb::handle mask,
                    const nb::list& first, const nb::list& second, std::vector<bool> fixed,
                    const std::vector<std::array<float, 8>>& steps, nb::handle losses) {
    Kept kept;
    const Shape& shape = own.call.shape;
    if (steps.size() != static_cast<std::size_t>(shape.models)) throw std::invalid_argument("steps are one a model");
    if (fixed.size() != own.weights.size()) throw std::invalid_argument("fixed are one a weight");
    Call call = own.call;
    call.weights = memories(weights, own.weights, kept, Use::written);
    const Sizes positions{shape.models, shape.batch, shape.steps};
    Targets wanted{nullptr, nullptr, memory(mask, positions, kept, Use::read_if_given)};
    if (attribute(targets, torch().dtype).is(torch().int64))
      wanted.classes = memory<std::int64_t>(targets, positions, kept, Use::read);
    else wanted.numbers = memory(targets, own.outputs, kept, Use::read);
    const Moments moments{memories(first, own.weights, kept, Use::written),
                          memories(second, own.weights, kept, Use::written), std::move(fixed)};
    float* const means = memory(losses, {shape.models}, kept, Use::written);
    nb::gil_scoped_release release;
    std::vector<AdamW> options;
    for (const auto& s : steps) options.push_back({s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]});
    train(call, wanted, moments, options, means);
  }, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg());
}
