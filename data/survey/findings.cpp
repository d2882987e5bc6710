#include "data/survey/findings.h"

#include <algorithm>
#include <set>

#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data {
namespace {

using Weight = Finding::Weight;
using Names = std::vector<std::string>;

std::string size_text(Size s) {
  return concat_text(s.height, " x ", s.width);
}

// "1 photo", "3 photos".
std::string counted_text(std::size_t count, const std::string& what) {
  return concat_text(count, " ", what, count == 1 ? "" : "s");
}

// "class "a" has", "classes "a", "b" have".
std::string class_text(const Names& names) {
  return concat_text(names.size() == 1 ? "class " : "classes ", quoted_list(names),
                     names.size() == 1 ? " has" : " have");
}

class Judge {
 public:
  Judge(const Survey& survey, const std::vector<Pair>& pairs, const Description& set)
      : survey_(survey), pairs_(pairs), set_(set) {
    out_.pairs = static_cast<std::int64_t>(pairs.size());
    out_.counted = survey.counted;
    out_.classes.resize(set.classes.names.size());
  }

  Summary judge(const Pairing* pairing) {
    for (std::size_t i = 0; i < pairs_.size(); ++i) add(i);
    if (pairing != nullptr) judge_pairing(*pairing);
    judge_files();
    judge_sizes();
    judge_ids();
    judge_classes();
    judge_palettes();
    std::ranges::stable_sort(out_.findings, {}, &Finding::weight);
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      if (!bad_.contains(i)) out_.good.push_back(i);
    return std::move(out_);
  }

 private:
  void say(Weight weight, std::string kind, std::string text, Names files = {}) {
    out_.findings.push_back({weight, std::move(kind), std::move(text), std::move(files)});
  }
  void say_of(Weight weight, std::string kind, const std::vector<std::size_t>& which, const std::string& text) {
    if (which.empty()) return;
    Names files;
    for (const std::size_t i : which) {
      files.push_back(pairs_[i].name);
      if (weight == Weight::error) bad_.insert(i);
    }
    const std::string whole = text + ": " + quoted_list(files, 5);
    say(weight, std::move(kind), whole, std::move(files));
  }
  template <class F>
  std::vector<std::size_t> those(const F& is) const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      if (is(survey_.facts[i])) out.push_back(i);
    return out;
  }
  // The set's id of a raw one; nothing where the map has none.
  std::optional<std::uint8_t> train_id(std::uint32_t raw) const {
    const auto found = set_.raw.ids.find(raw);
    if (found != set_.raw.ids.end()) return found->second;
    return set_.raw.ignore_others ? std::optional<std::uint8_t>(ignore_id) : std::nullopt;
  }

  void add(std::size_t i) {
    const PairFacts& facts = survey_.facts[i];
    if (facts.photo.stored.height > 0) ++out_.sizes[size_text(facts.photo.shown())];
    if (facts.photo.kind != PictureKind::unknown) ++out_.kinds[std::string(name_of(facts.photo.kind))];
    if (!facts.counted) return;
    std::set<std::uint8_t> seen;
    for (const auto& [raw, pixels] : facts.label.ids) {
      Amount& amount = out_.raw[raw];
      amount.pixels += pixels;
      ++amount.photos;
      const auto id = train_id(raw);
      if (!id) {
        unknown_[raw].push_back(i);
        continue;
      }
      const bool is_class = *id < out_.classes.size();
      Amount& of = is_class ? out_.classes[*id] : out_.ignored;
      of.pixels += pixels;
      of.photos += seen.insert(*id).second ? 1 : 0;
    }
    if (seen.empty() || *seen.begin() == ignore_id) {
      if (!facts.label.more_ids) empty_.push_back(i);
    }
  }

  void judge_pairing(const Pairing& found) {
    const auto lonely = [&](const Names& files, const char* kind, const std::string& text) {
      if (!files.empty())
        say(Weight::error, kind, concat_text(files.size(), " ", text, ": ", quoted_list(files, 5)), files);
    };
    lonely(found.unlabelled, "no_label", "photos without a label");
    lonely(found.orphans, "no_photo", "labels without a photo");
    lonely(found.absent, "absent", "entries of the list that do not exist");
    std::map<std::string, Names> left;
    for (const LeftOut& one : found.left_out) left[one.why].push_back(one.file.string());
    for (const auto& [why, files] : left)
      say(Weight::note, "left_out",
          concat_text(counted_text(files.size(), "file"), " left out, ", why, ": ", quoted_list(files, 3)), files);
  }

  void judge_files() {
    const auto faults = [&](const char* kind, std::string PairFacts::*fault) {
      const auto broken = those([&](const PairFacts& f) { return !(f.*fault).empty(); });
      if (!broken.empty())
        say_of(Weight::error, kind, broken,
               concat_text(counted_text(broken.size(), "file"), " cannot be read (",
                           survey_.facts[broken.front()].*fault, ")"));
    };
    faults("broken_photo", &PairFacts::photo_fault);
    faults("broken_label", &PairFacts::label_fault);
    const auto misnamed = [&](std::size_t i) {
      const PictureKind claimed = kind_by_suffix(pairs_[i].image), kind = survey_.facts[i].photo.kind;
      return kind != PictureKind::unknown && claimed != kind;
    };
    std::vector<std::size_t> wrong;
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      if (misnamed(i)) wrong.push_back(i);
    if (!wrong.empty())
      say_of(Weight::note, "misnamed", wrong,
             concat_text(counted_text(wrong.size(), "photo"),
                         " of another kind than the name says (the first is in truth ",
                         name_of(survey_.facts[wrong.front()].photo.kind), "), read as what they are"));
  }

  void judge_sizes() {
    const auto fits = [](const PairFacts& f, Size size) { return f.label.size == size; };
    const auto known = [](const PairFacts& f) { return f.sized && f.photo.stored.height > 0; };
    const auto turned_photo = [](const PairFacts& f) { return f.photo.orientation != 1; };
    const auto other =
        those([&](const PairFacts& f) { return known(f) && !fits(f, f.photo.stored) && !fits(f, f.photo.shown()); });
    if (!other.empty()) {
      const PairFacts& first = survey_.facts[other.front()];
      say_of(Weight::error, "size", other,
             concat_text(counted_text(other.size(), "label"), " of another size than the photo (the first ",
                         size_text(first.label.size), ", its photo ", size_text(first.photo.shown()), ")"));
    }
    const auto stored = those([&](const PairFacts& f) {
      return known(f) && turned_photo(f) && fits(f, f.photo.stored) && !fits(f, f.photo.shown());
    });
    say_of(Weight::warning, "orientation", stored,
           counted_text(stored.size(), "photo") +
               " with an EXIF orientation whose label has the stored size: used as stored, not as viewers show it");
    const auto either = those([&](const PairFacts& f) {
      return known(f) && turned_photo(f) && fits(f, f.photo.stored) && fits(f, f.photo.shown());
    });
    say_of(
        Weight::warning, "orientation", either,
        counted_text(either.size(), "photo") +
            " with an EXIF orientation that the label's size cannot confirm: turned as viewers show it; labels drawn "
            "on the stored pixels would be upside down or mirrored");
    const auto shown = those([&](const PairFacts& f) {
      return known(f) && turned_photo(f) && !fits(f, f.photo.stored) && fits(f, f.photo.shown());
    });
    say_of(Weight::note, "orientation", shown,
           counted_text(shown.size(), "photo") + " turned as EXIF says, as the labels are");
  }

  void judge_ids() {
    const auto pictures = those([](const PairFacts& f) { return f.counted && f.label.more_ids; });
    say_of(Weight::error, "picture", pictures,
           concat_text(counted_text(pictures.size(), "label"), " with more than ", max_kept_ids,
                       " ids or colours: a picture, or a label that was resized or compressed"));
    std::size_t told = 0;
    for (const auto& [raw, which] : unknown_) {
      constexpr std::size_t most = 20;
      if (++told > most) break;
      const Amount& amount = out_.raw[raw];
      say_of(
          Weight::error, "unknown_id", which,
          concat_text(set_.raw.encoding == Encoding::rgb ? "colour " : "raw id ", raw_id_text(raw, set_.raw.encoding),
                      " is not in the set's label map: ", amount.pixels, " pixels in ", amount.photos, " labels"));
    }
    if (unknown_.size() > told)
      say(Weight::error, "unknown_id", concat_text(unknown_.size() - told + 1, " further unknown ids"));
    for (const auto& [raw, which] : unknown_) bad_.insert(which.begin(), which.end());
  }

  void judge_classes() {
    if (set_.classes.count() == 1)
      say(Weight::warning, "one_class",
          "the set has one class, \"" + set_.classes.names.front() +
              "\": a model can only answer that, and its mIoU is 100; give what is not it a class of its own");
    if (out_.counted == 0) return;
    const std::string where = out_.counted == out_.pairs ? concat_text("any of the ", out_.pairs, " labels")
                                                         : concat_text("the ", out_.counted, " of ", out_.pairs,
                                                                       " labels that were looked at");
    const bool none = std::ranges::all_of(out_.classes, [](const Amount& a) { return a.pixels == 0; });
    if (none) {
      say(Weight::warning, "no_labels",
          concat_text("not one pixel of ", where, " has a class: nothing can be learned or scored"));
      return;
    }
    // Those that the mean of IoU counts, and the others (folded, or left out of the mean by the set).
    Names missing, others;
    const auto& averaged = set_.scoring.averaged;
    std::size_t scored = averaged.size();
    for (std::size_t k = 0; k < out_.classes.size(); ++k) {
      if (out_.classes[k].pixels > 0) continue;
      const bool counts = std::ranges::find(averaged, int{set_.scoring.fold[k]}) != averaged.end();
      (counts ? missing : others).push_back(set_.classes.names[k]);
    }
    for (const int k : averaged) {
      const bool seen = std::ranges::any_of(out_.classes, [&](const Amount& a) {
        const auto from = static_cast<std::size_t>(&a - out_.classes.data());
        return a.pixels > 0 && set_.scoring.fold[from] == k;
      });
      scored -= seen ? 0 : 1;
    }
    if (!missing.empty())
      say(Weight::warning, "missing_class",
          concat_text(class_text(missing), " no pixel in ", where, "; the mean of IoU is over ", scored, " of ",
                      averaged.size(), " classes"),
          missing);
    if (!others.empty())
      say(Weight::note, "missing_class",
          concat_text(class_text(others), " no pixel in ", where, ", and no part in the mean of IoU"), others);
    say_of(Weight::warning, "all_ignored", empty_,
           concat_text(counted_text(empty_.size(), "label"), " without a pixel that has a class"));
    std::int64_t all = out_.ignored.pixels;
    for (const Amount& a : out_.classes) all += a.pixels;
    if (out_.ignored.pixels > all / 2)
      say(Weight::warning, "mostly_ignored",
          concat_text(100 * out_.ignored.pixels / all,
                      " % of all pixels are ignored; the largest raw id among them is ",
                      raw_id_text(largest_ignored(), set_.raw.encoding)));
  }
  std::uint32_t largest_ignored() const {
    std::uint32_t best = 0;
    std::int64_t pixels = -1;
    for (const auto& [raw, amount] : out_.raw)
      if (train_id(raw) == ignore_id && amount.pixels > pixels) {
        best = raw;
        pixels = amount.pixels;
      }
    return best;
  }

  void judge_palettes() {
    std::map<std::uint64_t, std::vector<std::size_t>> by_palette;
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      if (survey_.facts[i].counted && survey_.facts[i].label.palette != 0)
        by_palette[survey_.facts[i].label.palette].push_back(i);
    if (by_palette.size() > 1) {
      const auto fewest = std::ranges::min_element(by_palette, {}, [](const auto& p) { return p.second.size(); });
      say_of(Weight::warning, "palettes", fewest->second,
             concat_text("labels have ", by_palette.size(),
                         " different palettes: do their indices mean the same? The rarest"));
    }
    for (std::size_t a = 0; a < set_.classes.palette.size(); ++a)
      for (std::size_t b = 0; b < a; ++b)
        if (set_.classes.palette[a] == set_.classes.palette[b])
          say(Weight::warning, "one_colour",
              concat_text("classes \"", set_.classes.names[b], "\" and \"", set_.classes.names[a],
                          "\" have one colour: they look alike in pictures"));
  }

  const Survey& survey_;
  const std::vector<Pair>& pairs_;
  const Description& set_;
  Summary out_;
  std::map<std::uint32_t, std::vector<std::size_t>> unknown_;
  std::vector<std::size_t> empty_;
  std::set<std::size_t> bad_;
};

}  // namespace

std::string name_of(Finding::Weight weight) {
  return weight == Weight::error ? "error" : weight == Weight::warning ? "warning" : "note";
}

std::string raw_id_text(std::uint32_t id, Encoding encoding) {
  if (encoding != Encoding::rgb) return std::to_string(id);
  return concat_text("[", id >> 16, ", ", id >> 8 & 255, ", ", id & 255, "]");
}

Summary summary_of(const Survey& survey, const std::vector<Pair>& pairs, const Description& set,
                   const Pairing* pairing) {
  return Judge(survey, pairs, set).judge(pairing);
}

}  // namespace rein::data
