// DLPack's C interface to tensors (dmlc.github.io/dlpack, version 1): what of it the bindings use.
#pragma once

#include <Python.h>

#include <cstdint>
#include <type_traits>

namespace rnn2vec::dlpack {

// Layout as the standard gives it (DLTensor).
struct Tensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t count;  // of dimensions
  std::uint8_t code, bits;
  std::uint16_t lanes;
  const std::int64_t* shape;
  const std::int64_t* strides;  // in elements; null for C order
  std::uint64_t byte_offset;
};

// Fills in what a Python tensor is. What it points to stays valid as long as the tensor; it neither copies nor owns.
using Describe = int (*)(void* tensor, Tensor* out);

// That function of a tensor type; null if it has none of this version.
inline Describe describe_of(PyObject* type) {
  struct Table {  // DLPackExchangeAPI
    std::uint32_t major, minor;
    void *previous, *allocate, *managed_from, *managed_to;
    Describe describe;
  };
  PyObject* const capsule = PyObject_GetAttrString(type, "__dlpack_c_exchange_api__");
  const void* const table = capsule ? PyCapsule_GetPointer(capsule, "dlpack_exchange_api") : nullptr;
  Py_XDECREF(capsule);  // the table lives as long as the process
  PyErr_Clear();
  const Table* const known = static_cast<const Table*>(table);
  return known && known->major == 1 ? known->describe : nullptr;
}

// Whether a tensor is in the CPU's memory in one piece, of this shape, of float32 or int64.
template <class T>
bool is_plain(const Tensor& tensor, const std::int64_t* shape, int count) {
  constexpr std::int32_t cpu = 1;
  constexpr std::uint8_t integers = 0, floats = 2, code = std::is_same_v<T, float> ? floats : integers;
  if (tensor.device_type != cpu || tensor.code != code || tensor.bits != 8 * sizeof(T) || tensor.lanes != 1 ||
      tensor.count != count)
    return false;
  std::int64_t stride = 1;
  for (int i = count - 1; i >= 0; --i) {
    if (tensor.shape[i] != shape[i]) return false;
    if (tensor.strides && shape[i] != 1 && tensor.strides[i] != stride) return false;
    stride *= shape[i];
  }
  return true;
}

}  // namespace rnn2vec::dlpack
