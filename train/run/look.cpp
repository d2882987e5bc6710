#include "train/run/look.h"

#include "data/survey/findings.h"
#include "tensor/error.h"
#include "tensor/text.h"
#include "train/error.h"

namespace rein::train {

std::vector<std::string> look_at_set(const data::Dataset& set) {
  constexpr double patience =
      5;  // seconds for files' beginnings, and as many for labels; what rein data counted is known
  if (set.scenes() != nullptr) return {};
  const data::Description& description = set.description();
  const data::SurveyOptions options{.seconds = patience,
                                    .tails = false,
                                    .cache = data::default_survey_cache(set.root(), description, set.split()),
                                    .write_cache = false};
  const data::Survey survey = data::look_at(set.pairs(), description.raw, options);
  const data::Summary summary = data::summary_of(survey, set.pairs(), description, nullptr);
  const std::string where = description.name + ", split " + set.split() + ": ";
  std::vector<std::string> errors, warnings;
  bool ids = false;
  for (const data::Finding& finding : summary.findings) {
    // A photo that cannot be read is met when its turn comes: what was trained until then is kept.
    if (finding.weight == data::Finding::Weight::error && finding.kind != "broken_photo") {
      errors.push_back(finding.text);
      ids = ids || finding.kind == "unknown_id";
    } else if (finding.weight != data::Finding::Weight::note) {
      warnings.push_back(where + finding.text);
    }
  }
  if (errors.empty()) return warnings;
  std::string text = "[data] " + where + errors.front();
  for (std::size_t i = 1; i < errors.size(); ++i) text += "\n  " + errors[i];
  throw HintedError(
      text, ids ? "in the set's description, give the id a class under [labels.map], name it in labels.ignore, or "
                  "set labels.other = \"ignore\"; rein data SET=FOLDER counts all ids"
                : "rein data SET=FOLDER looks at all files, and --fix-list writes the good pairs; except = "
                  "[\"a\", \"b\"] in the set's description leaves pairs out");
}

}  // namespace rein::train
