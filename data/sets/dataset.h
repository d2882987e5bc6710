// A data set: pairs of photo and label, read one at a time from disk, or rendered (data/scenes).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/images/image.h"
#include "data/scenes/kept_scenes.h"
#include "data/sets/description.h"
#include "data/sets/label_map.h"

namespace rein::data {

struct Sample {
  Image image;     // (H, W, 3) RGB
  LabelMap label;  // train ids, same size
  std::string name;
};

// Anything that samples can be drawn from. `read` is called from several threads.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t size() const = 0;
  virtual Sample read(std::int64_t index) const = 0;
  virtual const ClassSet& classes() const = 0;
};

struct Pair {
  std::string name;  // what {} stands for
  std::filesystem::path image;
  std::filesystem::path label;
};
struct Pairing;  // pairing.h

// The photo as viewers show it, or as it is stored where only that has the label's size (EXIF's orientation).
// std::runtime_error with the file's name: broken files, sizes that differ, ids outside the map.
Sample read_pair(const Pair& pair, const LabelDecoder& decoder);

class Dataset final : public Source {
 public:
  // Lists the pairs of one split, sorted by name. A split of scenes has no files and needs no root. Throws
  // std::runtime_error: no such folder or list file, no pairs at all, photos without label or labels without photo
  // (some are named), a name listed twice; unknown split. (look_for_pairs tells all of it without throwing.)
  // kept_scenes: folder where rendered scenes are kept (data/scenes/kept_scenes.h); empty: rendered at every reading.
  Dataset(Description description, const std::filesystem::path& root, const std::string& split,
          const std::filesystem::path& kept_scenes = {});

  const Description& description() const { return description_; }
  const std::filesystem::path& root() const { return root_; }
  const std::string& split() const { return split_; }
  const std::vector<Pair>& pairs() const { return pairs_; }  // none of scenes
  // One line of what lies beside the photos and is not used; empty: nothing.
  const std::string& left_out() const { return left_out_; }
  const scenes::Split* scenes() const { return scenes_ ? &*scenes_ : nullptr; }  // null: files

  std::int64_t size() const override { return scenes_ ? scenes_->count : static_cast<std::int64_t>(pairs_.size()); }
  const ClassSet& classes() const override { return description_.classes; }
  Sample read(std::int64_t index) const override;

 private:
  Sample rendered(std::int64_t index) const;

  Description description_;
  std::filesystem::path root_;
  std::string split_;
  LabelDecoder decoder_;
  std::optional<scenes::Split> scenes_;
  std::optional<scenes::KeptScenes> kept_scenes_;
  std::vector<Pair> pairs_;
  std::string left_out_;
};

// `name_or_file` as in find_description.
std::shared_ptr<const Dataset> open_dataset(const std::string& name_or_file, const std::filesystem::path& root,
                                            const std::string& split, const std::filesystem::path& kept_scenes = {},
                                            const std::vector<std::filesystem::path>& folders = {"configs/datasets"});

// One after the other; the classes must be equal (std::invalid_argument).
std::shared_ptr<const Source> concatenate(std::vector<std::shared_ptr<const Source>> sources);

}  // namespace rein::data
