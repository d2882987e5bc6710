// Looking at a recorded graph: which nodes there are and what each keeps for backward.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace rein {

struct GraphNode {
  std::string op;
  std::uint64_t sequence = 0;
  std::vector<Shape> outputs;
  std::vector<std::uint64_t> parents;  // sequences of the nodes it depends on
  std::size_t saved_bytes = 0;         // kept for backward, counted at the first node that keeps a storage
};

struct Graph {
  std::vector<GraphNode> nodes;  // in creation order
  std::size_t saved_bytes = 0;   // all storages, each once, without those of `leaves`
};

// Everything reachable from `roots`. Storages in `except` (those of parameters and inputs, which live anyway) are not
// counted.
Graph graph_of(std::span<const Variable> roots, const std::set<const void*>& except = {});
// Per op: nodes and bytes, largest first; fixed-width text for a terminal.
std::string summary_text(const Graph& graph);
// Graphviz source ("dot -Tsvg").
std::string dot_text(const Graph& graph);

}  // namespace rein
