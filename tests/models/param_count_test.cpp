// FACTS 4.2 and the paper's Tables 3, 6, 7 and 9: closed-form counts, without allocating a single parameter.
#include <doctest/doctest.h>

#include <array>

#include "models/adapters/rein_adapter.h"
#include "models/segmentor.h"
#include "tensor/memory.h"

using namespace rein;
using namespace rein::models;

namespace {

std::int64_t rein_count(const VitOptions& vit, ReinOptions options) {
  const std::size_t before = memory_stats().live;
  const std::int64_t count = rein_for(vit, options)->parameter_count(true);
  CHECK(memory_stats().live == before);
  return count;
}

VitOptions sam_huge() {
  VitOptions o;
  o.dim = 1280;
  o.depth = 32;
  o.heads = 16;
  return o;
}

}  // namespace

TEST_CASE("Rein has the published number of parameters for every backbone") {
  CHECK(rein_count(vit_small(), {}) == 684033);
  CHECK(rein_count(vit_base(), {}) == 1741569);
  CHECK(rein_count(vit_large(), {}) == 2990081);
  CHECK(rein_count(vit_giant(), {}) == 6359041);
  CHECK(rein_count(sam_huge(), {}) == 4510721);
}

TEST_CASE(
    "Rein's ablations have the counts of Table 6, its ranks those of Table 7, Semantic FPN's Rein that of Table 9") {
  ReinOptions o;
  o.unlinked_parameters = false;  // the paper counts what gets a gradient
  o.rank = 0;
  o.link_token_to_query = false;
  o.shared_mlps = false;
  CHECK(rein_count(vit_large(), o) == 52838401);  // core only
  o.link_token_to_query = true;
  CHECK(rein_count(vit_large(), o) == 59332865);  // + link to queries
  o.shared_mlps = true;
  CHECK(rein_count(vit_large(), o) == 5016065);  // + shared MLPs
  o.rank = 16;
  CHECK(rein_count(vit_large(), o) == 2990081);  // + low-rank tokens
  o.link_token_to_query = false;
  CHECK(rein_count(vit_large(), o) == 2530817);
  CHECK(rein_count(vit_tiny(), o) == 130177);
  o.unlinked_parameters = true;  // the official class keeps transform and merge
  CHECK(rein_count(vit_large(), o) == 2990081);

  const std::array<std::pair<std::int64_t, std::int64_t>, 5> ranks = {
      {{4, 2666369}, {8, 2774273}, {16, 2990081}, {32, 3421697}, {64, 4284929}}};
  for (const auto& [rank, count] : ranks) {
    ReinOptions r;
    r.rank = rank;
    CHECK(rein_count(vit_large(), r) == count);
  }
}

TEST_CASE("backbones have the published counts, converted to patch 16 and as published") {
  const std::size_t before = memory_stats().live;
  CHECK(Vit(dinov2(vit_small(), 16, 32)).parameter_count() == 21993216);
  CHECK(Vit(dinov2(vit_base(), 16, 32)).parameter_count() == 86453760);
  CHECK(Vit(dinov2(vit_large(), 16, 32)).parameter_count() == 304199680);
  CHECK(Vit(dinov2(vit_small())).parameter_count() == 22056576);
  CHECK(Vit(dinov2(vit_base())).parameter_count() == 86580480);
  CHECK(Vit(dinov2(vit_large())).parameter_count() == 304368640);
  CHECK(dinov2(vit_giant(), 14, 37, 0, true).hidden() == 4096);
  CHECK(memory_stats().live == before);
}

TEST_CASE("the Semantic FPN system trains as many parameters as the reference experiment") {
  const std::size_t before = memory_stats().live;
  SegmentorOptions o;
  o.vit = vit_tiny();
  o.vit.grid_height = o.vit.grid_width = 16;
  o.method = models::method_named("freeze");
  CHECK(Segmentor(o).parameter_count(true) == 4184211);
  o.method = models::method_named("full");
  CHECK(Segmentor(o).parameter_count(true) == 9719763 + 2 * 192);  // and the final norm, which gets no gradient
  o.method = models::method_named("rein");
  CHECK(Segmentor(o).parameter_count(true) == 4314388);
  SemanticFpnOptions head;
  head.in_channels = 1024;
  CHECK(FpnHead(head).parameter_count() == 1626259);  // Table 9: 1.63M
  CHECK(memory_stats().live == before);
}

TEST_CASE("the other methods have the counts of the paper's table on DINOv2-L and EVA02-L") {
  const std::size_t before = memory_stats().live;
  const VitOptions dinov2_large = dinov2(vit_large(), 16, 32), eva02_large = eva02(vit_large(), 16, 32);
  const auto count = [](const char* method, const VitOptions& vit) {
    return method_named(method).adapter(vit, std::nullopt)->parameter_count(true);
  };
  CHECK(count("lora", dinov2_large) == 786432);
  CHECK(count("lora", eva02_large) == 1179648);
  CHECK(count("vpt", dinov2_large) == 3686400);
  CHECK(count("vpt", eva02_large) == 3686400);
  CHECK(count("adaptformer", dinov2_large) == 3171840);
  CHECK(count("adaptformer", eva02_large) == 3171840);
  CHECK(count("soma", dinov2_large) == 4718592);
  SegmentorOptions o;
  o.vit = dinov2_large;
  o.method = method_named("soma");
  Segmentor model(o);
  std::int64_t biases = 0;
  model.backbone().vit().visit([&](const std::string&, nn::Param& p) { biases += p.frozen ? 0 : p.shape.count(); });
  CHECK(biases == 147456);
  CHECK(model.backbone().parameter_count(true) == 4866048);
  o.method = method_named("bitfit");
  CHECK(Segmentor(o).backbone().parameter_count(true) == 270336);
  CHECK(memory_stats().live == before);
}
