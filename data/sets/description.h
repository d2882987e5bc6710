// A dataset's description file (TOML): how its files pair up, what its labels mean, how it is scored. Datasets are
// data, not code. configs/datasets/custom.toml is the commented template; the keys are a closed set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/scenes/split.h"
#include "data/sets/classes.h"

namespace rein::data {

enum class Encoding {
  index,  // one 8- or 16-bit channel, or palette indices: the raw id
  rgb,    // an 8-bit colour image (or a palette's colours): the raw id is the colour 0xRRGGBB
  red,    // an RGB image of 8 or 16 bits, the raw id in red, and instances or nothing beside it (CARLA, SYNTHIA)
};

// Raw id -> train id. Raw ids that are not listed: ignored, or an error when they occur.
struct RawMap {
  Encoding encoding = Encoding::index;
  std::map<std::uint32_t, std::uint8_t> ids;  // ignored ones map to ignore_id
  bool ignore_others = false;
};

// Which files belong together. `{}` in both patterns stands for the same text (which may contain '/'): so a pair is a
// glob with its prefix and suffix replaced.
struct Split {
  std::string image;                  // "images/{}.jpg", below the root
  std::string label;                  // "labels/{}.png"
  std::optional<std::string> list;    // a file of the texts for {}, one per line (or image paths); else what is there
  std::vector<std::string> match{};   // only texts that fit one of these: * within a folder, ** across, ? one character
  std::vector<std::string> except{};  // no texts that fit one of these
  // Instead of files: rendered scenes, whose raw ids are the train ids of Cityscapes.
  std::optional<scenes::Split> scenes{};
};

// How photos are resized before evaluation; labels keep their own size, unless they are halved with the photos.
struct EvalResize {
  enum class Kind { none, shortest_edge, scale, keep_ratio } kind = Kind::none;
  double value = 1;  // shortest_edge: pixels; scale: factor
  int bound_a = 0;   // keep_ratio: fits into a x b whatever the orientation
  int bound_b = 0;
  // Photos (bicubic) and labels (nearest) are halved first, and scored at half size: Mapillary's published protocol.
  bool halve = false;
};

// Scored classes are the set's own classes.
struct Scoring {
  std::vector<std::uint8_t> fold;                   // class -> scored class, for predictions and labels (K entries)
  std::map<std::string, std::uint8_t> predictions;  // a model's class name -> scored class, for predictions only
  std::vector<int> averaged;                        // the scored classes whose IoU enters the mean, ascending
};

struct Description {
  std::filesystem::path file;
  std::string name;
  ClassSet classes;
  RawMap raw;
  std::map<std::string, Split> splits;
  EvalResize evaluation;
  Scoring scoring;
};

// Throws std::runtime_error, with file and line, for bad TOML, an unknown key or class (the nearest one is suggested),
// a missing key, a value of the wrong type, a raw id listed twice.
Description read_description(const std::filesystem::path& file);
Description parse_description(std::string_view text, const std::filesystem::path& file);

// Throws std::runtime_error with the names that exist, the nearest first.
const Split& find_split(const Description& description, const std::string& split);

// `name_or_file` is a path ending in .toml, or the name of a NAME.toml in one of `folders`. Throws std::runtime_error
// with the names that exist, the nearest first.
std::filesystem::path find_description(const std::string& name_or_file,
                                       const std::vector<std::filesystem::path>& folders = {"configs/datasets"});

// For the model that predicts `model_classes`: scored class of each of its classes. A class of the same name is itself
// (then folded). std::runtime_error naming the classes that have no place in this set.
std::vector<std::uint8_t> prediction_folding(const Description& set, const std::vector<std::string>& model_classes);

}  // namespace rein::data
