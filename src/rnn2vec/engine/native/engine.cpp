#include "engine.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <numeric>

#include "pool.hpp"

namespace rnn2vec {
namespace {

constexpr std::align_val_t alignment{64};

// A thread's working memory. What is not very large is kept between calls, so that a short call need not fault its pages
// in again; what one large call needs is given back after it.
class Scratch {
 public:
  explicit Scratch(std::int64_t floats) {
    thread_local Memory kept;
    Memory& memory = floats <= most_kept ? kept : own_;
    memory.grow(floats);
    data_ = memory.data;
  }
  operator float*() const { return data_; }

 private:
  struct Memory {
    float* data = nullptr;
    std::int64_t size = 0;
    ~Memory() { ::operator delete(data, alignment); }

    void grow(std::int64_t floats) {
      if (size >= floats) return;
      ::operator delete(data, alignment);
      data = nullptr;
      size = 0;
      data = static_cast<float*>(::operator new(floats * sizeof(float), alignment));
      size = floats;
    }
  };
  static constexpr std::int64_t most_kept = (32 << 20) / sizeof(float);
  Memory own_;
  float* data_;
};

template <class T>
T* offset(T* pointer, std::int64_t by) {
  return pointer ? pointer + by : nullptr;
}

// The models of a call, cut into slices in a way that depends on the size of the batch alone.
class Plan {
 public:
  explicit Plan(const Call& call, bool training = false)
      : call_(call), training_(training), shape_(call.shape), own_(*shape_.architecture), parameters(own_.size),
        slices((shape_.batch + slice_width - 1) / slice_width) {}

 private:
  const Call& call_;
  const bool training_;
  const Shape& shape_;
  const Architecture& own_;

 public:
  const std::int64_t parameters;  // numbers, of one model
  const std::int64_t slices;

  std::int64_t size(std::size_t parameter) const { return own_.parameters[parameter].size(); }
  std::int64_t state_size() const { return own_.layers() * shape_.batch * own_.widest; }
  std::int64_t input_size() const { return shape_.batch * shape_.steps * (shape_.tokens ? 1 : own_.input_size); }
  std::int64_t output_size() const { return shape_.batch * shape_.steps * own_.outputs(); }

  std::vector<float*> of_model(const std::vector<float*>& tensors, std::int64_t model) const {
    std::vector<float*> own(tensors.size());
    for (std::size_t p = 0; p < own.size(); ++p) own[p] = offset(tensors[p], model * size(p));
    return own;
  }

  // The model's tensors within one block of all its numbers; null where `like` is.
  std::vector<float*> within(float* block, const std::vector<float*>& like) const {
    std::vector<float*> own(own_.parameters.size());
    for (std::size_t p = 0; p < own.size(); block += size(p++)) own[p] = like[p] ? block : nullptr;
    return own;
  }

  Slice slice(std::int64_t model, std::int64_t index, const std::vector<float*>& weights) const {
    const std::int64_t first = index * slice_width;
    return {&shape_, first, std::min(slice_width, shape_.batch - first), weights.data(),
            offset(call_.floats, model * input_size()), offset(call_.tokens, model * input_size()),
            {offset(call_.state[0], model * state_size()), offset(call_.state[1], model * state_size())},
            call_.noise_keys ? static_cast<std::uint64_t>(call_.noise_keys[model]) : 0};
  }

  Layout layout(std::int64_t index, bool keep) const {
    return {shape_, call_.kernels->width(std::min(slice_width, shape_.batch - index * slice_width), training_), keep};
  }

  std::int64_t model_tape() const { return (slices - 1) * layout(0, true).tape + layout(slices - 1, true).tape; }
  float* slice_tape(float* tape, std::int64_t model, std::int64_t index) const {
    return offset(tape, model * model_tape() + index * layout(0, true).tape);
  }
};

}  // namespace

std::int64_t tape_size(const Call& call) { return call.shape.models * Plan(call).model_tape(); }

void forward(const Call& call, float* tape, float* outputs, float* const* final_state) {
  const Plan plan(call);
  run_tasks(call.threads, call.shape.models * plan.slices, [&](std::int64_t task) {
    const std::int64_t model = task / plan.slices, index = task % plan.slices;
    const auto weights = plan.of_model(call.weights, model);
    const Slice slice = plan.slice(model, index, weights);
    const Layout layout = plan.layout(index, tape != nullptr);
    const Scratch memory(layout.tape + layout.workspace);
    float* own = tape ? plan.slice_tape(tape, model, index) : memory;
    float* const state[2] = {final_state[0] + model * plan.state_size(),
                             offset(final_state[1], model * plan.state_size())};
    call.kernels->forward(slice, tape != nullptr, own, memory + layout.tape, outputs + model * plan.output_size(), state);
  });
}

void backward(const Call& call, float* tape, const Gradients& gradients, const std::vector<float*>& weights) {
  const Plan plan(call);
  const bool wanted = std::any_of(weights.begin(), weights.end(), [](const float* w) { return w != nullptr; });

  const auto run_slice = [&](std::int64_t model, std::int64_t index, float* const* sums) {
    const auto own = plan.of_model(call.weights, model);
    const Slice slice = plan.slice(model, index, own);
    const Layout layout = plan.layout(index, true);
    const Scratch memory(layout.tape + layout.workspace);
    float* slice_tape = tape ? plan.slice_tape(tape, model, index) : memory;
    if (!tape) call.kernels->forward(slice, true, memory, memory + layout.tape, nullptr, nullptr);
    const std::int64_t state = model * plan.state_size();
    const Gradients part{offset(gradients.outputs, model * plan.output_size()),
                         {offset(gradients.final_state[0], state), offset(gradients.final_state[1], state)},
                         offset(gradients.floats, model * plan.input_size()),
                         {offset(gradients.state[0], state), offset(gradients.state[1], state)},
                         sums};
    call.kernels->backward(slice, slice_tape, memory + layout.tape, part);
  };
  const auto cleared = [&](std::int64_t model) {
    const auto own = plan.of_model(weights, model);
    for (std::size_t p = 0; p < own.size(); ++p)
      if (own[p]) std::memset(own[p], 0, plan.size(p) * sizeof(float));
    return own;
  };

  constexpr bool backwards = true;  // the models that the forward pass came to last are still in the cache
  const std::int64_t models = call.shape.models;
  if (wanted && (models >= call.threads || plan.slices == 1)) {
    const auto run_model = [&](std::int64_t model) {
      const auto sums = cleared(model);
      for (std::int64_t index = 0; index < plan.slices; ++index) run_slice(model, index, sums.data());
    };
    run_tasks(call.threads, models, run_model, backwards);
    return;
  }
  // Few models: threads share their slices. Each slice has sums of its own, added up in the order of the slices, just
  // as above.
  const std::int64_t tasks = models * plan.slices;
  std::vector<float> sums(wanted ? tasks * plan.parameters : 0);
  const auto run_part = [&](std::int64_t task) {
    const auto own = wanted ? plan.within(sums.data() + task * plan.parameters, weights) : std::vector<float*>();
    run_slice(task / plan.slices, task % plan.slices, wanted ? own.data() : nullptr);
  };
  run_tasks(call.threads, tasks, run_part, backwards);
  for (std::int64_t task = 0; wanted && task < tasks; ++task) {
    const std::int64_t model = task / plan.slices;
    const auto total = task % plan.slices ? plan.of_model(weights, model) : cleared(model);
    const auto own = plan.within(sums.data() + task * plan.parameters, weights);
    for (std::size_t p = 0; p < own.size(); ++p)
      for (std::int64_t e = 0; own[p] && e < plan.size(p); ++e) total[p][e] += own[p][e];
  }
}

namespace {

// Scales a gradient down to this norm, if it has a larger one. What is not finite stays so.
void clip(float* gradient, std::int64_t size, float largest) {
  if (std::isinf(largest)) return;
  const double squares = std::inner_product(gradient, gradient + size, gradient, 0.0,
                                            std::plus<>(), [](double a, double b) { return a * b; });
  if (const double norm = std::sqrt(squares); norm > largest)
    for (std::int64_t e = 0; e < size; ++e) gradient[e] *= static_cast<float>(largest / norm);
}

}  // namespace

void train(const Call& call, const Targets& targets, const Moments& moments, const std::vector<AdamW>& steps,
           float* losses) {
  const Plan plan(call, true);
  const Shape& shape = call.shape;
  const std::int64_t positions = shape.batch * shape.steps, outputs = shape.architecture->outputs();
  run_tasks(call.threads, shape.models, [&](std::int64_t model) {
    const Layout layout = plan.layout(0, true);
    const Scratch memory(layout.tape + layout.workspace + plan.parameters);
    float* block = memory + layout.tape + layout.workspace;
    std::memset(block, 0, plan.parameters * sizeof(float));
    const auto weights = plan.of_model(call.weights, model);
    auto gradients = plan.within(block, weights);
    for (std::size_t p = 0; p < gradients.size(); ++p)
      if (moments.fixed[p]) gradients[p] = nullptr;
    const Targets own{offset(targets.classes, model * positions), offset(targets.numbers, model * positions * outputs),
                      offset(targets.mask, model * positions)};
    const double counted = own.mask ? std::accumulate(own.mask, own.mask + positions, 0.0) : positions;
    const double terms = targets.classes ? counted : counted * outputs;  // of the mean
    double loss = 0.0;
    for (std::int64_t index = 0; index < plan.slices; ++index)
      loss += call.kernels->train(plan.slice(model, index, weights), memory, memory + plan.layout(index, true).tape,
                                  own, 1.0f / static_cast<float>(terms), gradients.data());
    losses[model] = static_cast<float>(loss / terms);
    clip(block, plan.parameters, steps[model].clip);
    const auto first = plan.of_model(moments.first, model), second = plan.of_model(moments.second, model);
    for (std::size_t p = 0; p < weights.size(); ++p)
      if (gradients[p]) call.kernels->adamw(plan.size(p), weights[p], first[p], second[p], gradients[p], steps[model]);
  });
}

}  // namespace rnn2vec
