// Products by tiles, cut for threads.
#pragma once

#include <atomic>

#include "kernels/gemm_blocks.h"

namespace bx::kernels::gemm_detail {

/// Strips of many rows come in fours, for threads to share.
inline Cut strips_of(int64_t m) {
  if (m <= kStripRows) return Cut(m, m);
  const int64_t fours = (m + 4 * kStripRows - 1) / (4 * kStripRows);
  return Cut(m, (m + 4 * fours - 1) / (4 * fours));
}

/// How a product is cut for threads: each part packs what it reads, and waits for nobody.
struct Parts {
  static constexpr int64_t kMostShared = 64;  // strips whose columns lie in several parts

  /// About `wanted` parts, so that the least is packed twice.
  Parts(int64_t m, int64_t n, int64_t strips, int64_t panels, int64_t wanted) {
    int64_t least = INT64_MAX;
    for (int64_t c = 1; c <= std::min(wanted, strips > kMostShared ? 1 : panels); ++c) {
      const int64_t r = std::min(strips, (wanted + c - 1) / c);
      const int64_t missing = std::max<int64_t>(0, wanted - r * c);
      const int64_t cost = c * m + r * n + missing * (m + n);
      if (cost >= least) continue;
      least = cost;
      by_rows = r;
      by_cols = c;
    }
  }
  int64_t by_rows = 1, by_cols = 1;
};

/// Tells of a strip of rows when all of its columns are done, whichever thread did them.
class StripsDone {
 public:
  StripsDone(RowsDone done, const Cut& strips, int64_t parts)
      : done_(done), strips_(strips), parts_(parts) {}
  RowsDone of_part() {
    return {[](void* self, int64_t begin, int64_t end) {
              auto& all = *static_cast<StripsDone*>(self);
              if (all.parts_ == 1 || ++all.finished_[all.strips_.index(begin)] == all.parts_)
                all.done_(begin, end);
            },
            this};
  }

 private:
  RowsDone done_;
  const Cut& strips_;
  int64_t parts_;
  std::atomic<int> finished_[Parts::kMostShared] = {};
};

template <class T>
void multiply_tiles(const Product<T>& p) {
  const TileWidth tile = tile_for<T>(p.m, p.n);
  const Cut strips = strips_of(p.m);
  const int64_t tasks = p.m * p.n * p.k / kGemmTask, threads = tasks < 2 ? 1 : host.free_threads();
  if (threads == 1) return multiply_strips(p, tile, strips, 0, strips.count);
  const int64_t cols = registers_of(tile) * Lanes<T>::width, panels = (p.n + cols - 1) / cols;
  const Parts parts(p.m, p.n, strips.count, panels, std::min(tasks, 2 * threads));
  const Cut rows(strips.count, (strips.count + parts.by_rows - 1) / parts.by_rows);
  const Cut columns(panels, (panels + parts.by_cols - 1) / parts.by_cols);
  StripsDone done(p.done, strips, columns.count);
  parallel_for(rows.count * columns.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t r = task / columns.count, j = task % columns.count;
      const int64_t at = columns.begin(j) * cols;
      const Product<T> part{p.m,
                            std::min(columns.size(j) * cols, p.n - at),
                            p.k,
                            p.a,
                            {p.b.at(0, at), p.b.row, p.b.col},
                            p.start.at(0, at),
                            p.c + at,
                            p.c_step,
                            done.of_part()};
      multiply_strips(part, tile, strips, rows.begin(r), rows.begin(r) + rows.size(r));
    }
  });
}

}  // namespace bx::kernels::gemm_detail
