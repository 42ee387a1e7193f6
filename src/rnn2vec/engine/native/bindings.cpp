// The module rnn2vec.engine._native. Tensors come as Python objects, and memory() is the one place where one becomes an
// address: what the kernels take for granted of its memory is checked there, at every call. It reads attributes, since
// making an array object for each of a network's parameters would cost a short call more than its arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <type_traits>

#include "dispatch.hpp"
#include "engine.hpp"

namespace nb = nanobind;
using namespace rnn2vec;

namespace {

// The shape of a tensor.
struct Sizes {
  std::int64_t size[4];
  int count;

  Sizes(std::initializer_list<std::int64_t> sizes) : size{}, count(0) {
    for (std::int64_t each : sizes) size[count++] = each;
  }
};

// What is asked of PyTorch, looked up once. Never destroyed: Python may be gone by then.
struct Torch {
  nb::object float32 = nb::module_::import_("torch").attr("float32");
  nb::object int64 = nb::module_::import_("torch").attr("int64");
  PyObject* dtype = PyUnicode_InternFromString("dtype");
  PyObject* is_cpu = PyUnicode_InternFromString("is_cpu");
  PyObject* shape = PyUnicode_InternFromString("shape");
  PyObject* is_contiguous = PyUnicode_InternFromString("is_contiguous");
  PyObject* is_neg = PyUnicode_InternFromString("is_neg");
  PyObject* data_ptr = PyUnicode_InternFromString("data_ptr");
};

const Torch& torch() {
  static const Torch* known = new Torch;
  return *known;
}

nb::object attribute(nb::handle tensor, PyObject* name) {
  PyObject* found = PyObject_GetAttr(tensor.ptr(), name);
  if (!found) throw nb::python_error();
  return nb::steal(found);
}

// What a method without arguments returns; null with Python's error set if it raises.
PyObject* ask(nb::handle tensor, PyObject* method) {
  PyObject* self = tensor.ptr();
  return PyObject_VectorcallMethod(method, &self, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

bool says(nb::handle tensor, PyObject* method, PyObject* expected) {
  return nb::steal(ask(tensor, method)).ptr() == expected;
}

std::vector<std::int64_t> shape_of(nb::handle tensor) {
  const nb::object shape = attribute(tensor, torch().shape);
  std::vector<std::int64_t> sizes;
  for (Py_ssize_t i = 0; i < PyTuple_Size(shape.ptr()); ++i)
    sizes.push_back(PyLong_AsLongLong(PyTuple_GetItem(shape.ptr(), i)));
  return sizes;
}

bool has_shape(nb::handle tensor, const Sizes& expected) {
  const nb::object shape = attribute(tensor, torch().shape);
  if (PyTuple_Size(shape.ptr()) != expected.count) return false;
  for (int i = 0; i < expected.count; ++i)
    if (PyLong_AsLongLong(PyTuple_GetItem(shape.ptr(), i)) != expected.size[i]) return false;
  return true;
}

[[noreturn]] void refuse(const nb::object& message) {
  PyErr_Clear();
  PyErr_SetObject(nb::module_::import_("rnn2vec.errors").attr("RNN2VecError").ptr(), message.ptr());
  throw nb::python_error();
}

[[noreturn]] void refuse(nb::handle tensor, const Sizes& shape, nb::handle dtype) {
  nb::list wanted;
  for (int i = 0; i < shape.count; ++i) wanted.append(shape.size[i]);
  refuse(nb::str("the kernels read and write {} numbers of the shape {} in one piece of the CPU's memory; got a {} of {} on "
                 "{}, shape {}: was a tensor changed in place?")
             .attr("format")(dtype, wanted, nb::str(tensor.type().attr("__name__")), tensor.attr("dtype"),
                             tensor.attr("device"), nb::list(tensor.attr("shape"))));
}

// Tensors whose memory a call uses, kept alive as long as it.
using Kept = std::vector<nb::object>;

enum class Use { read, written, read_if_given, written_if_wanted };

// Where a tensor's numbers are: of this shape and dtype, on the CPU, in one piece and as they look; a copy that is, if
// the kernels only read them. Null for None, where there need be no tensor. Whether tokens and classes are in range is
// checked in engine/__init__.py.
template <class T = float>
T* memory(nb::handle given, const Sizes& shape, Kept& kept, Use use) {
  const bool written = use == Use::written || use == Use::written_if_wanted;
  if (given.is_none() && (use == Use::read_if_given || use == Use::written_if_wanted)) return nullptr;
  if (given.is_none()) throw std::invalid_argument("a tensor is missing");
  const Torch& names = torch();
  const nb::object& dtype = std::is_same_v<T, float> ? names.float32 : names.int64;
  if (!attribute(given, names.dtype).is(dtype) || attribute(given, names.is_cpu).ptr() != Py_True ||
      !has_shape(given, shape))
    refuse(given, shape, dtype);
  nb::object tensor = nb::borrow(given);
  if (!says(tensor, names.is_contiguous, Py_True) || !says(tensor, names.is_neg, Py_False)) {
    if (written) refuse(given, shape, dtype);
    tensor = tensor.attr("resolve_neg")().attr("contiguous")();
  }
  const nb::object address = nb::steal(ask(tensor, names.data_ptr));
  void* data = address.is_valid() ? PyLong_AsVoidPtr(address.ptr()) : nullptr;
  if (!data)
    refuse(nb::str("the kernels read numbers in memory; got a tensor with no memory of its own, as a batch of gradients is: "
                   "set RNN2VEC_BACKEND=torch for it"));
  kept.push_back(std::move(tensor));
  return static_cast<T*>(data);
}

void check_length(const nb::list& tensors, std::size_t expected) {
  if (nb::len(tensors) != expected) throw std::invalid_argument("one tensor for each shape");
}

// Where the numbers of some tensors are, one of each shape.
std::vector<float*> memories(const nb::list& tensors, const std::vector<Sizes>& shapes, Kept& kept, Use use) {
  check_length(tensors, shapes.size());
  std::vector<float*> found;
  found.reserve(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) found.push_back(memory(tensors[i], shapes[i], kept, use));
  return found;
}

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
