#include "train/run/pretrain.h"

#include <cmath>
#include <numeric>

#include "autograd/ops/elementwise/elementwise.h"
#include "data/loading/loader.h"
#include "data/loading/unlabelled.h"
#include "models/pretraining/masked_autoencoder.h"
#include "models/zoo/export.h"
#include "nn/bind.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/io/sha256.h"
#include "tensor/parallel.h"
#include "train/error.h"
#include "train/optim/clip_grad_norm.h"
#include "train/optim/param_groups.h"
#include "train/optim/schedule.h"
#include "train/run/build.h"
#include "train/run/records.h"
#include "train/run/run_folder.h"
#include "train/run/timing.h"
#include "train/version.h"

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

class Run {
 public:
  Run(const PretrainOptions& options, Observer& observer)
      : config_(options.config), observer_(observer), device_(options.device), model_(options_of(config_)) {
    const TrainConfig& t = config_.train;
    if (t.threads > 0) set_thread_count(static_cast<int>(t.threads));
    set_ = data::open_dataset(config_.data.dataset, config_.data.root, config_.data.split);
    photos_ = data::unlabelled(set_, {.photos = config_.pretrain.photos,
                                      .cache_bytes = config_.pretrain.cache_mib << 20,
                                      .views = static_cast<int>(views())});
    model_.name_tree();
    nn::initialise(model_, RandomKey(static_cast<std::uint64_t>(t.seed)).child("init"), DType::f32);
    folder_.emplace(options.folder, options.resume);
    resume(options.resume);
    for (const AdamW::Slot& slot : optimizer_.slots()) trained_.push_back(slot.param);
    folder_->write_config(config_);
    tell_plan();
  }

  PretrainResult work() {
    data::LoaderOptions load;
    load.batch_size = static_cast<int>(config_.train.batch);
    load.threads = static_cast<int>(config_.data.workers);
    load.seed = static_cast<std::uint64_t>(config_.train.seed);
    load.first_batch = step_;
    load.views = static_cast<int>(views());
    load.transforms = train_transforms(config_, norm());
    load.transforms.cat_max_ratio = 1;  // crops are taken as they are drawn: choosing them needs labels
    data::Loader loader(photos_, load);
    PretrainResult result;
    std::int64_t saved = step_;
    while (step_ < config_.train.iterations) {
      result.last_loss = one_step(loader);
      if (step_ % config_.train.checkpoint_every != 0 && step_ != config_.train.iterations) continue;
      save();
      saved = step_;
    }
    if (saved != step_) save();
    result.steps = step_;
    write_backbone(result);
    return result;
  }

 private:
  std::int64_t views() const { return config_.pretrain.target == "other_style" ? 2 : 1; }

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

  void resume(bool asked) {
    std::vector<std::string> faults;
    const auto found = folder_->latest(faults);
    for (const std::string& fault : faults) observer_.note("passed over a damaged checkpoint: " + fault);
    if (found) {
      if (found->info.method != method_name)
        throw HintedError("[resume] " + found->folder.string() + " is of a training run", "choose another --out");
      const Config then = read_config(found->folder / "config.toml", {}, Purpose::pretrain);
      if (const auto differences = resume_differences(config_, then); !differences.empty()) {
        std::string text = "[resume] the configuration differs from that of " + found->folder.string() + ":";
        for (const std::string& d : differences) text += "\n  " + d;
        throw HintedError(text, "resume with the same settings, or start a new run with another --out");
      }
      load_model(found->folder, model_);
    }
    nn::move_to(model_, device_);
    add_trained(optimizer_, model_, {.weight_decay = config_.train.weight_decay});
    if (found) {
      load_optimizer(found->folder, model_, optimizer_);
      step_ = found->info.step;
    }
    if (asked && !found) observer_.note("there is no checkpoint to go on from: the run begins with step 1");
    if (step_ >= config_.train.iterations) observer_.note("the run is finished: all its steps are done");
    folder_->open_metrics(found ? found->info.metrics_bytes : 0);
  }

  void tell_plan() {
    const models::VitOptions& vit = model_.options().vit;
    RunPlan plan;
    plan.folder = folder_->path();
    plan.method = "masked autoencoding, without labels";
    plan.backbone = concat_text("a new ViT: ", vit.depth, " blocks of ", vit.dim, ", ", vit.heads, " heads, patch ",
                                vit.patch, ", grid ", vit.grid_height, "x", vit.grid_width);
    plan.data = set_->description().name + ", split " + set_->split();
    plan.first_step = step_;
    plan.iterations = config_.train.iterations;
    plan.photos = photos_->size() / views();
    plan.trained = model_.parameter_count(true);
    plan.trained_vit = model_.vit().parameter_count(true);
    observer_.started(plan);
  }

  double one_step(data::Loader& loader) {
    const double start = now_seconds();
    const TrainConfig& t = config_.train;
    const data::Batch batch = loader.next();
    StepReport report;
    report.waited = now_seconds() - start;
    report.lr = schedule_.at(step_);
    for (std::int64_t first = 0; first < t.batch; first += t.micro_batch) micro_batch(batch, first, report);
    const double updating = now_seconds();
    report.gradient_norm = t.clip > 0 ? clip_gradients(trained_, t.clip) : gradient_norm(trained_);
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
      throw CheckFailed(concat_text("[pretrain] step ", step_ + 1, ": the loss is ", report.loss,
                                    " and the norm of the gradients ", report.gradient_norm),
                        "the checkpoints are untouched; a smaller train.lr or train.clip helps against divergence");
    optimizer_.step(report.lr);
    model_.clear_grads();
    report.update = now_seconds() - updating;
    report.step = ++step_;
    report.seconds = now_seconds() - start;
    folder_->append_metrics(step_line(report));
    if (step_ % 10 == 0 || step_ == 1) folder_->append_timing(timing_line(report));
    observer_.step(report);
    return report.loss;
  }

  // Adds the gradients of photos [first, first + micro_batch), in parts of the whole batch's mean.
  void micro_batch(const data::Batch& batch, std::int64_t first, StepReport& report) {
    const TrainConfig& t = config_.train;
    const RandomKey key =
        RandomKey(static_cast<std::uint64_t>(t.seed)).child("step").child(static_cast<std::uint64_t>(step_));
    const nn::ForwardContext context{.training = true, .key = key, .first_sample = first};
    const Tensor images = batch.images.rows(first, first + t.micro_batch);
    const models::PatchMask drawn =
        models::random_mask(key.child("mask"), t.micro_batch, first, model_.patches(), config_.pretrain.hidden);
    const double start = now_seconds();
    const models::PatchMask mask{drawn.visible.to(device_), drawn.hidden.to(device_), drawn.places.to(device_)};
    const Tensor there = images.to(device_);
    const Tensor target = views() == 2 ? data::partners(images).to(device_) : there;
    const Variable loss = scale(model_.loss(constant(there), constant(target), mask, context),
                                static_cast<double>(t.micro_batch) / static_cast<double>(t.batch));
    const double middle = now_seconds();
    backward(loss);
    report.forward += middle - start;
    report.backward += now_seconds() - middle;
    report.loss += loss.value().item();
  }

  void save() {
    CheckpointInfo info;
    info.step = step_;
    info.seed = config_.train.seed;
    info.method = method_name;
    info.classes = set_->classes();
    info.norm = norm();
    info.version = version_text();
    info.isa = isa_name();
    info.kernels = forced_kernels_text();
    observer_.checkpoint(step_, folder_->write(info, config_, model_, optimizer_, config_.train.keep_last));
  }

  void write_backbone(PretrainResult& result) {
    const zoo::Layout& ours = zoo::layout_named("dinov2_orig");
    const zoo::Layout& theirs = zoo::layout_named("dinov2_hf");
    zoo::Weights weights;
    weights.model.layout = &ours;
    weights.model.options = model_.options().vit;
    weights.source = std::make_shared<nn::MapSource>(
        nn::collect(model_.vit(), [](const std::string&, const nn::Param&) { return true; }), "the pretrained ViT");
    result.file = folder_->path() / file_name;
    write_safetensors_streamed(result.file, zoo::as_layout(weights, theirs, DType::bf16),
                               {{"format", "pt"}, {zoo::layout_key, std::string(theirs.name)}});
    result.sha256 = sha256_of_file(result.file);
    result.bytes = static_cast<std::int64_t>(std::filesystem::file_size(result.file));
  }

  Config config_;
  Observer& observer_;
  Device device_;
  models::MaskedAutoencoder model_;
  std::shared_ptr<const data::Dataset> set_;
  std::shared_ptr<const data::Source> photos_;
  std::optional<RunFolder> folder_;
  Schedule schedule_{.lr = config_.train.lr,
                     .power = config_.train.power,
                     .zero_at = config_.train.zero_at,
                     .warmup = config_.train.warmup,
                     .warmup_start = config_.train.warmup_start};
  AdamW optimizer_{AdamWOptions{.beta1 = config_.train.beta1, .beta2 = config_.train.beta2, .eps = config_.train.eps}};
  std::vector<Variable> trained_;
  std::int64_t step_ = 0;  // done
};

}  // namespace

PretrainResult pretrain(const PretrainOptions& options, Observer& observer) {
  return Run(options, observer).work();
}

}  // namespace rein::train
