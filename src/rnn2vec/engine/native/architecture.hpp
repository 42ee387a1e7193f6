// What the networks of a call are made of: architecture.py's Architecture, as the kernels see it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace rnn2vec {

enum class Cell : int { lstm, gru, gru_reset_before, elman, leaky_outside, leaky_inside };

enum class Activation : int { identity, tanh, relu, sigmoid, softplus };

// One linear map of a head.
struct HeadLayer {
  std::int64_t size;
  Activation activation;
};

// Rows and columns of a parameter; a vector has no columns.
struct Matrix {
  std::int64_t rows, columns;
  std::int64_t size() const { return columns ? rows * columns : rows; }
};

struct Architecture {
  Cell cell;
  Activation nonlinearity;           // of an Elman or leaky cell
  std::int64_t input_size;
  std::vector<std::int64_t> hidden;  // of each layer
  std::vector<HeadLayer> head;       // without one, what is asked for are the hidden states of the last layer
  bool skip, own_state;              // inputs added to outputs; initial states among the parameters
  std::int64_t widest;               // of the layers
  std::vector<Matrix> parameters;    // all of one network, in the order of architecture.py
  std::int64_t size;                 // numbers in them

  Architecture(Cell cell, Activation nonlinearity, std::int64_t input_size, std::vector<std::int64_t> hidden,
               std::vector<HeadLayer> head, bool skip, bool own_state)
      : cell(cell), nonlinearity(nonlinearity), input_size(input_size), hidden(std::move(hidden)), head(std::move(head)),
        skip(skip && !this->head.empty()), own_state(own_state),
        widest(*std::max_element(this->hidden.begin(), this->hidden.end())), size(0) {
    list_parameters();
    for (const Matrix& own : parameters) size += own.size();
  }

  std::int64_t layers() const { return static_cast<std::int64_t>(hidden.size()); }
  std::int64_t outputs() const { return head.empty() ? hidden.back() : head.back().size; }
  bool is_leaky() const { return cell == Cell::leaky_outside || cell == Cell::leaky_inside; }
  bool is_gru() const { return cell == Cell::gru || cell == Cell::gru_reset_before; }
  std::int64_t gates() const { return cell == Cell::lstm ? 4 : is_gru() ? 3 : 1; }
  // Rows a tape keeps for each unit and step: of a GRU, also its candidate's recurrent half or what that reads; of a
  // leaky cell, also the gradient of its leak.
  std::int64_t kept() const { return is_gru() ? 4 : is_leaky() ? 2 : gates(); }
  // Whether a second number of each unit goes from step to step beside the h that is read: an LSTM's c, a leak's v.
  bool has_inner() const { return cell == Cell::lstm || cell == Cell::leaky_outside; }
  std::int64_t state_parts() const { return cell == Cell::lstm ? 2 : 1; }
  bool has_activations() const {
    return std::any_of(head.begin(), head.end(),
                       [](const HeadLayer& own) { return own.activation != Activation::identity; });
  }

  // Tensors of a layer, and where among them are its leak and its initial state.
  std::int64_t layer_tensors() const { return 4 + is_leaky() + (own_state ? state_parts() : 0); }
  std::int64_t leak() const { return 4; }
  std::int64_t start() const { return 4 + is_leaky(); }

 private:
  void list_parameters() {
    std::int64_t below = input_size;
    for (std::int64_t units : hidden) {
      const std::int64_t rows = gates() * units;
      parameters.insert(parameters.end(), {{rows, below}, {rows, units}, {rows, 0}, {rows, 0}});
      parameters.insert(parameters.end(), layer_tensors() - 4, {units, 0});
      below = units;
    }
    for (const HeadLayer& own : head) {
      parameters.insert(parameters.end(), {{own.size, below}, {own.size, 0}});
      below = own.size;
    }
  }
};

}  // namespace rnn2vec
