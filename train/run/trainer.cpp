#include "train/run/trainer.h"

#include "tensor/error.h"
#include "tensor/text.h"
#include "train/run/adapter_constants.h"
#include "train/run/build.h"
#include "train/run/look.h"

namespace rein::train {
namespace {

class SegmentationTask final : public Task {
 public:
  SegmentationTask(const Config& config, const std::filesystem::path& folder) : config_(config) {
    set_ = data::open_dataset(config_.data.dataset, config_.data.root, config_.data.split, kept_scenes_folder());
    for (const TargetConfig& t : config_.eval.targets)
      targets_.push_back(open_target(t, set_->classes().names, config_.eval.batch, config_.eval.preset));
    warnings_ = look_at_set(*set_);
    for (const Target& target : targets_)
      for (const std::string& warning : look_at_set(*target.set))
        warnings_.push_back("target " + target.name + ", " + warning);
    built_ = build_model(config_, set_->classes().count(), folder);
  }

  std::string name() const override { return "train"; }
  nn::Module& model() override { return *built_.model; }
  void move_to(Device device) override { built_.model->move_to(device); }

  GroupRules groups() override {
    return {.weight_decay = config_.train.weight_decay,
            .backbone_lr_multiplier = config_.train.backbone_lr / config_.train.lr,
            .adapter = adapter_prefix(*built_.model)};
  }

  Feed feed() const override {
    return {.photos = set_, .transforms = train_transforms(config_, built_.norm), .has_labels = true};
  }

  PartLoss losses(const Tensor& images, const Tensor& labels) override {
    return segmentor_losses(*built_.model, images, labels);
  }

  RunPlan plan() override {
    const TrainedCounts counts = trained_counts(*built_.model);
    RunPlan plan;
    plan.method = config_.model.method;
    plan.backbone = built_.description;
    plan.data = set_->description().name + ", split " + set_->split();
    plan.photos = set_->size();
    plan.classes = set_->classes().count();
    plan.left_out = set_->left_out();
    plan.warnings = warnings_;
    plan.trained = counts.all;
    plan.trained_vit = counts.vit;
    plan.trained_adapter = counts.adapter;
    return plan;
  }

  CheckpointInfo info() const override {
    CheckpointInfo info;
    info.method = config_.model.method;
    info.backbone_file = std::filesystem::path(config_.model.backbone).filename().string();
    info.backbone_sha256 = built_.backbone_sha256;
    info.backbone_family = built_.family;
    info.classes = set_->classes();
    info.norm = built_.norm;
    return info;
  }

  void check_resumable(const RunFolder::Found& found) const override {
    check_backbone(found.info, config_.model.backbone, built_.backbone_sha256);
    if (found.info.classes.names != set_->classes().names)
      fail_runtime("resume", "the data set has other classes than ", found.folder.string(), ": ",
                   quoted_list(set_->classes().names));
  }

  bool is_scored() const override { return !targets_.empty(); }
  std::vector<TargetScore> scores(Observer& observer) override {
    std::vector<TargetScore> scores;
    for (const Target& target : targets_)
      scores.push_back(evaluate(*built_.model, built_.norm, target, [&](std::int64_t done, std::int64_t all) {
        observer.evaluating(target.name, done, all);
      }));
    return scores;
  }

  void begin(const std::filesystem::path& folder) override {
    keep_constants(built_.model->backbone(), built_.constants_key, folder);
  }

 private:
  const Config& config_;
  std::shared_ptr<const data::Dataset> set_;
  std::vector<Target> targets_;
  std::vector<std::string> warnings_;  // of the data
  BuiltModel built_;
};

}  // namespace

RunResult train(const RunOptions& options, Observer& observer) {
  use_threads(options.config);
  SegmentationTask task(options.config, options.folder);
  return run(task, options, observer);
}

}  // namespace rein::train
