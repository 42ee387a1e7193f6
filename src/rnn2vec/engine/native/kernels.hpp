// What the population level (engine.cpp) asks of a kernel, and where a kernel keeps its activations.
//
// A kernel works on one slice: at most `slice_width` sequences of one model. There is one table of kernels for each
// instruction set; nothing here depends on any.
#pragma once

#include <cstdint>

#include "architecture.hpp"

namespace rnn2vec {

struct Shape {
  const Architecture* architecture;
  bool tokens;  // inputs are tokens, to be looked up
  std::int64_t models, batch, steps;
  float noise;  // its standard deviation, see noise.py; 0 for none
};

constexpr std::int64_t slice_width = 32;
constexpr std::int64_t one_hot_limit = 32;  // with more different tokens, weight gradients scatter instead of multiply

// Without a backward pass to come, so many steps at a time share one memory, however long the sequences are.
constexpr std::int64_t chunk = 64;
constexpr std::int64_t stream_least = 16;  // steps from which on a copy of the weights of a single lane pays, see streaming.hpp

// Floats that so many features of a slice take. Those of a single lane are padded to whole vectors.
constexpr std::int64_t block_size(std::int64_t features, std::int64_t width) {
  return width == 1 ? (features + 15) / 16 * 16 : features * width;
}

constexpr std::int64_t aligned(std::int64_t floats) { return (floats + 15) / 16 * 16; }

// Offsets, in floats, into the memory of one slice: its tape (what backward() needs of forward()) and its workspace.
// All layers take as much as the widest.
struct Layout {
  std::int64_t width;
  std::int64_t steps;                                        // that are in memory at once
  std::int64_t input_step, hidden_step, gates_step;          // between time steps
  std::int64_t layer, hidden, inner, gates, layer_size;      // in the tape, after the inputs; the last four in a layer
  std::int64_t tape;                                         // its size
  std::int64_t bias, leak, noise, outputs, head, errors, carry, extra, packed;  // in the workspace
  bool streams;                                              // whether weights are copied
  std::int64_t packed_layer;                                 // a layer's copy
  std::int64_t workspace;                                    // its size

  // Without `keep` (no backward pass will come) a chunk of time steps is there at once, and one step's gates.
  Layout(const Shape& s, std::int64_t lanes, bool keep) : width(lanes), steps(keep ? s.steps : std::min(s.steps, chunk)) {
    const Architecture& own = *s.architecture;
    // Whole powers of two between time steps would put them all into the same few sets of the cache.
    const std::int64_t pad = s.steps > 1 && width > 1 ? 4 * width : 0;
    const std::int64_t block = block_size(own.widest, width);
    const std::int64_t gates_size = own.kept() * block + pad;
    input_step = own.input_size * width;
    hidden_step = block + pad;
    gates_step = keep ? gates_size : 0;

    layer = aligned(s.tokens ? steps * width : steps * input_step);
    hidden = 0;  // entry 0 is the state before the first step; inner likewise
    inner = aligned((steps + 1) * hidden_step);
    gates = inner + (own.has_inner() ? inner : 0);
    layer_size = gates + aligned(keep ? steps * gates_size : gates_size);
    tape = layer + own.layers() * layer_size;

    bias = 0;
    leak = aligned(own.kept() * own.widest);
    noise = leak + (own.is_leaky() ? aligned(block) : 0);
    outputs = noise + (s.noise > 0.0f ? aligned(own.widest) : 0);
    head = outputs + aligned(steps * own.outputs() * width);
    errors = head;
    if (own.head.size() > 1 || own.has_activations())  // values and gradients of every layer
      for (const HeadLayer& map : own.head) errors += 2 * aligned(steps * map.size * width);
    carry = errors + (keep ? aligned(steps * hidden_step) : 0);
    extra = carry + (keep ? 2 * aligned(block) : 0);
    const bool wide = s.tokens && own.input_size > one_hot_limit;
    packed = extra + (keep ? aligned(wide ? own.input_size : steps * input_step) : 0);
    // Of a table of tokens, few columns are read: one a step.
    streams = width == 1 && s.steps >= stream_least && !(s.tokens && own.input_size > s.steps);
    packed_layer = (1 + std::max(own.input_size, own.widest) + own.widest) * own.kept() * block;
    workspace = packed + (streams ? own.layers() * packed_layer : 0);
  }
};

// One slice of one model: sequences first .. first + lanes - 1 of tensors that hold the whole batch.
struct Slice {
  const Shape* shape;
  std::int64_t first, lanes;
  const float* const* weights;          // the model's tensors in torch.nn's order
  const float* floats;                  // [B, T, X], or
  const std::int64_t* tokens;           // [B, T]
  const float* state[2];                // what the state is made of: [L, B, H] each; null for the networks' own, or zeros
  std::uint64_t noise_key;              // if there is noise
};

// Of one model, or of all: classes [B, T] or numbers [B, T, Y]; the other is null.
struct Targets {
  const std::int64_t* classes;
  const float* numbers;
  const float* mask;                    // [B, T], what each counts in the loss; null if all count 1
};

// Null where nobody asked, or (for what comes in) where it is zero. Those of weights are added to, the others set.
struct Gradients {
  const float* outputs;                 // in: [B, T, Y]
  const float* final_state[2];          // in: [L, B, H]
  float* floats;                        // out: [B, T, X]
  float* state[2];                      // out: [L, B, H]
  float* const* weights;                // out, each may be null; the array itself too
};

// The numbers of one AdamW step, as torch.optim.AdamW derives them from its options and the number of the step.
struct AdamW {
  float shrink;           // 1 - lr * weight_decay
  float first_rate;       // 1 - beta1
  float second_decay;     // beta2
  float second_rate;      // 1 - beta2
  float step_size;        // lr / (1 - beta1^step)
  float root_correction;  // sqrt(1 - beta2^step)
  float epsilon;
  float clip;             // largest norm of the gradient; infinite for none
};

// One instruction set's kernels. Tapes and workspaces are 64-byte aligned and as large as Layout says.
struct Kernels {
  const char* name;
  // Lanes in memory for so many sequences; train() has no narrow path for a single one.
  std::int64_t (*width)(std::int64_t lanes, bool training);
  // outputs: the model's [B, T, Y], null if only the tape matters; final_state: like the state
  void (*forward)(const Slice&, bool keep, float* tape, float* workspace, float* outputs, float* const* final_state);
  // The tape serves once: gradients overwrite it.
  void (*backward)(const Slice&, float* tape, float* workspace, const Gradients&);
  // forward, loss and backward; returns the slice's sum of -log p(target), or of squared errors, times mask. Gradients are of `scale`
  // times it.
  double (*train)(const Slice&, float* tape, float* workspace, const Targets&, float scale, float* const* gradients);
  void (*adamw)(std::int64_t size, float* weights, float* first, float* second, const float* gradient, const AdamW&);
};

#define RNN2VEC_KERNELS(set) namespace set { const Kernels& kernels(); }
RNN2VEC_KERNELS(portable)
RNN2VEC_KERNELS(avx2)
RNN2VEC_KERNELS(avx512)
RNN2VEC_KERNELS(neon)

}  // namespace rnn2vec
