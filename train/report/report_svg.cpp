#include "train/report/report_svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace rein::train {
namespace {

constexpr double width = 560, height = 300, left = 62, right = 14, top = 14, bottom = 40;
constexpr std::size_t most_points = 500;

struct Span {
  double low = INFINITY, high = -INFINITY;
  void hold(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  double at(double v) const { return high > low ? (v - low) / (high - low) : 0.5; }
};

std::string coordinate(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  return text;
}

// Means of neighbours, at most `most_points` of them.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
  std::vector<std::pair<double, double>> finite;
  std::ranges::copy_if(points, std::back_inserter(finite),
                       [](const auto& p) { return std::isfinite(p.first) && std::isfinite(p.second); });
  if (finite.size() <= most_points) return finite;
  std::vector<std::pair<double, double>> out;
  for (std::size_t i = 0; i < most_points; ++i) {
    const std::size_t begin = i * finite.size() / most_points, end = (i + 1) * finite.size() / most_points;
    double x = 0, y = 0;
    for (std::size_t k = begin; k < end; ++k) {
      x += finite[k].first;
      y += finite[k].second;
    }
    const auto n = static_cast<double>(end - begin);
    out.emplace_back(x / n, y / n);
  }
  return out;
}

std::string colour_of(int index) {
  return "var(--s" + std::to_string(index % 10) + ")";
}

std::string head(const ChartText& text) {
  return "<figure class=\"chart\"><figcaption>" + escape_xml(text.title) + " <span>" + escape_xml(text.y) +
         "</span></figcaption><svg viewBox=\"0 0 " + short_number(width) + " " + short_number(height) +
         "\" role=\"img\" aria-label=\"" + escape_xml(text.title) + "\">";
}

std::string legend(const std::string& name, int colour) {
  return "<span><i style=\"background:" + colour_of(colour) + "\"></i>" + escape_xml(name) + "</span>";
}

class Chart {
 public:
  Chart(const Span& x, const Span& y) : x_(x), y_(y) {}

  double px(double x) const { return left + x_.at(x) * (width - left - right); }
  double py(double y) const { return height - bottom - y_.at(y) * (height - top - bottom); }

  std::string grid(const ChartText& text, const std::vector<double>& x_ticks,
                   const std::vector<double>& y_ticks) const {
    std::string out;
    for (const double y : y_ticks) {
      out += "<line class=\"grid\" x1=\"" + coordinate(left) + "\" x2=\"" + coordinate(width - right) + "\" y1=\"" +
             coordinate(py(y)) + "\" y2=\"" + coordinate(py(y)) + "\"/>";
      out += "<text class=\"tick\" text-anchor=\"end\" x=\"" + coordinate(left - 8) + "\" y=\"" +
             coordinate(py(y) + 4) + "\">" + short_number(y) + "</text>";
    }
    for (const double x : x_ticks)
      out += "<text class=\"tick\" text-anchor=\"middle\" x=\"" + coordinate(px(x)) + "\" y=\"" +
             coordinate(height - bottom + 18) + "\">" + short_number(x) + "</text>";
    out += "<text class=\"axis\" text-anchor=\"end\" x=\"" + coordinate(width - right) + "\" y=\"" +
           coordinate(height - 4) + "\">" + escape_xml(text.x) + "</text>";
    return out;
  }

  std::string line(const Curve& curve, const std::vector<std::pair<double, double>>& points) const {
    if (points.empty()) return "";
    std::string path;
    for (const auto& [x, y] : points) path += (path.empty() ? "M" : "L") + coordinate(px(x)) + " " + coordinate(py(y));
    const std::string colour = colour_of(curve.colour);
    std::string out;
    if (points.size() > 1)
      out = "<path class=\"" + std::string(curve.faint ? "faint" : "curve") + "\" style=\"stroke:" + colour +
            "\" d=\"" + path + "\"/>";
    if (!curve.dots && points.size() > 1) return out;
    for (const auto& [x, y] : points)
      out += "<circle r=\"3.5\" style=\"fill:" + colour + "\" cx=\"" + coordinate(px(x)) + "\" cy=\"" +
             coordinate(py(y)) + "\"><title>" + escape_xml(curve.name) + ": " + short_number(y) + " at " +
             short_number(x) + "</title></circle>";
    return out;
  }

 private:
  Span x_, y_;
};

}  // namespace

std::string escape_xml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else if (static_cast<unsigned char>(c) >= 32 || c == '\n' || c == '\t')
      out += c;
  }
  return out;
}

std::string short_number(double value) {
  char text[32];
  if (value == 0) return "0";  // -0 as well
  if (std::abs(value) < 0.0001 || std::abs(value) >= 1e6)
    std::snprintf(text, sizeof text, "%.0e", value);
  else
    std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::vector<double> ticks(double low, double high, int count) {
  if (!(high > low)) return {low};
  const double raw = (high - low) / count, power = std::pow(10, std::floor(std::log10(raw))), part = raw / power;
  const double step = power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
  std::vector<double> out;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) out.push_back(i * step);
  return out;
}

std::string line_chart(const ChartText& text, const std::vector<Curve>& curves) {
  Span x, y;
  std::vector<std::vector<std::pair<double, double>>> all;
  for (const Curve& curve : curves) {
    all.push_back(thinned(curve.points));
    // What lies in the background may leave the chart at the top.
    std::vector<double> values;
    for (const auto& [px, py] : all.back()) {
      x.hold(px);
      values.push_back(py);
    }
    if (values.empty()) continue;
    std::ranges::sort(values);
    y.hold(values.front());
    y.hold(curve.faint ? values[values.size() * 98 / 100] : values.back());
  }
  if (!std::isfinite(x.low)) return "";
  if (y.high <= y.low)
    y = {y.low - std::max(0.5, std::abs(y.low) * 0.1), y.high + std::max(0.5, std::abs(y.high) * 0.1)};
  const double margin = 0.06 * (y.high - y.low);
  y = {y.low >= 0 ? std::max(0.0, y.low - margin) : y.low - margin, y.high + margin};
  const Chart chart(x, y);
  std::string out = head(text);
  out += chart.grid(text, ticks(x.low, x.high, 6), ticks(y.low, y.high, 5));
  for (std::size_t i = 0; i < curves.size(); ++i) out += chart.line(curves[i], all[i]);
  out += "</svg><p class=\"legend\">";
  for (std::size_t i = 0; i < curves.size(); ++i)
    if (!curves[i].faint && !all[i].empty()) out += legend(curves[i].name, curves[i].colour);
  return out + "</p></figure>\n";
}

std::string bar_chart(const ChartText& text, const std::vector<std::string>& groups, const std::vector<Bars>& bars) {
  double most = 0;
  for (const Bars& one : bars)
    for (const auto& value : one.values) most = std::max(most, value.value_or(0));
  if (!(most > 0) || !std::isfinite(most)) return "";
  Span x, y{0, 1.06 * most};
  x.hold(0);
  x.hold(static_cast<double>(groups.size()));
  const Chart chart(x, y);
  std::string out = head(text) + chart.grid(text, {}, ticks(0, y.high, 5));
  const double part = 0.8 / static_cast<double>(bars.size());  // of a group
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto at = static_cast<double>(g);
    for (std::size_t b = 0; b < bars.size(); ++b) {
      const std::optional<double> value = g < bars[b].values.size() ? bars[b].values[g] : std::nullopt;
      if (!value || !std::isfinite(*value)) continue;
      const double from = chart.px(at + 0.1 + part * static_cast<double>(b)),
                   to = chart.px(at + 0.1 + part * (static_cast<double>(b) + 0.92));
      out += "<rect rx=\"2\" style=\"fill:" + colour_of(bars[b].colour) + "\" x=\"" + coordinate(from) + "\" y=\"" +
             coordinate(chart.py(*value)) + "\" width=\"" + coordinate(to - from) + "\" height=\"" +
             coordinate(chart.py(0) - chart.py(*value)) + "\"><title>" + escape_xml(bars[b].name + ", " + groups[g]) +
             ": " + short_number(*value) + "</title></rect>";
    }
    out += "<text class=\"group\" text-anchor=\"middle\" x=\"" + coordinate(chart.px(at + 0.5)) + "\" y=\"" +
           coordinate(height - bottom + 18) + "\">" + escape_xml(groups[g]) + "</text>";
  }
  out += "</svg><p class=\"legend\">";
  for (const Bars& one : bars) out += legend(one.name, one.colour);
  return out + "</p></figure>\n";
}

}  // namespace rein::train
