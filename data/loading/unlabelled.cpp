#include "data/loading/unlabelled.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "tensor/error.h"

namespace rein::data {
namespace {

class Unlabelled final : public Source {
 public:
  Unlabelled(std::shared_ptr<const Dataset> set, const UnlabelledOptions& options)
      : set_(std::move(set)), options_(options), scenes_(set_->scenes()) {
    require(options_.photos >= 0 && options_.cache_bytes >= 0, "unlabelled", "photos and bytes must not be negative");
    require(options_.views == 1 || (options_.views == 2 && scenes_ != nullptr && scenes_->styles.size() >= 2),
            "unlabelled", "one photo can be had in two styles only of rendered scenes of several styles; ",
            set_->description().name, ", split ", set_->split(), " is not such a set");
    require(options_.photos <= set_->size(), "unlabelled", set_->description().name, ", split ", set_->split(), " has ",
            set_->size(), " photos, ", options_.photos, " are asked for");
    const std::int64_t photos = options_.photos == 0 ? set_->size() : options_.photos;
    size_ = photos * options_.views;
    kept_.resize(static_cast<std::size_t>(size_));
  }

  std::int64_t size() const override { return size_; }
  const ClassSet& classes() const override { return set_->classes(); }

  Sample read(std::int64_t index) const override {
    Sample sample;
    const auto kept = find(index);
    sample.image = kept ? kept->image : Image();
    sample.name = kept ? kept->name : "";
    if (!kept) {
      sample = made(index);
      keep(index, {sample.image, sample.name});
    }
    sample.label = LabelMap(sample.image.height, sample.image.width, ignore_id);
    return sample;
  }

 private:
  struct Photo {
    Image image;
    std::string name;
  };

  std::shared_ptr<const Photo> find(std::int64_t index) const {
    const std::lock_guard lock(mutex_);
    return kept_[static_cast<std::size_t>(index)];
  }

  void keep(std::int64_t index, Photo photo) const {
    const auto bytes = static_cast<std::int64_t>(photo.image.pixels.size());
    const std::lock_guard lock(mutex_);
    auto& place = kept_[static_cast<std::size_t>(index)];
    if (place || bytes_ + bytes > options_.cache_bytes) return;
    bytes_ += bytes;
    place = std::make_shared<const Photo>(std::move(photo));
  }

  Sample made(std::int64_t index) const {
    const std::int64_t photo = index / options_.views;
    if (index % options_.views == 0) return set_->read(photo);
    // Another style, in turn; what says where the camera stands and looks is that of the photo's own style.
    const auto count = static_cast<std::int64_t>(scenes_->styles.size());
    const std::int64_t other = (photo + 1 + photo / count % (count - 1)) % count;
    const scenes::Style& own = *scenes_->styles[static_cast<std::size_t>(photo % count)];
    scenes::Style style = *scenes_->styles[static_cast<std::size_t>(other)];
    style.camera_height = own.camera_height;
    style.pitch = own.pitch;
    style.yaw = own.yaw;
    style.roll = own.roll;
    style.view = own.view;
    style.bonnet = own.bonnet;
    Sample sample;
    sample.image = scenes::render(style, scenes_->seed, photo, scenes_->size).image;
    sample.name = scenes::name_of(style, photo);
    return sample;
  }

  std::shared_ptr<const Dataset> set_;
  UnlabelledOptions options_;
  const scenes::Split* scenes_;
  std::int64_t size_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const Photo>> kept_;
  mutable std::int64_t bytes_ = 0;
};

}  // namespace

std::shared_ptr<const Source> unlabelled(std::shared_ptr<const Dataset> set, const UnlabelledOptions& options) {
  return std::make_shared<Unlabelled>(std::move(set), options);
}

Tensor partners(const Tensor& images) {
  require(images.size(0) % 2 == 0, "partners", "images must come in pairs, got ", images.shape());
  Tensor out = Tensor::empty(images.shape(), images.dtype(), images.device());
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    const std::int64_t other = i % 2 == 0 ? i + 1 : i - 1;
    out.rows(i, i + 1).copy_from(images.rows(other, other + 1));
  }
  return out;
}

}  // namespace rein::data
