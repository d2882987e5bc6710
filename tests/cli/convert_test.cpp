// rein convert and rein inspect: what is written equals what was read.
#include <doctest/doctest.h>

#include <cstring>

#include "tensor/io/pth.h"
#include "tensor/io/weight_file.h"
#include "tests/cli/refused.h"
#include "tests/golden/manifest_files.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;
using testing::check_refused;
using testing::Finished;

namespace {

class Converter {
 public:
  Finished run(std::vector<std::string> arguments) const { return testing::run_program(arguments, folder_.path()); }
  void converts(const fs::path& in, const fs::path& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> a = {"convert", in.string(), out.string()};
    a.insert(a.end(), more.begin(), more.end());
    const Finished f = run(a);
    CHECK_MESSAGE(f.status == 0, f.err);
  }
  fs::path operator/(std::string_view name) const { return folder_ / name; }

 private:
  test::TempFolder folder_;
};

void check_equal(const fs::path& a, const fs::path& b) {
  const auto x = open_weight_file(a), y = open_weight_file(b);
  REQUIRE(x->names() == y->names());
  for (const std::string& name : x->names()) {
    CAPTURE(name);
    const Tensor s = x->tensor(name), t = y->tensor(name);
    CHECK((s.shape() == t.shape() && s.dtype() == t.dtype()));
    CHECK(std::memcmp(s.raw(), t.raw(), s.bytes()) == 0);
  }
}

// The weights of a recorded case as a file of their own.
fs::path weights_of_case(const Converter& c, const std::string& name) {
  const SafeTensors file = SafeTensors::open("tests/golden/" + name + ".safetensors");
  std::map<std::string, Tensor> params;
  for (const std::string& tensor : file.names())
    if (tensor.starts_with("param.")) params[tensor.substr(6)] = file.tensor(tensor);
  write_safetensors(c / (name + ".safetensors"), params);
  return c / (name + ".safetensors");
}

}  // namespace

TEST_CASE("convert: .pth to .safetensors and back keeps every tensor") {
  const Converter c;
  const fs::path pth = "tests/tensor/pth/nested_model.pth";
  c.converts(pth, c / "a.safetensors");
  check_equal(pth, c / "a.safetensors");
  c.converts(c / "a.safetensors", c / "b.pth");
  check_equal(pth, c / "b.pth");
  CHECK(PthFile::open(c / "b.pth")->found_under().empty());
  c.converts(c / "a.safetensors", c / "half.pt", {"--dtype", "f16"});
  CHECK(open_weight_file(c / "half.pt")->entry("a.weight").file_dtype == "F16");
  c.converts("tests/tensor/pth/plain.pth", c / "p.safetensors", {"--json"});
  CHECK(open_weight_file(c / "p.safetensors")->names().size() == 9);  // a BOOL is left out, and said
  const Finished said = c.run({"convert", "tests/tensor/pth/plain.pth", (c / "q.pth").string()});
  CHECK(said.out.find("left out: 1 tensors without use here, first bool") != said.out.npos);
}

TEST_CASE("convert: layouts there and back give the same bytes") {
  const Converter c;
  const fs::path hf = weights_of_case(c, "vfm_dinov2_hf_reg_native");
  c.converts(hf, c / "orig.pth", {"--layout", "dinov2_orig", "--heads", "2"});
  const auto orig = open_weight_file(c / "orig.pth");
  CHECK(orig->has("blocks.0.attn.qkv.weight"));
  CHECK(!orig->has("encoder.layer.0.attention.attention.query.weight"));
  c.converts(c / "orig.pth", c / "hf.safetensors", {"--layout", "dinov2_hf", "--heads", "2"});
  check_equal(hf, c / "hf.safetensors");
  check_refused(c.run({"convert", hf.string(), (c / "x.pth").string(), "--layout", "mae_hf", "--heads", "2"}),
                {"is dinov2 (dinov2_hf) and cannot become mae_hf"});
  check_refused(c.run({"convert", hf.string(), (c / "x.pth").string(), "--layout", "dinov2", "--heads", "2"}),
                {"unknown layout \"dinov2\"; known: ", "dinov2_orig"});
  CHECK(!fs::exists(c / "x.pth"));
}

TEST_CASE("convert: patch and position resize as the official conversion") {
  const Converter c;
  // The recorded conversion holds two tensors; the reader of recorded cases checks the numbers, this the way there.
  const testing::TinyRun tiny;
  const fs::path in = tiny / "vit.safetensors";
  c.converts(in, c / "a.safetensors", {"--patch", "16", "--image-size", "96", "--heads", "2"});
  const auto out = open_weight_file(c / "a.safetensors");
  CHECK(out->entry("patch_embed.proj.weight").shape == Shape{16, 3, 16, 16});
  CHECK(out->entry("pos_embed").shape == Shape{1, 37, 16});
  CHECK(out->metadata().at("rein.layout") == "vit_augreg");
  // Without its classifier the names also fit MAE's encoder; the layout beside the tensors decides.
  const Finished f = c.run({"inspect", (c / "a.safetensors").string(), "--heads", "2"});
  CHECK(f.out.find("vit_augreg (vit_augreg): 4 blocks of 16, 2 heads, patch 16, grid 6x6") != f.out.npos);
}

TEST_CASE("convert: what cannot be done leaves nothing, and an old file stays") {
  const Converter c;
  const std::string pth = "tests/tensor/pth/plain.pth";
  check_refused(c.run({"convert", pth, (c / "a.onnx").string()}), {"must end in .safetensors, .pth or .pt"});
  check_refused(c.run({"convert", pth, (c / "no/a.pth").string()}), {"a.pth"});
  check_refused(c.run({"convert", (c / "absent").string(), (c / "a.pth").string()}), {"absent"});
  check_refused(c.run({"convert", pth, (c / "a.pth").string(), "--dtype", "f8"}), {"f8"});
  write_safetensors(c / "wide.safetensors", std::map<std::string, Tensor>{{"w", Tensor::full({3}, 1e6, DType::f32)}});
  const std::string before = test::contents_of(c / "wide.safetensors");
  check_refused(
      c.run({"convert", (c / "wide.safetensors").string(), (c / "wide.safetensors").string(), "--dtype", "f16"}),
      {"tensor w holds 1e+06, which f16 cannot"});
  CHECK(test::contents_of(c / "wide.safetensors") == before);
  CHECK(!fs::exists(c / "a.pth"));
  c.converts(c / "wide.safetensors", c / "wide.safetensors", {"--dtype", "bf16"});  // onto itself
  CHECK(open_weight_file(c / "wide.safetensors")->entry("w").file_dtype == "BF16");
}

TEST_CASE("convert: a checkpoint to the official form and back predicts the same") {
  const testing::TinyRun tiny;
  const std::string here = tiny.folder().path().string(), config = (tiny / "config.toml").string();
  const auto run = [&](const std::vector<std::string>& a) { return testing::run_program(a, tiny.folder().path()); };
  const auto succeeds = [&](const std::vector<std::string>& a) {
    const Finished f = run(a);
    REQUIRE_MESSAGE(f.status == 0, f.err);
    return f.out;
  };
  succeeds({"train", config, "--data-root", here, "--weights-root", here, "--out", here + "/out", "--quiet", "--set",
            "train.iterations=2", "--set", "train.eval_every=0"});
  succeeds({"convert", here + "/out", here + "/official.pth"});
  const auto official = PthFile::open(tiny / "official.pth");
  CHECK(official->found_under() == "state_dict");
  CHECK(official->has("backbone.reins.learnable_tokens_a"));
  CHECK(official->has("decode_head.conv_seg.weight"));
  CHECK(succeeds({"inspect", here + "/official.pth"}).find("a Rein checkpoint without the backbone") !=
        std::string::npos);
  succeeds({"convert", here + "/official.pth", here + "/again", "--config", config, "--weights-root", here});
  const auto newest = tiny / "out/checkpoints/step-000002/model.safetensors";
  CHECK(test::contents_of(newest) == test::contents_of(tiny / "again/model.safetensors"));
  for (const char* from : {"/out", "/again"})
    succeeds({"predict", here + from, here + "/set/photos", "--out", here + from + "-pictures", "--quiet"});
  CHECK(test::contents_of(tiny / "out-pictures/p3_ids.png") == test::contents_of(tiny / "again-pictures/p3_ids.png"));

  check_refused(run({"convert", here + "/official.pth", here + "/again", "--config", config}), {"exists already"});
  check_refused(run({"convert", here + "/official.pth", here + "/x"}), {"--config CONFIG.toml"});
  check_refused(run({"convert", here + "/vit.safetensors", here + "/x", "--config", config}), {"must end in"});
  std::string other = test::contents_of(config);
  other.replace(other.find("rank = 2"), 8, "rank = 3");
  tiny.folder().write("other.toml", other);
  check_refused(
      run({"convert", here + "/official.pth", here + "/x", "--config", here + "/other.toml", "--weights-root", here}),
      {"does not fit the model of the configuration", "learnable_tokens_a", "must describe the model"});
  CHECK(!fs::exists(tiny / "x"));
}

TEST_CASE("convert: a fully trained backbone goes with its checkpoint") {
  const testing::TinyRun tiny;
  const std::string here = tiny.folder().path().string();
  std::string text = test::contents_of(tiny / "config.toml");
  text.replace(text.find("method = \"rein\""), 15, "method = \"full\"");
  const std::string config = tiny.folder().write("full.toml", text).string();
  for (const std::vector<std::string>& a : std::initializer_list<std::vector<std::string>>{
           {"train", config, "--data-root", here, "--weights-root", here, "--out", here + "/out", "--quiet", "--set",
            "train.iterations=1", "--set", "train.eval_every=0"},
           {"convert", here + "/out", here + "/official.pth"},
           {"convert", here + "/official.pth", here + "/again", "--config", config, "--weights-root", here}}) {
    const Finished f = testing::run_program(a, tiny.folder().path());
    REQUIRE_MESSAGE(f.status == 0, f.err);
  }
  CHECK(PthFile::open(tiny / "official.pth")->has("backbone.blocks.3.attn.qkv.weight"));
  CHECK(test::contents_of(tiny / "out/checkpoints/step-000001/model.safetensors") ==
        test::contents_of(tiny / "again/model.safetensors"));
}

TEST_CASE("inspect --load: no memory beside the weights but a part of the largest tensor's") {
  const Converter c;
  auto tensors = test::manifest_named(test::read_manifests(), "hf_dinov2-base").tensors;
  for (const char* dtype : {"F32", "F16"}) {
    for (auto& [name, tensor] : tensors) tensor.dtype = dtype;
    test::write_hollow(c / "a.safetensors", tensors);
    for (const char* how : {"--load", "--load-trainable"}) {
      const Finished f = c.run({"inspect", how, "--json", (c / "a.safetensors").string()});
      CHECK_MESSAGE(f.status == 0, f.err);
      const auto number = [&](const std::string& key) {
        const std::size_t at = f.out.find("\"" + key + "\":");
        return at == f.out.npos ? -1.0 : std::stod(f.out.substr(at + key.size() + 3));
      };
      CHECK(number("weights_bytes") == 4 * 86'580'480);  // parameters of the base model as published
      CHECK(number("beyond_bytes") >= 0);
      CHECK(number("beyond_bytes") < 1.2 * number("largest_bytes"));
    }
  }
}

TEST_CASE("inspect: a folder of weight files is a list; folders and devices with nothing in them are refused") {
  const Converter c;
  const fs::path folder = c / "weights";
  fs::create_directory(folder);
  const auto manifests = test::read_manifests();
  test::write_hollow(folder / "dino.safetensors", test::manifest_named(manifests, "hf_dinov3-vits16").tensors);
  test::write_hollow(folder / "sam.safetensors", test::manifest_named(manifests, "hf_sam-vit-base").tensors);
  fs::copy("README.md", folder / "page.pth");
  const Finished list = c.run({"inspect", folder.string()});
  CHECK(list.status == 0);
  CHECK(list.out.find("dino.safetensors: dinov3 (dinov3_hf): 12 blocks of 384, 6 heads, patch 16, any grid, 4 reg") ==
        0);
  CHECK(list.out.find("\npage.pth: this is no PyTorch file") != list.out.npos);
  CHECK(list.out.find("\nsam.safetensors: sam (sam_hf): 12 blocks of 768, 12 heads, patch 16, grid 64x64") !=
        list.out.npos);
  const Finished json = c.run({"inspect", "--json", folder.string()});
  CHECK(json.out.find("\"files\":[{\"file\":\"dino.safetensors\",\"model\":{\"text\":\"dinov3") != json.out.npos);
  fs::create_directory(c / "empty");
  check_refused(c.run({"inspect", (c / "empty").string()}),
                {"this folder holds no weights", "no checkpoint and no run"});
  check_refused(c.run({"inspect", "/dev/null"}), {"/dev/null: is not a regular file", "hint: name a .safetensors"});
  check_refused(c.run({"inspect", "README.md"}), {"it looks like a text", "hint: docs/weights.md"});
}

TEST_CASE("inspect: says family, size, patch, native resolution and normalisation of every published file") {
  const Converter c;
  for (const test::Manifest& m : test::read_manifests()) {
    if (m.tensors.size() > 320) continue;
    CAPTURE(m.name);
    test::write_hollow(c / "a.safetensors", m.tensors);
    const Finished f = c.run({"inspect", (c / "a.safetensors").string()});
    CHECK(f.status == 0);
    const std::string family = m.layout.substr(0, m.layout.find('_'));
    for (const std::string& part :
         {"family      " + family, "patch       " + std::to_string(m.patch) + " x",
          "native      " + std::to_string(m.native) + " x", std::string("images      RGB from 0 to 1, mean 0.")})
      CHECK_MESSAGE(f.out.find(part) != f.out.npos, f.out);
  }
}
