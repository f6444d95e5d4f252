// Gather and scatter by index tensors. Every index is checked before anything is written.
#include <algorithm>
#include <vector>

#include "core/dims.h"
#include "kernels/copy_ahead.h"
#include "kernels/families.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements, of which each row is a wait for memory

/// The indexed tensor with its k indexed dimensions first: [s1..sk, rest...], any strides; the
/// indices, int64, contiguous, of one length; and the block that each index selects.
struct Selection {
  std::vector<int64_t> offsets;  // in elements, one per index
  std::vector<int64_t> block;    // offsets of the rest's elements, relative; empty if it is dense
  int64_t width = 1;             // elements of the rest
  bool valid = true;

  Selection(const View& source, const View* indices, int k, FaultInfo* fault) {
    int64_t n = 1;
    for (int d = 0; d < indices[0].ndim; ++d) n *= indices[0].shape[d];
    offsets.assign(static_cast<size_t>(n), 0);
    for (int j = 0; j < k; ++j) {
      const auto* index = static_cast<const int64_t*>(indices[j].data);
      const int64_t size = source.shape[j], stride = source.strides[j];
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = index[i] < 0 ? index[i] + size : index[i];
        if (at < 0 || at >= size) {
          *fault = {Fault::IndexOutOfRange, index[i], size};
          valid = false;
          return;
        }
        offsets[static_cast<size_t>(i)] += at * stride;
      }
    }
    bool dense = true;
    for (int d = source.ndim - 1; d >= k; --d) {
      dense = dense && (source.shape[d] == 1 || source.strides[d] == width);
      width *= source.shape[d];
    }
    if (dense) return;
    block.push_back(0);
    for (int d = k; d < source.ndim; ++d) {
      std::vector<int64_t> grown;
      grown.reserve(block.size() * static_cast<size_t>(source.shape[d]));
      for (int64_t b : block)
        for (int64_t s = 0; s < source.shape[d]; ++s) grown.push_back(b + s * source.strides[d]);
      block.swap(grown);
    }
  }
};

/// out [n, rest] contiguous = in0[in1[i], ..., ink[i], rest]; i[0] = k.
template <class T>
void index(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  const Selection chosen(in[0], in + 1, static_cast<int>(params.i[0]), fault);
  if (!chosen.valid) return;
  const auto* source = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  const int64_t width = chosen.width;
  parallel_for(static_cast<int64_t>(chosen.offsets.size()),
               kGrain / std::max<int64_t>(1, width) + 1, [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const T* from = source + chosen.offsets[static_cast<size_t>(i)];
                   if (chosen.block.empty()) {
                     // Rows lie anywhere: the next one is on its way while this one is copied.
                     if (i + 1 < end)
                       prefetch(source + chosen.offsets[static_cast<size_t>(i + 1)],
                                width * static_cast<int64_t>(sizeof(T)));
                     std::copy_n(from, width, y + i * width);
                   } else {
                     for (size_t j = 0; j < chosen.block.size(); ++j)
                       y[i * width + static_cast<int64_t>(j)] = from[chosen.block[j]];
                   }
                 }
               });
}

/// out[in1[i], ..., rest] = or += in0 [n, rest] contiguous; later indices win or add on.
template <class T, bool Accumulate>
void index_put(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  const Selection chosen(out[0], in + 1, static_cast<int>(params.i[0]), fault);
  if (!chosen.valid) return;
  const auto* x = static_cast<const T*>(in[0].data);
  auto* target = static_cast<T*>(out[0].data);
  auto write = [&](T& cell) {
    if constexpr (Accumulate) cell = static_cast<T>(cell + *x++);
    else cell = *x++;
  };
  for (int64_t offset : chosen.offsets)
    if (chosen.block.empty()) {
      for (int64_t j = 0; j < chosen.width; ++j) write(target[offset + j]);
    } else {
      for (int64_t b : chosen.block) write(target[offset + b]);
    }
}

}  // namespace

void fill_indexing(Entries entries) {
  for_moved_types([entries](auto zero) {
    using T = decltype(zero);
    enter<T>(entries, Id::Index, "index", &index<T>);
    enter<T>(entries, Id::IndexPut, "index_put", &index_put<T, false>);
    enter<T>(entries, Id::IndexAdd, "index_add", &index_put<T, true>);
  });
  share_with_bool(entries, {Id::Index, Id::IndexPut});
  share_with_narrow(entries, Id::Index, &index<int16_t>);
  share_with_narrow(entries, Id::IndexPut, &index_put<int16_t, false>);
  enter<bool>(entries, Id::IndexAdd, "index_add", &index_put<bool, true>);
}

}  // namespace bx::kernels
