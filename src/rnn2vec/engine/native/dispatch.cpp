#include "dispatch.hpp"

#include <atomic>
#include <stdexcept>

namespace rnn2vec {
namespace {

std::vector<const Kernels*> available() {
  std::vector<const Kernels*> found;
#if defined(RNN2VEC_X86)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    found.push_back(&avx512::kernels());
  if (has_avx2) found.push_back(&avx2::kernels());
#elif defined(RNN2VEC_NEON)
  found.push_back(&neon::kernels());
#endif
  found.push_back(&portable::kernels());
  return found;
}

const std::vector<const Kernels*>& tables() {
  static const std::vector<const Kernels*> found = available();
  return found;
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* table : tables()) names.emplace_back(table->name);
  return names;
}

const Kernels& kernels() {
  const Kernels* table = chosen;
  return table ? *table : *tables().front();
}

void use_instruction_set(const std::string& name) {
  for (const Kernels* table : tables())
    if (name == table->name) {
      chosen = table;
      return;
    }
  throw std::invalid_argument("this processor and binary have no kernels for " + name);
}

}  // namespace rnn2vec
