// A style is how a street looks: light, weather, colours, camera, sensor, pen. It is one entry of a table; the street
// itself comes from the seed alone, so one seed shows the same street in every style.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "data/scenes/vec.h"

namespace rein::data::scenes {

enum class Group {
  source,       // what a model is trained on
  target,       // unseen styles that it is evaluated on
  pretraining,  // for self-supervised pretraining; never trained on with labels, never evaluated on
};

// What a pen or brush makes of the rendered picture. All zero: nothing.
struct Pen {
  float ink = 0;  // strength of outlines
  Colour ink_colour{};
  float paper = 0;  // how much of the picture gives way to paper, 0..1
  Colour paper_colour{};
  float hatch = 0;  // strokes in the dark parts
  float shape = 0;  // how much dark parts show on the paper
};

struct Style {
  std::string_view name;
  Group group = Group::source;
  std::string_view text;  // one line for people

  // Light and air.
  Colour zenith = rgb(0x4A7FC1), horizon = rgb(0xBFD6EA), cloud = rgb(0xFFFFFF);
  float clouds = 0.45f;                        // part of the sky
  Range sun_height{22, 62};                    // degrees above the horizon
  Colour sun = Colour{1.0f, 0.93f, 0.8f} * 2;  // 0: no shadows
  Colour ambient{0.42f, 0.48f, 0.6f};
  Range fog{0.0015f, 0.003f};  // per metre
  Colour haze = rgb(0xC5D6E4);
  float night = 0;  // 1: lamps and windows are lit
  float wet = 0;    // puddles and mirrors on the ground
  float snow = 0;   // on what looks up
  float rain = 0;   // streaks in the air
  float flakes = 0;

  // Colours of things.
  std::span<const Colour> facades{};  // empty: the common ones
  std::span<const Colour> leaves{};   // likewise
  Colour asphalt = rgb(0x5C5E62), paving = rgb(0x9C968C), grass = rgb(0x5F7F37), line = rgb(0xE6E6E0);
  float texture = 1;    // contrast of surface noise
  float colourful = 1;  // of paint and clothes

  // Camera: metres, degrees; `view` is horizontal, of a wide picture.
  Range camera_height{1.2f, 1.7f}, pitch{-2.5f, 3.5f}, yaw{-4, 4}, roll{-0.7f, 0.7f}, view{62, 78};
  float bonnet = 0;  // probability that the own car's bonnet shows (it is void)

  // Sensor.
  float exposure = 1, contrast = 1, saturation = 1;
  Colour tint{1, 1, 1};
  float vignette = 0.1f, noise = 0.008f, blur = 0, bloom = 0;
  int levels = 0;  // of brightness per channel; 0: all
  Pen pen{};
};

std::span<const Style> all_styles();
// Throws std::invalid_argument with the nearest known name.
const Style& find_style(std::string_view name);
std::vector<std::string_view> style_names();
const char* group_name(Group group);

// The tables, one file each.
std::span<const Style> source_styles();
std::span<const Style> target_styles();
std::span<const Style> pretraining_styles();

}  // namespace rein::data::scenes
