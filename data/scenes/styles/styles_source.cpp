// The style that models are trained on: a clear day out of a computer game.
#include "data/scenes/styles/style.h"

namespace rein::data::scenes {

std::span<const Style> source_styles() {
  static const Style table[] = {
      {.name = "game",
       .group = Group::source,
       .text = "clear days of a computer game: strong sun, crisp shadows, clean colours",
       .sun_height = {14, 65},
       .colourful = 1.15f,
       .contrast = 1.06f,
       .saturation = 1.15f,
       .noise = 0.004f},
  };
  return table;
}

}  // namespace rein::data::scenes
