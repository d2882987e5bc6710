// rein graph: what one training step records and keeps for backward.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "autograd/graph.h"
#include "models/segmentor.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "train/cli/commands.h"

namespace rein::train {
namespace {

struct Options {
  std::string method = "rein";
  std::int64_t height = 256, width = 256, batch = 1;
  bool dot = false, recompute = false;
};

// What was measured, in words.
std::string subject_text(const Options& options, const models::SegmentorOptions& model) {
  return concat_text("One training step of a ViT-Ti (", model.vit.depth, " blocks, ", model.vit.dim, " wide, patch ",
                     model.vit.patch, ") with ", options.method, options.recompute ? " and recomputed blocks" : "",
                     ",\nSemantic FPN on top: ", options.batch, options.batch == 1 ? " photo" : " photos", " of ",
                     options.height, " x ", options.width, ", f32, on the CPU; the tape as it is between\n",
                     "forward and backward. saved: what a node keeps for backward, each memory counted once, at the\n",
                     "first node that keeps it; parameters, which live anyway, are not counted.\n");
}

int run(const Options& options, const Globals& globals) {
  models::SegmentorOptions segmentor_options;
  segmentor_options.vit = models::vit_tiny();
  segmentor_options.method = models::method_named(options.method);
  segmentor_options.recompute = options.recompute;
  models::Segmentor segmentor(segmentor_options);
  segmentor.name_tree();
  nn::initialise(segmentor, RandomKey(1), DType::f32);
  const Tensor images = Tensor::zeros({options.batch, options.height, options.width, 3}, DType::f32);
  const Tensor labels = Tensor::zeros({options.batch, options.height, options.width}, DType::i64);
  const models::Losses losses =
      segmentor.loss({.training = true, .key = RandomKey(1), .first_sample = 0}, images, labels);
  std::set<const void*> parameters;
  segmentor.visit([&](const std::string&, nn::Param& p) { parameters.insert(p.value.value().storage().get()); });
  const Graph graph = graph_of(std::span(&losses.total, 1), parameters);
  if (globals.json) {
    nlohmann::ordered_json ops = nlohmann::ordered_json::object();
    for (const GraphNode& node : graph.nodes) {
      auto& op = ops.emplace(node.op, nlohmann::ordered_json{{"nodes", 0}, {"saved_bytes", 0}}).first.value();
      op["nodes"] = op["nodes"].get<std::size_t>() + 1;
      op["saved_bytes"] = op["saved_bytes"].get<std::size_t>() + node.saved_bytes;
    }
    const nlohmann::ordered_json json = {{"vit", "ti"},
                                         {"method", options.method},
                                         {"head", "semantic_fpn"},
                                         {"batch", options.batch},
                                         {"height", options.height},
                                         {"width", options.width},
                                         {"recompute", options.recompute},
                                         {"dtype", "f32"},
                                         {"device", "cpu"},
                                         {"nodes", graph.nodes.size()},
                                         {"saved_bytes", graph.saved_bytes},
                                         {"ops", std::move(ops)}};
    std::printf("%s\n", json.dump().c_str());
    return 0;
  }
  if (!options.dot && !globals.quiet) std::printf("%s\n", subject_text(options, segmentor_options).c_str());
  std::printf("%s", (options.dot ? dot_text(graph) : summary_text(graph)).c_str());
  return 0;
}

}  // namespace

void add_graph(CommandLine line, const Globals& globals) {
  auto options = std::make_shared<Options>();
  CommandLine cmd = line.command("graph", "What one training step of a ViT-Ti with Semantic FPN records and keeps");
  cmd.option("--method", options->method, "freeze, full or rein");
  cmd.option("--batch", options->batch).positive();
  cmd.option("--height", options->height).positive();
  cmd.option("--width", options->width).positive();
  cmd.flag("--recompute", options->recompute, "With recomputation");
  cmd.flag("--dot", options->dot, "Graphviz source instead of the table");
  cmd.runs([options, &globals] { return run(*options, globals); });
}

}  // namespace rein::train
