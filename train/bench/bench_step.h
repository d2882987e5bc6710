// One training or inference step of a whole system at real sizes: seconds, bytes, and where the time went.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "train/run/timing.h"

namespace rein::train {

struct BenchStepOptions {
  std::string vit = "ti";             // ti, s, b, l
  std::string method = "rein";        // freeze, full, rein
  std::string head = "semantic_fpn";  // or mask2former
  std::int64_t batch = 1, height = 512, width = 512;
  bool layer_scale = false;  // DINOv2-like blocks
  bool recompute = false;
  std::string precision = "f32";  // or bf16: Segmentor::use_bf16
  int steps = 5;
  Device device{};
};

struct BenchStep {
  Timing step;  // forward, backward, update
  // As rein train makes them on a device: steps one after the other without a wait, and each as one graph; seconds of a
  // step. 0 on the CPU.
  double flowing = 0, graph = 0;
  double giving = 0, giving_graph = 0;  // what of it the host takes to give the work: the least a step can take
  std::map<std::string, std::uint64_t> launches;  // kernels of one such step, by name
  std::uint64_t waits = 0;                        // of the host within the last of the flowing steps: 0 is the aim
  std::int64_t graphs = 0;                        // how often the graph was made anew
  Timing backbone_forward;                        // ViT and adapter, nothing recorded
  Timing backbone_forward_backward;               // the same as in training, and backward from its maps and queries
  Timing inference;                               // whole forward to class scores at the image's size
  double forward = 0, backward = 0, update = 0;   // median seconds of the step's parts
  double idle_bytes = 0;                          // resident before the model exists
  double peak_bytes = 0;                          // VmHWM over the steps less idle_bytes
  double tensor_peak_bytes = 0;                   // our own account: highest sum of live tensors, on the device
  double reserved_bytes = 0;                      // taken from the device for them; 0 on the CPU
  double saved_bytes = 0;                         // kept for backward, parameters not counted
  std::int64_t trainable = 0, parameters = 0;
  std::string products{};  // what they ran in: Segmentor::products_text
};

// Random weights and images; throws std::invalid_argument for unknown names.
BenchStep bench_step(const BenchStepOptions& options);

}  // namespace rein::train
