// The sets of REIN_DATA_DIR (idda, kitti, camvid, idd_lite below it), when it is set. Counts and class lists as
// published.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "data/loading/loader.h"

namespace rein::data {
namespace {

TEST_CASE("Real sets: counts, classes that occur, and batches") {
  const char* folder = std::getenv("REIN_DATA_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_DATA_DIR is not set, so no real photos were read");
    return;
  }
  const std::filesystem::path root(folder);
  struct Row {
    const char* set;
    const char* split;
    std::int64_t count;
  };
  for (const Row& row : {Row{"idda", "train", 600},
                         {"idda", "test_same", 120},
                         {"idda", "test_rain", 120},
                         {"idda", "all", 840},
                         {"kitti", "all", 200},
                         {"camvid", "train", 367},
                         {"camvid", "val", 101},
                         {"camvid", "test", 233},
                         {"idd_lite", "val", 204}}) {
    CAPTURE(row.set);
    CAPTURE(row.split);
    const auto set = open_dataset(row.set, root / row.set, row.split);
    CHECK(set->size() == row.count);
    std::set<int> seen;
    for (std::int64_t i = 0; i < set->size(); i += 20) {
      const Sample sample = set->read(i);
      seen.insert(sample.label.ids.begin(), sample.label.ids.end());
    }
    seen.erase(ignore_id);
    CHECK(*seen.rbegin() < set->classes().count());
    const auto& averaged = set->description().scoring.averaged;
    for (const int id : seen) {
      const int scored = set->description().scoring.fold[std::size_t(id)];
      CHECK(std::find(averaged.begin(), averaged.end(), scored) != averaged.end());
    }
  }
  LoaderOptions options;
  options.threads = 2;
  options.transforms.crop = {256, 256};
  options.transforms.short_edges = {256, 288, 480};
  const auto train = open_dataset("idda", root / "idda", "train");
  Loader loader(train, options);
  LoaderOptions resumed_options = options;
  resumed_options.threads = 1;
  resumed_options.first_batch = 2;
  Loader resumed(train, resumed_options);
  loader.next();
  loader.next();
  const Batch a = loader.next(), b = resumed.next();
  CHECK(a.names == b.names);
  CHECK(a.images.to_doubles() == b.images.to_doubles());
  CHECK(a.labels.to_doubles() == b.labels.to_doubles());
}

}  // namespace
}  // namespace rein::data
