// A photo segmented with what `rein train` made.
//   segment_a_photo MODEL PHOTO OUT.png      MODEL: a run's folder, a checkpoint, or a file of `rein export`
#include <cstdio>
#include <exception>
#include <vector>

#include "data/images/image_io.h"
#include "train/run/load.h"
#include "train/score/evaluate.h"

using namespace rein;

namespace {

int run(const char* path, const char* photo_file, const char* out) {
  const train::LoadedModel loaded = train::load_trained(path, "", "");
  const data::Image photo = data::read_photo(photo_file);
  // Windows as in the run's evaluation; ids of classes at the photo's own size.
  const train::Sliding windows = train::sliding_of(loaded.config.eval, -1, -1);
  const data::LabelMap ids = train::predict_photo(*loaded.built.model, loaded.built.norm, photo, {}, windows);
  data::write_palette_png(out, ids, loaded.info.classes.palette);

  const data::ClassSet& classes = loaded.info.classes;
  std::vector<std::int64_t> pixels(classes.names.size());
  for (const std::uint8_t id : ids.ids) ++pixels[id];
  for (std::size_t c = 0; c < pixels.size(); ++c)
    if (pixels[c] > 0)
      std::printf("%5.1f %%  %s\n", 100.0 * static_cast<double>(pixels[c]) / static_cast<double>(ids.ids.size()),
                  classes.names[c].c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "segment_a_photo MODEL PHOTO OUT.png\n"), 2;
  try {
    return run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "error: %s\n", error.what()), 2;
  }
}
