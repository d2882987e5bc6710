#include "data/survey/survey.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <unordered_map>

#include "data/images/file.h"
#include "data/survey/cache.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::data {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t number_of(std::span<const Rgb> palette) {
  std::uint64_t number = palette.empty() ? 0 : 1469598103934665603u;  // FNV-1a
  for (const Rgb& colour : palette)
    for (const std::uint8_t v : colour) number = (number ^ v) * 1099511628211u;
  return number;
}

template <class Read>
void count(std::size_t pixels, const Read& id_at, LabelFacts& out) {
  std::unordered_map<std::uint32_t, std::int64_t> counts;
  for (std::size_t i = 0; i < pixels;) {
    const std::uint32_t id = id_at(i);
    const std::size_t first = i;
    while (i < pixels && id_at(i) == id) ++i;  // neighbours mostly agree
    if (counts.size() >= max_kept_ids && !counts.contains(id)) {
      out.more_ids = true;
      continue;
    }
    counts[id] += static_cast<std::int64_t>(i - first);
  }
  out.ids.assign(counts.begin(), counts.end());
  std::ranges::sort(out.ids);
}

// Whether a JPEG or PNG lacks its end: a download or a copy that stopped.
bool is_cut_off(const std::filesystem::path& file, PictureKind kind) {
  if (kind != PictureKind::png && kind != PictureKind::jpeg) return false;
  const auto end = read_end(file, kind == PictureKind::png ? 4096 : 1 << 16);
  static constexpr std::uint8_t png_end[] = {'I', 'E', 'N', 'D'}, jpeg_end[] = {0xFF, 0xD9};
  const std::span<const std::uint8_t> mark =
      kind == PictureKind::png ? std::span<const std::uint8_t>(png_end) : std::span<const std::uint8_t>(jpeg_end);
  return std::search(end.begin(), end.end(), mark.begin(), mark.end()) == end.end();
}

void look_at_photo(const Pair& pair, const SurveyOptions& options, PairFacts& out) {
  try {
    out.photo = read_photo_header(pair.image);
    if (options.whole_photos || !can_read(out.photo.kind))
      read_stored_photo(pair.image);
    else if (options.tails && is_cut_off(pair.image, out.photo.kind))
      fail_runtime("image", pair.image.string(), ": truncated (no end mark)");
  } catch (const std::runtime_error& error) {
    out.photo_fault = error.what();
  }
}

void look_at_label(const Pair& pair, PairFacts& out) {
  try {
    const PhotoHeader header = read_photo_header(pair.label);
    out.label.size = header.stored;
    out.sized = header.kind == PictureKind::png && header.stored.height > 0;
    if (header.kind != PictureKind::png) read_png_raw(pair.label);  // says what it is instead
  } catch (const std::runtime_error& error) {
    out.label_fault = error.what();
  }
}

class Look {
 public:
  Look(std::span<const Pair> pairs, const RawMap& map, const SurveyOptions& options)
      : pairs_(pairs), map_(map), decoder_(map), options_(options), cache_(options.cache, map.encoding) {
    out_.facts.resize(pairs.size());
  }

  Survey work() {
    const auto pairs = static_cast<std::int64_t>(pairs_.size());
    all_ = 2 * pairs;
    parallel_for(pairs, [this](std::int64_t i) {
      PairFacts& facts = out_.facts[static_cast<std::size_t>(i)];
      const Pair& pair = pairs_[static_cast<std::size_t>(i)];
      if (late()) return;
      look_at_photo(pair, options_, facts);
      look_at_label(pair, facts);
      tell();
    });
    start_ = Clock::now();
    // Multiples of a number without a common factor visit each label once, far from the one before.
    std::int64_t step = std::max<std::int64_t>(1, pairs * 618 / 1000);
    while (std::gcd(step, pairs) != 1) ++step;
    parallel_for(pairs, [&](std::int64_t i) {
      if (!late()) count_label(static_cast<std::size_t>(i * step % pairs));
      tell();
    });
    out_.counted = std::ranges::count_if(out_.facts, &PairFacts::counted);
    if (options_.write_cache && out_.counted > out_.from_cache) cache_.write();
    return std::move(out_);
  }

 private:
  bool late() const { return seconds_since(start_) > options_.seconds; }

  void tell() {
    const std::lock_guard lock(mutex_);
    ++done_;
    if (options_.progress) options_.progress(done_, all_);
  }

  void count_label(std::size_t i) {
    PairFacts& facts = out_.facts[i];
    if (!facts.label_fault.empty()) return;
    std::string key;
    try {
      std::optional<LabelFacts> known;
      {
        const std::lock_guard lock(mutex_);
        known = cache_.find(pairs_[i].label, key);
      }
      const bool kept = known.has_value();
      if (!kept) {
        const RawPng png = read_png_raw(pairs_[i].label);
        decoder_.check(png, pairs_[i].label.string());
        known = facts_of(png, map_.encoding);
      }
      facts.label = std::move(*known);
      facts.sized = facts.counted = true;
      const std::lock_guard lock(mutex_);
      out_.from_cache += kept;
      if (!kept && !options_.cache.empty() && options_.write_cache) keep(key, facts.label);
    } catch (const std::runtime_error& error) {
      facts.label_fault = error.what();
    }
  }

  // Under the lock. Now and then what is known reaches the disk, so that a survey that is stopped is not lost.
  void keep(const std::string& key, const LabelFacts& facts) {
    constexpr double between_writes = 20;
    cache_.put(key, facts);
    if (seconds_since(written_) < between_writes) return;
    cache_.write();
    written_ = Clock::now();
  }

  std::span<const Pair> pairs_;
  const RawMap& map_;
  LabelDecoder decoder_;
  const SurveyOptions& options_;
  SurveyCache cache_;
  Survey out_;
  std::mutex mutex_;
  std::int64_t done_ = 0, all_ = 0;
  Clock::time_point start_ = Clock::now(), written_ = start_;
};

}  // namespace

LabelFacts facts_of(const RawPng& png, Encoding encoding) {
  LabelFacts out;
  out.size = {png.height, png.width};
  out.palette = number_of(png.palette);
  const auto step = static_cast<std::size_t>(png.channels);
  const std::size_t pixels = std::size_t(png.height) * std::size_t(png.width);
  const auto packed = [](const std::uint8_t* p) { return std::uint32_t{p[0]} << 16 | std::uint32_t{p[1]} << 8 | p[2]; };
  if (encoding == Encoding::rgb && png.indexed) {
    const auto at = [&](std::size_t i) {
      const std::uint8_t index = png.samples8[i];
      return index < png.palette.size() ? packed(png.palette[index].data()) : 0u;
    };
    count(pixels, at, out);
  } else if (encoding == Encoding::rgb) {
    count(
        pixels, [&](std::size_t i) { return packed(png.samples8.data() + i * step); }, out);
  } else if (png.sixteen_bit) {
    count(
        pixels, [&](std::size_t i) { return std::uint32_t{png.samples16[i * step]}; }, out);
  } else {
    count(
        pixels, [&](std::size_t i) { return std::uint32_t{png.samples8[i * step]}; }, out);
  }
  return out;
}

Survey look_at(std::span<const Pair> pairs, const RawMap& map, const SurveyOptions& options) {
  return Look(pairs, map, options).work();
}

}  // namespace rein::data
