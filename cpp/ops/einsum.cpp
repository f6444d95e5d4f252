// Sums of products by index notation. Operands are joined from left to right, each step one batched
// matrix product; a subscript is summed as soon as no later operand has it.
#include "ops/einsum.h"

#include <algorithm>
#include <array>

namespace bx {

namespace {

/// 0 to 51: letters; from 52 on: the dimensions of an ellipsis, counted from the last.
using Labels = std::vector<int>;
constexpr int kLetters = 52;

int label_of(char c, const std::string& text) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return 26 + c - 'a';
  fail_runtime("einsum", "subscripts '", text, "'; expected letters, '...', ',' and '->'");
}

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// The labels of one operand or of the result; -1 where an ellipsis stands.
Labels parse(const std::string& text) {
  Labels labels;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text[i] != '.') {
      labels.push_back(label_of(text[i], text));
    } else {
      if (text.compare(i, 3, "...") != 0 || has(labels, -1))
        fail_runtime("einsum", "'", text, "' has a '.' that is no part of one ellipsis '...'");
      labels.push_back(-1);
      i += 2;
    }
  }
  return labels;
}

/// The ellipsis replaced by labels of its own, `width` of them.
Labels filled(const Labels& labels, int width) {
  Labels out;
  for (int label : labels) {
    if (label >= 0) out.push_back(label);
    else
      for (int k = width; k > 0; --k) out.push_back(kLetters + k - 1);
  }
  return out;
}

struct Equation {
  std::vector<Labels> operands;
  Labels result;
};

Equation read(const std::string& text, const Tensors& tensors) {
  const auto arrow = text.find("->");
  std::string rest = text.substr(0, arrow);
  std::vector<Labels> given;
  for (size_t comma; (comma = rest.find(',')) != std::string::npos; rest = rest.substr(comma + 1))
    given.push_back(parse(rest.substr(0, comma)));
  given.push_back(parse(rest));
  if (given.size() != tensors.size())
    fail_runtime("einsum", "'", text, "' has ", given.size(), " operands, ", tensors.size(),
                 " tensors were given; they must be equal");
  Equation e;
  int widest = 0;
  std::array<int, kLetters> uses{};
  bool ellipsis = false;
  for (size_t k = 0; k < given.size(); ++k) {
    const int own = static_cast<int>(given[k].size()) - (has(given[k], -1) ? 1 : 0);
    const int width = tensors[k].dim() - own;
    if (width < 0 || (width > 0 && !has(given[k], -1)))
      fail_runtime("einsum", "operand ", k, " of '", text, "' has ", own,
                   " subscripts for a tensor of shape ", tensors[k].shape(),
                   "; name every dimension, or write '...'");
    ellipsis = ellipsis || has(given[k], -1);
    widest = std::max(widest, width);
    for (int label : given[k])
      if (label >= 0) ++uses[static_cast<size_t>(label)];
    e.operands.push_back(filled(given[k], width));
  }
  if (arrow == std::string::npos) {
    // Without a result: the ellipsis, then what occurs once, in alphabetical order.
    for (int k = widest; k > 0; --k) e.result.push_back(kLetters + k - 1);
    for (int label = 0; label < kLetters; ++label)
      if (uses[static_cast<size_t>(label)] == 1) e.result.push_back(label);
    return e;
  }
  const Labels wanted = parse(text.substr(arrow + 2));
  if (has(wanted, -1) && !ellipsis)
    fail_runtime("einsum", "'", text, "' has an ellipsis in the result that no operand has");
  e.result = filled(wanted, widest);
  for (size_t i = 0; i < e.result.size(); ++i) {
    const int label = e.result[i];
    if (std::count(e.result.begin(), e.result.end(), label) > 1)
      fail_runtime("einsum", "'", text, "' names a subscript of the result twice");
    if (label < kLetters && uses[static_cast<size_t>(label)] == 0)
      fail_runtime("einsum", "'", text,
                   "' has a subscript in the result that no operand has; drop it");
  }
  return e;
}

/// A tensor whose dimensions have names, each once.
struct Named {
  Tensor tensor;
  Labels labels;

  int64_t size(int label) const {
    const auto at = std::find(labels.begin(), labels.end(), label);
    return at == labels.end() ? 1 : tensor.shape()[static_cast<int>(at - labels.begin())];
  }
};

/// Repeated subscripts become diagonals.
Named without_repeats(Tensor t, Labels labels) {
  for (size_t i = 0; i < labels.size(); ++i)
    for (size_t j = i + 1; j < labels.size();) {
      if (labels[i] != labels[j]) {
        ++j;
        continue;
      }
      const int a = static_cast<int>(i), b = static_cast<int>(j);
      if (t.shape()[a] != t.shape()[b])
        fail_runtime("einsum", "a subscript is repeated for sizes ", t.shape()[a], " and ",
                     t.shape()[b], " of shape ", t.shape(), "; they must be equal");
      t = movedim(diagonal(t, 0, a, b), Dims{-1}, Dims{a});
      labels.erase(labels.begin() + b);
    }
  return {t, labels};
}

/// The dimensions in this order; those that are missing with size 1.
Tensor arranged(const Named& n, const Labels& order) {
  Dims axes;
  for (int label : order)
    if (const auto at = std::find(n.labels.begin(), n.labels.end(), label); at != n.labels.end())
      axes.push_back(at - n.labels.begin());
  Tensor out = std::is_sorted(axes.begin(), axes.end()) ? n.tensor : permute(n.tensor, axes);
  for (size_t k = 0; k < order.size(); ++k)
    if (!has(n.labels, order[k])) out = unsqueeze(out, static_cast<int64_t>(k));
  return out;
}

Named summed(const Named& n, const Labels& dropped) {
  Dims axes;
  Labels kept;
  for (size_t k = 0; k < n.labels.size(); ++k) {
    if (has(dropped, n.labels[k])) axes.push_back(static_cast<int64_t>(k));
    else kept.push_back(n.labels[k]);
  }
  if (axes.empty()) return n;
  return {sum(n.tensor, axes, false, std::nullopt), kept};
}

int64_t product(const Dims& sizes, size_t first, size_t count) {
  int64_t n = 1;
  for (size_t k = first; k < first + count; ++k) n *= sizes[static_cast<int>(k)];
  return n;
}

/// One step: both operands as [batch, own, inner] and [batch, inner, own], one matrix product.
Named multiplied(const Named& left, const Named& right, const Labels& needed) {
  Labels batch, rows, cols, inner, drop_left, drop_right;
  for (int label : left.labels) {
    const bool shared = has(right.labels, label), kept = has(needed, label);
    const bool both = shared && left.size(label) != 1 && right.size(label) != 1;
    if (kept) (shared ? batch : rows).push_back(label);
    else if (both) inner.push_back(label);
    else drop_left.push_back(label);  // size 1 on a side: summed there alone
    if (shared && !kept && !both) drop_right.push_back(label);
  }
  for (int label : right.labels) {
    if (has(left.labels, label)) continue;
    (has(needed, label) ? cols : drop_right).push_back(label);
  }
  const Named a = summed(left, drop_left), b = summed(right, drop_right);
  if (inner.empty()) {  // nothing is summed: the product of elements
    Labels order;
    for (int label : needed)
      if (!has(order, label) && (has(a.labels, label) || has(b.labels, label)))
        order.push_back(label);
    return {arranged(a, order) * arranged(b, order), order};
  }
  Labels result = batch;
  auto append = [](Labels& to, const Labels& more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  append(result, rows);
  append(result, cols);
  Labels order_a = batch, order_b = batch;
  append(order_a, rows);
  append(order_a, inner);
  append(order_b, inner);
  append(order_b, cols);
  Tensor x = arranged(a, order_a), y = arranged(b, order_b);
  Dims shape_x = x.shape(), shape_y = y.shape(), shape;
  for (size_t k = 0; k < batch.size(); ++k) {
    const int d = static_cast<int>(k);
    const int64_t n = shape_x[d] == 1 ? shape_y[d] : shape_x[d];
    shape_x[d] = shape_y[d] = n;
    shape.push_back(n);
  }
  const size_t nb = batch.size(), nr = rows.size(), ni = inner.size(), nc = cols.size();
  if (!(x.shape() == shape_x)) x = expand(x, shape_x);
  if (!(y.shape() == shape_y)) y = expand(y, shape_y);
  for (size_t k = nb; k < nb + nr; ++k) shape.push_back(shape_x[static_cast<int>(k)]);
  for (size_t k = nb + ni; k < nb + ni + nc; ++k) shape.push_back(shape_y[static_cast<int>(k)]);
  const int64_t depth = product(shape_x, nb + nr, ni);
  const Tensor flat =
      matmul(reshape(x, {product(shape_x, 0, nb), product(shape_x, nb, nr), depth}),
             reshape(y, {product(shape_y, 0, nb), depth, product(shape_y, nb + ni, nc)}));
  return {reshape(flat, shape), result};
}

Tensor einsum(const std::string& equation, const Tensors& tensors) {
  if (tensors.empty()) fail_runtime("einsum", "expected at least one operand, got none");
  const Equation e = read(equation, tensors);
  std::vector<Named> operands;
  std::array<int64_t, kLetters + kMaxDims> sizes;
  sizes.fill(1);
  for (size_t k = 0; k < tensors.size(); ++k) {
    operands.push_back(without_repeats(tensors[k], e.operands[k]));
    for (int label : operands[k].labels) {
      int64_t& size = sizes[static_cast<size_t>(label)];
      const int64_t own = operands[k].size(label);
      if (size != 1 && own != 1 && own != size)
        fail_runtime("einsum", "operand ", k, " of shape ", tensors[k].shape(), " has size ", own,
                     " where an earlier one has ", size, " in '", equation, "'; make them equal");
      size = own == 1 ? size : own;
    }
  }
  /// The subscripts of the result and of the operands behind.
  auto needed_after = [&](size_t k) {
    Labels needed = e.result;
    for (size_t j = k + 1; j < operands.size(); ++j)
      needed.insert(needed.end(), operands[j].labels.begin(), operands[j].labels.end());
    return needed;
  };
  Named out = operands[0];
  for (size_t k = 1; k < operands.size(); ++k) out = multiplied(out, operands[k], needed_after(k));
  Labels dropped;
  for (int label : out.labels)
    if (!has(e.result, label)) dropped.push_back(label);
  const Tensor result = arranged(summed(out, dropped), e.result);
  return result.same_as(tensors[0]) ? reshape(result, result.shape()) : result;
}

/// Sums of products along dims of a and, in the same order, of b.
Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& dims_a, const Dims& dims_b) {
  if (dims_a.size() != dims_b.size())
    fail_runtime("tensordot", "dims ", dims_a, " and ", dims_b, " differ in number");
  if (a.dtype() != b.dtype())
    fail_runtime("tensordot", "a is ", name_of(a.dtype()), ", b ", name_of(b.dtype()),
                 "; convert one with .to()");
  const Dims own = dims_a.empty() ? Dims{} : wrap_axes("tensordot", dims_a, a.dim());
  const Dims other = dims_b.empty() ? Dims{} : wrap_axes("tensordot", dims_b, b.dim());
  for (int k = 0; k < own.size(); ++k) {
    const int64_t na = a.shape()[static_cast<int>(own[k])],
                  nb = b.shape()[static_cast<int>(other[k])];
    if (na != nb && na != 1 && nb != 1)
      fail_runtime("tensordot", "sizes ", na, " and ", nb, " of dims ", own[k], " and ", other[k],
                   " differ; contracted dimensions must be equal");
  }
  Named left{a, {}}, right{b, {}};
  Labels result;
  for (int d = 0; d < a.dim(); ++d) left.labels.push_back(d);
  for (int d = 0; d < b.dim(); ++d) right.labels.push_back(kMaxDims + d);
  for (int k = 0; k < own.size(); ++k)
    right.labels[static_cast<size_t>(other[k])] = static_cast<int>(own[k]);
  for (const Named* n : {&left, &right})
    for (int label : n->labels)
      if (!has(n == &left ? right.labels : left.labels, label)) result.push_back(label);
  return to(arranged(multiplied(left, right, result), result), a.dtype());
}

}  // namespace

void register_einsum(Registry& r) {
  r.function("einsum", "equation, operands=()", einsum,
             "Sums of products in index notation: 'bij,bjk->bik' is a batch of matrix products; "
             "'...' stands for any dimensions, a repeated subscript for a diagonal.");
  r.function("tensordot", "a, b, dims_self, dims_other", tensordot,
             "Sums of products along dimensions of a and, in the same order, of b.");
  r.function(
      "tensordot", "a, b, dims=2",
      [](const Tensor& a, const Tensor& b, int64_t count) {
        if (count < 0 || count > a.dim() || count > b.dim())
          fail_runtime("tensordot", "dims ", count, " of shapes ", a.shape(), " and ", b.shape(),
                       "; expected 0 or more that both have");
        Dims own, other;
        for (int64_t k = 0; k < count; ++k) {
          own.push_back(a.dim() - count + k);
          other.push_back(k);
        }
        return tensordot(a, b, own, other);
      },
      "");
}

}  // namespace bx
