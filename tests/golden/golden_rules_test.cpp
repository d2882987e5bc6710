// The tester is tested: what must fail fails, with a text that says why.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/io/safetensors.h"
#include "tests/harness/temp_folder.h"
#include "train/verify/golden_generate.h"
#include "train/verify/verify.h"

namespace {

using namespace rein;
using namespace rein::train;

struct Case {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

Case load(const std::filesystem::path& path) {
  const SafeTensors file = SafeTensors::open(path);
  Case c;
  for (const std::string& name : file.names()) c.tensors[name] = file.tensor(name).clone();
  c.metadata = file.metadata();
  return c;
}

VerifySummary run(const test::TempFolder& folder, const Case& c, std::vector<DType> dtypes = {DType::f64}) {
  const auto path = folder / "case.safetensors";
  write_safetensors(path, c.tensors, c.metadata);
  return verify({path}, {.kinds = {}, .dtypes = std::move(dtypes), .device = {}});
}

std::string first_note(const VerifySummary& summary) {
  return summary.results.empty() || summary.results[0].notes.empty() ? "" : summary.results[0].notes[0];
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::filesystem::path> kept_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden"))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::int64_t largest(const Tensor& t) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < t.count(); ++i)
    if (std::abs(t.at(i)) > std::abs(t.at(best))) best = i;
  return best;
}

const std::filesystem::path small = "tests/golden/rein_adapter_lora_link.safetensors";

TEST_CASE("a value changed by 1e-6 of its scale fails in every kept file") {
  const test::TempFolder folder;
  for (const auto& path : kept_files()) {
    const Case original = load(path);
    if (original.metadata.at("kind") == "cv_transforms") continue;
    for (const std::string prefix : {"out.", "grad."}) {
      // The last tensor of the group, at its largest element.
      auto it = std::find_if(original.tensors.rbegin(), original.tensors.rend(), [&](const auto& item) {
        return item.first.starts_with(prefix) && item.second.dtype() == DType::f64 &&
               item.second.at(largest(item.second)) != 0;
      });
      if (it == original.tensors.rend()) continue;
      Case changed = original;
      Tensor t = it->second.clone();
      t.mutable_data<double>()[largest(t)] *= 1 + 1e-6;
      changed.tensors[it->first] = t;
      const VerifySummary summary = run(folder, changed);
      INFO(path.filename().string(), " ", it->first);
      CHECK(summary.failed == 1);
      CHECK(says(first_note(summary), it->first));
    }
  }
}

TEST_CASE("a recorded case written again still holds") {
  const test::TempFolder folder;
  CHECK(run(folder, load(small), {DType::f64, DType::f32}).passed == 2);
}

TEST_CASE("a failure says what is allowed and why") {
  const test::TempFolder folder;
  Case c = load(small);
  for (double& v : std::span(c.tensors["grad.param.merge.bias"].mutable_data<double>(), 12)) v = -v;
  const VerifySummary summary = run(folder, c, {DType::f64, DType::f32});
  REQUIRE(summary.results.size() == 2);
  CHECK(summary.results[0].notes.at(0) == "grad.param.merge.bias: error 2, allowed 1e-08 (f64)");
  const std::string& note = summary.results[1].notes.at(0);
  CAPTURE(note);
  CHECK(
      says(note, "grad.param.merge.bias: error 2, allowed 5e-06 (the least for gradients; the official code's own in"));
  for (const TensorError& e : summary.results[1].errors) CHECK_FALSE(e.why.empty());
}

TEST_CASE("a flipped sign, a lost tensor, an extra tensor and NaN fail in both dtypes") {
  const test::TempFolder folder;
  const Case original = load(small);
  const std::vector<DType> both = {DType::f64, DType::f32};
  SUBCASE("sign of a gradient") {
    Case c = original;
    for (double& v : std::span(c.tensors["grad.param.merge.bias"].mutable_data<double>(), 12)) v = -v;
    CHECK(run(folder, c, both).failed == 2);
  }
  SUBCASE("lost output") {
    Case c = original;
    c.tensors.erase("out.queries");
    CHECK(run(folder, c, both).failed == 2);
  }
  SUBCASE("output that nobody computes") {
    Case c = original;
    c.tensors["out.nonsense"] = Tensor::scalar(1, DType::f64);
    const VerifySummary summary = run(folder, c, both);
    CHECK(summary.failed == 2);
    CHECK(says(first_note(summary), "out.nonsense: in the file, but not computed here"));
  }
  SUBCASE("gradient that nobody computes") {
    Case c = original;
    c.tensors["grad.param.nonsense"] = Tensor::scalar(0, DType::f64);
    CHECK(run(folder, c, both).failed == 2);
  }
  SUBCASE("NaN in the reference") {
    Case c = original;
    c.tensors["out.feat.1"].mutable_data<double>()[5] = std::numeric_limits<double>::quiet_NaN();
    CHECK(run(folder, c, both).failed == 2);
  }
  SUBCASE("NaN on our side") {
    Case c = original;
    c.tensors["in.feat.1"].mutable_data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK(run(folder, c, both).failed == 2);
  }
  SUBCASE("another shape") {
    Case c = original;
    c.tensors["out.queries"] = c.tensors["out.queries"].view({12, 10});
    CHECK(says(first_note(run(folder, c)), "must have shape (12, 10), got (10, 12)"));
  }
  SUBCASE("missing parameter") {
    Case c = original;
    c.tensors.erase("param.scale");
    c.tensors["param.scales"] = Tensor::scalar(1);
    const VerifySummary summary = run(folder, c, both);
    CHECK(summary.failed == 2);
    CHECK(says(first_note(summary), "scales"));
  }
}

TEST_CASE("what no gradient reaches is asserted both ways") {
  const test::TempFolder folder;
  const Case original = load("tests/golden/rein_adapter_full_nolink.safetensors");
  SUBCASE("reached, but listed as unreached") {
    Case c = original;
    std::string& config = c.metadata["config"];
    config.replace(config.find("param.transform.weight"), 22, "param.mlp_delta_f.bias");
    const VerifySummary summary = run(folder, c);
    CHECK(summary.failed == 1);
    CHECK(says(summary.results[0].text(), "no gradient reaches it, but one came"));
    CHECK(says(summary.results[0].text(), "grad.param.transform.weight: no gradient came"));
  }
  SUBCASE("listed, with a gradient in the file") {
    Case c = original;
    c.tensors["grad.param.merge.bias"].mutable_data<double>()[0] = 1e-3;
    CHECK(run(folder, c).failed == 1);
  }
}

TEST_CASE("an unknown kind fails, a case whose module is not built is skipped and is no pass") {
  const test::TempFolder folder;
  Case c = load(small);
  c.metadata["kind"] = "rein_adaptor";
  VerifySummary summary = run(folder, c);
  CHECK(summary.failed == 1);
  CHECK(says(first_note(summary), "unknown kind \"rein_adaptor\""));
  CHECK(says(first_note(summary), "rein_adapter"));

  c = load(small);
  std::string& config = c.metadata["config"];
  const std::size_t at = config.find("LoRAReins");
  REQUIRE(at != std::string::npos);
  config.replace(at, 9, "NewReins");
  summary = run(folder, c, {DType::f64, DType::f32});
  CHECK(summary.failed == 0);
  CHECK(summary.skipped == 1);
  CHECK(!summary.ok());
  CHECK(says(summary.text(), "not built"));

  VerifyOptions options;
  options.kinds = {"rein_adaptor"};
  CHECK_THROWS_AS(verify({small}, options), std::invalid_argument);
  options.kinds = {"resize"};
  CHECK(verify({small}, options).results.empty());  // another kind than asked for
  CHECK(!verify({small}, options).ok());
}

TEST_CASE("without a recorded f32 error there is nothing to hold f32 against") {
  const test::TempFolder folder;
  Case c = load(small);
  c.metadata.erase("f32_error");
  const VerifySummary summary = run(folder, c, {DType::f32});
  CHECK(summary.skipped == 1);
  CHECK(!summary.ok());
}

TEST_CASE("broken files are one clear failure each") {
  const test::TempFolder folder;
  const auto fails_with = [](const std::filesystem::path& path, const std::string& part) {
    const VerifySummary summary = verify({path});
    INFO(path.filename().string(), ": ", first_note(summary));
    CHECK(summary.failed == 1);
    CHECK(summary.results.size() == 1);
    CHECK(says(first_note(summary), part));
  };
  const std::string whole = test::contents_of(small);
  fails_with(folder.write("short.safetensors", whole.substr(0, whole.size() - 9)), "short.safetensors");
  fails_with(folder.write("text.safetensors", "hello"), "text.safetensors");
  fails_with(folder.write("empty.safetensors", ""), "empty.safetensors");
  fails_with("tests/golden/no_such_case.safetensors", "no such file");
  const test::TempFolder nothing;
  fails_with(nothing.path(), "no *.safetensors");

  Case c = load(small);
  c.metadata["config"] = "{\"num_layers\": 4}";
  CHECK(says(first_note(run(folder, c)), "config has no \"kind_class\""));
  c.metadata["config"] = "[1, 2";
  CHECK(says(first_note(run(folder, c)), "not a JSON object"));
  c.metadata.erase("config");
  CHECK(says(first_note(run(folder, c)), "no \"config\""));
  c.metadata["format"] = "rein-golden-9";
  CHECK(says(first_note(run(folder, c)), "format must be rein-golden-1"));
}

TEST_CASE("hostile configurations end in an error, not in a crash or a huge allocation") {
  const test::TempFolder folder;
  for (const char* change : {"\"num_layers\": 4000000000", "\"num_layers\": -1", "\"token_length\": 0",
                             "\"embed_dims\": 9000000000000000000", "\"lora_dim\": 2.5", "\"query_dims\": \"many\""}) {
    Case c = load(small);
    std::string& config = c.metadata["config"];
    const std::string key = std::string(change).substr(0, std::string(change).find(':'));
    const auto at = config.find(key);
    REQUIRE(at != std::string::npos);
    config.replace(at, config.find(',', at) - at, change);
    INFO(change);
    CHECK(run(folder, c).failed == 1);
  }
}

TEST_CASE("inputs by rule: the test vectors of the format") {
  CHECK(fnv1a64("") == 0xCBF29CE484222325u);
  CHECK(fnv1a64("a") == 0xAF63DC4C8601EC8Cu);
  CHECK(fnv1a64("in.feat.0") == 0x199F8DB0A3FD59A6u);
  CHECK(splitmix64(0) == 0xE220A8397B1DCDAFu);
  CHECK(splitmix64(1234567) == 6457827717110365317u);

  const struct {
    const char* name;
    std::uint64_t seed, index, bits;
    double value;
  } rows[] = {
      {"in.feat.0", 1, 0, 0x8BE037A114EF723A, 0.16069968},
      {"in.feat.0", 1, 1, 0xE505687035235322, 1.36698222},
      {"in.feat.0", 1, 1049599, 0x9CD36EF58A8F74E8, 0.390061915},
      {"param.attn.qkv.weight", 1, 0, 0xA6189AB072586719, 0.515503049},
      {"param.attn.qkv.weight", 1, 3145727, 0xA7D6A18B1318E1C2, 0.53907913},
      {"in.feat.0", 7, 0, 0x8189492A88DF13A9, 0.0207882673},
      {"in.feat.0", 7, 2, 0x7ADA13A7F1345490, -0.0696629211},
  };
  for (const auto& row : rows) {
    CHECK(generated_bits(row.name, row.seed, row.index) == row.bits);
    const double u = generated_unit(row.name, row.seed, row.index);
    const auto value = static_cast<float>(-1.732051 + 2 * 1.732051 * u);
    CHECK(value == doctest::Approx(row.value).epsilon(1e-8));
    if (row.index > 2) continue;
    const Tensor t = generated_tensor(row.name, row.seed, {3}, -1.732051, 1.732051);
    CHECK(t.at(static_cast<std::int64_t>(row.index)) == doctest::Approx(row.value).epsilon(1e-8));
  }

  const Tensor points =
      generated_locations("in.sampling_locations", 1, {1, 2, 1, 2, 1, 2}, -0.1, 1.1, {{16, 12}, {32, 64}});
  const double expected[] = {0.315347612, 0.00141384883, 0.312336296,   1.01672804,
                             0.345555216, 0.544279516,   -0.0746750608, -0.0984038338};
  for (std::int64_t i = 0; i < 8; ++i) CHECK(points.at(i) == doctest::Approx(expected[i]).epsilon(1e-8));

  const std::string signs[] = {"+++-+-+-", "--++-+-+"};
  for (const int k : {0, 7}) {
    for (std::size_t i = 0; i < 8; ++i) {
      std::vector<double> one(8, 0.0);
      one[i] = 1;
      CHECK(sign_projection("out.feat.0", k, 1, one) == (signs[k == 0 ? 0 : 1][i] == '+' ? 1 : -1));
    }
  }

  const Tensor labels =
      generated_labels({.block = 4, .count = 5, .shift_per_image = 2, .ignore_below = 0.1}, 3, 2, 9, 6);
  CHECK(labels.shape() == Shape{2, 9, 6});
  int ignored = 0;
  for (std::int64_t i = 0; i < labels.count(); ++i) {
    const double v = labels.at(i);
    ignored += v == 255;
    CHECK((v == 255 || (v >= 2.0 * static_cast<double>(i / 54) && v < 5 + 2.0 * static_cast<double>(i / 54))));
  }
  CHECK(ignored > 0);
}

}  // namespace
