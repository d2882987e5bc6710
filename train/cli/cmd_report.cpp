// rein report RUN: one page about a run, or about several side by side.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/report/report.h"

namespace rein::train {
namespace {

struct Arguments {
  std::vector<std::string> runs;
  std::string out;
  PictureOptions pictures;
};

int run(const Arguments& a, const Globals& globals) {
  std::vector<RunRecord> runs;
  for (const std::string& folder : a.runs) runs.push_back(read_run(folder));
  const std::filesystem::path out = a.out.empty() ? runs.front().folder / "report.html" : std::filesystem::path(a.out);
  ProgressLine progress(globals.quiet ? Verbosity::quiet : Verbosity::normal);
  std::vector<std::string> notes;
  const auto pictures = report_pictures(
      runs, a.pictures, notes, [&](std::int64_t done, std::int64_t all) { progress.show("pictures", done, all, ""); });
  progress.clear();
  write_file_atomically(out, report_html(runs, pictures, notes));
  for (const std::string& note : notes) progress.line("note: " + note);
  if (globals.json) {
    const nlohmann::ordered_json json = {{"report", out.string()}, {"notes", notes}};
    std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (!globals.quiet) {
    std::printf("%s\n", out.string().c_str());
  }
  return 0;
}

}  // namespace

void add_report(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("report", "a run as one HTML page: curves, scores, pictures");
  command.option("runs", a->runs, "folder of a run; further ones are compared with it").required();
  command.option("--out", a->out, "the page (default: report.html in the first run's folder)");
  command.option("--photos", a->pictures.photos, "of each target (default: 3; 0: no pictures)").between(0, 100);
  command
      .option("--side", a->pictures.max_side,
              "pixels of the longer side; larger photos are made smaller (default: 512)")
      .between(32, 4096);
  command.option("--backbone", a->pictures.backbone, "the backbone file (default: the recorded path)");
  command.option("--weights-root", a->pictures.weights, "folder of the backbone file (REIN_WEIGHTS_DIR)");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
