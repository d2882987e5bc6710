#include "autograd/graph.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "autograd/record.h"

namespace rein {
namespace {

std::string bytes_text(std::size_t bytes) {
  char text[32];
  if (bytes < 10 * 1024)
    std::snprintf(text, sizeof text, "%zu B", bytes);
  else if (bytes < 10 * 1024 * 1024)
    std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(bytes) / 1024);
  else
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1024 * 1024));
  return text;
}

}  // namespace

Graph graph_of(std::span<const Variable> roots, const std::set<const void*>& except) {
  std::map<std::uint64_t, const Node*> found;
  std::vector<const Node*> waiting;
  const auto visit = [&](const std::shared_ptr<Node>& node) {
    if (node && found.emplace(node->sequence, node.get()).second) waiting.push_back(node.get());
  };
  for (const Variable& root : roots)
    if (root) visit(root.impl()->node);
  while (!waiting.empty()) {
    const Node* node = waiting.back();
    waiting.pop_back();
    for (const auto& parent : node->parents) visit(parent);
  }
  Graph graph;
  std::set<const void*> counted = except;
  for (const auto& [sequence, node] : found) {
    GraphNode g{.op = node->op, .sequence = sequence, .outputs = node->output_shapes, .parents = {}, .saved_bytes = 0};
    for (const auto& parent : node->parents)
      if (parent) g.parents.push_back(parent->sequence);
    for (const SavedBytes& s : node->saved_bytes)
      if (counted.insert(s.storage).second) g.saved_bytes += s.bytes;
    graph.saved_bytes += g.saved_bytes;
    graph.nodes.push_back(std::move(g));
  }
  return graph;
}

std::string summary_text(const Graph& graph) {
  std::map<std::string, std::pair<std::size_t, std::size_t>> by_op;  // nodes, bytes
  for (const GraphNode& node : graph.nodes) {
    by_op[node.op].first += 1;
    by_op[node.op].second += node.saved_bytes;
  }
  std::vector<std::pair<std::string, std::pair<std::size_t, std::size_t>>> lines(by_op.begin(), by_op.end());
  std::ranges::stable_sort(lines, [](const auto& a, const auto& b) { return a.second.second > b.second.second; });
  std::string text = "op                     nodes        saved\n";
  char line[96];
  const auto add = [&](const std::string& op, std::size_t nodes, std::size_t bytes) {
    std::snprintf(line, sizeof line, "%-20s %7zu %12s\n", op.c_str(), nodes, bytes_text(bytes).c_str());
    text += line;
  };
  for (const auto& [op, counts] : lines) add(op, counts.first, counts.second);
  add("all", graph.nodes.size(), graph.saved_bytes);
  return text;
}

std::string dot_text(const Graph& graph) {
  std::string text = "digraph tape {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n";
  for (const GraphNode& node : graph.nodes) {
    std::string label = node.op;
    for (const Shape& shape : node.outputs) label += "\\n" + shape.text();
    if (node.saved_bytes > 0) label += "\\n" + bytes_text(node.saved_bytes);
    text += "  n" + std::to_string(node.sequence) + " [label=\"" + label + "\"];\n";
    for (const std::uint64_t parent : node.parents)
      text += "  n" + std::to_string(parent) + " -> n" + std::to_string(node.sequence) + ";\n";
  }
  return text + "}\n";
}

}  // namespace rein
