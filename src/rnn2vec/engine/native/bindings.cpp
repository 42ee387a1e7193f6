// The module rnn2vec.engine._native. Tensors come as the addresses of their data: making an array object for each of a
// network's parameters would cost a short call more than its arithmetic. native_backend.py alone calls this, and sees to
// shapes, dtypes and contiguity.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/vector.h>

#include "dispatch.hpp"
#include "engine.hpp"

namespace nb = nanobind;
using namespace rnn2vec;

namespace {

using Address = std::uintptr_t;

template <class T = float>
T* at(Address address) {
  return reinterpret_cast<T*>(address);
}

std::vector<float*> all_at(const std::vector<Address>& addresses) {
  std::vector<float*> pointers;
  for (Address address : addresses) pointers.push_back(at(address));
  return pointers;
}

}  // namespace

NB_MODULE(_native, m) {
  m.def("instruction_sets", &instruction_sets);
  m.def("instruction_set", [] { return std::string(kernels().name); });
  m.def("use_instruction_set", &use_instruction_set);

  nb::class_<Call>(m, "Call")
      .def(
      "__init__",
      [](Call* call, int cell, bool tokens, const std::vector<std::int64_t>& sizes, int threads,
         const std::vector<Address>& weights, Address inputs, Address h, Address c) {
        const Shape shape{static_cast<Cell>(cell), tokens, sizes.at(0), sizes.at(1), sizes.at(2),
                          sizes.at(3), sizes.at(4), sizes.at(5), sizes.at(6)};
        new (call) Call{shape, threads, all_at(weights), tokens ? nullptr : at(inputs),
                        tokens ? at<std::int64_t>(inputs) : nullptr, {at(h), at(c)}, &kernels()};
      })
      .def_prop_ro("instruction_set", [](const Call& call) { return std::string(call.kernels->name); });

  m.def("tape_size", [](const Call& call) { return tape_size(call); });

  m.def("forward", [](const Call& call, Address tape, Address outputs, Address h, Address c) {
    nb::gil_scoped_release release;
    float* const final_state[2] = {at(h), at(c)};
    forward(call, at(tape), at(outputs), final_state);
  });

  m.def("backward", [](const Call& call, Address tape, Address outputs, Address final_h, Address final_c,
                       Address inputs, Address h, Address c, const std::vector<Address>& weights) {
    nb::gil_scoped_release release;
    const Gradients gradients{at(outputs), {at(final_h), at(final_c)}, at(inputs), {at(h), at(c)}, nullptr};
    backward(call, at(tape), gradients, all_at(weights));
  });

  // steps: for each model the seven numbers of AdamW, in the order of its fields
  m.def("train", [](const Call& call, Address targets, const std::vector<Address>& first,
                    const std::vector<Address>& second, const std::vector<std::array<float, 7>>& steps,
                    Address losses) {
    nb::gil_scoped_release release;
    std::vector<AdamW> options;
    for (const auto& s : steps) options.push_back({s[0], s[1], s[2], s[3], s[4], s[5], s[6]});
    train(call, at<std::int64_t>(targets), {all_at(first), all_at(second)}, options, at(losses));
  });
}
