#include "train/report/data_page.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "data/images/colour.h"
#include "data/images/image_io.h"
#include "data/images/resize.h"
#include "tensor/error.h"
#include "train/report/report.h"
#include "train/report/report_svg.h"

namespace rein::train {
namespace {

using data::Amount;
using data::Finding;
using Json = nlohmann::ordered_json;

std::int64_t all_pixels(const data::Summary& s) {
  std::int64_t all = s.ignored.pixels;
  for (const Amount& a : s.classes) all += a.pixels;
  return all;
}

std::string share_text(std::int64_t part, std::int64_t all) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f %%",
                all == 0 ? 0.0 : 100 * static_cast<double>(part) / static_cast<double>(all));
  return text;
}

std::string padded(std::string text, std::size_t width, bool right) {
  const std::string space(width > text.size() ? width - text.size() : 0, ' ');
  return right ? space + text : text + space;
}

// What the map makes of a raw id: a class, "ignored", or "unknown".
std::string meaning(const data::Description& set, std::uint32_t raw) {
  const auto found = set.raw.ids.find(raw);
  if (found == set.raw.ids.end()) return set.raw.ignore_others ? "ignored" : "unknown";
  return found->second < set.classes.names.size() ? set.classes.names[found->second] : "ignored";
}

struct Row {
  std::string name, meaning;
  Amount amount;
};

std::vector<Row> class_rows(const SeenSplit& seen) {
  std::vector<Row> rows;
  for (std::size_t k = 0; k < seen.summary.classes.size(); ++k)
    rows.push_back({seen.set.classes.names[k], "", seen.summary.classes[k]});
  rows.push_back({"(ignored)", "", seen.summary.ignored});
  return rows;
}

std::vector<Row> raw_rows(const SeenSplit& seen) {
  constexpr std::size_t most = 300;
  std::vector<Row> rows;
  for (const auto& [raw, amount] : seen.summary.raw) {
    if (rows.size() == most) break;
    rows.push_back({data::raw_id_text(raw, seen.set.raw.encoding), meaning(seen.set, raw), amount});
  }
  return rows;
}

std::string text_table(const std::vector<Row>& rows, const std::string& title, std::int64_t all) {
  std::size_t width = title.size(), meanings = 0;
  for (const Row& row : rows) {
    width = std::max(width, row.name.size());
    meanings = std::max(meanings, row.meaning.size());
  }
  if (meanings > 0) meanings += 2;
  std::string text =
      "  " + padded(title, width, false) + std::string(meanings, ' ') + "    photos          pixels     share\n";
  for (const Row& row : rows)
    text += "  " + padded(row.name, width, false) +
            (meanings > 0 ? "  " + padded(row.meaning, meanings - 2, false) : "") +
            padded(std::to_string(row.amount.photos), 10, true) + padded(std::to_string(row.amount.pixels), 16, true) +
            padded(share_text(row.amount.pixels, all), 10, true) + "\n";
  return text;
}

std::string counts_text(const std::map<std::string, std::int64_t>& counts) {
  std::vector<std::pair<std::int64_t, std::string>> order;
  for (const auto& [what, count] : counts) order.emplace_back(-count, what);
  std::ranges::sort(order);
  std::string text;
  for (std::size_t i = 0; i < order.size() && i < 5; ++i)
    text += concat_text(i == 0 ? "" : ", ", order[i].second, " (", -order[i].first, ")");
  return text + (order.size() > 5 ? concat_text(" and ", order.size() - 5, " more") : "");
}

std::string html_table(const std::vector<Row>& rows, const std::string& title, std::int64_t all, bool meanings) {
  std::string html = "<div class=\"scroll\"><table><thead><tr><th>" + title + "</th>" +
                     (meanings ? "<th class=\"text\">class</th>" : "") +
                     "<th>photos</th><th>pixels</th><th>share</th></tr></thead><tbody>\n";
  for (const Row& row : rows) {
    const double part = all == 0 ? 0 : 100 * static_cast<double>(row.amount.pixels) / static_cast<double>(all);
    html += "<tr><td>" + escape_xml(row.name) + "</td>" +
            (meanings ? "<td class=\"text\">" + escape_xml(row.meaning) + "</td>" : "") +
            concat_text("<td>", row.amount.photos, "</td><td>", row.amount.pixels,
                        "</td><td class=\"bar\" style=\"--part: ", part, "%\">", share_text(row.amount.pixels, all),
                        "</td></tr>\n");
  }
  return html + "</tbody></table></div>\n";
}

std::string overlays(const SeenSplit& seen, int photos, int max_side) {
  const auto& good = seen.summary.good;
  const std::size_t count = std::min<std::size_t>(good.size(), static_cast<std::size_t>(std::max(photos, 0)));
  std::string html;
  const data::LabelDecoder decoder(seen.set.raw);
  for (std::size_t k = 0; k < count; ++k) {
    const data::Pair& pair = seen.pairs[good[(2 * k + 1) * good.size() / (2 * count)]];
    try {
      const data::Sample sample = data::read_pair(pair, decoder);
      const int longer = std::max(sample.image.height, sample.image.width);
      const data::Size whole{sample.image.height, sample.image.width};
      const data::Size size =
          longer <= max_side ? whole : data::scaled_size(whole, static_cast<double>(max_side) / longer);
      const data::Image small = data::resize_bilinear(sample.image, size);
      const data::Image mixed =
          data::overlay(small, data::resize_nearest(sample.label, size), seen.set.classes.palette, 0.6);
      for (const auto& [what, image] : {std::pair{"photo", &small}, std::pair{"labels", &mixed}})
        html +=
            concat_text("<figure><img alt=\"", what, " of ", escape_xml(pair.name), "\" src=\"data:image/png;base64,",
                        base64(data::encode_png(image->height, image->width, 3, image->pixels.data())),
                        "\"/><figcaption>", escape_xml(pair.name), "<span>", what, "</span></figcaption></figure>\n");
    } catch (const std::runtime_error& error) {
      html += "<p class=\"note\">" + escape_xml(error.what()) + "</p>\n";
    }
  }
  return html.empty() ? html : "<h3>Labels over photos</h3><div class=\"photo\">\n" + html + "</div>\n";
}

}  // namespace

std::string data_text(const SeenSplit& seen) {
  const data::Summary& s = seen.summary;
  std::string text = concat_text(seen.name, " in ", seen.root.string(), "\n  pairs    ", s.pairs);
  if (s.counted < s.pairs) text += concat_text(", labels of ", s.counted, " counted");
  text += concat_text("\n  sizes    ", counts_text(s.sizes), "\n  kinds    ", counts_text(s.kinds), "\n");
  const std::int64_t all = all_pixels(s);
  if (s.counted > 0) text += text_table(class_rows(seen), "class", all) + text_table(raw_rows(seen), "raw id", all);
  for (const Finding& finding : s.findings) text += "  " + name_of(finding.weight) + ": " + finding.text + "\n";
  if (s.findings.empty()) text += "  nothing to say against it\n";
  return text;
}

std::string data_json(const std::vector<SeenSplit>& all) {
  Json out = Json::array();
  for (const SeenSplit& seen : all) {
    const data::Summary& s = seen.summary;
    Json one = {{"set", seen.set.name}, {"name", seen.name},     {"root", seen.root.string()}, {"pairs", s.pairs},
                {"counted", s.counted}, {"good", s.good.size()}, {"sizes", s.sizes},           {"kinds", s.kinds}};
    for (const Row& row : class_rows(seen))
      one["classes"].push_back({{"name", row.name}, {"photos", row.amount.photos}, {"pixels", row.amount.pixels}});
    for (const auto& [raw, amount] : s.raw)
      one["raw"].push_back({{"id", data::raw_id_text(raw, seen.set.raw.encoding)},
                            {"class", meaning(seen.set, raw)},
                            {"photos", amount.photos},
                            {"pixels", amount.pixels}});
    one["findings"] = Json::array();
    for (const Finding& f : s.findings)
      one["findings"].push_back(
          {{"weight", name_of(f.weight)}, {"kind", f.kind}, {"text", f.text}, {"files", f.files}});
    out.push_back(std::move(one));
  }
  return out.dump(1, ' ', false, Json::error_handler_t::replace);
}

std::string data_html(const std::vector<SeenSplit>& all, int photos, int max_side) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/><title>Data</title><style>" +
      std::string(report_style) + "</style></head><body><main>\n<h1>What the data hold</h1>\n";
  for (const SeenSplit& seen : all) {
    const data::Summary& s = seen.summary;
    const std::int64_t pixels = all_pixels(s);
    html += "<section><h2>" + escape_xml(seen.name) + "</h2><p class=\"lead\">" +
            escape_xml(concat_text(seen.root.string(), ": ", s.pairs, " pairs; ", counts_text(s.sizes), "; ",
                                   counts_text(s.kinds))) +
            "</p>\n";
    for (const Finding& f : s.findings)
      html += "<p class=\"note\"><b>" + name_of(f.weight) + "</b> " + escape_xml(f.text) + "</p>\n";
    if (s.counted > 0) {
      html += "<h3>Classes</h3>" + html_table(class_rows(seen), "class", pixels, false) +
              "<details><summary>Raw ids</summary>" + html_table(raw_rows(seen), "raw id", pixels, true) +
              "</details>\n";
      html += overlays(seen, photos, max_side);
    }
    html += "</section>\n";
  }
  return html + "</main></body></html>\n";
}

}  // namespace rein::train
