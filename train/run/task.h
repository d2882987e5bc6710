// What a run trains. The loop (run_loop.h) asks a task for all that training a segmentor and pretraining a ViT do
// differently; batches, steps, resuming, checkpoints and records are the loop's alone.
//
// To add a kind of training: a class of this interface in a file of its own, and a function that builds it and calls
// run(), as trainer.cpp and pretrain.cpp do. A task is built whole, with everything that can be wrong about the input,
// before the run's folder is touched.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/loading/transforms.h"
#include "data/sets/dataset.h"
#include "train/optim/param_groups.h"
#include "train/run/observer.h"
#include "train/run/run_folder.h"
#include "train/run/step.h"

namespace rein::train {

class Task {
 public:
  virtual ~Task() = default;

  virtual std::string name() const = 0;  // in front of errors: "train"

  // The whole tree: what is not frozen is trained, saved and resumed. Its values are bound, on the CPU until move_to.
  virtual nn::Module& model() = 0;
  virtual void move_to(Device device) = 0;
  virtual GroupRules groups() = 0;

  // What batches are made of; their size, order and threads are the configuration's.
  struct Feed {
    std::shared_ptr<const data::Source> photos;
    data::TrainTransforms transforms;
    int views = 1;            // of one photo, neighbours in a batch (data/loading/loader.h)
    bool has_labels = false;  // if not, labels are 255 everywhere, and nobody looks at them
  };
  virtual Feed feed() const = 0;

  // The losses of one batch (step.h). images f32 (N, H, W, 3) are where the model is, labels i64 (N, H, W) on the CPU.
  // Called once a step, within what a device may record as a graph.
  virtual PartLoss losses(const Tensor& images, const Tensor& labels) = 0;

  virtual RunPlan plan() = 0;  // but folder and steps
  // What a checkpoint says of the task, but step, seed, program and scores.
  virtual CheckpointInfo info() const = 0;
  // Throws when the checkpoint is of another task than this. The configurations are compared by the loop.
  virtual void check_resumable(const RunFolder::Found& found) const = 0;

  // Scores of the model as it is; the highest mean is the run's best. Empty: nothing is scored.
  virtual bool is_scored() const { return false; }
  virtual std::vector<TargetScore> scores(Observer&) { return {}; }

  // Before the first step, with the folder locked: what a run keeps beside its checkpoints from its start on.
  virtual void begin(const std::filesystem::path& /*folder*/) {}
  // After the last checkpoint, with the folder still locked: what a finished run leaves beside its checkpoints.
  virtual void finish(const std::filesystem::path& /*folder*/) {}
};

}  // namespace rein::train
