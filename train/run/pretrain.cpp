#include "train/run/pretrain.h"

#include "autograd/ops/elementwise/elementwise.h"
#include "data/loading/unlabelled.h"
#include "models/pretraining/masked_autoencoder.h"
#include "models/zoo/export.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/io/sha256.h"
#include "train/error.h"
#include "train/run/build.h"

namespace rein::train {
namespace {

namespace zoo = models::zoo;

constexpr const char* file_name = "backbone.safetensors";
constexpr const char* method_name = "pretrain";

models::MaskedAutoencoderOptions options_of(const Config& config) {
  const PretrainConfig& p = config.pretrain;
  models::VitOptions vit;
  vit.dim = p.width;
  vit.depth = p.depth;
  vit.heads = p.heads == 0 ? p.width / 64 : p.heads;
  const std::int64_t grid = config.data.crop / p.patch;
  vit = models::dinov2(vit, p.patch, grid);
  vit.layer_scale_init = 1;  // a short run has no time to grow it from 1e-5
  return {.vit = vit,
          .decoder_dim = p.decoder_width,
          .decoder_depth = p.decoder_depth,
          .decoder_heads = p.decoder_heads,
          .all_patches = p.target == "other_style",
          .whole_photo = p.normalise == "photo",
          .variance_floor = p.variance_floor};
}

class PretrainTask final : public Task {
 public:
  explicit PretrainTask(const Config& config) : config_(config), model_(options_of(config)) {
    set_ = data::open_dataset(config_.data.dataset, config_.data.root, config_.data.split, kept_scenes_folder());
    photos_ = data::unlabelled(
        set_, {.photos = config_.pretrain.photos, .cache_bytes = config_.pretrain.cache_mib << 20, .views = views()});
    model_.name_tree();
    nn::initialise(model_, RandomKey(static_cast<std::uint64_t>(config_.train.seed)).child("init"), DType::f32);
  }

  std::string name() const override { return "pretrain"; }
  nn::Module& model() override { return model_; }
  void move_to(Device device) override {
    device_ = device;
    nn::move_to(model_, device);
  }
  GroupRules groups() override { return {.weight_decay = config_.train.weight_decay}; }

  Feed feed() const override {
    data::TrainTransforms transforms = train_transforms(config_, norm());
    transforms.cat_max_ratio = 1;  // crops are taken as they are drawn: choosing them needs labels
    return {.photos = photos_, .transforms = transforms, .views = views()};
  }

  // Parts of the whole batch's mean.
  PartLoss losses(const Tensor& images, const Tensor& /*labels*/) override {
    return [this, images](const nn::ForwardContext& context, std::int64_t first, std::int64_t end) {
      const models::PatchMask drawn =
          models::random_mask(context.key.child("mask"), end - first, first, model_.patches(), config_.pretrain.hidden);
      const models::PatchMask mask{drawn.visible.to(device_), drawn.hidden.to(device_), drawn.places.to(device_)};
      const Tensor part = images.rows(first, end);
      const Tensor target = views() == 2 ? data::partners(part) : part;
      models::Losses losses;
      losses.total = scale(model_.loss(constant(part), constant(target), mask, context),
                           static_cast<double>(end - first) / static_cast<double>(images.size(0)));
      return losses;
    };
  }

  RunPlan plan() override {
    const models::VitOptions& vit = model_.options().vit;
    RunPlan plan;
    plan.method = "masked autoencoding, without labels";
    plan.backbone = concat_text("a new ViT: ", vit.depth, " blocks of ", vit.dim, ", ", vit.heads, " heads, patch ",
                                vit.patch, ", grid ", vit.grid_height, "x", vit.grid_width);
    plan.data = set_->description().name + ", split " + set_->split();
    plan.photos = photos_->size() / views();
    plan.left_out = set_->left_out();
    plan.trained = model_.parameter_count(true);
    plan.trained_vit = model_.vit().parameter_count(true);
    return plan;
  }

  CheckpointInfo info() const override {
    CheckpointInfo info;
    info.method = method_name;
    info.classes = set_->classes();
    info.norm = norm();
    return info;
  }

  void check_resumable(const RunFolder::Found& found) const override {
    if (found.info.method != method_name)
      throw HintedError("[resume] " + found.folder.string() + " is of a training run", "choose another --out");
  }

  void finish(const std::filesystem::path& folder) override {
    const zoo::Layout& ours = zoo::layout_named("dinov2_orig");
    const zoo::Layout& theirs = zoo::layout_named("dinov2_hf");
    zoo::Weights weights;
    weights.model.layout = &ours;
    weights.model.options = model_.options().vit;
    weights.source = std::make_shared<nn::MapSource>(
        nn::collect(model_.vit(), [](const std::string&, const nn::Param&) { return true; }), "the pretrained ViT");
    file_ = folder / file_name;
    write_safetensors_streamed(file_, zoo::as_layout(weights, theirs, DType::bf16),
                               {{"format", "pt"}, {zoo::layout_key, std::string(theirs.name)}});
  }

  const std::filesystem::path& file() const { return file_; }  // that finish wrote

 private:
  int views() const { return config_.pretrain.target == "other_style" ? 2 : 1; }

  // What DINOv2's photos are normalised by, so that whoever loads the file does the same.
  static data::Normalisation norm() {
    const zoo::Layout& layout = zoo::layout_named("dinov2_hf");
    data::Normalisation norm;
    for (std::size_t i = 0; i < 3; ++i) {
      norm.mean[i] = static_cast<float>(255 * layout.mean[i]);
      norm.std[i] = static_cast<float>(255 * layout.std[i]);
    }
    return norm;
  }

  const Config& config_;
  models::MaskedAutoencoder model_;
  Device device_;
  std::shared_ptr<const data::Dataset> set_;
  std::shared_ptr<const data::Source> photos_;
  std::filesystem::path file_;
};

}  // namespace

PretrainResult pretrain(const RunOptions& options, Observer& observer) {
  use_threads(options.config);
  PretrainTask task(options.config);
  const RunResult done = run(task, options, observer);
  return {.steps = done.steps,
          .last_loss = done.last_loss,
          .file = task.file(),
          .sha256 = sha256_of_file(task.file()),
          .bytes = static_cast<std::int64_t>(std::filesystem::file_size(task.file()))};
}

}  // namespace rein::train
