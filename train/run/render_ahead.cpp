#include "train/run/render_ahead.h"

#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "data/loading/loader.h"
#include "data/sets/dataset.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::train {

std::int64_t render_ahead(const Config& config, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (kept_scenes_folder().empty()) fail_runtime("scenes", "REIN_SCENES_DIR must name the folder to keep scenes in");
  const auto open = [](const auto& set) {
    return data::open_dataset(set.dataset, set.root, set.split, kept_scenes_folder());
  };
  std::vector<std::pair<std::shared_ptr<const data::Dataset>, std::int64_t>> wanted;
  const auto want = [&](const std::shared_ptr<const data::Dataset>& set, const std::set<std::int64_t>& indices) {
    if (set->scenes() != nullptr)
      for (const std::int64_t index : indices) wanted.emplace_back(set, index);
  };
  const auto train = open(config.data);
  const data::SampleOrder order(static_cast<std::uint64_t>(config.train.seed), train->size());
  std::set<std::int64_t> drawn;
  for (std::int64_t s = 0; s < config.train.iterations * config.train.batch && std::ssize(drawn) < train->size(); ++s)
    drawn.insert(order(s));
  want(train, drawn);
  for (const TargetConfig& t : config.eval.targets) {
    const auto set = open(t);
    std::set<std::int64_t> scored;
    for (std::int64_t i = 0; i < set->size(); i += t.take_every) scored.insert(i);
    want(set, scored);
  }

  const auto all = std::ssize(wanted);
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(all, [&](std::int64_t i) {
    const auto& [set, index] = wanted[static_cast<std::size_t>(i)];
    static_cast<void>(set->read(index));
    const std::lock_guard lock(mutex);
    if (progress) progress(++done, all);
  });
  return all;
}

}  // namespace rein::train
