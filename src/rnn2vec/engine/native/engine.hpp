// Whole populations: which slices there are, who computes them, and where their memory is.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace rnn2vec {

// Everything a pass reads, and the kernels that read it: the same for a whole pass, whatever is chosen meanwhile.
// Tensors are contiguous, float32 (tokens: int64), with the models first.
struct Call {
  Shape shape;
  int threads;
  std::vector<float*> weights;   // in the order of Architecture::parameters()
  const float* floats;           // [N, B, T, X], or null
  const std::int64_t* tokens;    // [N, B, T], or null
  const float* state[2];         // h (of a leak outside, v) and, LSTM, c: [N, L, B, H], or null for the networks' own, or zeros
  const std::int64_t* noise_keys;  // [N], or null if there is no noise
  const Kernels* kernels;
};

// Floats that forward() must be given to keep for backward(), all models together.
std::int64_t tape_size(const Call& call);

// tape: 64-byte aligned and of that size, or null. final_state: like the state
void forward(const Call& call, float* tape, float* outputs, float* const* final_state);

// What comes in and goes out has the models first. Without a tape, the forward pass is repeated, model by model.
// The gradients of weights are set (not added to), in full.
void backward(const Call& call, float* tape, const Gradients& gradients, const std::vector<float*>& weights);

// What a training step updates besides the weights.
struct Moments {
  std::vector<float*> first, second;
  std::vector<bool> fixed;  // which weights stay as they are
};

// One step of AdamW for every model on the mean loss of its outputs: cross-entropy with classes [N, B, T], or squared
// error from numbers [N, B, T, Y]. Weights and moments change in place; states begin as the networks' own, or zero.
// Fixed weights count in no norm. steps: one for each model; losses: [N], those before the step
void train(const Call& call, const Targets& targets, const Moments& moments, const std::vector<AdamW>& steps,
           float* losses);

}  // namespace rnn2vec
