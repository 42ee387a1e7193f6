// Vectors of N floats by the compilers' own vector extension (GCC, Clang): one source for AVX2, AVX-512, NEON, SSE2.
//
// This header and every other one that includes it is compiled once for each instruction set. Everything lives in an
// unnamed namespace, so that the linker can never swap a function built for one processor for that of another.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))  // compiled once, and not anew into each kind of network

namespace {

template <int N>
struct Types;
#define TYPES(N)                                                      \
  template <>                                                         \
  struct Types<N> {                                                   \
    typedef float F __attribute__((vector_size(N * 4), may_alias));   \
    typedef std::int32_t I __attribute__((vector_size(N * 4), may_alias)); \
    typedef std::uint32_t U __attribute__((vector_size(N * 4), may_alias)); \
  };
TYPES(4)
TYPES(8)
TYPES(16)
#undef TYPES

template <int N>
struct Simd {
  static constexpr int lanes = N;
  using F = typename Types<N>::F;
  using I = typename Types<N>::I;
  using U = typename Types<N>::U;

  static INLINE F load(const float* p) { return *reinterpret_cast<const F*>(p); }
  static INLINE I load(const std::int32_t* p) { return *reinterpret_cast<const I*>(p); }
  static INLINE void store(float* p, F v) { *reinterpret_cast<F*>(p) = v; }
  static INLINE F load_anywhere(const float* p) {
    F v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static INLINE void store_anywhere(float* p, F v) { std::memcpy(p, &v, sizeof v); }
  static INLINE F broadcast(float s) { return s - F{}; }
  static INLINE F bits(I v) { return (F)v; }
  static INLINE I bits(F v) { return (I)v; }

  // NaN passes through: comparisons with it are false, and x86's instructions then take the second number.
  static INLINE F clamp(F v, float low, float high) {
#if defined(__AVX512F__)
    if constexpr (N == 16)
      return (F)_mm512_min_ps((__m512)broadcast(high), _mm512_max_ps((__m512)broadcast(low), (__m512)v));
#endif
#if defined(__AVX2__)
    if constexpr (N == 8)
      return (F)_mm256_min_ps((__m256)broadcast(high), _mm256_max_ps((__m256)broadcast(low), (__m256)v));
#endif
    v = v < broadcast(low) ? broadcast(low) : v;
    return v > broadcast(high) ? broadcast(high) : v;
  }

  static INLINE float sum(F v) {
    if constexpr (N > 4) {
      typename Simd<N / 2>::F low, high;
      std::memcpy(&low, &v, sizeof low);
      std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
      return Simd<N / 2>::sum(low + high);
    } else {
      return (v[0] + v[2]) + (v[1] + v[3]);
    }
  }

  // 1 / v to within an ulp or two, for v of ordinary size.
  static INLINE F reciprocal(F v) {
#if defined(__AVX512F__)
    if constexpr (N == 16) {  // a Newton step on the 14-bit estimate: a third of the cost of a division
      const F y = (F)_mm512_rcp14_ps((__m512)v);
      return y * (2.0f - v * y);
    }
#endif
#if defined(__AVX512VL__)
    if constexpr (N == 8) {
      const F y = (F)_mm256_rcp14_ps((__m256)v);
      return y * (2.0f - v * y);
    }
#endif
    return 1.0f / v;
  }

  // table[index[lane]] for each lane, from a table of `size` floats.
  static INLINE F lookup(const float* table, [[maybe_unused]] std::int64_t size, I index) {
#if defined(__AVX512F__)
    if constexpr (N == 16) {
      if (size <= 16) {
        const __mmask16 mask = static_cast<__mmask16>((1u << size) - 1);
        return (F)_mm512_permutexvar_ps((__m512i)index, _mm512_maskz_loadu_ps(mask, table));
      }
      return (F)_mm512_i32gather_ps((__m512i)index, table, 4);
    }
#endif
#if defined(__AVX2__)
    if constexpr (N == 8) return (F)_mm256_i32gather_ps(table, (__m256i)index, 4);
#endif
    F found{};
    for (int lane = 0; lane < N; ++lane) found[lane] = table[index[lane]];
    return found;
  }
};

}  // namespace
