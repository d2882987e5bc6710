#include "data/sets/label_map.h"

#include "tensor/error.h"

namespace rein::data {

LabelDecoder::LabelDecoder(const RawMap& map) : encoding_(map.encoding), ignore_others_(map.ignore_others) {
  if (map.encoding == Encoding::rgb) {
    for (const auto& [raw, id] : map.ids) colours_.emplace(raw, id);
    return;
  }
  table_.assign(65536, map.ignore_others ? std::int16_t{ignore_id} : std::int16_t{-1});
  for (const auto& [raw, id] : map.ids) table_[raw] = id;
}

template <class T>
LabelMap LabelDecoder::decode_ids(const RawPng& png, const std::vector<T>& samples, const std::string& file) const {
  LabelMap out(png.height, png.width);
  const auto step = static_cast<std::size_t>(png.channels);  // red is the first
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    const std::int16_t id = table_[samples[i * step]];
    if (id < 0) {
      const auto width = static_cast<std::size_t>(png.width);
      fail_runtime("label", file, ": raw id ", int{samples[i * step]}, " at row ", i / width, ", column ", i % width,
                   " is not in the set's label map");
    }
    out.ids[i] = static_cast<std::uint8_t>(id);
  }
  return out;
}

int LabelDecoder::colour_id(Rgb c) const {
  const auto found = colours_.find(std::uint32_t{c[0]} << 16 | std::uint32_t{c[1]} << 8 | c[2]);
  if (found != colours_.end()) return found->second;
  return ignore_others_ ? ignore_id : -1;
}

LabelMap LabelDecoder::decode_colours(const RawPng& png, const std::string& file) const {
  LabelMap out(png.height, png.width);
  const auto step = static_cast<std::size_t>(png.channels);
  const auto colour_at = [&](std::size_t i) -> Rgb {
    const std::uint8_t* p = png.samples8.data() + i * step;
    if (!png.indexed) return {p[0], p[1], p[2]};
    if (*p >= png.palette.size()) fail_runtime("label", file, ": palette index ", int{*p}, " has no colour");
    return png.palette[*p];
  };
  Rgb last{};
  int id = colour_id(last);
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    const Rgb colour = colour_at(i);
    if (colour != last) id = colour_id(last = colour);  // neighbours mostly agree
    if (id < 0) {
      const auto width = static_cast<std::size_t>(png.width);
      fail_runtime("label", file, ": colour [", int{colour[0]}, ", ", int{colour[1]}, ", ", int{colour[2]}, "] at row ",
                   i / width, ", column ", i % width, " is not in the set's label map");
    }
    out.ids[i] = static_cast<std::uint8_t>(id);
  }
  return out;
}

void LabelDecoder::check(const RawPng& png, const std::string& file) const {
  const auto refuse = [&](std::string_view wanted) {
    fail_runtime("label", file, ": the set's encoding wants ", wanted, ", got ", png.sixteen_bit ? "16" : "8", "-bit ",
                 png.indexed ? "palette indices" : concat_text(png.channels, " channels"));
  };
  switch (encoding_) {
    case Encoding::index:  // alpha says nothing of an id
      if (png.channels > 2)
        refuse("one channel or palette indices (\"index\"; is this the colour version, or are ids in \"red\"?)");
      break;
    case Encoding::rgb:
      if ((png.channels < 3 && !png.indexed) || png.sixteen_bit) refuse("8-bit colours (\"rgb\")");
      break;
    case Encoding::red:
      if (png.channels < 3) refuse("three channels with the id in red (\"red\")");
      break;
  }
}

LabelMap LabelDecoder::decode(const RawPng& png, const std::string& file) const {
  check(png, file);
  if (encoding_ == Encoding::rgb) return decode_colours(png, file);
  return png.sixteen_bit ? decode_ids(png, png.samples16, file) : decode_ids(png, png.samples8, file);
}

}  // namespace rein::data
