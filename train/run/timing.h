// Timing as rein bench does it: warm-up, several runs, the median.
#pragma once

#include <functional>
#include <string>

#include "tensor/device.h"

namespace rein::train {

struct Timing {
  double median = 0, fastest = 0, slowest = 0;  // seconds
  int runs = 0;
};

// One or more unmeasured runs, then at least `runs` and at least `min_seconds` of measured ones (at most 1000 runs).
Timing time_runs(const std::function<void()>& body, int runs = 5, double min_seconds = 0.2);

// The same for work that a device takes without the caller waiting for its end. On CUDA a sample is a queue of runs,
// about 2 ms of them, whose end alone is waited for; the figure is that of one run. `body` gets the run's number.
Timing time_device_runs(Device device, const std::function<void(int)>& body, int runs = 5, double min_seconds = 0.2);

double now_seconds();  // of a steady clock

// Resident memory of this process now and at its highest, in bytes (VmRSS, VmHWM); 0 where the system does not say.
struct ProcessMemory {
  double resident = 0, peak = 0;
};
ProcessMemory process_memory();
void reset_process_peak();  // makes `peak` start again from now, where the system allows it

// GB/s of copying 256 MiB within memory with all threads (bytes read plus bytes written).
double measure_copy_gbytes();

}  // namespace rein::train
