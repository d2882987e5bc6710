// Low-rank changes of the ViT's linear layers, shared by the methods that train them (LoRA, SoMA). A layer gives
//   y + sum over its pairs of factor B (A x),   A (r, in), B (rows, r)
// where a pair changes all rows of the layer's weight, or one of equal ranges of them: q, k and v of a packed qkv. All
// pairs of a layer run as two products: their A stand one below the other, their B in a block matrix with zeros.
//
// In mixed precision on CUDA operands of these products are bf16 and sums f32, as are parameters and their gradients;
// the rank is filled up with zeros to rows of 16 bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/adapters/adapter.h"
#include "models/vit/vit_options.h"

namespace rein::models {

// Rows of one linear layer of one block.
struct TunedMatrix {
  int block = 0;
  nn::LinearSite site{};
  int part = 0, parts = 1;  // which of so many equal ranges of its rows
  std::string name;         // "blocks.3.attn.q", "blocks.3.attn.qkv", "blocks.3.mlp.fc1"
  std::string layer;        // what it is a part of, in the ViT: "blocks.3.attn.qkv"
  std::int64_t in = 0, rows = 0;
};

// The matrices that `targets` name, in order, of the blocks from `first_block` on. Names: qkv (packed), q, k, v, proj,
// fc1, fc2; in a gated MLP fc1 is w12, or w1 and w2 if `apart`, and fc2 is w3. Throws std::invalid_argument that begins
// with [`who`] for an unknown or repeated name, qkv beside q, k or v, and a first block that is not there.
std::vector<TunedMatrix> tuned_matrices(const VitOptions& vit, const std::vector<std::string>& targets,
                                        std::int64_t first_block, bool apart, const char* who);
// "q, v" -> {"q", "v"}
std::vector<std::string> target_names(const std::string& list);

class LowRankAdapter : public Adapter {
 public:
  std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const override;
  bool trains_inside_blocks() const override { return true; }
  // Weights W of the tuned layers become W + factor B A, computed in f64 and rounded to W's dtype.
  bool merge_into(Vit& vit) const override;
  const std::vector<TunedMatrix>& matrices() const { return matrices_; }

 protected:
  // A product that is part of matrix i's change.
  struct Pair {
    std::size_t matrix = 0;
    const nn::Param* a = nullptr;  // (r, in)
    const nn::Param* b = nullptr;  // (rows, r)
    double factor = 1;
  };
  explicit LowRankAdapter(std::vector<TunedMatrix> matrices);
  // Declares NAME.a_name and NAME.b_name for a matrix and makes them a pair. Frozen ones are constants of the method.
  std::pair<nn::Param*, nn::Param*> add_pair(std::size_t matrix, std::int64_t rank, double factor,
                                             const std::pair<std::string, std::string>& names, nn::Init a_start,
                                             bool frozen = false);

 private:
  friend class LowRankPass;
  std::vector<TunedMatrix> matrices_;
  std::vector<Pair> pairs_;
  std::map<std::pair<int, nn::LinearSite>, std::vector<std::size_t>> by_layer_;  // pairs
};

}  // namespace rein::models
