// The report: well-formed, self-contained, right numbers; runs that are young, broken off or elsewhere.
#include "train/report/report.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

#include "tests/train/tiny_run.h"
#include "train/report/report_svg.h"
#include "train/run/trainer.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

// "" for well-formed XML behind the doctype: tags nest, attributes are quoted and single, & begins an entity.
std::string fault_of(const std::string& text) {
  std::vector<std::string> open;
  std::size_t at = text.find('>') + 1;
  if (!text.starts_with("<!DOCTYPE html>")) return "no doctype";
  while (at < text.size()) {
    if (text[at] == '&') {
      const std::size_t end = text.find(';', at);
      static const std::set<std::string> known{"amp", "lt", "gt", "quot", "#39"};
      if (end == text.npos || !known.contains(text.substr(at + 1, end - at - 1)))
        return "entity at " + text.substr(at, 20);
    }
    if (text[at] == '>') return "stray > at " + text.substr(at, 20);
    if (text[at] != '<') {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != '>'); ++end) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<') return "< inside " + text.substr(at, 30);
    }
    if (end >= text.size()) return "tag without end: " + text.substr(at, 30);
    const std::string tag = text.substr(at + 1, end - at - 1), name = tag.substr(0, tag.find_first_of(" /", 1));
    at = end + 1;
    if (tag.starts_with('/')) {
      if (open.empty() || "/" + open.back() != tag) return "closes " + tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "left open: " + open.back();
}

void check_page(const std::string& page) {
  CHECK(fault_of(page) == "");
  for (const char* outside : {"http:", "https:", "//www", "url(", "@import", "<script", "<link", "<iframe"}) {
    CAPTURE(outside);
    CHECK(page.find(outside) == std::string::npos);
  }
  for (std::size_t at = page.find("src="); at != page.npos; at = page.find("src=", at + 1))
    CHECK(page.substr(at, 27) == "src=\"data:image/png;base64,");
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("the checker of pages sees what is wrong") {
  const std::string head = "<!DOCTYPE html>";
  CHECK(fault_of(head + "<a b=\"c\"><d/>&amp;</a>") == "");
  for (const char* bad : {"<a>", "<a></b>", "<a>&</a>", "<a>&nope;</a>", "<a b=\"<\"></a>", "a > b"})
    CHECK(fault_of(head + bad) != "");
}

TEST_CASE("a trained run: curves, scores, classes and pictures of each target") {
  const testing::TinyRun tiny;
  const fs::path folder = tiny / "out";
  Config config = read_config(tiny / "config.toml");
  resolve_paths(config, tiny / "config.toml", {tiny.folder().path(), tiny.folder().path()});
  Observer silent;
  train({config, folder, false}, silent);
  const RunRecord run = read_run(folder);
  CHECK(run.steps.size() == 12);
  CHECK(run.evaluations.size() == 3);
  CHECK(run.method == "rein");
  REQUIRE(run.shown() != nullptr);
  CHECK(run.shown()->step == run.checkpoint_step);
  std::vector<std::string> notes;
  PictureOptions options;
  options.photos = 2;
  const auto pictures = report_pictures({&run, 1}, options, notes);
  CHECK(notes.empty());
  REQUIRE(pictures.size() == 1);
  REQUIRE(pictures[0].photos.size() == 2);
  REQUIRE(pictures[0].photos[0].pictures.size() == 4);
  CHECK(pictures[0].photos[0].name != pictures[0].photos[1].name);
  const std::string page = report_html({&run, 1}, pictures, notes);
  check_page(page);
  CHECK(count_of(page, "<img ") == 8);
  CHECK(count_of(page, "<svg ") == 2);
  for (const char* text : {"ground", "thing", "toy", "Training loss", "rein predict"})
    CHECK(page.find(text) != std::string::npos);

  const std::vector<RunRecord> two{run, run};
  const auto both = report_pictures(two, options, notes);
  CHECK(both[0].photos[0].pictures.size() == 6);
  check_page(report_html(two, both, notes));

  SUBCASE("without its data or weights it has notes instead of pictures") {
    fs::rename(tiny / "set", tiny / "moved");
    CHECK(report_pictures({&run, 1}, options, notes).empty());
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].find("toy") != std::string::npos);
    fs::remove(tiny / "vit.safetensors");
    CHECK(report_pictures({&run, 1}, options, notes).empty());
    REQUIRE(notes.size() == 2);
    check_page(report_html({&run, 1}, {}, notes));
  }
}

TEST_CASE("bars: one for each value, none without") {
  const std::string chart = bar_chart({"mIoU", "", "percent"}, {"night", "<fog>"},
                                      {{"rein", {40.0, std::nullopt}, 0}, {"full", {20.0, 0.0}, 1}});
  CHECK(fault_of("<!DOCTYPE html>" + chart) == "");
  CHECK(count_of(chart, "<rect ") == 3);
  CHECK(count_of(chart, "&lt;fog&gt;") == 2);  // below its group, and in the hint of its one bar
  CHECK(bar_chart({}, {"a"}, {{"x", {std::nullopt}, 0}}).empty());
  CHECK(bar_chart({}, {}, {}).empty());
}

TEST_CASE("a run that was never evaluated, or has only begun") {
  const test::TempFolder folder;
  folder.write("config.toml", testing::TinyRun::config());
  const RunRecord fresh = read_run(folder.path());
  CHECK(fresh.shown() == nullptr);
  const std::string page = report_html({&fresh, 1}, {}, {});
  check_page(page);
  CHECK(page.find("has not been evaluated") != std::string::npos);
  CHECK(page.find("No step has been recorded yet") != std::string::npos);

  folder.write("metrics.jsonl",
               "{\"step\":1,\"loss\":2.5,\"acc\":null,\"lr\":0.1,\"grad_norm\":1}\n{\"step\":2,\"loss\":2.25,\"lr\"");
  const RunRecord young = read_run(folder.path());
  REQUIRE(young.steps.size() == 1);  // half a line is passed over
  CHECK(young.steps[0].loss == 2.5);
  check_page(report_html({&young, 1}, {}, {}));
  std::vector<std::string> notes;
  CHECK(report_pictures({&young, 1}, {}, notes).empty());
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("no checkpoint") != std::string::npos);
}

TEST_CASE("names from outside cannot break the page; sets and classes may lack numbers") {
  const test::TempFolder folder;
  folder.write("config.toml", testing::TinyRun::config());
  folder.write("metrics.jsonl",
               "{\"step\":1,\"loss\":1,\"lr\":0.1}\n{\"step\":1,\"eval\":{\"mean_miou\":null,\"sets\":[{\"name\":\"<b>&"
               "\\\"x\",\"photos\":2,"
               "\"miou\":null,\"pixel_accuracy\":null,\"iou\":{\"</td>\":null,\"b\":50}}]}}\n");
  const RunRecord run = read_run(folder.path());
  const std::string page = report_html({&run, 1}, {}, {"a <note>"});
  check_page(page);
  CHECK(page.find("&lt;b&gt;&amp;&quot;x") != std::string::npos);
  CHECK(page.find("a &lt;note&gt;") != std::string::npos);
}

TEST_CASE("what is no run, or no metrics, is said") {
  const test::TempFolder folder;
  CHECK_THROWS_WITH_AS(read_run(folder / "none"), doctest::Contains("there is no folder"), std::runtime_error);
  CHECK_THROWS_WITH_AS(read_run(folder.path()), doctest::Contains("not the folder of a run"), std::runtime_error);
  folder.write("metrics.jsonl", "{\"step\":1,\"loss\":1}\nnonsense\n");
  CHECK_THROWS_WITH_AS(read_run(folder.path()), doctest::Contains("metrics.jsonl:2"), std::runtime_error);
}

TEST_CASE("parts of charts") {
  CHECK(ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(ticks(3, 3, 5) == std::vector<double>{3});
  CHECK(line_chart({"t", "x", "y"}, {{"empty", {}, 0}}).empty());
  CHECK(line_chart({"t", "x", "y"}, {{"bad", {{1, NAN}, {2, INFINITY}}, 0}}).empty());
  Curve longest{"many", {}, 0};
  for (int i = 0; i < 100000; ++i) longest.points.emplace_back(i, i % 7);
  const std::string chart = line_chart({"t", "x", "y"}, {longest});
  CHECK(chart.size() < 20000);
  CHECK(chart.find("nan") == std::string::npos);
}

TEST_CASE("base64 of any length") {
  const std::string text = "foobar";
  const std::pair<std::size_t, const char*> cases[] = {{0, ""},         {1, "Zg=="},     {2, "Zm8="},    {3, "Zm9v"},
                                                       {4, "Zm9vYg=="}, {5, "Zm9vYmE="}, {6, "Zm9vYmFy"}};
  for (const auto& [count, expected] : cases)
    CHECK(base64({reinterpret_cast<const std::uint8_t*>(text.data()), count}) == expected);
}

}  // namespace
}  // namespace rein::train
