// Training steps on the device, which is the emulated one in a build's tests (tensor/cuda/README.md): nothing in them
// waits for it, and a run says the same as on the CPU, one step late.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <sstream>

#include "models/cases/tiny.h"
#include "tensor/cuda/runtime.h"
#include "tensor/device_graph.h"
#include "tensor/late_read.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/upload.h"
#include "tests/train/tiny_run.h"
#include "train/error.h"
#include "train/optim/param_groups.h"
#include "train/run/load.h"
#include "train/run/step.h"
#include "train/run/trainer.h"

using namespace rein;
using namespace rein::train;
namespace fs = std::filesystem;

namespace {

const Device device{Device::Kind::cuda, 0};

// On a GPU it depends on how fast that is whether the host waits.
bool waited(std::uint64_t before, std::uint64_t times) {
  return !cuda::is_emulated() || cuda::host_waits() == before + times;
}

void some_kernels() {
  const Tensor x = Tensor::zeros({1}, DType::f32, device);
  for (int i = 0; i < 20; ++i) ops::unary(ops::Unary::sigmoid, x);
}

// What a run does step after step, on any device; the first step as it is, the others as graphs if wanted.
class Stepper {
 public:
  Stepper(const models::SegmentorOptions& options, Device where, bool graphs = false)
      : model_(options), upload_(where), graphs_(graphs), graph_(where) {
    model_.name_tree();
    testing::fill_random(model_, 3, DType::f32);
    model_.move_to(where);
    add_trained(optimizer_, model_, {});
    for (const AdamW::Slot& slot : optimizer_.slots()) trained_.push_back(slot.param);
  }

  // Of the step before, if there was one.
  StepValues step(std::uint64_t number) {
    if (upload_.waiting() == 0) upload_.send(images(number));
    const Tensor batch = upload_.receive();
    StepTimes times;
    StepNumbers numbers;
    const auto work = [&] {
      numbers = run_step(model_, optimizer_, trained_,
                         {.photos = 2, .micro_batch = 1, .key = RandomKey(5).child(number), .lr = 1e-3, .clip = 0.5},
                         segmentor_losses(model_, batch, testing::random_labels({2, 24, 16}, 5, number)), times);
    };
    if (graphs_ && number > 0)
      graph_.run(work);
    else
      work();
    upload_.send(images(number + 1));
    StepValues before = number > 0 ? late_.get() : StepValues{};
    late_ = std::move(numbers);
    return before;
  }
  StepValues last() { return late_.get(); }

 private:
  static Tensor images(std::uint64_t number) { return random_normal(RandomKey(6).child(number), {2, 24, 16, 3}, 0, 1); }

  models::Segmentor model_;
  Upload upload_;
  bool graphs_;
  DeviceGraph graph_;
  AdamW optimizer_;
  std::vector<Variable> trained_;
  StepNumbers late_;
};

models::SegmentorOptions options_of(models::HeadKind head) {
  return head == models::HeadKind::mask2former ? testing::tiny_mask2former_segmentor("rein")
                                               : testing::tiny_segmentor("rein");
}

struct Reports final : Observer {
  void step(const StepReport& r) override { steps.push_back(r); }
  std::vector<StepReport> steps;
};

Config config_of(const testing::TinyRun& run, const std::vector<std::string>& overrides) {
  const std::string whole = testing::TinyRun::config();
  run.folder().write("short.toml", whole.substr(0, whole.find("[eval]")));  // nothing to score: that would take minutes
  Config c = read_config(run / "short.toml", overrides);
  resolve_paths(c, run / "short.toml", {run.folder().path(), run.folder().path()});
  return c;
}

}  // namespace

TEST_CASE("late reads give what was there when they were asked for, and do not wait when they are read late") {
  Tensor x = Tensor::from(std::vector<double>{1, 2, 3}, {3}).to(device), y = Tensor::scalar(7).to(device);
  LateRead read({x, {}, y});
  x.fill(9);
  y = {};
  some_kernels();
  std::uint64_t waits = cuda::host_waits();
  const auto& values = read.get();
  REQUIRE(values.size() == 3);
  CHECK(values[0].to_doubles() == std::vector<double>{1, 2, 3});
  CHECK(!values[1]);
  CHECK(values[2].item() == 7);
  CHECK(waited(waits, 0));
  LateRead early({x});
  waits = cuda::host_waits();
  CHECK(early.get()[0].at(2) == 9);
  CHECK(waited(waits, 1));
  CHECK(early.get()[0].at(2) == 9);
  CHECK(waited(waits, 1));
  LateRead here({Tensor::scalar(4)});
  CHECK(here.get()[0].item() == 4);
}

TEST_CASE("uploads: in order, the source free at once, no wait, buffers used in turn") {
  Upload upload(device);
  Tensor host = Tensor::full({1000}, 0, DType::f32);
  upload.send(host);
  host.fill(-1);
  CHECK(upload.receive().at(999) == 0);
  for (int i = 1; i < 6; ++i) {
    const std::uint64_t waits = cuda::host_waits();
    host.fill(i);
    upload.send(host);
    host.fill(-1);
    CHECK_THROWS_AS(upload.send(host), std::invalid_argument);
    some_kernels();
    const Tensor x = upload.receive(), twice = ops::add(x, x);
    if (i > 1) CHECK(waited(waits, 0));  // the second buffer was made in the first round
    CHECK(twice.at(17) == 2 * i);
  }
  CHECK_THROWS_AS(upload.receive(), std::invalid_argument);
  host.fill(8);
  upload.send(host);  // nobody receives it
  Upload cpu{Device{}};
  cpu.send(host);
  CHECK(cpu.receive().raw() == host.raw());
}

TEST_CASE("what is larger than a piece of pinned memory arrives whole, in recorded work too") {
  const Tensor host = random_normal(RandomKey(8), {(std::int64_t{65} << 20) / 4 + 3}, 0, 1);
  const auto arrives = [&](const Tensor& there) {
    const Tensor back = there.to(Device{});
    return std::memcmp(back.raw(), host.raw(), host.bytes()) == 0;
  };
  const std::uint64_t waits = cuda::host_waits();
  Tensor there = host.to(device);
  CHECK(waited(waits, 0));
  CHECK(arrives(there));
  DeviceGraph(device).run([&] { there = host.to(device); });
  CHECK(arrives(there));
  there = {};
  cuda::empty_cache(0);  // the emulated device opens and closes all of its memory around every kernel
}

// One pass for all of it: a step takes seconds on the emulated device.
TEST_CASE("steps on the device never wait for it, as they are or as graphs, and give the CPU's numbers") {
  for (const models::HeadKind head : {models::HeadKind::semantic_fpn, models::HeadKind::mask2former}) {
    CAPTURE(models::name_of(head));
    Stepper here(options_of(head), Device{}), there(options_of(head), device), graphs(options_of(head), device, true);
    for (std::uint64_t i = 0; i < 4; ++i) {
      CAPTURE(i);
      const StepValues expected = here.step(i);
      const std::uint64_t before = cuda::host_waits();
      const StepValues got = there.step(i), recorded = graphs.step(i);
      CHECK(waited(before, 0));
      CHECK(got.loss == doctest::Approx(expected.loss).epsilon(1e-4));
      CHECK(got.gradient_norm == doctest::Approx(expected.gradient_norm).epsilon(1e-3));
      CHECK(got.accuracy.valid == expected.accuracy.valid);
      CHECK(got.bad_costs == 0);
      CHECK(recorded.loss == got.loss);
      CHECK(recorded.gradient_norm == got.gradient_norm);
    }
    const std::uint64_t before = cuda::host_waits();
    graphs.last();  // reading a step at once does wait
    CHECK(waited(before, 1));
  }
}

TEST_CASE("what waits for a device cannot be recorded, and leaves it as it was") {
  DeviceGraph graph(device);
  const Tensor x = Tensor::scalar(3).to(device);
  CHECK_THROWS_WITH_AS(graph.run([&] { x.item(); }),
                       "[cuda] work that is recorded as a graph must not wait for the device", std::invalid_argument);
  CHECK_THROWS_AS(graph.run([&] { LateRead({x}).get(); }), std::invalid_argument);
  CHECK_THROWS_AS(graph.run([&] { Upload(device).send(Tensor::scalar(1)); }), std::invalid_argument);
  LateRead read;
  graph.run([&] { read = LateRead({ops::add(x, Tensor::scalar(4).to(device))}); });
  CHECK(read.get()[0].item() == 7);
  graph.run([&] { read = LateRead({ops::add(x, x)}); });
  CHECK(read.get()[0].item() == 6);
  CHECK(graph.made() >= 1);
  int runs = 0;
  DeviceGraph(Device{}).run([&] { ++runs; });
  CHECK(runs == 1);
}

TEST_CASE("a run on the device reports every step in order, with the CPU's numbers") {
  const testing::TinyRun run;
  const std::vector<std::string> overrides{"train.iterations=3", "train.checkpoint_every=2", "train.lr=1e-3",
                                           "train.cuda_graph=true"};
  Reports expected, got;
  const RunResult cpu = train::train({config_of(run, overrides), run / "cpu", false}, expected);
  const RunResult cuda = train::train({config_of(run, overrides), run / "cuda", false, device}, got);
  REQUIRE(got.steps.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const StepReport &g = got.steps[i], &e = expected.steps[i];
    CHECK(g.step == e.step);
    CHECK(g.lr == e.lr);
    CHECK(g.loss == doctest::Approx(e.loss).epsilon(1e-3));
    CHECK(g.gradient_norm == doctest::Approx(e.gradient_norm).epsilon(1e-2));
    CHECK(g.accuracy.has_value() == e.accuracy.has_value());
    CHECK(g.seconds >= 0);
  }
  CHECK(cuda.last_loss == got.steps.back().loss);
  CHECK(cuda.steps == cpu.steps);
  std::istringstream lines(test::contents_of(run / "cuda" / "metrics.jsonl"));
  int count = 0;
  for (std::string line; std::getline(lines, line);) ++count;
  CHECK(count == 3);
  CHECK(fs::exists(run / "cuda" / "checkpoints/step-000002/model.safetensors"));
}

TEST_CASE("a loss that is not finite stops a run on the device before anything is saved") {
  const testing::TinyRun run;
  const SafeTensors file = SafeTensors::open(run / "vit.safetensors");
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names()) tensors[name] = file.tensor(name).clone();
  tensors.at("blocks.0.mlp.fc2.bias").fill(std::nan(""));
  write_safetensors(run / "broken.safetensors", tensors);
  Reports reports;
  const Config config = config_of(run, {"model.backbone=broken.safetensors", "train.checkpoint_every=2"});
  CHECK_THROWS_WITH_AS(train::train({config, run / "out", false, device}, reports),
                       doctest::Contains("[train] step 1: the loss is "), CheckFailed);
  CHECK(reports.steps.empty());
  CHECK_FALSE(fs::exists(run / "out/checkpoints/step-000002"));
}
