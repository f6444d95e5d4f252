// What a launch reads and writes, row by row.
#pragma once

#include <span>
#include <vector>

#include "capture/program.h"

namespace bx::capture {

/// An operand of a launch that runs over rows, each of which touches its own piece of memory.
struct RowOperand {
  int buffer;
  int64_t offset;     // of the first row, bytes
  int64_t row_bytes;  // from row to row; 0: every row may touch all of it
  bool written;
};

/// Whether it is a reduction over rows, which some rows at a time can be given to.
bool reduces_rows(const Launch& launch);
/// The operands whose rows are apart, as Kernel::rows tells them.
kernels::Rows rows_apart(const Launch& launch);

/// How many rows a general kernel walks by itself, or leads others through; 0 where it does not.
int64_t own_rows(const Launch& launch);
bool is_leading(const Launch& launch);

/// How many rows launches walk together.
int64_t rows_of(std::span<const Event> launches);
/// Whether what they write fits the first cache: then each does all of its rows at once.
bool fits_cache(std::span<const Event> launches);

/// Bytes from row to row of an operand that a general kernel walks; 0 where all rows are the same,
/// -1 where its rows are not apart.
int64_t row_step(const Operand& operand, int64_t rows);

/// Adds the operands of a launch over so many rows; false where its rows are not apart. One that
/// leads others reads whatever it likes.
bool row_operands(const Launch& launch, int64_t rows, bool leads, std::vector<RowOperand>& found);

}  // namespace bx::capture
