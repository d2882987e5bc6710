// rein.h over load_trained and the functions behind `rein predict`. Every function ends in guarded(): no exception
// passes the border.
#include "train/capi/rein.h"

#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "models/slide.h"
#include "tensor/cpu_features.h"
#include "tensor/device_info.h"
#include "tensor/error.h"
#include "tensor/text.h"
#include "tensor/thread_limit.h"
#include "train/capi/handles.h"
#include "train/run/load.h"
#include "train/score/predict.h"
#include "train/version.h"

namespace rein::train {
namespace {

static_assert(sizeof(unsigned short) == 2);

struct Settings {
  std::int64_t window = -1, stride = -1, batch = 0, threads = 0;  // these: as the run says
  std::string device = "cpu", precision, backbone;
};

struct OpenModel {
  LoadedModel loaded;
  Sliding sliding;
  int threads = 0;
  std::mutex at_work;      // calls take turns
  std::mutex error_mutex;  // of the line below, which is read while another call is at work
  std::string error;
};

// Never destroyed: threads may still call while the process ends.
Handles<OpenModel, rein_model>& models_open() {
  static auto* all = new Handles<OpenModel, rein_model>;
  return *all;
}
Handles<Settings, rein_options>& options_open() {
  static auto* all = new Handles<Settings, rein_options>;
  return *all;
}

thread_local std::string thread_error, shown_error;

void note(OpenModel* model, const char* text) noexcept {
  try {
    if (model == nullptr) {
      thread_error = text;
      return;
    }
    const std::lock_guard lock(model->error_mutex);
    model->error = text;
  } catch (...) {  // no memory for the text: an earlier one stays
  }
}

// Runs `body`; what it throws becomes a status and a text, the model's or this thread's.
template <class F>
int guarded(OpenModel* model, F&& body) noexcept {
  try {
    body();
    return REIN_OK;
  } catch (const std::bad_alloc&) {
    note(model, "[memory] out of memory");
    return REIN_OUT_OF_MEMORY;
  } catch (const std::invalid_argument& error) {
    note(model, error.what());
    return REIN_BAD_ARGUMENT;
  } catch (const std::exception& error) {
    note(model, error.what());
    return std::string_view(error.what()).find("out of memory") != std::string_view::npos ? REIN_OUT_OF_MEMORY
                                                                                          : REIN_FAILED;
  } catch (...) {
    note(model, "[rein] an unknown error");
    return REIN_FAILED;
  }
}

// The same with the object of a handle.
template <class Found, class Handle, class F>
int with(const Found& all, const Handle* handle, F&& body) noexcept {
  using Object = typename decltype(all.find(handle))::element_type;
  std::shared_ptr<Object> object;
  const int found = guarded(nullptr, [&] {
    object = all.find(handle);
    require(object != nullptr, "rein", handle == nullptr ? "the handle is null" : "the handle is not open");
  });
  if (found != REIN_OK) return found;
  if constexpr (std::is_same_v<Object, OpenModel>)
    return guarded(object.get(), [&] { body(*object); });
  else
    return guarded(nullptr, [&] { body(*object); });
}

std::int64_t number_of(const std::string& name, const std::string& text) {
  std::size_t end = 0;
  std::int64_t value = 0;
  try {
    value = std::stoll(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  require(end > 0 && end == text.size(), "options", name, " must be a number, got \"", text, "\"");
  return value;
}

struct NumberOption {
  const char* name;
  std::int64_t Settings::*place;
  std::int64_t least, most;
};
struct TextOption {
  const char* name;
  std::string Settings::*place;
};
constexpr NumberOption number_options[] = {{"window", &Settings::window, 0, 32768},
                                           {"stride", &Settings::stride, 1, 32768},
                                           {"batch", &Settings::batch, 1, 32768},
                                           {"threads", &Settings::threads, 1, 1024}};
constexpr TextOption text_options[] = {
    {"device", &Settings::device}, {"precision", &Settings::precision}, {"backbone", &Settings::backbone}};

void set_option(Settings& settings, const char* key, const char* text) {
  require(key != nullptr && text != nullptr, "options", "name and value must not be null");
  const std::string name = key, value = text;
  for (const NumberOption& o : number_options) {
    if (name != o.name) continue;
    const std::int64_t number = number_of(name, value);
    require(number >= o.least && number <= o.most, "options", name, " must be within ", o.least, " and ", o.most,
            ", got ", number);
    settings.*o.place = number;
    return;
  }
  std::vector<std::string> known;
  for (const NumberOption& o : number_options) known.emplace_back(o.name);
  for (const TextOption& o : text_options) {
    known.emplace_back(o.name);
    if (name != o.name) continue;
    require(name != "precision" || value == "f32" || value == "bf16", "options",
            "precision must be f32 or bf16, got \"", value, "\"");
    if (name == "device") static_cast<void>(parse_device(value));
    settings.*o.place = value;
    return;
  }
  fail("options", "there is no option \"", name, "\"", did_you_mean(name, known), " (known: ", quoted_list(known), ")");
}

// As main() does it for the program; a bad REIN_ISA or REIN_KERNEL is an error of each open.
void apply_environment() {
  static std::once_flag done;
  std::call_once(done, apply_isa_environment);
}

rein_model* open(const char* path, const rein_options* options) {
  require(path != nullptr, "rein", "the path is null");
  Settings s;
  if (options != nullptr) {
    const auto given = options_open().find(options);
    require(given != nullptr, "rein", "the options are not open");
    s = *given;
  }
  apply_environment();
  const ThreadLimit limit(static_cast<int>(s.threads));
  const Device device = parse_device(s.device);
  auto model = std::make_shared<OpenModel>();
  model->loaded = load_trained(path, s.backbone, {}, s.precision, Form::merged);
  model->sliding = sliding_of(model->loaded.config.eval, s.window, s.stride);
  if (s.batch > 0) model->sliding.batch = s.batch;
  model->threads = static_cast<int>(s.threads);
  model->loaded.built.model->move_to(device);
  synchronize(device);  // other threads, with streams of their own, will use it
  return models_open().add(std::move(model));
}

template <class Id>
void check_photo(const unsigned char* rgb, int width, int height, std::size_t pitch, const Id* ids,
                 std::size_t ids_pitch) {
  require(rgb != nullptr && ids != nullptr, "segment", "rgb and ids must not be null");
  require(width >= 1 && height >= 1 && width <= data::max_image_side && height <= data::max_image_side &&
              std::int64_t{width} * height <= data::max_image_pixels,
          "segment", "a photo must have 1 to ", data::max_image_side, " pixels a side and at most ",
          data::max_image_pixels, ", got ", width, " x ", height);
  const auto columns = static_cast<std::size_t>(width);
  require(pitch >= 3 * columns, "segment", "the pitch of rgb must be at least 3 * width = ", 3 * columns, ", got ",
          pitch);
  require(ids_pitch >= sizeof(Id) * columns, "segment", "the pitch of ids must be at least ", sizeof(Id) * columns,
          ", got ", ids_pitch);
  const std::size_t most = std::numeric_limits<std::size_t>::max() / static_cast<std::size_t>(height);
  require(pitch <= most && ids_pitch <= most, "segment", "pitches of ", pitch, " and ", ids_pitch, " bytes times ",
          height, " rows do not fit into memory");
}

template <class Id>
void segment(OpenModel& model, const unsigned char* rgb, int width, int height, std::size_t pitch, Id* ids,
             std::size_t ids_pitch, float* scores) {
  check_photo(rgb, width, height, pitch, ids, ids_pitch);
  const std::lock_guard turn(model.at_work);
  const ThreadLimit limit(model.threads);
  data::Image photo(height, width);
  const auto columns = static_cast<std::size_t>(width);
  for (int y = 0; y < height; ++y) std::memcpy(photo.row(y), rgb + static_cast<std::size_t>(y) * pitch, 3 * columns);
  const BuiltModel& built = model.loaded.built;
  const Tensor all = photo_scores(*built.model, built.norm, photo, {}, model.sliding);
  const Tensor labels = models::predict_labels(all, height, width).to(Device{});
  const std::int64_t* from = labels.data<std::int64_t>();
  std::vector<Id> row(columns);  // the caller's rows may begin anywhere
  for (int y = 0; y < height; ++y, from += width) {
    for (std::size_t x = 0; x < columns; ++x) row[x] = static_cast<Id>(from[x]);
    std::memcpy(reinterpret_cast<unsigned char*>(ids) + static_cast<std::size_t>(y) * ids_pitch, row.data(),
                sizeof(Id) * columns);
  }
  if (scores == nullptr) return;
  const Tensor here = all.to(Device{});
  std::memcpy(scores, here.raw(), here.bytes());
}

int class_id(const OpenModel& model, int id) {
  const int classes = model.loaded.info.classes.count();
  require(id >= 0 && id < classes, "rein", "a class is within 0 and ", classes - 1, ", got ", id);
  return id;
}

}  // namespace
}  // namespace rein::train

using namespace rein::train;

extern "C" {

const char* rein_version(void) {
  static const std::string text = version_text();
  return text.c_str();
}

int rein_abi(void) {
  return REIN_ABI;
}

const char* rein_error(const rein_model* model) {
  try {
    if (const auto found = models_open().find(model)) {
      const std::lock_guard lock(found->error_mutex);
      shown_error = found->error;
    } else {
      shown_error = thread_error;
    }
    return shown_error.c_str();
  } catch (...) {
    return "[memory] out of memory";
  }
}

rein_options* rein_options_new(void) {
  rein_options* made = nullptr;
  guarded(nullptr, [&] { made = options_open().add(std::make_shared<Settings>()); });
  return made;
}

void rein_options_free(rein_options* options) {
  guarded(nullptr, [&] { options_open().remove(options); });
}

int rein_options_set_text(rein_options* options, const char* name, const char* value) {
  return with(options_open(), options, [&](Settings& s) { set_option(s, name, value); });
}

int rein_options_set_number(rein_options* options, const char* name, long value) {
  return with(options_open(), options, [&](Settings& s) { set_option(s, name, std::to_string(value).c_str()); });
}

rein_model* rein_open(const char* path, const rein_options* options) {
  rein_model* opened = nullptr;
  guarded(nullptr, [&] { opened = open(path, options); });
  return opened;
}

int rein_close(rein_model* model) {
  if (model == nullptr) return REIN_OK;
  return guarded(nullptr, [&] {
    const auto closed = models_open().remove(model);
    rein::require(closed != nullptr, "rein", "the handle is not open");
    const std::lock_guard last(closed->at_work);
  });
}

int rein_class_count(const rein_model* model) {
  int count = 0;
  const int status = with(models_open(), model, [&](OpenModel& m) { count = m.loaded.info.classes.count(); });
  return status == REIN_OK ? count : -status;
}

const char* rein_class_name(const rein_model* model, int id) {
  const char* name = nullptr;
  with(models_open(), model,
       [&](OpenModel& m) { name = m.loaded.info.classes.names[static_cast<std::size_t>(class_id(m, id))].c_str(); });
  return name;
}

int rein_class_color(const rein_model* model, int id, unsigned char rgb[3]) {
  return with(models_open(), model, [&](OpenModel& m) {
    rein::require(rgb != nullptr, "rein", "rgb must not be null");
    const auto& colour = m.loaded.info.classes.palette[static_cast<std::size_t>(class_id(m, id))];
    for (std::size_t c = 0; c < 3; ++c) rgb[c] = colour[c];
  });
}

int rein_native_size(const rein_model* model) {
  int side = 0;
  const int status =
      with(models_open(), model, [&](OpenModel& m) { side = static_cast<int>(m.loaded.config.model.image_size); });
  return status == REIN_OK ? side : -status;
}

int rein_segment_u8(rein_model* model, const unsigned char* rgb, int width, int height, size_t pitch,
                    unsigned char* ids, size_t ids_pitch, float* scores) {
  return with(models_open(), model,
              [&](OpenModel& m) { segment(m, rgb, width, height, pitch, ids, ids_pitch, scores); });
}

int rein_segment_u16(rein_model* model, const unsigned char* rgb, int width, int height, size_t pitch,
                     unsigned short* ids, size_t ids_pitch, float* scores) {
  return with(models_open(), model,
              [&](OpenModel& m) { segment(m, rgb, width, height, pitch, ids, ids_pitch, scores); });
}

}  // extern "C"
