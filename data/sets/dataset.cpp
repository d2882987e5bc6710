#include "data/sets/dataset.h"

#include <algorithm>

#include "data/images/header.h"
#include "data/images/image_io.h"
#include "data/sets/pairing.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data {
namespace {

class Concatenation final : public Source {
 public:
  explicit Concatenation(std::vector<std::shared_ptr<const Source>> sources) : sources_(std::move(sources)) {
    require(!sources_.empty(), "concatenate", "needs at least one source");
    for (const auto& source : sources_) {
      require(source->classes().names == classes().names, "concatenate", "all sets must have the same classes, got ",
              quoted_list(source->classes().names), " beside ", quoted_list(classes().names));
      size_ += source->size();
    }
  }
  std::int64_t size() const override { return size_; }
  const ClassSet& classes() const override { return sources_.front()->classes(); }
  Sample read(std::int64_t index) const override {
    require(index >= 0 && index < size_, "dataset", "sample ", index, " of ", size_);
    std::size_t at = 0;
    while (index >= sources_[at]->size()) index -= sources_[at++]->size();
    return sources_[at]->read(index);
  }

 private:
  std::vector<std::shared_ptr<const Source>> sources_;
  std::int64_t size_ = 0;
};

}  // namespace

Dataset::Dataset(Description description, const std::filesystem::path& root, const std::string& split,
                 const std::filesystem::path& kept_scenes)
    : description_(std::move(description)),
      root_(root),
      split_(split),
      decoder_(description_.raw),
      scenes_(find_split(description_, split).scenes) {
  if (scenes_) {
    if (!kept_scenes.empty()) kept_scenes_.emplace(*scenes_, kept_scenes);
    return;
  }
  Pairing found = look_for_pairs(description_, split, root);
  require_whole(found, description_, split, root);
  pairs_ = std::move(found.pairs);
  left_out_ = left_out_text(found.left_out, root);
}

Sample Dataset::read(std::int64_t index) const {
  require(index >= 0 && index < size(), "dataset", "sample ", index, " of ", size());
  if (scenes_) return rendered(index);
  return read_pair(pairs_[static_cast<std::size_t>(index)], decoder_);
}

Sample read_pair(const Pair& pair, const LabelDecoder& decoder) {
  Sample sample{{}, decoder.decode(read_png_raw(pair.label), pair.label.string()), pair.name};
  StoredPhoto photo = read_stored_photo(pair.image);
  const Size label{sample.label.height, sample.label.width}, stored{photo.image.height, photo.image.width};
  const PhotoHeader header{.stored = stored, .orientation = photo.orientation};
  if (label != stored && label != header.shown()) {
    fail_runtime("dataset", pair.image.string(), " is ", stored.height, " x ", stored.width, ", its label ",
                 pair.label.string(), " is ", label.height, " x ", label.width);
  }
  sample.image = label == header.shown() ? turned(std::move(photo.image), photo.orientation) : std::move(photo.image);
  return sample;
}

Sample Dataset::rendered(std::int64_t index) const {
  scenes::Scene scene = kept_scenes_ ? kept_scenes_->render(index) : scenes::render(*scenes_, index);
  std::string name = scenes::name_of(scenes::style_of(*scenes_, index), index);
  RawPng raw;
  raw.height = scene.labels.height;
  raw.width = scene.labels.width;
  raw.samples8 = std::move(scene.labels.ids);
  return {std::move(scene.image), decoder_.decode(raw, name), name};
}

std::shared_ptr<const Dataset> open_dataset(const std::string& name_or_file, const std::filesystem::path& root,
                                            const std::string& split, const std::filesystem::path& kept_scenes,
                                            const std::vector<std::filesystem::path>& folders) {
  return std::make_shared<Dataset>(read_description(find_description(name_or_file, folders)), root, split, kept_scenes);
}

std::shared_ptr<const Source> concatenate(std::vector<std::shared_ptr<const Source>> sources) {
  return std::make_shared<Concatenation>(std::move(sources));
}

}  // namespace rein::data
