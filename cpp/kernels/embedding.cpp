// Rows of a table: gathered, added up, and the largest of a bag of them.
#include <algorithm>

#include "kernels/copy_ahead.h"
#include "kernels/families.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements

bool valid(const int64_t* rows, int64_t n, int64_t size, FaultInfo* fault) {
  for (int64_t i = 0; i < n; ++i)
    if (rows[i] < 0 || rows[i] >= size) {
      *fault = {Fault::IndexOutOfRange, rows[i], size};
      return false;
    }
  return true;
}

/// out [n, width] = rows in1 [n] of in0 [size, width].
template <class T>
void row_gather(const View* out, const View* in, const Params&, FaultInfo* fault) {
  const auto* table = static_cast<const T*>(in[0].data);
  const auto* rows = static_cast<const int64_t*>(in[1].data);
  auto* y = static_cast<T*>(out[0].data);
  const int64_t n = in[1].shape[0], width = in[0].shape[1];
  if (!valid(rows, n, in[0].shape[0], fault)) return;
  parallel_for(n, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)),
               [&](int64_t first, int64_t last) {
                 for (int64_t i = first; i < last; ++i) {
                   if (i + 1 < last)
                     prefetch(table + rows[i + 1] * width, width * static_cast<int64_t>(sizeof(T)));
                   std::copy_n(table + rows[i] * width, width, y + i * width);
                 }
               });
}

/// out [size, width] = zeros with in0 [n, width] added onto the rows in1 [n]; rows i[0] are left
/// out. Threads share the columns, so that every sum has one order.
template <class T>
void row_add(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  const auto* x = static_cast<const T*>(in[0].data);
  const auto* rows = static_cast<const int64_t*>(in[1].data);
  auto* table = static_cast<T*>(out[0].data);
  const int64_t n = in[1].shape[0], size = out[0].shape[0], width = out[0].shape[1];
  if (!valid(rows, n, size, fault)) return;
  std::fill_n(table, size * width, T(0));
  const int64_t grain = std::max<int64_t>(16, kGrain / std::max<int64_t>(1, n));
  parallel_for(width, grain, [&](int64_t first, int64_t last) {
    for (int64_t i = 0; i < n; ++i) {
      if (rows[i] == params.i[0]) continue;
      T* sum = table + rows[i] * width;
      const T* row = x + i * width;
      for (int64_t c = first; c < last; ++c) sum[c] += row[c];
    }
  });
}

/// out [bags, width] int64 = i * width + column of the first largest of the rows i of
/// in0 [n, width] with in1[i] = bag; -1 for an empty bag.
template <class T>
void bag_max(const View* out, const View* in, const Params&, FaultInfo* fault) {
  const auto* x = static_cast<const T*>(in[0].data);
  const auto* bags = static_cast<const int64_t*>(in[1].data);
  auto* y = static_cast<int64_t*>(out[0].data);
  const int64_t n = in[1].shape[0], width = in[0].shape[1];
  if (!valid(bags, n, out[0].shape[0], fault)) return;
  std::fill_n(y, out[0].shape[0] * width, int64_t{-1});
  for (int64_t i = 0; i < n; ++i) {
    int64_t* best = y + bags[i] * width;
    for (int64_t c = 0; c < width; ++c)
      if (best[c] < 0 || x[i * width + c] > x[best[c]]) best[c] = i * width + c;
  }
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::RowGather, "row_gather", &row_gather<T>, {1, 2});
  enter<T>(entries, Id::RowAdd, "row_add", &row_add<T>);
  enter<T>(entries, Id::BagMax, "bag_max", &bag_max<T>);
}

}  // namespace

void fill_embedding(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
  share_with_narrow(entries, Id::RowGather, &row_gather<int16_t>, {1, 2});
}

}  // namespace bx::kernels
