// The contract between the engine and the kernels: plain data, no inline code with state, so that
// one kernel library per instruction set can be loaded beside the others.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace bx::kernels {

inline constexpr int kAbi = 6;

/// Up to this many inputs and outputs per kernel.
inline constexpr int kMaxOperands = 8;
/// A row has a forward kernel and a derivative for each of up to three inputs.
inline constexpr int kPartsPerRow = 4;

/// What a kernel sees of a tensor.
struct View {
  void* data;
  const int64_t* shape;
  const int64_t* strides;  // in elements
  int ndim;
  DType dtype;
};

/// Scalars of a launch. Kernels that can fail set `fault` and what it was about.
struct Params {
  double f[6] = {};
  int64_t i[8] = {};
  const void* object = nullptr;  // a list or a generator that outlives the launch
};

enum class Fault { None, DivideByZero, IndexOutOfRange };
struct FaultInfo {
  Fault fault = Fault::None;
  int64_t index = 0, size = 0;
};

/// n contiguous elements; an output may be one of the inputs.
using PointwiseFn = void (*)(void* const* out, const void* const* in, int64_t n, const double* f,
                             FaultInfo* fault);
/// Any layout that the launching op promises.
using GeneralFn = void (*)(const View* out, const View* in, const Params& params, FaultInfo* fault);

/// What a kernel that leads others tells, on any thread: these rows of its output are done.
struct RowsDone {
  void (*tell)(void* context, int64_t begin, int64_t end) = nullptr;
  void* context = nullptr;
  void operator()(int64_t begin, int64_t end) const {
    if (tell) tell(context, begin, end);
  }
};
using LeadingFn = void (*)(const View* out, const View* in, const Params& params, FaultInfo* fault,
                           RowsDone done);

/// Runs body(begin, end) over [0, n) in pieces of at least `grain`, on the pool's threads.
using ParallelFor = void (*)(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
                             void* context);

/// Operands of a general kernel whose dimension 0 it walks, each entry apart from the others: bit k
/// is operand k. The other operands are read whole.
struct Rows {
  uint8_t out = 0, in = 0;
};

/// Elements of a reduction that are joined straight; their results are joined by halves.
inline constexpr int64_t kLeaf = 1024;
constexpr int64_t leaf_count(int64_t n) { return (n + kLeaf - 1) / kLeaf; }
/// Rows that a reduction over rows joins straight, few where they are wide; what these pieces come
/// to is joined one after the other.
constexpr int64_t straight_rows(int64_t width) { return width > 128 ? 32 : 128; }

/// One kernel for one type: a pointwise or a general function, never both.
struct Kernel {
  const char* name = nullptr;
  PointwiseFn pointwise = nullptr;
  GeneralFn general = nullptr;
  // A general kernel may also run in pieces, with the same bits:
  Rows rows = {};                // row by row,
  LeadingFn leading = nullptr;   // whole, while others take the rows that are done,
  PointwiseFn leaves = nullptr;  // of a reduction to one element, leaf by leaf into a list,
  PointwiseFn tree = nullptr;    // which this one joins,
  GeneralFn pieces = nullptr;    // of one over rows, straight_rows at a time into as many rows,
  GeneralFn stack = nullptr;     // which this one joins.
  /// In the column of a narrow type: operands are widened for it.
  bool widened = false;
  /// Takes narrow operands as they are.
  bool takes_narrow = false;
};

/// Kernels that are not rows; each one's contract stands where it is implemented.
enum class Id : int {
  Fill,
  Copy,  // movement.cpp
  Sum,
  Prod,
  Max,
  Min,
  Any,
  All,  // reduction.cpp
  ArgMax,
  ArgMin,
  CumSum,
  CumProd,
  LinearScan,
  LogCumSumExp,
  CumMax,
  CumMin,  // scan.cpp
  Cdist,
  CdistBackward,  // distance.cpp
  Matmul,         // matmul.cpp
  Softmax,
  SoftmaxBackward,  // softmax.cpp
  LogSoftmax,
  LogSoftmaxBackward,
  NllLoss,
  NllLossBackward,
  Index,
  IndexPut,
  IndexAdd,  // indexing.cpp
  Gather,
  Scatter,  // scatter.cpp
  Sort,
  TopK,
  KthValue,
  Mode,
  SortRows,
  Distinct,
  Search,      // sorting.cpp
  NormalFill,  // random.cpp
  Update,      // optimizer.cpp
  Conv,
  ConvInput,
  ConvWeight,
  Unfold,
  Fold,  // conv.cpp
  MaxPool,
  PlaneGather,
  PlaneAdd,
  PlanePut,  // pooling.cpp
  Resample,  // resample.cpp
  RowGather,
  RowAdd,
  BagMax,  // embedding.cpp
  LayerNorm,
  LayerNormBackward,
  ChannelMoments,
  ChannelAffine,
  ChannelDots,  // normalization.cpp
  RnnCell,
  RnnCellBackward,  // recurrent.cpp
  LstmCell,
  LstmCellBackward,
  GruCell,
  GruCellBackward,
  Count,
};

struct Table {
  int abi;
  int rows;  // the engine and a kernel library must agree on the rows
  const char* isa;
  /// kernels[(row * kPartsPerRow + part)][dtype], then one entry per Id.
  const Kernel (*kernels)[kDTypeCount];
};

/// Passed to a kernel library when it is loaded.
struct Host {
  ParallelFor parallel_for;
  int (*free_threads)();  // that a loop begun here would have
};

/// The single symbol that a kernel library exports.
using EntryPoint = const Table* (*)(const Host*);
inline constexpr const char* kEntryPointName = "bx_kernels";

}  // namespace bx::kernels
