// Who owns what: a warp owns an image, and its lanes share the columns of each step: a minimum over lanes settles a
// column, then every lane relaxes its own columns. Prices and the state of the search lie in shared memory, the matrix
// in scratch memory. The same additions and comparisons as assignment_cpu.cpp, where the algorithm is explained, so the
// same assignment, ties included.
#include "tensor/ops/loss/assignment_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

__device__ inline bool is_bad(double x) {
  return !(fabs(x) <= 1e200);
}

// Of shared memory, for at most `most` rows and columns.
struct State {
  double *u, *v, *distance;
  int *row_of, *column_of, *from, *settled, *targets;

  __device__ State(unsigned char* memory, int most) {
    u = reinterpret_cast<double*>(memory);
    v = u + most;
    distance = v + most;
    row_of = reinterpret_cast<int*>(distance + most);
    column_of = row_of + most;
    from = column_of + most;
    settled = from + most;
    targets = settled + most;
  }
  static std::size_t bytes(std::int64_t most) {
    return static_cast<std::size_t>(most) * (3 * sizeof(double) + 5 * sizeof(int));
  }
};

// The column at the least distance among those not settled, the lowest index of equal ones; in all lanes.
__device__ inline int nearest(const State& s, int columns, int lane) {
  double least = INFINITY;
  int place = -1;
  const auto take = [&](double distance, int at) {
    if (at < 0) return;
    if (place < 0 || distance < least || (distance == least && at < place)) least = distance, place = at;
  };
  for (int j = lane; j < columns; j += warp_size)
    if (s.settled[j] == 0) take(s.distance[j], j);
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const double distance = __shfl_xor_sync(all_lanes, least, step);
    const int at = __shfl_xor_sync(all_lanes, place, step);
    take(distance, at);
  }
  return place;
}

__device__ inline void insert(const State& s, const double* matrix, int new_row, int columns, int lane) {
  for (int j = lane; j < columns; j += warp_size) s.distance[j] = INFINITY, s.settled[j] = 0;
  int row = new_row, column = -1;
  double reached = 0;
  while (true) {
    __syncwarp();
    for (int j = lane; j < columns; j += warp_size) {
      if (s.settled[j] != 0) continue;
      const double through = reached + (matrix[row * columns + j] - s.u[row] - s.v[j]);
      if (through < s.distance[j]) s.distance[j] = through, s.from[j] = row;
    }
    column = nearest(s, columns, lane);  // of its own columns, a lane has written the distances itself
    __syncwarp();
    reached = s.distance[column];
    if (lane == 0) s.settled[column] = 1;
    const int holder = s.row_of[column];
    if (holder < 0) break;
    row = holder;
  }
  __syncwarp();
  if (lane == 0) s.u[new_row] += reached;
  for (int j = lane; j < columns; j += warp_size) {
    if (s.settled[j] == 0) continue;
    const double slack = reached - s.distance[j];
    s.v[j] -= slack;
    if (s.row_of[j] >= 0) s.u[s.row_of[j]] += slack;  // never new_row's, and each row once
  }
  __syncwarp();
  if (lane == 0) {
    while (true) {  // flip the path from the free column back to the new row
      const int before = s.from[column], next = s.column_of[before];
      s.row_of[column] = before;
      s.column_of[before] = column;
      if (before == new_row) break;
      column = next;
    }
  }
  __syncwarp();
}

__global__ void assign_kernel(const double* costs, const std::uint8_t* present, int queries, int slots,
                              double* matrices, std::int64_t* slots_of, std::int64_t* bad_out) {
  const int lane = threadIdx.x, most = queries > slots ? queries : slots;
  const double* cost = costs + static_cast<std::int64_t>(blockIdx.x) * queries * slots;
  const std::uint8_t* there = present + static_cast<std::int64_t>(blockIdx.x) * slots;
  double* matrix = matrices + static_cast<std::int64_t>(blockIdx.x) * queries * slots;
  std::int64_t* slot_of = slots_of + static_cast<std::int64_t>(blockIdx.x) * queries;
  const State s(dynamic_shared<unsigned char>(), most);

  for (int q = lane; q < queries; q += warp_size) slot_of[q] = -1;
  int count = 0;  // of targets, the same in all lanes
  for (int k = 0; k < slots; ++k) {
    if (there[k] == 0) continue;
    if (lane == 0) s.targets[count] = k;
    ++count;
  }
  __syncwarp();
  std::int64_t bad = 0;
  double largest = 1;
  const int pairs = queries * count;  // both are small
  for (int i = lane; i < pairs; i += warp_size) {
    const double x = cost[i / count * slots + s.targets[i % count]];
    if (is_bad(x))
      ++bad;
    else
      largest = fabs(x) > largest ? fabs(x) : largest;
  }
  bad = warp_sum(bad);
  largest = warp_max(largest);
  if (lane == 0) bad_out[blockIdx.x] = bad;
  if (count == 0 || queries == 0) return;

  const double limit = 1e6 * largest;
  const bool by_target = count <= queries;
  const int columns = by_target ? queries : count, rows = by_target ? count : queries;
  for (int i = lane; i < pairs; i += warp_size) {
    const int q = i / count, g = i % count;
    const double x = cost[q * slots + s.targets[g]];
    matrix[by_target ? g * columns + q : q * columns + g] = !is_bad(x) ? x : x < 0 ? -limit : limit;
  }
  for (int j = lane; j < most; j += warp_size) s.u[j] = 0, s.v[j] = 0, s.row_of[j] = -1, s.column_of[j] = -1;
  __syncwarp();
  for (int row = 0; row < rows; ++row) insert(s, matrix, row, columns, lane);
  for (int row = lane; row < rows; row += warp_size) {
    if (by_target)
      slot_of[s.column_of[row]] = s.targets[row];
    else
      slot_of[row] = s.targets[s.column_of[row]];
  }
}

}  // namespace

void assign(const double* cost, const std::uint8_t* present, std::int64_t images, std::int64_t queries,
            std::int64_t slots, std::int64_t* slot_of, std::int64_t* bad) {
  const std::int64_t most = queries > slots ? queries : slots;
  require(most <= 4096 && images < std::int64_t{1} << 31, "assignment",
          "takes at most 4096 queries and slots on CUDA, got ", queries, " and ", slots);
  Scratch<double> matrices(images * queries * slots);
  launch("assignment", assign_kernel, static_cast<unsigned>(images), warp_size, State::bytes(most), cost, present,
         static_cast<int>(queries), static_cast<int>(slots), matrices.data(), slot_of, bad);
}

}  // namespace rein::ops::cuda
