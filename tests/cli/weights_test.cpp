// Ten typical mistakes with weight files: each gives one clear message and a hint, and leaves nothing behind.
#include <doctest/doctest.h>

#include <fstream>

#include "tensor/io/weight_write.h"
#include "tests/cli/refused.h"
#include "tests/golden/manifest_files.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;
using testing::check_refused;
using testing::Finished;

namespace {

struct Weights : testing::TinyRun {
  const std::vector<test::Manifest> manifests = test::read_manifests();

  // Trains with this backbone, and converts it: both refuse, with the same words.
  void refused(const std::string& file, const std::vector<std::string>& parts, const std::string& family = "",
               bool converts = false) const {
    CAPTURE(file);
    const std::string here = folder().path().string();
    std::vector<std::string> train = {
        "train",        (*this / "config.toml").string(), "--data-root", here,    "--weights-root",         here,
        "--out",        (*this / "out").string(),         "--quiet",     "--set", "model.backbone=" + file, "--set",
        "model.heads=0"};
    if (!family.empty()) train.insert(train.end(), {"--set", "model.family=" + family});
    check_refused(testing::run_program(train, folder().path()), parts);
    CHECK(!fs::exists(*this / "out"));
    if (converts) return;
    std::vector<std::string> convert = {"convert", (*this / file).string(), (*this / "c.pth").string(), "--image-size",
                                        "224"};
    if (!family.empty()) convert.insert(convert.end(), {"--family", family});
    check_refused(testing::run_program(convert, folder().path()), parts);
    CHECK(!fs::exists(*this / "c.pth"));
  }
  std::string hollow(const std::string& name, const std::string& manifest) const {
    test::write_hollow(*this / name, test::manifest_named(manifests, manifest).tensors);
    return name;
  }
  std::string hollow(const std::string& name, const std::map<std::string, test::ManifestTensor>& tensors) const {
    test::write_hollow(*this / name, tensors);
    return name;
  }
  std::string write(const std::string& name, const std::string& bytes) const {
    folder().write(name, bytes);
    return name;
  }
};

}  // namespace

TEST_CASE("mistake 1 and 2: another size, another family") {
  const Weights w;
  const std::string small = w.hollow("dinov2_small.safetensors", "hf_dinov2-small");
  w.refused(small, {"is dinov2-small (dinov2_hf: 12 blocks of 384); dinov2-large is asked for", "hint: rein inspect"},
            "dinov2-large");
  const std::string clip = w.hollow("clip.safetensors", "hf_clip-vit-base-patch16");
  w.refused(clip, {"is clip (clip_hf); dinov2 is asked for", "hint: rein inspect"}, "dinov2");
}

TEST_CASE("mistake 2 again: the other family has the same names") {
  const Weights w;  // its ViT has timm's names and a learned position of the class token
  const SafeTensors whole = SafeTensors::open(w / "vit.safetensors");
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : whole.names())
    if (!name.starts_with("head.")) tensors[name] = whole.tensor(name);
  write_safetensors(w / "headless.safetensors", tensors);
  w.refused("headless.safetensors",
            {"is vit_augreg (vit_augreg): the class token's row of pos_embed is not zero, as it is in mae",
             "hint: a backbone that was trained further needs its layout's name: model.layout"},
            "mae", true);
}

TEST_CASE("mistake 3: patches of 14 pixels where 16 are meant") {
  const Weights w;
  const std::string small = w.hollow("dinov2_small.safetensors", "hf_dinov2-small");
  w.refused(small, {"must be a multiple of the patch side 14, got 32", "hint: with model.patch = 16"}, "", true);
  check_refused(testing::run_program({"convert", (w / small).string(), (w / "c.pth").string(), "--image-size", "512"},
                                     w.folder().path()),
                {"--image-size must be a multiple of the patch side 14, got 512", "--patch 16"});
}

TEST_CASE("mistake 4 and 5: the fine-tuned head alone, the adapter alone") {
  const Weights w;
  const test::ManifestTensor t{"F32", {19, 256}};
  w.refused(w.hollow("head.safetensors", {{"decode_head.cls_embed.weight", t}, {"decode_head.query_embed.weight", t}}),
            {"it is a head without the backbone: head (2 tensors)", "hint: this place takes the backbone's own file"});
  w.refused(w.hollow("rein.safetensors", {{"backbone.reins.scale", {"F32", {}}}}),
            {"it is a Rein adapter without the backbone", "hint: this place takes the backbone's own file"});
}

TEST_CASE("mistake 6: a download that stopped early") {
  const Weights w;
  const std::string whole = test::contents_of(w / "vit.safetensors");
  w.refused(w.write("cut.safetensors", whole.substr(0, whole.size() / 2)),
            {"the file is truncated", "hint: the download stopped early"});
  const std::string pth = test::contents_of("tests/tensor/pth/plain.pth");
  w.refused(w.write("cut.pth", pth.substr(0, pth.size() / 2)),
            {"the file is truncated", "hint: the download stopped early"});
}

TEST_CASE("mistake 7 and 8: a git-LFS pointer, a web page") {
  const Weights w;
  for (const char* ending : {".safetensors", ".pth"}) {
    w.refused(w.write(std::string("pointer") + ending,
                      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 1217584912\n"),
              {"this is a git-LFS pointer", "hint: fetch the real file"});
    w.refused(w.write(std::string("page") + ending, "<!DOCTYPE html>\n<html><body>Sign in</body></html>"),
              {"this is a web page", "hint: the download saved a web page"});
  }
}

TEST_CASE("mistake 9: half the shards") {
  const Weights w;
  w.hollow("model-2.safetensors", {{"a", {"F32", {2}}}});
  w.write("model.safetensors.index.json", R"({"weight_map":{"a":"model-2.safetensors","b":"model-1.safetensors"}})");
  w.refused("model.safetensors.index.json",
            {"1 of 2 shards are missing", "model-1.safetensors", "hint: download every"});
}

TEST_CASE("mistake 10: the wrong dtype") {
  const Weights w;
  auto tensors = test::manifest_named(w.manifests, "hf_dinov2-small").tensors;
  for (auto& [name, tensor] : tensors)
    if (tensor.shape.size() == 2 && tensor.shape[0] > 1) tensor.dtype = "I8";
  w.refused(w.hollow("int8.safetensors", tensors),
            {"dtype I8 is not supported", "hint: quantised files cannot be used"});
  const auto refused = [&](const std::string& dtype, const std::string& problem, const std::string& hint) {
    CAPTURE(dtype);
    for (auto& [name, tensor] : tensors)
      if (tensor.shape.size() == 2 && tensor.shape[0] > 1) tensor.dtype = dtype;
    w.refused(w.hollow("other.safetensors", tensors), {problem, "hint: " + hint});
  };
  refused("F8_E4M3", "dtype F8_E4M3 is not supported", "quantised files");
  refused("I32", "holds integers (I32)", "quantised files");
  refused("I64", "holds integers (I64)", "rein inspect --tensors");
  refused("BOOL", "dtype BOOL is not supported", "rein inspect --tensors");
  refused("C64", "dtype C64 is not supported", "rein inspect --tensors");
}

TEST_CASE("a pickle that wants to run something") {
  const Weights w;
  fs::copy("tests/tensor/pth/malicious.pth", w / "malicious.pth");
  w.refused("malicious.pth", {"'posix.system'", "hint: nothing was run"});
  CHECK(!fs::exists("pth_was_run"));
}
