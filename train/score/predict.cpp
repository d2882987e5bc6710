#include "train/score/predict.h"

#include <algorithm>
#include <map>

#include "data/images/colour.h"
#include "data/images/header.h"
#include "data/images/image_io.h"
#include "data/sets/description.h"
#include "data/sets/listing.h"
#include "tensor/error.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

// Numbers within names count as numbers: frame 9 comes before frame 10.
bool natural_less(const std::string& a, const std::string& b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      std::size_t end_a = i, end_b = j;
      while (end_a < a.size() && is_digit(a[end_a])) ++end_a;
      while (end_b < b.size() && is_digit(b[end_b])) ++end_b;
      while (i + 1 < end_a && a[i] == '0') ++i;
      while (j + 1 < end_b && b[j] == '0') ++j;
      if (end_a - i != end_b - j) return end_a - i < end_b - j;
      if (const int order = a.compare(i, end_a - i, b, j, end_b - j); order != 0) return order < 0;
      i = end_a;
      j = end_b;
    } else if (a[i] != b[j]) {
      return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
    } else {
      ++i;
      ++j;
    }
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;  // 01 and 1
}

// Names of results that would be the same keep the photos' suffixes: "a.jpg" and "a.png" beside each other.
void tell_apart(std::vector<PhotoFile>& photos) {
  std::map<fs::path, int> count;
  for (const PhotoFile& photo : photos) ++count[photo.name];
  for (PhotoFile& photo : photos)
    if (count[photo.name] > 1) photo.name += photo.file.extension();
}

}  // namespace

PhotoFiles find_photos(const fs::path& path, const fs::path& out) {
  std::error_code unreadable;
  if (!fs::exists(path, unreadable)) fail_runtime("predict", "there is no file or folder ", path.string());
  if (!fs::is_directory(path, unreadable)) return {{{path, path.stem()}}, ""};
  if (fs::equivalent(path, out, unreadable))
    fail_runtime("predict", "--out must be another folder than the photos': ", out.string());
  const data::Listing listing = data::list_photos(path, out);
  PhotoFiles found;
  found.left_out = data::left_out_text(listing.left_out, path);
  if (listing.files.empty())
    fail_runtime("predict", path.string(), " holds no photo (", data::readable_kinds(), ")",
                 found.left_out.empty() ? "" : "; left out: " + found.left_out);
  for (const fs::path& file : listing.files)
    found.photos.push_back({file, file.lexically_relative(path).replace_extension()});
  std::ranges::sort(found.photos, natural_less, [](const PhotoFile& photo) { return photo.file.generic_string(); });
  tell_apart(found.photos);
  return found;
}

data::Image overlay(const data::Image& photo, const data::LabelMap& ids, const std::vector<data::Rgb>& palette,
                    double opacity) {
  data::Image mixed = photo;
  for (std::size_t i = 0; i < ids.ids.size(); ++i) {
    const data::Rgb& colour = palette.at(ids.ids[i]);
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& pixel = mixed.pixels[3 * i + c];
      pixel = static_cast<std::uint8_t>((1 - opacity) * pixel + opacity * colour[c] + 0.5);
    }
  }
  return mixed;
}

IdFormat id_format(const std::string& kind, const std::string& description, const std::vector<std::string>& names,
                   const std::vector<data::Rgb>& palette) {
  IdFormat format;
  if (kind == "colour") format.colours = palette;
  if (kind != "label") return format;
  const data::Description set = data::read_description(data::find_description(description));
  const bool colours = set.raw.encoding == data::Encoding::rgb;
  for (const std::string& name : names) {
    const auto id = set.classes.find(name);
    // Ascending by raw id: the first is the smallest.
    const auto raw = std::ranges::find_if(set.raw.ids, [&](const auto& entry) { return id && entry.second == *id; });
    if (raw == set.raw.ids.end())
      fail_runtime("predict", set.file.string(), " has no label id for the class \"", name, "\"");
    const std::uint32_t value = raw->first;
    if (colours)
      format.colours.push_back({std::uint8_t(value >> 16), std::uint8_t(value >> 8), std::uint8_t(value)});
    else if (value <= 255)
      format.values.push_back(static_cast<std::uint8_t>(value));
    else
      fail_runtime("predict", set.file.string(), ": the label id ", value, " of \"", name,
                   "\" does not fit into 8 bits");
  }
  return format;
}

namespace {

void write_ids(const std::string& file, data::LabelMap ids, const IdFormat& format) {
  if (!format.colours.empty()) return data::write_rgb_png(file, data::colourise(ids, format.colours));
  if (!format.values.empty())
    for (std::uint8_t& id : ids.ids) id = format.values.at(id);
  data::write_gray_png(file, ids);
}

void write_pictures(const LoadedModel& loaded, const data::Image& image, const fs::path& base,
                    const PredictOptions& options) {
  const data::LabelMap ids =
      predict_photo(*loaded.built.model, loaded.built.norm, image, options.resize, options.sliding);
  std::error_code error;
  fs::create_directories(base.parent_path(), error);
  if (error) fail_runtime("predict", "cannot create ", base.parent_path().string(), ": ", error.message());
  write_ids(base.string() + "_ids.png", ids, options.ids);
  data::write_palette_png(base.string() + "_colors.png", ids, loaded.info.classes.palette);
  data::write_rgb_png(base.string() + "_overlay.png",
                      overlay(image, ids, loaded.info.classes.palette, options.opacity));
}

}  // namespace

PredictResult predict_photos(const LoadedModel& loaded, const std::vector<PhotoFile>& photos, const fs::path& out,
                             const PredictOptions& options,
                             const std::function<void(std::int64_t, const std::string&)>& progress) {
  require(options.opacity >= 0 && options.opacity <= 1, "predict", "opacity must be within 0 and 1, got ",
          options.opacity);
  PredictResult result;
  std::int64_t seen = 0;
  for (const PhotoFile& photo : photos) {
    data::Image image;
    std::string remark;
    try {
      data::StoredPhoto stored = data::read_stored_photo(photo.file);
      const auto claimed = data::kind_by_suffix(photo.file);
      if (claimed != stored.kind && claimed != data::PictureKind::unknown)
        remark =
            concat_text("hint: ", photo.file.string(), " is in truth ", data::name_of(stored.kind), ", read as such");
      image = data::turned(std::move(stored.image), stored.orientation);
    } catch (const std::runtime_error& error) {
      result.faults.push_back(error.what());
      remark = concat_text("passed over: ", error.what());
    }
    if (!image.pixels.empty()) {
      write_pictures(loaded, image, out / photo.name, options);
      ++result.done;
    }
    if (progress) progress(++seen, remark);
  }
  return result;
}

}  // namespace rein::train
