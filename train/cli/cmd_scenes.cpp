// rein scenes --out DIR: procedural street scenes with exact labels, as a data set. --for CONFIG: those that a training
// will read, before it.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/scenes/folder.h"
#include "data/scenes/split.h"
#include "tensor/error.h"
#include "tensor/text.h"
#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/run/render_ahead.h"

namespace rein::train {
namespace {

namespace scenes = data::scenes;

struct Arguments {
  std::string out, size = "128x256";
  std::vector<std::string> styles = {"game"};
  scenes::FolderOptions options;
  bool list = false;
  std::filesystem::path config;
  std::vector<std::string> overrides;
};

// A progress line with the time that is left.
class Rendering {
 public:
  explicit Rendering(const Globals& globals) : progress_(globals.quiet ? Verbosity::quiet : Verbosity::normal) {}
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  void show(std::int64_t done, std::int64_t all) {
    const double left = seconds() / static_cast<double>(done) * static_cast<double>(all - done);
    progress_.show("scenes", done, all, duration_text(left) + " left");
  }
  void clear() { progress_.clear(); }

 private:
  ProgressLine progress_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

data::Size parse_size(const std::string& text) {
  data::Size size;
  const char* end = text.data() + text.size();
  const auto height = std::from_chars(text.data(), end, size.height);
  bool ok = height.ec == std::errc() && height.ptr != end && *height.ptr == 'x';
  if (ok) {
    const auto width = std::from_chars(height.ptr + 1, end, size.width);
    ok = width.ec == std::errc() && width.ptr == end;
  }
  require(ok, "scenes", "--size must have the form HEIGHTxWIDTH, such as 128x256, got \"", text, "\"");
  scenes::check_size(size);
  return size;
}

void list_styles(const Globals& globals) {
  for (const scenes::Style& style : scenes::all_styles()) {
    const std::string name(style.name), text(style.text);
    const char* group = scenes::group_name(style.group);
    if (globals.json)
      std::printf("%s\n", nlohmann::ordered_json{{"style", name}, {"group", group}, {"text", text}}.dump().c_str());
    else
      std::printf("%-10s %-12s %s\n", name.c_str(), group, text.c_str());
  }
}

int run_ahead(const Arguments& a, const Globals& globals) {
  Config config = read_config(a.config, a.overrides);
  resolve_paths(config, a.config, {});
  Rendering rendering(globals);
  const std::int64_t all = render_ahead(config, [&](std::int64_t done, std::int64_t of) { rendering.show(done, of); });
  rendering.clear();
  const std::string place = kept_scenes_folder().string();
  if (globals.json)
    std::printf("%s\n", nlohmann::ordered_json{{"kept", place}, {"scenes", all}, {"seconds", rendering.seconds()}}
                            .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                            .c_str());
  else if (!globals.quiet)
    std::printf("%lld scenes in %s -> %s\n", static_cast<long long>(all), duration_text(rendering.seconds()).c_str(),
                place.c_str());
  return 0;
}

int run(Arguments& a, const Globals& globals) {
  if (a.list) {
    list_styles(globals);
    return 0;
  }
  if (!a.config.empty()) return run_ahead(a, globals);
  if (a.out.empty()) fail("scenes", "needs --out FOLDER");
  a.options.size = parse_size(a.size);
  const auto styles = scenes::styles_named(a.styles);
  Rendering rendering(globals);
  const std::int64_t made = scenes::write_folder(
      a.out, styles, a.options, [&](std::int64_t done, std::int64_t all) { rendering.show(done, all); });
  rendering.clear();
  const auto all = static_cast<std::int64_t>(styles.size()) * a.options.count;
  if (globals.json) {
    nlohmann::ordered_json json = {{"out", a.out}, {"scenes", all}, {"new", made}, {"seconds", rendering.seconds()}};
    for (const scenes::Style* style : styles) json["styles"].push_back(std::string(style->name));
    std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (!globals.quiet) {
    std::printf("%lld scenes (%lld new) in %s -> %s\n", static_cast<long long>(all), static_cast<long long>(made),
                duration_text(rendering.seconds()).c_str(), a.out.c_str());
    const std::string place = std::filesystem::absolute(a.out).lexically_normal().string();
    std::printf("in a configuration: dataset = \"%s/dataset.toml\", root = \"%s\", split = \"%s\"\n", place.c_str(),
                place.c_str(), std::string(styles.front()->name).c_str());
  }
  return 0;
}

}  // namespace

void add_scenes(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("scenes", "write procedural street scenes with exact labels as a data set");
  command.option("--out", a->out, "folder of the data set; a second call goes on or adds to it");
  command.option("--style", a->styles, "a style, or source, target, pretraining, all; may be repeated (default: game)")
      .repeated();
  command.option("--count", a->options.count, "scenes of each style (default: 100)");
  command.option("--seed", a->options.seed, "other seeds are other streets (default: 0)");
  command.option("--size", a->size, "HEIGHTxWIDTH in pixels (default: 128x256)");
  command.flag("--list", a->list, "list the styles and exit");
  command.option("--for", a->config,
                 "a configuration of rein train: render what that training will read into REIN_SCENES_DIR");
  command.option("--set", a->overrides, "with --for: KEY=VALUE, over what the file says; may be repeated").repeated();
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
