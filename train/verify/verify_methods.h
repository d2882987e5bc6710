// A frozen ViT with one method's adapter, image to four maps: what the kinds of sections 19 to 23 of the golden README
// share.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/vit/backbone.h"
#include "models/zoo/zoo.h"
#include "train/verify/verify.h"

namespace rein::train {

struct MethodCase {
  models::zoo::Weights weights;  // of the ViT, under our names
  std::unique_ptr<models::Backbone> backbone;
  // Trained parameter of the backbone -> its name in the file, or of several that are one below the other.
  std::map<std::string, std::vector<std::string>> theirs;
};

// The case's ViT, recognised from its own names and compared with the configuration. `is_methods` tells the method's
// parameters from the ViT's, by their names in the file.
models::zoo::Weights case_weights(const GoldenFile& file, Comparison& compare,
                                  const std::function<bool(const std::string&)>& is_methods);

// The backbone with its adapter; the ViT's values are bound, and frozen but for what the adapter trains.
MethodCase method_case(const GoldenFile& file, Comparison& compare, models::zoo::Weights weights,
                       std::unique_ptr<models::Adapter> adapter);

// Binds the adapter's parameters by `theirs`, runs forward and backward, and compares features and gradients: of the
// image, of every parameter in `theirs` that the file has one of; and that nothing frozen has one.
void run_method_case(const GoldenFile& file, Comparison& compare, MethodCase& c);

// Compares maps of the image's features with out.PREFIX.2 and out.PREFIX.3.
void check_last_maps(const GoldenFile& file, Comparison& compare, const models::Backbone& backbone,
                     const std::string& prefix);

}  // namespace rein::train
