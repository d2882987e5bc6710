// Handles that a C program cannot misuse: a handle is a number that was given out once, and is looked up before
// anything is read through it. A null, closed, made-up or foreign one is not found.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace rein::train {

template <class Object, class Handle>
class Handles {
 public:
  Handle* add(std::shared_ptr<Object> object) {
    const std::lock_guard lock(mutex_);
    objects_.emplace(next_, std::move(object));
    Handle* const handle = reinterpret_cast<Handle*>(next_);
    next_ += step;
    return handle;
  }
  // The object, which lives while the caller holds it, even when another thread closes the handle; null: not open.
  std::shared_ptr<Object> find(const Handle* handle) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Object> remove(const Handle* handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == objects_.end()) return nullptr;
    auto object = std::move(found->second);
    objects_.erase(found);
    return object;
  }

 private:
  static constexpr std::uintptr_t step = 16;
  mutable std::mutex mutex_;
  std::map<std::uintptr_t, std::shared_ptr<Object>> objects_;
  std::uintptr_t next_ = step;
};

}  // namespace rein::train
