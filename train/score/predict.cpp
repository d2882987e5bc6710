#include "train/score/predict.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "data/images/image_io.h"
#include "tensor/error.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

bool is_photo(const fs::path& file) {
  if (file.filename().string().starts_with(".")) return false;  // "._photo.jpg" of a Mac is none
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace

std::vector<PhotoFile> find_photos(const fs::path& path, const fs::path& out) {
  if (!fs::exists(path)) fail_runtime("predict", "there is no file or folder ", path.string());
  if (!fs::is_directory(path)) return {{path, path.stem()}};
  std::error_code unreadable;
  if (fs::equivalent(path, out, unreadable))
    fail_runtime("predict", "--out must be another folder than the photos': ", out.string());
  std::vector<PhotoFile> photos;
  for (auto it = fs::recursive_directory_iterator(path); it != fs::recursive_directory_iterator(); ++it) {
    const fs::directory_entry& entry = *it;
    if (fs::equivalent(entry.path(), out, unreadable)) it.disable_recursion_pending();
    if (entry.is_regular_file(unreadable) && is_photo(entry.path()))
      photos.push_back({entry.path(), entry.path().lexically_relative(path).replace_extension()});
  }
  if (photos.empty()) fail_runtime("predict", path.string(), " holds no .jpg, .jpeg or .png");
  std::ranges::sort(photos, {}, &PhotoFile::file);
  std::set<fs::path> names;
  for (const PhotoFile& photo : photos)
    if (!names.insert(photo.name).second)
      fail_runtime("predict", "two photos would both be written as ", photo.name.string(), "_ids.png, one is ",
                   photo.file.string());
  return photos;
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

void predict_photos(const LoadedModel& loaded, const std::vector<PhotoFile>& photos, const fs::path& out,
                    const PredictOptions& options, const std::function<void(std::int64_t)>& progress) {
  require(options.opacity >= 0 && options.opacity <= 1, "predict", "opacity must be within 0 and 1, got ",
          options.opacity);
  std::int64_t done = 0;
  for (const PhotoFile& photo : photos) {
    const data::Image image = data::read_photo(photo.file);
    const data::LabelMap ids =
        predict_photo(*loaded.built.model, loaded.built.norm, image, options.resize, options.sliding);
    const fs::path base = out / photo.name;
    std::error_code error;
    fs::create_directories(base.parent_path(), error);
    if (error) fail_runtime("predict", "cannot create ", base.parent_path().string(), ": ", error.message());
    data::write_gray_png(base.string() + "_ids.png", ids);
    data::write_palette_png(base.string() + "_colors.png", ids, loaded.info.classes.palette);
    data::write_rgb_png(base.string() + "_overlay.png",
                        overlay(image, ids, loaded.info.classes.palette, options.opacity));
    if (progress) progress(++done);
  }
}

}  // namespace rein::train
