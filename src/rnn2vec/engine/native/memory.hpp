// Tensors as Python objects, and memory(): the one place where one becomes an address. What the kernels take for granted
// of its memory is checked there, at every call: it costs a short call less than an array object for each parameter would.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "dlpack.hpp"

namespace rnn2vec {

namespace nb = nanobind;

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
  nb::object tensor = nb::module_::import_("torch").attr("Tensor");
  nb::object parameter = nb::module_::import_("torch.nn").attr("Parameter");
  dlpack::Describe describe = dlpack::describe_of(tensor.ptr());
  PyObject* dtype = PyUnicode_InternFromString("dtype");
  PyObject* is_cpu = PyUnicode_InternFromString("is_cpu");
  PyObject* shape = PyUnicode_InternFromString("shape");
  PyObject* is_contiguous = PyUnicode_InternFromString("is_contiguous");
  PyObject* is_neg = PyUnicode_InternFromString("is_neg");
  PyObject* data_ptr = PyUnicode_InternFromString("data_ptr");
};

inline const Torch& torch() {
  static const Torch* known = new Torch;
  return *known;
}

inline nb::object attribute(nb::handle tensor, PyObject* name) {
  PyObject* found = PyObject_GetAttr(tensor.ptr(), name);
  if (!found) throw nb::python_error();
  return nb::steal(found);
}

// What a method without arguments returns; null with Python's error set if it raises.
inline PyObject* ask(nb::handle tensor, PyObject* method) {
  PyObject* self = tensor.ptr();
  return PyObject_VectorcallMethod(method, &self, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

inline bool says(nb::handle tensor, PyObject* method, PyObject* expected) {
  return nb::steal(ask(tensor, method)).ptr() == expected;
}

inline std::vector<std::int64_t> shape_of(nb::handle tensor) {
  const nb::object shape = attribute(tensor, torch().shape);
  std::vector<std::int64_t> sizes;
  for (Py_ssize_t i = 0; i < PyTuple_Size(shape.ptr()); ++i)
    sizes.push_back(PyLong_AsLongLong(PyTuple_GetItem(shape.ptr(), i)));
  return sizes;
}

inline bool has_shape(nb::handle tensor, const Sizes& expected) {
  const nb::object shape = attribute(tensor, torch().shape);
  if (PyTuple_Size(shape.ptr()) != expected.count) return false;
  for (int i = 0; i < expected.count; ++i)
    if (PyLong_AsLongLong(PyTuple_GetItem(shape.ptr(), i)) != expected.size[i]) return false;
  return true;
}

[[noreturn]] inline void refuse(const nb::object& message) {
  PyErr_Clear();
  PyErr_SetObject(nb::module_::import_("rnn2vec.errors").attr("RNN2VecError").ptr(), message.ptr());
  throw nb::python_error();
}

[[noreturn]] inline void refuse(nb::handle tensor, const Sizes& shape, nb::handle dtype) {
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

// The same as memory() for a tensor that is as the kernels want it, in one call where PyTorch has DLPack's C interface
// (2.10 and later); else null, and memory() asks attribute by attribute.
template <class T>
T* at_once(nb::handle given, const Sizes& shape) {
  const Torch& names = torch();
  if (!names.describe || (!given.type().is(names.tensor) && !given.type().is(names.parameter))) return nullptr;
  dlpack::Tensor found;
  if (names.describe(given.ptr(), &found) != 0) {
    PyErr_Clear();
    return nullptr;
  }
  const bool plain = dlpack::is_plain<T>(found, shape.size, shape.count) && says(given, names.is_neg, Py_False);
  return plain ? reinterpret_cast<T*>(static_cast<char*>(found.data) + found.byte_offset) : nullptr;
}

// Where a tensor's numbers are: of this shape and dtype, on the CPU, in one piece and as they look; a copy that is, if
// the kernels only read them. Null for None, where there need be no tensor. Whether tokens and classes are in range is
// checked in engine/__init__.py.
template <class T = float>
T* memory(nb::handle given, const Sizes& shape, Kept& kept, Use use) {
  const bool written = use == Use::written || use == Use::written_if_wanted;
  if (given.is_none() && (use == Use::read_if_given || use == Use::written_if_wanted)) return nullptr;
  if (given.is_none()) throw std::invalid_argument("a tensor is missing");
  if (T* const data = at_once<T>(given, shape)) {
    kept.push_back(nb::borrow(given));
    return data;
  }
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

inline void check_length(const nb::list& tensors, std::size_t expected) {
  if (nb::len(tensors) != expected) throw std::invalid_argument("one tensor for each shape");
}

// Where the numbers of some tensors are, one of each shape.
inline std::vector<float*> memories(const nb::list& tensors, const std::vector<Sizes>& shapes, Kept& kept, Use use) {
  check_length(tensors, shapes.size());
  std::vector<float*> found;
  found.reserve(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) found.push_back(memory(tensors[i], shapes[i], kept, use));
  return found;
}

}  // namespace rnn2vec
