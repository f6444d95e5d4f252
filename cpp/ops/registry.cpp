#include "ops/arranging.h"
#include "ops/linalg.h"
#include "ops/ops.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

namespace bx {

DType Scalar::dtype() const {
  return kind == Bool    ? DType::Bool
         : kind == Int   ? DType::Int64
         : kind == Float ? DType::Float64
                         : DType::Complex128;
}

double Scalar::as_double() const {
  if (kind == Complex)
    fail_runtime("number", "a complex number, ", d, im < 0 ? " - " : " + ", std::abs(im),
                 "j, where a real one is needed; pass its real part");
  return kind == Float ? d : static_cast<double>(i);
}

namespace {

std::string trim(const std::string& s) {
  const auto begin = s.find_first_not_of(' ');
  return begin == std::string::npos ? "" : s.substr(begin, s.find_last_not_of(' ') - begin + 1);
}

/// Splits at commas outside parentheses.
std::vector<std::string> split_arguments(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (char c : text) {
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0) {
      parts.push_back(trim(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!trim(part).empty()) parts.push_back(trim(part));
  return parts;
}

/// A default as written in a signature.
Value parse_default(ArgType type, const std::string& text) {
  if (text == "None") return std::monostate{};
  switch (type) {
    case ArgType::Bool: return text == "True";
    case ArgType::Int: return static_cast<int64_t>(std::atoll(text.c_str()));
    case ArgType::Float: return std::atof(text.c_str());
    case ArgType::String: return text.substr(1, text.size() - 2);
    case ArgType::Tensors: return Tensors{};
    case ArgType::Scalar: {
      const bool whole = text.find_first_of(".e") == std::string::npos;
      return Scalar{whole ? Scalar::Int : Scalar::Float, std::atoll(text.c_str()),
                    std::atof(text.c_str())};
    }
    case ArgType::Sizes:
    case ArgType::Dims: {
      Dims dims;
      if (text[0] != '(') return Dims{std::atoll(text.c_str())};
      for (const std::string& part : split_arguments(text.substr(1, text.size() - 2)))
        dims.push_back(std::atoll(part.c_str()));
      return dims;
    }
    default: fail_runtime("registry", "no default '", text, "' for this type");
  }
}

}  // namespace

const char* namespace_of(Place place) {
  switch (place) {
    case Place::Nn: return "nn";
    case Place::Linalg: return "linalg";
    case Place::Special: return "special";
    case Place::Fft: return "fft";
    default: return "";
  }
}

Operation* Registry::add_overload(Place place, const char* name, const char* signature,
                                  Overload overload, const char* doc) {
  bool keyword_only = false;
  size_t k = 0;
  const std::string text = signature;
  const auto arrow = text.find("->");
  if (arrow != std::string::npos) overload.results = split_arguments(text.substr(arrow + 2));
  for (const std::string& part : split_arguments(text.substr(0, arrow))) {
    if (part == "*") {
      keyword_only = true;
      continue;
    }
    if (k == overload.arguments.size())
      fail_runtime("registry", name, ": more names than arguments in '", signature, "'");
    Argument& argument = overload.arguments[k++];
    const auto equals = part.find('=');
    argument.in_python = part[0] == '?';
    const bool tuple = part[argument.in_python] == '*';
    argument.one_by_one = tuple && argument.type == ArgType::Tensors;
    if (tuple && argument.type != ArgType::Dims && !argument.one_by_one)
      fail_runtime("registry", name, ": '", part, "' is no shape");
    if (tuple && !argument.one_by_one) argument.type = ArgType::Sizes;
    const size_t mark = tuple + argument.in_python;
    argument.name = trim(part.substr(mark, equals - mark));
    argument.keyword_only = keyword_only;
    if (equals != std::string::npos) {
      argument.has_default = true;
      argument.default_text = trim(part.substr(equals + 1));
      argument.default_value = parse_default(argument.type, argument.default_text);
    }
  }
  if (k != overload.arguments.size())
    fail_runtime("registry", name, ": fewer names than arguments in '", signature, "'");
  // A method whose arguments differ in order from the function of its name is an operation apart.
  const auto function = by_name_.find({"", name});
  const bool apart = place == Place::Method && function != by_name_.end() &&
                     function->second->place == Place::Function;
  Operation*& operation = by_name_[{apart ? "Tensor" : namespace_of(place), name}];
  if (!operation) {
    operations_.push_back(std::make_unique<Operation>(Operation{name, place, doc, {}, false}));
    operation = operations_.back().get();
  }
  operation->overloads.push_back(std::move(overload));
  return operation;
}

void Registry::alias(const char* name, std::initializer_list<const char*> others) {
  for (const char* suffix : {"", "_"}) {
    const auto found = by_name_.find({"", str(name, suffix)});
    if (found == by_name_.end()) continue;
    for (const std::string other : others) {
      auto copy = std::make_unique<Operation>(*found->second);
      const bool elsewhere = other.rfind("linalg.", 0) == 0;
      if (elsewhere && *suffix) continue;
      if (elsewhere) copy->place = Place::Linalg;
      copy->name = (elsewhere ? other.substr(7) : other) + suffix;
      copy->doc = str("Another name of ", name, suffix, ". ", copy->doc);
      by_name_[{namespace_of(copy->place), copy->name}] = copy.get();
      operations_.push_back(std::move(copy));
    }
  }
}

void Registry::inplace(std::initializer_list<const char*> names, bool elementwise) {
  for (const char* name : names) {
    const Operation& op = *by_name_.at({"", name});
    auto written =
        std::make_unique<Operation>(Operation{str(name, "_"), Place::Method, op.doc, {}, false});
    for (Overload overload : op.overloads) {
      if (!overload.results.empty()) continue;
      size_t typed = overload.arguments.size() - 1;  // where dtype is among the arguments, or 0
      while (typed && overload.arguments[typed].name != "dtype") --typed;
      overload.call = [call = overload.call, op = written.get(), elementwise, typed,
                       count = overload.arguments.size()](Value* v) -> Value {
        const Tensor self = std::get<Tensor>(v[0]);
        check_inplace(op->name.c_str(), self);
        if (const auto* d = typed ? std::get_if<DType>(&v[typed]) : nullptr;
            d && *d != self.dtype())
          fail_runtime(op->name.c_str(), "dtype=", name_of(*d), " for a tensor of ",
                       name_of(self.dtype()), " that is written in place; leave dtype out");
        bool beside = false;
        for (size_t k = 1; k < count; ++k)
          if (const auto* t = std::get_if<Tensor>(&v[k])) beside = beside || requires_grad(*t);
        v[0] = unwritten(self, beside);
        const Tensor result = std::get<Tensor>(call(v));
        for (size_t k = 1; elementwise && k < count; ++k)
          if (const auto* t = std::get_if<Tensor>(&v[k])) require_apart(op->name.c_str(), self, *t);
        require_storable(op->name.c_str(), result.dtype(), self.dtype());
        if (!(result.shape() == self.shape()))
          fail_runtime(op->name.c_str(), "the result has shape ", result.shape(),
                       ", the tensor written to ", self.shape(), "; they must be equal");
        if (const auto made = grad_fn(result)) return copy_(self, result, made->label());
        return copy_(self, result);
      };
      written->overloads.push_back(std::move(overload));
    }
    by_name_[{"", written->name}] = written.get();
    operations_.push_back(std::move(written));
  }
}

void Registry::widens(const char* names) {
  std::istringstream list(names);
  for (std::string name; list >> name;) {
    const auto dot = name.find('.');
    const bool elsewhere = dot != std::string::npos;
    by_name_.at({elsewhere ? name.substr(0, dot) : "", name.substr(elsewhere ? dot + 1 : 0)})
        ->widens = true;
  }
}

void Registry::older(const char* names, const char* first) {
  const std::vector<std::string> leading = split_arguments(first);
  std::istringstream list(names);
  for (std::string name; list >> name;) {
    Operation& op = *by_name_.at({"", name});
    const Overload now = op.overloads[0];
    std::vector<size_t> order;  // where the older arguments are among today's
    for (const std::string& wanted : leading)
      for (size_t k = 0; k < now.arguments.size(); ++k)
        if (now.arguments[k].name == wanted) order.push_back(k);
    if (order.size() != leading.size())
      fail_runtime("registry", name, " has not all of the arguments '", first, "'");
    for (const bool keyword_only : {false, true})
      for (size_t k = 0; k < now.arguments.size(); ++k)
        if (now.arguments[k].keyword_only == keyword_only &&
            std::find(order.begin(), order.end(), k) == order.end())
          order.push_back(k);
    Overload then = now;
    then.older = true;
    for (size_t k = 0; k < order.size(); ++k) {
      then.arguments[k] = now.arguments[order[k]];
      if (k < leading.size())
        then.arguments[k].keyword_only = then.arguments[k].has_default = false;
    }
    then.call = [call = now.call, order](Value* v) {
      std::vector<Value> values(order.size());
      for (size_t k = 0; k < order.size(); ++k) values[order[k]] = std::move(v[k]);
      return call(values.data());
    };
    op.overloads.push_back(std::move(then));
  }
}

const Registry& registry() {
  static const auto* table = [] {
    auto* r = new Registry;
    register_pointwise(*r);
    register_complex(*r);
    register_fft(*r);
    register_stft(*r);
    register_range(*r);
    register_creation(*r);
    register_copy(*r);
    register_memory(*r);
    register_shape(*r);
    register_slicing(*r);
    register_reduction(*r);
    register_statistics(*r);
    register_scan(*r);
    register_summary(*r);
    register_samples(*r);
    register_distance(*r);
    register_matmul(*r);
    register_joining(*r);
    register_indexing(*r);
    register_scatter(*r);
    register_index_along(*r);
    register_strided(*r);
    register_sorting(*r);
    register_searching(*r);
    register_softmax(*r);
    register_loss(*r);
    register_likelihood(*r);
    register_random(*r);
    register_sampling(*r);
    register_conv(*r);
    register_pooling(*r);
    register_resample(*r);
    register_grid_sample(*r);
    register_embedding(*r);
    register_channel_norm(*r);
    register_row_norm(*r);
    register_image(*r);
    register_similarity(*r);
    register_dropout(*r);
    register_margin(*r);
    register_ctc(*r);
    register_attention(*r);
    register_recurrent(*r);
    register_arranging(*r);
    register_linalg(*r);
    r->widens(
        "add sub subtract square logical_not pow clamp clamp_min clamp_max clip div divide "
        "true_divide floor_divide float_power ldexp lerp logit mvlgamma polygamma outer ger kron "
        "addr cumsum cumprod sum prod mean nansum nanmean std var logsumexp max min cat "
        "stack "
        "hstack vstack row_stack dstack column_stack normal bernoulli cholesky cholesky_inverse "
        "cholesky_solve matrix_power linalg.cond linalg.matrix_power linalg.matrix_rank "
        "linalg.pinv linalg.tensorinv linalg.tensorsolve linalg.householder_product");
    r->older("add add_ sub sub_", "input, alpha");
    r->older("addcmul addcmul_ addcdiv addcdiv_", "input, value");
    for (const char* first :
         {"beta, input, alpha", "beta, input", "input, beta, alpha", "input, beta"})
      r->older("addbmm addbmm_ addmm addmm_ addmv addmv_ addr addr_ baddbmm baddbmm_", first);
    return r;
  }();
  return *table;
}

}  // namespace bx
