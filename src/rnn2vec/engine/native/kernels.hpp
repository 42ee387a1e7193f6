// What the population level (engine.cpp) asks of a kernel, and where a kernel keeps its activations.
//
// A kernel works on one slice: at most `slice_width` sequences of one model. There is one table of kernels for each
// instruction set; nothing here depends on any.
#pragma once

#include <cstdint>

namespace rnn2vec {

enum class Cell : int { lstm, gru, tanh, relu };

struct Shape {
  Cell cell;
  bool tokens;  // inputs are tokens, to be looked up
  std::int64_t models, batch, steps, input_size, hidden, layers, outputs;

  std::int64_t gates() const { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }
  // Rows a tape keeps for each unit and step: a GRU also keeps its candidate's recurrent half.
  std::int64_t kept() const { return cell == Cell::gru ? 4 : gates(); }
  std::int64_t parameters() const { return 4 * layers + 2; }  // tensors, not numbers
};

constexpr std::int64_t slice_width = 32;
constexpr std::int64_t one_hot_limit = 32;  // with more different tokens, weight gradients scatter instead of multiply

// Floats that so many features of a slice take. Those of a single lane are padded to whole vectors.
constexpr std::int64_t block_size(std::int64_t features, std::int64_t width) {
  return width == 1 ? (features + 15) / 16 * 16 : features * width;
}

// Offsets, in floats, into the memory of one slice: its tape (what backward() needs of forward()) and its workspace.
struct Layout {
  std::int64_t width;
  std::int64_t input_step, hidden_step, gates_step;          // between time steps
  std::int64_t layer, hidden, cells, gates, layer_size;      // in the tape, after the inputs; the last four in a layer
  std::int64_t tape;                                         // its size
  std::int64_t bias, outputs, errors, carry, extra;          // in the workspace
  std::int64_t workspace;                                    // its size

  // Without `keep` (no backward pass will come) all time steps share the memory of one step's gates.
  Layout(const Shape& s, std::int64_t lanes, bool keep) : width(lanes) {
    const auto align = [](std::int64_t floats) { return (floats + 15) / 16 * 16; };
    // Whole powers of two between time steps would put them all into the same few sets of the cache.
    const std::int64_t pad = s.steps > 1 && width > 1 ? 4 * width : 0;
    const std::int64_t block = block_size(s.hidden, width);
    const std::int64_t gates_size = s.kept() * block + pad;
    input_step = s.input_size * width;
    hidden_step = block + pad;
    gates_step = keep ? gates_size : 0;

    layer = align(s.tokens ? s.steps * width : s.steps * input_step);
    hidden = 0;  // entry 0 is the state before the first step; cells likewise
    cells = align((s.steps + 1) * hidden_step);
    gates = cells + (s.cell == Cell::lstm ? cells : 0);
    layer_size = gates + align(keep ? s.steps * gates_size : gates_size);
    tape = layer + s.layers * layer_size;

    bias = 0;
    outputs = align(s.kept() * s.hidden);
    errors = outputs + align(s.steps * s.outputs * width);
    carry = errors + align(s.steps * hidden_step);
    extra = carry + 2 * align(block);
    const bool wide = s.tokens && s.input_size > one_hot_limit;
    workspace = extra + align(wide ? s.input_size : s.steps * input_step);
  }
};

// One slice of one model: sequences first .. first + lanes - 1 of tensors that hold the whole batch.
struct Slice {
  const Shape* shape;
  std::int64_t first, lanes;
  const float* const* weights;          // the model's tensors in torch.nn's order
  const float* floats;                  // [B, T, X], or
  const std::int64_t* tokens;           // [B, T]
  const float* state[2];                // h and (LSTM) c: [L, B, H]
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
};

// One instruction set's kernels. Tapes and workspaces are 64-byte aligned and as large as Layout says.
struct Kernels {
  const char* name;
  // Lanes in memory for so many sequences; train() has no narrow path for a single one.
  std::int64_t (*width)(std::int64_t lanes, bool training);
  // outputs: the model's [B, T, Y], null if only the tape matters; final_state: h and (LSTM) c, each [L, B, H]
  void (*forward)(const Slice&, bool keep, float* tape, float* workspace, float* outputs, float* const* final_state);
  // The tape serves once: gradients overwrite it.
  void (*backward)(const Slice&, float* tape, float* workspace, const Gradients&);
  // forward, cross-entropy and backward; returns the slice's sum of -log p(target). Gradients are of `scale` times it.
  double (*train)(const Slice&, float* tape, float* workspace, const std::int64_t* targets, float scale,
                  float* const* gradients);
  void (*adamw)(std::int64_t size, float* weights, float* first, float* second, const float* gradient, const AdamW&);
};

#define RNN2VEC_KERNELS(set) namespace set { const Kernels& kernels(); }
RNN2VEC_KERNELS(portable)
RNN2VEC_KERNELS(avx2)
RNN2VEC_KERNELS(avx512)
RNN2VEC_KERNELS(neon)

}  // namespace rnn2vec
