// What a run tells about itself. The trainer never prints: the program's console and tests implement this.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/score/evaluate.h"

namespace rein::train {

struct RunPlan {
  std::filesystem::path folder;
  std::string method, backbone, data;  // one line each
  std::int64_t first_step = 0;         // steps done before (resume)
  std::int64_t iterations = 0;
  std::string left_out;                  // files beside the photos that are not used, one line; mostly empty
  std::vector<std::string> warnings;     // what is odd about the data, one line each
  std::int64_t photos = 0, classes = 0;  // no classes: labels are not used
  std::int64_t trained = 0, trained_vit = 0, trained_adapter = 0;
};

struct StepReport {
  std::int64_t step = 0;  // done now, from 1
  double loss = 0, lr = 0, gradient_norm = 0;
  std::optional<double> accuracy{};  // percent of labelled pixels; nothing where no pixel or the head has none
  std::int64_t bad_costs = 0;        // NaN or infinite where queries are matched
  bool no_labels = false;            // not one pixel of the batch has a class
  double seconds = 0, waited = 0;    // of this step; waiting for the loader is part of it
  double forward = 0, backward = 0, update = 0;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void started(const RunPlan&) {}
  virtual void step(const StepReport&) {}
  virtual void evaluating(const std::string& /*set*/, std::int64_t /*done*/, std::int64_t /*all*/) {}
  virtual void evaluated(std::int64_t /*step*/, const std::vector<TargetScore>&, bool /*best*/) {}
  virtual void checkpoint(std::int64_t /*step*/, const std::filesystem::path&) {}
  virtual void note(const std::string&) {}
};

}  // namespace rein::train
