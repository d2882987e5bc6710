// Bad input gets one clear error and one hint, exit status 2, and leaves nothing half-written.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/cli/program.h"
#include "tests/cli/refused.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;
using testing::check_refused;
using testing::Finished;

namespace {

struct Toy : testing::TinyRun {
  Finished train(std::vector<std::string> more = {}, rlim_t limit = 0) const {
    const std::string here = folder().path().string();
    std::vector<std::string> a = {
        "train", (*this / "config.toml").string(), "--data-root", here, "--weights-root", here,
        "--out", (*this / "out").string(),         "--quiet"};
    a.insert(a.end(), more.begin(), more.end());
    return testing::run_program(a, folder().path(), limit);
  }
  bool untouched() const { return !fs::exists(*this / "out"); }
  // A run that began and stopped may leave whole checkpoints, but no piece of one.
  bool no_pieces() const {
    if (untouched()) return true;
    for (const auto& entry : fs::directory_iterator(*this / "out" / "checkpoints"))
      if (!fs::exists(entry.path() / "checkpoint.json") || entry.path().filename().string().starts_with("."))
        return false;
    return true;
  }
  std::map<std::string, Tensor> backbone() const {
    const SafeTensors file = SafeTensors::open(*this / "vit.safetensors");
    std::map<std::string, Tensor> tensors;
    for (const std::string& name : file.names()) tensors[name] = file.tensor(name).clone();
    return tensors;
  }
};

void write_bytes(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}
std::string with_length(std::uint64_t length, const std::string& header) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes + header;
}

}  // namespace

TEST_CASE("command line") {
  const test::TempFolder folder;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::vector<std::string>& parts) {
    check_refused(testing::run_program(arguments, folder.path()), parts);
  };
  refused({}, {"--help"});
  refused({"trian"}, {"no command \"trian\"", "did you mean \"train\"?"});
  refused({"train", "--rsume"}, {"did you mean \"--resume\"?"});
  refused({"train"}, {"needs a configuration file"});
  refused({"eval"}, {"checkpoint is required"});
  refused({"eval", (folder / "nothing").string()}, {"there is no folder"});
  refused({"predict", "a", "b"}, {"--out"});
  refused({"train", (folder / "no.toml").string()}, {"cannot read"});
  refused({"verify", "--kind", "no_such_kind", folder.path().string()}, {"no_such_kind"});
  CHECK(testing::run_program({"--version"}, folder.path()).status == 0);
  for (const char* command : {"train", "eval", "predict", "gradcheck", "verify", "bench", "inspect"}) {
    const Finished help = testing::run_program({command, "--help"}, folder.path());
    CHECK(help.status == 0);
    CHECK(help.out.find("Usage") != std::string::npos);
  }
}

TEST_CASE("configuration: misspelt key, missing file") {
  const Toy toy;
  check_refused(toy.train({"--set", "train.itrations=3"}), {"did you mean \"train.iterations\"?"});
  check_refused(toy.train({"--set", "model.backbone=absent.safetensors"}), {"model.backbone", "absent.safetensors"});
  check_refused(toy.train({"--set", "data.split=trian"}), {"trian", "train"});
  check_refused(toy.train({"--set", "data.crop=33"}), {"multiple of the patch"});
  check_refused(toy.train({"--set", "data.crop=8"}), {"at least two patches"});
  CHECK(toy.untouched());
}

TEST_CASE("backbone: everything missing, unknown and misshapen is listed together") {
  const Toy toy;
  auto tensors = toy.backbone();
  tensors.erase("blocks.1.attn.proj.bias");
  tensors.erase("blocks.2.mlp.fc2.weight");
  tensors["surprise.weight"] = Tensor::zeros(Shape{2}, DType::f32);
  tensors["blocks.3.norm1.bias"] = Tensor::zeros(Shape{17}, DType::f32);
  write_safetensors(toy / "vit.safetensors", tensors);
  check_refused(toy.train(), {"blocks.1.attn.proj.bias", "blocks.2.mlp.fc2.weight", "surprise.weight",
                              "blocks.3.norm1.bias", "(16)", "(17)"});
  CHECK(toy.untouched());
}

TEST_CASE("backbone: truncated and hostile files") {
  const Toy toy;
  const fs::path file = toy / "vit.safetensors";
  const std::string good = test::contents_of(file);
  const auto refused = [&](const std::string& bytes) {
    write_bytes(file, bytes);
    check_refused(toy.train(), {"vit.safetensors"});
    CHECK(toy.untouched());
  };
  refused("");
  refused(good.substr(0, 5));
  refused(good.substr(0, 200));
  refused(good.substr(0, good.size() - 3));
  refused(with_length(0xffffffffffffffffull, "{}"));
  refused(with_length(1ull << 40, "{}"));
  const auto header = [](const std::string& json, std::size_t data) {
    return with_length(json.size(), json) + std::string(data, 'x');
  };
  refused(header(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0));
  refused(header(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      12));
  refused(header(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      8));
  refused(header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4));
  refused("<html>not a model</html>");
}

TEST_CASE("data: unpaired files, sizes, ids, broken pictures, misspelt classes") {
  {
    const Toy toy;
    fs::remove(toy / "set/labels/p3.png");
    check_refused(toy.train(), {"p3"});
    CHECK(toy.untouched());
  }
  {
    const Toy toy;
    data::write_gray_png(toy / "set/labels/p2.png", data::LabelMap(40, 50));
    check_refused(toy.train(), {"p2"});
    CHECK(toy.untouched());  // told by a look at the set, before the first step
  }
  {
    const Toy toy;
    data::write_gray_png(toy / "set/labels/p2.png", data::LabelMap(40, 52, 77));
    check_refused(toy.train(), {"\"p2\"", "77"});
    CHECK(toy.untouched());
  }
  for (const char* file : {"set/photos/p1.png", "set/labels/p1.png"}) {
    const Toy toy;
    const std::string good = test::contents_of(toy / file);
    write_bytes(toy / file, good.substr(0, good.size() / 2));
    check_refused(toy.train(), {"p1.png"});
    CHECK(toy.no_pieces());
  }
  {
    const Toy toy;
    write_bytes(toy / "set/photos/p1.png", "\xff\xd8\xff\xe0 not a JPEG");
    check_refused(toy.train(), {"p1.png"});
  }
  {
    const Toy toy;
    std::string text = test::contents_of(toy / "set.toml");
    write_bytes(toy / "set.toml", text + "[labels.map]\ngruond = [0]\n");
    check_refused(toy.train(), {"gruond", "ground"});
    CHECK(toy.untouched());
  }
}

TEST_CASE("a full disk") {
  const Toy toy;
  const Finished f = toy.train({}, 2000);  // no file may be larger: the first checkpoint cannot be written
  check_refused(f, {"safetensors"});
  CHECK(toy.no_pieces());
  // With room again the run goes on.
  CHECK(toy.train({"--resume"}).status == 0);
}

TEST_CASE("eval and predict") {
  const Toy toy;
  REQUIRE(toy.train({"--set", "train.eval_every=0"}).status == 0);
  const std::string out = (toy / "out").string(), here = toy.folder().path().string();
  const auto run = [&](const std::vector<std::string>& a) { return testing::run_program(a, toy.folder().path()); };
  check_refused(run({"eval", out, "--data", "tpy"}), {"did you mean \"toy\"?"});
  check_refused(run({"eval", out, "--data", "toy=" + here + "/nowhere"}), {"nowhere"});
  check_refused(run({"eval", out, "--resize", "huge"}), {"huge"});
  check_refused(run({"eval", out, "--preset", "rien512"}), {"did you mean \"rein512\"?"});
  check_refused(run({"eval", out, "--window", "32", "--stride", "40"}), {"--stride"});
  check_refused(run({"eval", out, "--window", "-5"}), {"--window"});
  check_refused(run({"eval", out, "--data", "toy="}), {"lacks the folder"});
  check_refused(run({"predict", out, here + "/nowhere", "--out", here + "/p"}), {"nowhere"});
  testing::TinyRun::write_backbone(toy / "other.safetensors", 9);
  check_refused(run({"eval", out, "--backbone", here + "/other.safetensors"}), {"another backbone file"});
  check_refused(toy.train(), {"holds a run already"});

  const Finished json = run({"eval", out, "--json", "--quiet"});
  CHECK(json.status == 0);
  CHECK(json.out.starts_with("{\"mean_miou\":"));
  const Finished half = run({"eval", out, "--stride-files", "2", "--quiet"});
  CHECK(half.status == 0);
  CHECK(half.out.find("       2") != std::string::npos);  // of the 3 photos of the split
  const Finished made = run({"predict", out, here + "/set/photos", "--out", here + "/pictures", "--quiet"});
  CHECK_MESSAGE(made.status == 0, made.err);
  for (const char* end : {"_ids.png", "_colors.png", "_overlay.png"}) {
    const data::RawPng png = data::read_png_raw(toy / ("pictures/p4" + std::string(end)));
    CHECK(png.height == 40);
    CHECK(png.width == 52);
  }
}

TEST_CASE("predict: what lies in a folder of photos") {
  const Toy toy;
  REQUIRE(toy.train({"--set", "train.eval_every=0", "--set", "train.iterations=1"}).status == 0);
  const fs::path photos = toy / "mixed";
  fs::create_directories(photos);
  data::write_rgb_png(photos / "small.PNG", data::Image(9, 17));  // no whole patches
  toy.folder().write("mixed/._small.jpg", "a Mac's notes");
  toy.folder().write("mixed/notes.txt", "no photo");
  toy.folder().write("mixed/b\xe9.png", test::contents_of(photos / "small.PNG"));  // a name that is not UTF-8
  const auto predict = [&](const fs::path& to) {
    return testing::run_program(
        {"predict", (toy / "out").string(), photos.string(), "--out", to.string(), "--json", "--quiet"},
        toy.folder().path());
  };
  check_refused(predict(photos), {"--out must be another folder"});
  for (int call = 0; call < 2; ++call) {  // pictures of the first call are no photos for the second
    const Finished f = predict(photos / "pictures\xe9");
    CHECK_MESSAGE(f.status == 0, f.err);
    CHECK(f.out.starts_with("{\"photos\":2,"));
  }
  CHECK(data::read_png_raw(photos / "pictures\xe9/small_ids.png").width == 17);
  toy.folder().write("mixed/c.jpg", "no photo");
  toy.folder().write("mixed/d.heic", "no photo");
  fs::remove_all(photos / "pictures\xe9");
  const Finished some = predict(toy / "elsewhere");  // the others are done, the broken one is named
  CHECK(some.status == 1);
  CHECK(some.out.starts_with("{\"photos\":2,"));
  CHECK(some.out.find("d.heic") != some.out.npos);
  CHECK(some.err.find("1 of 3 photos could not be read") != some.err.npos);
  CHECK(some.err.find("c.jpg: no picture that is known") != some.err.npos);
  CHECK(fs::exists(toy / "elsewhere/small_ids.png"));
}

TEST_CASE("paths that a configuration cannot hold, and output that reaches nobody") {
  const Toy toy;
  fs::create_directory(toy / "w\xe9ights");
  fs::copy(toy / "vit.safetensors", toy / "w\xe9ights/vit.safetensors");
  check_refused(toy.train({"--set", "model.backbone=" + (toy / "w\xe9ights/vit.safetensors").string()}),
                {"is not UTF-8", "model.backbone"});
  CHECK(toy.untouched());
  CHECK(testing::run_program({"train", "--keys"}, toy.folder().path(), 200).status == 2);  // a full disk
}

TEST_CASE("a finished run is not run again") {
  const Toy toy;
  const std::vector<std::string> shorter = {"--set", "train.iterations=2", "--set", "train.eval_every=0"};
  REQUIRE(toy.train(shorter).status == 0);
  auto again = shorter;
  again.insert(again.end(), {"--resume", "--json"});
  const Finished f = toy.train(again);
  CHECK(f.status == 0);
  CHECK(f.out.find("\"steps\":2,\"last_loss\":null") != std::string::npos);
}
