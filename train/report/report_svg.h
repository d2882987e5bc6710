// Curves as inline SVG. Colours are CSS variables of the page (--s0, --s1, …), so that they follow light and dark.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rein::train {

std::string escape_xml(const std::string& text);  // & < > " '

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // ascending x; those that are not finite are left out
  int colour = 0;
  bool faint = false;  // in the background, without a place in the legend
  bool dots = false;   // mark the points (few of them)
};

struct ChartText {
  std::string title, x, y;  // plain text
};

// A chart with axes, grid and legend; "" when no curve has a point. Long curves are thinned to what can be seen.
std::string line_chart(const ChartText& text, const std::vector<Curve>& curves);

struct Bars {
  std::string name;
  std::vector<std::optional<double>> values;  // one for each group
  int colour = 0;
};
// Bars from zero in groups, a group for each name; "" when no bar has a value.
std::string bar_chart(const ChartText& text, const std::vector<std::string>& groups, const std::vector<Bars>& bars);

// About `count` round numbers that span [low, high].
std::vector<double> ticks(double low, double high, int count);
std::string short_number(double value);

}  // namespace rein::train
