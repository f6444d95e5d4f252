// Kernels over the same rows, run together.
#pragma once

#include "capture/instructions.h"
#include "launch/parallel.h"

namespace bx::capture {

/// A reduction over the rows of a walk: what some rows come to is kept, and joined at the end.
class RowReduction final : public Stage {
 public:
  explicit RowReduction(std::unique_ptr<Launch> launch)
      : launch_(std::move(launch)),
        type_(launch_->in[0].dtype),
        rows_(launch_->in[0].shape()[1]),
        width_(launch_->in[0].shape()[2]),
        pieces_(std::make_unique<char[]>(static_cast<size_t>(pieces_of(rows_) * row_bytes()))) {}
  void run() override {
    FaultInfo fault;
    reduce(launch_->kernel.general, in, rows_, out, 1, &fault);
    check(launch_->op, fault);
  }
  void cut(int64_t) override {}
  /// `begin` is a multiple of unit().
  void run_rows(int64_t begin, int64_t end, char* local, FaultInfo* fault) const override {
    const int64_t at = begin * row_bytes();
    const char* from = in_local >= 0 ? local + in_local + at % kLine : static_cast<char*>(in) + at;
    reduce(launch_->kernel.pieces, from, end - begin, pieces_.get() + begin / unit() * row_bytes(),
           pieces_of(end - begin), fault);
  }
  void end(FaultInfo* fault) override {
    reduce(launch_->kernel.stack, pieces_.get(), pieces_of(rows_), out, 1, fault);
  }
  const Launch& launch() const { return *launch_; }
  const char* op() const override { return launch_->op; }
  std::string text() const override { return str(launch_->op, " ", launch_->in[0].shape()); }

  void* out = nullptr;
  void* in = nullptr;
  int64_t in_local = -1;

 private:
  int64_t row_bytes() const { return width_ * size_of(type_); }
  int64_t unit() const { return kernels::straight_rows(width_); }
  int64_t pieces_of(int64_t rows) const { return (rows + unit() - 1) / unit(); }
  void reduce(kernels::GeneralFn kernel, const void* from, int64_t rows, void* to, int64_t results,
              FaultInfo* fault) const {
    const int64_t shape[] = {1, rows, width_}, strides[] = {rows * width_, width_, 1};
    const int64_t out_shape[] = {results, width_}, out_strides[] = {width_, 1};
    const kernels::View whole{const_cast<void*>(from), shape, strides, 3, type_};
    const kernels::View result{to, out_shape, out_strides, 2, type_};
    kernel(&result, &whole, launch_->params, fault);
  }

  std::unique_ptr<Launch> launch_;
  DType type_;
  int64_t rows_, width_;
  std::unique_ptr<char[]> pieces_;
};

template <class Parts>
std::string walk_text(const Parts& parts, int64_t rows) {
  std::string all;
  for (const auto& part : parts) all += (all.empty() ? "" : " | ") + part->text();
  return str(all, " [", rows, " rows]");
}

/// Kernels over the same rows, one after the other on all of them.
class WholeWalk final : public Instruction {
 public:
  WholeWalk(int64_t rows, std::vector<std::unique_ptr<Instruction>> parts)
      : rows_(rows), parts_(std::move(parts)) {}
  void run() override {
    for (const auto& part : parts_) part->run();
  }
  std::string text() const override { return walk_text(parts_, rows_); }

 private:
  int64_t rows_;
  std::vector<std::unique_ptr<Instruction>> parts_;
};

/// Kernels over the same rows, one after the other on rows that fit the cache. Where the first one
/// is a product, the others take its rows as they get done.
class RowWalk final : public Instruction {
 public:
  /// Rows at a time, of so many bytes: a multiple of `unit`.
  static int64_t block_of(int64_t row_bytes, int64_t unit) {
    return std::max<int64_t>(1, kCached / (unit * std::max<int64_t>(1, row_bytes))) * unit;
  }
  /// Elements of a row of all operands; bytes of what lives inside; the leader, if any, is the
  /// first stage.
  RowWalk(int64_t rows, int64_t block, int64_t unit, int64_t row_elements, int64_t local_bytes,
          std::vector<std::unique_ptr<Stage>> stages, const GeneralKernel* leader)
      : rows_(rows),
        block_(block),
        unit_(unit),
        grain_(std::max(block, kThreadGrain / std::max<int64_t>(1, row_elements))),
        local_bytes_(local_bytes),
        stages_(std::move(stages)),
        leader_(leader),
        faults_(stages_.size()) {}

  void run() override {
    std::fill(faults_.begin(), faults_.end(), FaultInfo{});
    if (leader_) {
      leader_->lead({[](void* c, int64_t begin, int64_t end) {
                       static_cast<RowWalk*>(c)->run_parallel(begin, end);
                     },
                     this},
                    &faults_[0]);
    } else {
      run_parallel(0, rows_);
    }
    for (size_t k = 0; k < stages_.size(); ++k) {
      stages_[k]->end(&faults_[k]);
      check(stages_[k]->op(), faults_[k]);
    }
  }
  std::string text() const override { return walk_text(stages_, rows_); }

 private:
  static constexpr int64_t kCached = 128 << 10;  // bytes that stay in the second cache

  void run_parallel(int64_t begin, int64_t end) {
    struct Context {
      RowWalk& walk;
      int64_t begin, end;
    } context{*this, begin, end};
    parallel_for((end - begin + unit_ - 1) / unit_, (grain_ + unit_ - 1) / unit_,
                 [](void* c, int64_t from, int64_t to) {
                   auto& x = *static_cast<Context*>(c);
                   const int64_t unit = x.walk.unit_;
                   x.walk.run_blocks(x.begin + from * unit, std::min(x.end, x.begin + to * unit));
                 },
                 &context);
  }
  void run_blocks(int64_t begin, int64_t end) {
    thread_local std::vector<char> room;
    if (static_cast<int64_t>(room.size()) < local_bytes_ + kLine)
      room.resize(static_cast<size_t>(local_bytes_ + kLine));
    char* local = room.data() + (kLine - reinterpret_cast<intptr_t>(room.data()) % kLine) % kLine;
    for (int64_t at = begin; at < end; at += block_)
      for (size_t k = leader_ ? 1 : 0; k < stages_.size(); ++k)
        stages_[k]->run_rows(at, std::min(end, at + block_), local, &faults_[k]);
  }

  int64_t rows_, block_, unit_, grain_, local_bytes_;
  std::vector<std::unique_ptr<Stage>> stages_;
  const GeneralKernel* leader_;
  std::vector<FaultInfo> faults_;
};

}  // namespace bx::capture
