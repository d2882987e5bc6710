// Families of the same names and shapes, told apart by a value.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/golden/zoo_files.h"

namespace {

using namespace rein;
using namespace rein::models;
using test::case_params;
using test::error_of;
using test::open;
using test::says;

// The first row of pos_embed as fixed sin-cos tables have it.
std::map<std::string, Tensor> with_zero_class_row(std::map<std::string, Tensor> params) {
  Tensor table = params.at("pos_embed").clone();
  for (std::int64_t c = 0; c < table.size(2); ++c) table.mutable_data<float>()[c] = 0;
  params["pos_embed"] = table;
  return params;
}

// Without its classifier, timm's ViT has the names and shapes of an MAE encoder, which is published like that.
TEST_CASE("an MAE encoder and a ViT without its classifier are told apart by the class token's position") {
  const auto whole = case_params("vfm_vit_augreg_native");
  auto learned = whole;
  std::erase_if(learned, [](const auto& t) { return t.first.starts_with("head."); });
  const auto fixed = with_zero_class_row(learned);
  auto hollow = learned;
  hollow["pos_embed"] = Tensor::zeros(learned.at("pos_embed").shape(), DType::f32);
  const auto layout_of = [](const auto& params, const zoo::Hints& hints = {"", 2}) {
    const zoo::Weights weights = open(params, hints);
    CHECK(error_of(params, hints) == "");
    return std::string(weights.model.layout->name);
  };
  CHECK(layout_of(whole) == "vit_augreg");
  CHECK(layout_of(learned) == "vit_augreg");
  CHECK(layout_of(fixed) == "mae_orig");
  CHECK(layout_of(hollow) == "mae_orig");                        // no values: by its names alone
  CHECK(layout_of(with_zero_class_row(whole)) == "vit_augreg");  // names come first
  // The user's word, where the values do not speak against it.
  CHECK(layout_of(learned, {"vit_augreg", 2}) == "vit_augreg");
  CHECK(layout_of(fixed, {"mae", 2}) == "mae_orig");
  CHECK(layout_of(hollow, {"vit_augreg", 2}) == "vit_augreg");
  CHECK(layout_of(hollow, {"mae", 2}) == "mae_orig");
  const std::string no_mae = error_of(learned, {"mae", 2}), no_augreg = error_of(fixed, {"vit_augreg", 2});
  INFO(no_mae, no_augreg);
  CHECK(says(no_mae,
             "a.safetensors is vit_augreg (vit_augreg): the class token's row of pos_embed is not zero, as it is "
             "in mae; mae is asked for"));
  CHECK(says(no_augreg,
             "is mae (mae_orig): the class token's row of pos_embed is zero, as it never is in vit_augreg; "
             "vit_augreg is asked for"));
  CHECK(says(error_of(whole, {"mae", 2}), "is vit_augreg (vit_augreg); mae is asked for"));
  // Trained further, an MAE encoder's positions are anything: its layout is the user's to say.
  CHECK(layout_of(learned, {"", 2, "mae_orig"}) == "mae_orig");
  CHECK(layout_of(learned, {"mae", 2, "mae_orig"}) == "mae_orig");
  auto with_decoder = learned;
  with_decoder["mask_token"] = Tensor::zeros({1, 1, 16}, DType::f32);
  CHECK(
      says(error_of(with_decoder), "a.safetensors has the names of mae_orig, but the class token's row of pos_embed"));
}

TEST_CASE("the reference cases and the real weights have the positions of their family") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  const auto check = [](std::map<std::string, Tensor> params, std::int64_t heads, std::string_view layout) {
    std::erase_if(params, [](const auto& t) { return t.first.starts_with("head."); });
    CHECK(open(params, {"", heads}).model.layout->name == layout);
  };
  for (const char* name : {"vfm_mae_orig_native", "vfm_mae_orig_resize"})
    check(case_params(name, folder), 2, "mae_orig");
  for (const char* name : {"vfm_vit_augreg_native", "vfm_vit_augreg_resize", "vfm_vit_augreg_aa_resize"})
    check(case_params(name, folder), 2, "vit_augreg");
  const auto real = std::filesystem::path(folder).parent_path() / "weights" / "vit_tiny_patch16_224.safetensors";
  if (!std::filesystem::exists(real)) return;
  const SafeTensors file = SafeTensors::open(real);
  std::map<std::string, Tensor> params;
  for (const std::string& name : file.names()) params[name] = file.tensor(name);
  check(params, 0, "vit_augreg");
}

}  // namespace
