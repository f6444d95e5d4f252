// Gather and scatter along one axis. The op has checked every index: nothing here can fail.
#include <cmath>

#include "kernels/lines.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

/// combine(cell of `moved`, cell of `aligned`) for every entry of the index (int64): the entry's
/// own place in `aligned`, and its place with the axis replaced by the entry's value in `moved`.
/// The entries that meet in one cell come in the order of the axis, whatever the threads.
template <class T, class Combine>
void along(const View& moved, const View& index, const View& aligned, int axis, Combine combine) {
  // The last dimension is the inner loop, unless it is the axis itself.
  const int last = index.ndim - 1, inner = last == axis ? -1 : last;
  const int64_t width = inner < 0 ? 1 : index.shape[inner], depth = index.shape[axis];
  const int64_t moved_inner = inner < 0 ? 0 : moved.strides[inner];
  const int64_t index_inner = inner < 0 ? 0 : index.strides[inner];
  const int64_t aligned_inner = inner < 0 ? 0 : aligned.strides[inner];
  const int64_t step = moved.strides[axis];
  auto* const cells = static_cast<T*>(moved.data);
  auto* const places = static_cast<const int64_t*>(index.data);
  auto* const values = static_cast<T*>(aligned.data);
  const Lines lines({&moved, &index, &aligned}, index, axis, inner);

  auto part = [&](const int64_t* offset, int64_t begin, int64_t end) {
    for (int64_t d = 0; d < depth; ++d) {
      T* const m = cells + offset[0];
      const int64_t* const p = places + offset[1] + d * index.strides[axis];
      T* const a = values + offset[2] + d * aligned.strides[axis];
      if (index_inner == 0) {
        T* const row = m + *p * step;
        if (moved_inner == 1 && aligned_inner == 1)
          for (int64_t j = begin; j < end; ++j) combine(row[j], a[j]);
        else
          for (int64_t j = begin; j < end; ++j) combine(row[j * moved_inner], a[j * aligned_inner]);
      } else {
        for (int64_t j = begin; j < end; ++j)
          combine(m[j * moved_inner + p[j * index_inner] * step], a[j * aligned_inner]);
      }
    }
  };
  const int64_t count = lines.count();
  if (count * width * depth == 0) return;
  if (count > 1 || width == 1) {
    parallel_for(
        count, std::max<int64_t>(1, kGrain / (width * depth)), [&](int64_t begin, int64_t end) {
          lines.run(begin, end, [&](const int64_t* offset, int64_t) { part(offset, 0, width); });
        });
  } else {
    parallel_for(width, std::max<int64_t>(64, kGrain / depth), [&](int64_t begin, int64_t end) {
      lines.run(0, 1, [&](const int64_t* offset, int64_t) { part(offset, begin, end); });
    });
  }
}

/// out = in0 at in1 along axis i[0]; out has in1's shape.
template <class T>
void gather(const View* out, const View* in, const Params& params, FaultInfo*) {
  along<T>(in[0], in[1], out[0], static_cast<int>(params.i[0]), [](T& from, T& to) { to = from; });
}

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  else return false;
}

/// out at in0 along axis i[0] takes in1 (in0's shape, or larger) by mode i[1]: ops.h, ScatterMode.
template <class T>
void scatter(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int axis = static_cast<int>(params.i[0]);
  auto run = [&](auto combine) { along<T>(out[0], in[0], in[1], axis, combine); };
  switch (params.i[1]) {
    case 0: return run([](T& cell, T& x) { cell = x; });
    case 1: return run([](T& cell, T& x) { cell = static_cast<T>(cell + x); });
    case 2: return run([](T& cell, T& x) { cell = static_cast<T>(cell * x); });
    default: break;
  }
  if constexpr (!is_complex(dtype_of<T>())) {  // which have no order
    if (params.i[1] == 3)
      return run([](T& cell, T& x) { cell = cell > x || is_nan(cell) ? cell : x; });
    run([](T& cell, T& x) { cell = cell < x || is_nan(cell) ? cell : x; });
  }
}

}  // namespace

void fill_scatter(Entries entries) {
  for_moved_types([entries](auto zero) {
    using T = decltype(zero);
    enter<T>(entries, Id::Gather, "gather", &gather<T>);
    enter<T>(entries, Id::Scatter, "scatter", &scatter<T>);
  });
  share_with_bool(entries, {Id::Gather});
  share_with_narrow(entries, Id::Gather, &gather<int16_t>);
  enter<bool>(entries, Id::Scatter, "scatter", &scatter<bool>);
}

}  // namespace bx::kernels
