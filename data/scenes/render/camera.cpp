#include "data/scenes/render/camera.h"

namespace rein::data::scenes {

Camera make_camera(const Style& style, Draw draw, float x, int height, int width) {
  Camera camera;
  const float pitch = radians(draw.range(style.pitch)), yaw = radians(draw.range(style.yaw)),
              roll = radians(draw.range(style.roll));
  camera.position = {x, draw.range(style.camera_height), 0};
  const Vec3 ahead{std::sin(yaw) * std::cos(pitch), std::sin(pitch), std::cos(yaw) * std::cos(pitch)};
  const Vec3 flat_right{std::cos(yaw), 0, -std::sin(yaw)};
  const Vec3 up = cross(ahead, flat_right);
  camera.ahead = ahead;
  camera.right = flat_right * std::cos(roll) + up * std::sin(roll);
  camera.up = up * std::cos(roll) - flat_right * std::sin(roll);
  camera.width = width;
  camera.height = height;
  camera.centre_x = static_cast<float>(width) / 2;
  camera.centre_y = static_cast<float>(height) / 2;
  // The field of view is that of a picture 1.6 times as wide as high; others show as much in all.
  const float side = std::sqrt(static_cast<float>(width) * static_cast<float>(height) * 1.6f);
  camera.focal = side / 2 / std::tan(radians(draw.range(style.view)) / 2);
  return camera;
}

}  // namespace rein::data::scenes
