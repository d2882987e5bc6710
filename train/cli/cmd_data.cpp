// rein data CONFIG|NAME=ROOT|FOLDER: what photos and labels really hold, before a run depends on it.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "data/sets/listing.h"
#include "data/sets/pairing.h"
#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/text.h"
#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/config/config.h"
#include "train/error.h"
#include "train/report/data_page.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string what, split, out, fix_list, cache = "auto";
  Roots roots;
  bool whole_photos = false;
  int photos = 3, max_side = 640;
};

struct Place {
  data::Description set;
  fs::path root;
  std::string split;
};

void add_splits(const std::string& set, const fs::path& root, const std::string& split, std::vector<Place>& out) {
  const data::Description description = data::read_description(data::find_description(set));
  if (!split.empty()) data::find_split(description, split);  // or says which there are
  for (const auto& [name, one] : description.splits)
    if (!one.scenes && (split.empty() || split == name)) out.push_back({description, root, name});
}

// The description that lies in a folder, as rein scenes leaves one; empty: none or several.
fs::path description_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".toml") found.push_back(entry.path());
  return found.size() == 1 ? found.front() : fs::path();
}

std::vector<Place> places_of(const Arguments& a) {
  std::vector<Place> out;
  std::error_code ignored;
  const auto equals = a.what.find('=');
  if (fs::is_directory(a.what, ignored)) {
    if (const fs::path file = description_in(a.what); !file.empty()) add_splits(file.string(), a.what, a.split, out);
  } else if (equals != a.what.npos) {
    add_splits(a.what.substr(0, equals), a.what.substr(equals + 1), a.split, out);
  } else {
    Config config = read_config(a.what, {});
    resolve_paths(config, a.what, a.roots);
    add_splits(config.data.dataset, config.data.root, config.data.split, out);
    for (const TargetConfig& t : config.eval.targets) add_splits(t.dataset, t.root, t.split, out);
  }
  return out;
}

SeenSplit look(const Place& place, const Arguments& a, ProgressLine& progress) {
  SeenSplit seen{place.set.name + ", split " + place.split, place.set, place.root, {}, {}};
  data::Pairing found;
  try {
    found = data::look_for_pairs(place.set, place.split, place.root);
  } catch (const std::runtime_error& error) {  // the other splits are still worth a look
    seen.summary.findings.push_back({data::Finding::Weight::error, "missing", error.what(), {}});
    return seen;
  }
  data::SurveyOptions options;
  options.whole_photos = a.whole_photos;
  if (a.cache == "auto")
    options.cache = data::default_survey_cache(place.root, place.set, place.split);
  else if (a.cache != "none")
    options.cache = a.cache;
  options.progress = [&](std::int64_t done, std::int64_t all) {
    progress.show("look at " + place.split, done, all, "");
  };
  const data::Survey survey = data::look_at(found.pairs, place.set.raw, options);
  progress.clear();
  seen.pairs = found.pairs;
  seen.summary = data::summary_of(survey, seen.pairs, place.set, &found);
  return seen;
}

// Photos alone, of a folder that no description belongs to.
int look_at_folder(const Arguments& a, const Globals& globals) {
  const data::Listing listing = data::list_photos(a.what);
  std::int64_t broken = 0, turned = 0;
  for (const fs::path& file : listing.files) {
    try {
      const data::PhotoHeader header = data::read_photo_header(file);
      if (a.whole_photos || !data::can_read(header.kind)) data::read_photo(file);
      turned += header.orientation != 1;
    } catch (const std::runtime_error& error) {
      ++broken;
      if (!globals.quiet) std::fprintf(stderr, "error: %s\n", error.what());
    }
  }
  std::printf("%s: %zu photos, %lld of them turned by EXIF, %lld that cannot be read\n", a.what.c_str(),
              listing.files.size(), static_cast<long long>(turned), static_cast<long long>(broken));
  const std::string left = data::left_out_text(listing.left_out, a.what);
  if (!left.empty()) std::printf("left out: %s\n", left.c_str());
  std::printf("labels were not looked at: that needs a description, rein data SET.toml=%s\n", a.what.c_str());
  return broken == 0 ? 0 : 1;
}

void write_lists(const std::string& file, const std::vector<SeenSplit>& all, ProgressLine& progress) {
  for (const SeenSplit& seen : all) {
    std::string text, name = file;
    for (const std::size_t i : seen.summary.good) text += seen.pairs[i].name + "\n";
    if (all.size() > 1) {  // one file each: LIST-val.txt
      const fs::path path(file);
      const std::string split = seen.name.substr(seen.name.rfind(' ') + 1);
      name = (path.parent_path() / (path.stem().string() + "-" + split + path.extension().string())).string();
    }
    write_file_atomically(name, text);
    progress.line(concat_text(seen.summary.good.size(), " good pairs of ", seen.name, " -> ", name));
  }
}

int run(const Arguments& a, const Globals& globals) {
  const std::vector<Place> places = places_of(a);
  std::error_code ignored;
  if (places.empty() && fs::is_directory(a.what, ignored)) return look_at_folder(a, globals);
  if (places.empty()) fail_runtime("data", a.what, ": no split with files; rendered scenes are right by construction");
  ProgressLine progress(globals.quiet ? Verbosity::quiet : Verbosity::normal);
  std::vector<SeenSplit> all;
  for (const Place& place : places) {
    const bool seen_before = std::ranges::any_of(all, [&](const SeenSplit& s) {
      return s.root == place.root && s.name == place.set.name + ", split " + place.split;
    });
    if (!seen_before) all.push_back(look(place, a, progress));
  }
  if (globals.json)
    std::printf("%s\n", data_json(all).c_str());
  else
    for (const SeenSplit& seen : all) std::printf("%s", data_text(seen).c_str());
  if (!a.out.empty()) {
    write_file_atomically(a.out, data_html(all, a.photos, a.max_side));
    progress.line("page     " + a.out);
  }
  if (!a.fix_list.empty()) write_lists(a.fix_list, all, progress);
  return std::ranges::any_of(all, [](const SeenSplit& s) { return s.summary.has_errors(); }) ? 1 : 0;
}

}  // namespace

void add_data(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  a->roots.needs_backbone = false;
  CommandLine command = line.command("data", "count what photos and labels hold, and name what is wrong with them");
  command
      .option("what", a->what,
              "a training configuration; NAME=FOLDER (a description of configs/datasets, or a .toml); or a folder")
      .required();
  command.option("--split", a->split, "only this split (default: all)");
  command.option("--out", a->out, "write a page with tables and overlays: data.html");
  command.option("--photos", a->photos, "overlays on the page, of each split (default: 3)").between(0, 100);
  command.option("--fix-list", a->fix_list,
                 "write the names of all good pairs, for `list = ` in a description; of several splits LIST-SPLIT.txt");
  command.flag("--decode", a->whole_photos, "decode every photo to its end (default: first and last bytes)");
  command.option("--cache", a->cache,
                 "file of what was counted, so that a second look is quick and a stopped one goes on (default: in "
                 "~/.cache/rein); none: keep nothing");
  command.option("--data-root", a->roots.data, "folder that a configuration's roots are below (REIN_DATA_DIR)");
  command.footer(
      "Exit 1 when something would stop a run: pairs without partner, files that cannot be read, sizes that\n"
      "differ, ids outside the map. Classes without a pixel and the like are warnings.");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
