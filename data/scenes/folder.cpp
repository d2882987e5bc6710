#include "data/scenes/folder.h"

#include <mutex>
#include <set>
#include <string>

#include "data/images/file.h"
#include "data/images/image_io.h"
#include "data/scenes/split.h"
#include "data/sets/classes.h"
#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/parallel.h"

namespace rein::data::scenes {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail_runtime("scenes", "cannot create ", folder.string(), ": ", error.message());
}

// What the folder was made with must be what is asked for: else its scenes would not belong together.
void claim(const fs::path& out, const FolderOptions& options) {
  const std::string wanted = concat_text("{\"seed\": ", options.seed, ", \"height\": ", options.size.height,
                                         ", \"width\": ", options.size.width, "}\n");
  const fs::path file = out / "scenes.json";
  if (fs::exists(file)) {
    const auto bytes = read_file(file, 4096);
    const std::string found(bytes.begin(), bytes.end());
    if (found != wanted)
      fail_runtime("scenes", out.string(), " holds other scenes: ", found.substr(0, found.find('\n')), ", asked for ",
                   wanted.substr(0, wanted.size() - 1), "; choose another --out or the same --seed and --size");
    return;
  }
  std::error_code unreadable;
  if (fs::exists(out) && !fs::is_empty(out, unreadable))
    fail_runtime("scenes", out.string(), " is not empty and holds no scenes; choose another --out");
  make_folder(out);
  write_file_atomically(file, std::string_view(wanted));
}

std::vector<Rgb> label_palette() {
  std::vector<Rgb> palette = cityscapes_classes().palette;
  palette.resize(256, Rgb{0, 0, 0});
  return palette;
}

}  // namespace

std::string description_text(std::span<const std::string> styles) {
  std::string text =
      "# Procedural street scenes, written by `rein scenes`. A split per style.\n"
      "name = \"scenes\"\nclasses = \"cityscapes\"\n\n"
      "[files]\nimage = \"images/{}.png\"\nlabel = \"labels/{}.png\"\n\n[splits.all]\n";
  for (const std::string& style : styles) text += "[splits." + style + "]\nmatch = \"" + style + "/*\"\n";
  return text + "\n[labels]\nencoding = \"index\"            # raw ids are train ids; 255 is ignored\n";
}

void write_scene(const fs::path& photo, const fs::path& labels, const Scene& scene) {
  write_rgb_png(photo, scene.image);
  write_palette_png(labels, scene.labels, label_palette());
}

std::int64_t write_folder(const fs::path& out, std::span<const Style* const> styles, const FolderOptions& options,
                          const std::function<void(std::int64_t, std::int64_t)>& progress) {
  require(options.count >= 1 && options.count <= max_count, "scenes", "the count must be within 1 and ", max_count,
          ", got ", options.count);
  require(!styles.empty(), "scenes", "needs at least one style");
  check_size(options.size);
  claim(out, options);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(out))
    if (entry.path().filename() == "images")
      for (const auto& style : fs::directory_iterator(entry.path())) names.insert(style.path().filename().string());
  for (const Style* style : styles) {
    names.emplace(style->name);
    for (const char* kind : {"images", "labels"}) make_folder(out / kind / style->name);
  }
  const std::int64_t all = options.count * static_cast<std::int64_t>(styles.size());
  std::int64_t done = 0, made = 0;
  std::mutex counting;
  parallel_for(all, [&](std::int64_t i) {
    const Style& style = *styles[static_cast<std::size_t>(i / options.count)];
    const std::int64_t index = i % options.count;
    const fs::path name = name_of(style, index) + ".png";
    const fs::path image = out / "images" / name, label = out / "labels" / name;
    const bool there = fs::exists(image) && fs::exists(label);
    if (!there) {
      write_scene(image, label, render(style, options.seed, index, options.size));
    }
    const std::lock_guard lock(counting);
    made += there ? 0 : 1;
    ++done;
    if (progress) progress(done, all);
  });
  // Last, so that a description stands for scenes that are all there.
  write_file_atomically(out / "dataset.toml",
                        std::string_view(description_text(std::vector(names.begin(), names.end()))));
  return made;
}

}  // namespace rein::data::scenes
