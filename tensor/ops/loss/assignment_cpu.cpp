// Shortest augmenting paths. "Rows" are the fewer of queries and targets, "columns" the others; rows are inserted one
// by one. Inserting a row is Dijkstra's search over columns with the reduced costs c[i][j] - u[i] - v[j] >= 0, from the
// new row to the nearest free column: each step settles one column (a minimum over lanes), then relaxes all others from
// the row that holds it (independent per column). Then the prices u, v are moved so that all reduced costs stay
// non-negative and those of matched pairs are zero, and the path is flipped. Everything lies in flat arrays of the
// matrix' two sizes, and a step touches each column once: one warp can run it with columns spread over its lanes.
#include "tensor/ops/loss/assignment_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

bool is_bad(double x) {
  return !(std::abs(x) <= 1e200);
}

class Solver {
 public:
  // cost: rows x columns, flat; rows <= columns.
  Solver(const std::vector<double>& cost, std::int64_t rows, std::int64_t columns)
      : cost_(cost),
        rows_(rows),
        columns_(columns),
        u_(at(rows), 0),
        v_(at(columns), 0),
        row_of_(at(columns), -1),
        column_of_(at(rows), -1),
        distance_(at(columns)),
        from_(at(columns)),
        settled_(at(columns)) {}

  const std::vector<std::int64_t>& solve() {
    for (std::int64_t row = 0; row < rows_; ++row) insert(row);
    return column_of_;
  }

 private:
  void insert(std::int64_t new_row) {
    std::fill(distance_.begin(), distance_.end(), std::numeric_limits<double>::infinity());
    std::fill(settled_.begin(), settled_.end(), std::uint8_t{0});
    std::int64_t row = new_row, column = -1;
    double reached = 0;
    while (true) {
      column = -1;
      for (std::int64_t j = 0; j < columns_; ++j) {
        if (settled_[at(j)] != 0) continue;
        const double through = reached + (cost_[at(row * columns_ + j)] - u_[at(row)] - v_[at(j)]);
        if (through < distance_[at(j)]) distance_[at(j)] = through, from_[at(j)] = row;
        if (column < 0 || distance_[at(j)] < distance_[at(column)]) column = j;  // ties: the lower index stays
      }
      reached = distance_[at(column)];
      settled_[at(column)] = 1;
      if (row_of_[at(column)] < 0) break;
      row = row_of_[at(column)];
    }
    u_[at(new_row)] += reached;
    for (std::int64_t j = 0; j < columns_; ++j) {
      if (settled_[at(j)] == 0) continue;
      const double slack = reached - distance_[at(j)];
      v_[at(j)] -= slack;
      if (row_of_[at(j)] >= 0) u_[at(row_of_[at(j)])] += slack;
    }
    while (true) {  // flip the path from the free column back to the new row
      const std::int64_t before = from_[at(column)];
      row_of_[at(column)] = before;
      std::swap(column_of_[at(before)], column);
      if (before == new_row) break;
    }
  }

  const std::vector<double>& cost_;
  std::int64_t rows_, columns_;
  std::vector<double> u_, v_;                     // prices
  std::vector<std::int64_t> row_of_, column_of_;  // the matching so far, -1 = free
  std::vector<double> distance_;                  // of the search, per column
  std::vector<std::int64_t> from_;                // the row that a column is reached from
  std::vector<std::uint8_t> settled_;
};

// One image; returns how many elements were bad.
std::int64_t assign_image(const double* cost, const std::uint8_t* present, std::int64_t queries, std::int64_t slots,
                          std::int64_t* slot_of) {
  std::fill_n(slot_of, queries, std::int64_t{-1});
  std::vector<std::int64_t> targets;
  for (std::int64_t k = 0; k < slots; ++k)
    if (present[k] != 0) targets.push_back(k);
  const auto count = static_cast<std::int64_t>(targets.size());
  if (count == 0 || queries == 0) return 0;

  std::int64_t bad = 0;
  double largest = 1;
  for (std::int64_t q = 0; q < queries; ++q) {
    for (const std::int64_t k : targets) {
      const double x = cost[q * slots + k];
      if (is_bad(x))
        ++bad;
      else
        largest = std::max(largest, std::abs(x));
    }
  }
  const double limit = 1e6 * largest;
  const bool by_target = count <= queries;
  const std::int64_t columns = by_target ? queries : count;
  std::vector<double> matrix(at(queries * count));
  for (std::int64_t q = 0; q < queries; ++q) {
    for (std::int64_t g = 0; g < count; ++g) {
      const double x = cost[q * slots + targets[at(g)]];
      matrix[at(by_target ? g * columns + q : q * columns + g)] = !is_bad(x) ? x : x < 0 ? -limit : limit;
    }
  }
  Solver solver(matrix, by_target ? count : queries, columns);
  const std::vector<std::int64_t>& column_of = solver.solve();
  for (std::size_t row = 0; row < column_of.size(); ++row) {
    if (by_target)
      slot_of[column_of[row]] = targets[row];
    else
      slot_of[row] = targets[at(column_of[row])];
  }
  return bad;
}

}  // namespace

void assign(const double* cost, const std::uint8_t* present, std::int64_t images, std::int64_t queries,
            std::int64_t slots, std::int64_t* slot_of, std::int64_t* bad) {
  parallel_for(images, [&](std::int64_t n) {
    bad[n] = assign_image(cost + n * queries * slots, present + n * slots, queries, slots, slot_of + n * queries);
  });
}

}  // namespace rein::ops::cpu
