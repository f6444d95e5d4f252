// The table of operations that Python sees: name, arguments with defaults, documentation and the
// C++ function behind. The binding, the method, the stub and the tests loop over it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace bx {

/// A Python number as it came: kind and value.
struct Scalar {
  enum Kind { Bool, Int, Float, Complex } kind = Float;
  int64_t i = 0;
  double d = 0;
  double im = 0;  // of a complex one; d is its real part

  DType dtype() const;
  /// RuntimeError for a complex one.
  double as_double() const;
};

/// A tensor argument for which a Python number may stand.
struct Operand {
  Tensor tensor;
};

/// A list in which None (an undefined tensor) may stand.
struct OptTensors {
  Tensors list;
};

/// A shape that is written as a tuple or list: one number is none, unless it may be spread out.
struct Sizes : Dims {};

/// Whole numbers, as many as there are (Dims holds those of a shape).
using Ints = std::vector<int64_t>;

/// An argument or a result on its way between Python and C++.
using Value = std::variant<std::monostate, Tensor, Scalar, bool, int64_t, double, Dims, Ints,
                           Tensors, DType, MemoryFormat, std::string, Generator*>;

/// Those that hold tensors come first.
enum class ArgType {
  Tensor,
  Operand,
  Tensors,
  OptTensors,
  Scalar,
  Bool,
  Int,
  Float,
  Dims,
  Sizes,
  Ints,
  DType,
  Format,
  String,
  Generator
};

struct Argument {
  explicit Argument(ArgType type, bool optional = false) : type(type), optional(optional) {}
  ArgType type;
  bool optional;  // None is allowed
  std::string name;
  bool keyword_only = false;
  bool one_by_one = false;  // tensors that come without a list around them
  // Read by PyTorch in Python: a bool is any truth, a str any text, and no number fails anyhow.
  bool in_python = false;
  bool has_default = false;
  Value default_value;
  std::string default_text;
};

/// One way to call an operation.
struct Overload {
  std::vector<Argument> arguments;
  std::function<Value(Value*)> call;
  /// The result's type as Python's stub writes it.
  const char* returns = "Tensor";
  /// Names of several results: (values, indices). Empty for one, or a plain tuple.
  std::vector<std::string> results;
  /// The order of the arguments that old scripts use: taken with a warning, and shown nowhere.
  bool older = false;
};

/// Where Python finds an operation: torch.f, Tensor.f, or a namespace of its own.
enum class Place { Function = 1, Method = 2, Both = 3, Nn = 4, Linalg = 8, Special = 16, Fft = 32 };
/// "nn", "linalg", ...; empty for functions and methods.
const char* namespace_of(Place place);

struct Operation {
  std::string name;
  Place place;
  std::string doc;
  std::vector<Overload> overloads;
  /// Whether out= may be of a wider type than the result.
  bool widens = false;
};

namespace detail {

template <class T>
struct ArgOf;
#define BX_ARG(Cpp, kind)                                              \
  template <>                                                          \
  struct ArgOf<Cpp> {                                                  \
    static constexpr ArgType type = ArgType::kind;                     \
    static constexpr bool optional = false;                            \
    static const Cpp& get(const Value& v) { return std::get<Cpp>(v); } \
  };
BX_ARG(Tensor, Tensor)
BX_ARG(Tensors, Tensors)
BX_ARG(Scalar, Scalar)
BX_ARG(bool, Bool)
BX_ARG(int64_t, Int)
BX_ARG(double, Float)
BX_ARG(Dims, Dims)
BX_ARG(Ints, Ints)
BX_ARG(DType, DType)
BX_ARG(MemoryFormat, Format)
BX_ARG(std::string, String)
#undef BX_ARG
template <>
struct ArgOf<Operand> {
  static constexpr ArgType type = ArgType::Operand;
  static constexpr bool optional = false;
  static Operand get(const Value& v) { return {std::get<Tensor>(v)}; }
};
template <>
struct ArgOf<Sizes> {
  static constexpr ArgType type = ArgType::Sizes;
  static constexpr bool optional = false;
  static Sizes get(const Value& v) { return {std::get<Dims>(v)}; }
};
template <>
struct ArgOf<OptTensors> {
  static constexpr ArgType type = ArgType::OptTensors;
  static constexpr bool optional = false;
  static OptTensors get(const Value& v) { return {std::get<Tensors>(v)}; }
};
/// None: the default generator.
template <>
struct ArgOf<Generator*> {
  static constexpr ArgType type = ArgType::Generator;
  static constexpr bool optional = true;
  static Generator* get(const Value& v) {
    return std::holds_alternative<Generator*>(v) ? std::get<Generator*>(v) : &default_generator();
  }
};
template <class T>
struct ArgOf<std::optional<T>> {
  static constexpr ArgType type = ArgOf<T>::type;
  static constexpr bool optional = true;
  static std::optional<T> get(const Value& v) {
    if (std::holds_alternative<std::monostate>(v)) return std::nullopt;
    return ArgOf<T>::get(v);
  }
};

inline Value to_value(Tensor t) { return t; }
inline Value to_value(Tensors t) { return t; }
inline Value to_value(std::pair<Tensor, Tensor> t) { return Tensors{t.first, t.second}; }
inline Value to_value(std::tuple<Tensor, Tensor, Tensor> t) {
  return Tensors{std::get<0>(t), std::get<1>(t), std::get<2>(t)};
}
inline Value to_value(Value v) { return v; }
inline Value to_value(bool b) { return b; }
inline Value to_value(int64_t i) { return i; }
inline Value to_value(DType t) { return t; }

template <class R>
inline constexpr const char* returns = "Tensor";
template <>
inline constexpr const char* returns<Tensors> = "tuple[Tensor, ...]";
template <>
inline constexpr const char* returns<Value> = "Any";
template <>
inline constexpr const char* returns<bool> = "bool";
template <>
inline constexpr const char* returns<int64_t> = "int";
template <>
inline constexpr const char* returns<DType> = "dtype";

template <class R, class... A>
Overload box(R (*function)(A...)) {
  Overload o;
  o.returns = returns<R>;
  (o.arguments.emplace_back(ArgOf<std::remove_cvref_t<A>>::type,
                            ArgOf<std::remove_cvref_t<A>>::optional),
   ...);
  o.call = [function](Value* v) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      (void)v;
      return to_value(function(ArgOf<std::remove_cvref_t<A>>::get(v[I])...));
    }(std::index_sequence_for<A...>{});
  };
  return o;
}

}  // namespace detail

class Registry {
 public:
  /// `signature` names the arguments and their defaults as Python writes them, and several results:
  /// "input, dim=None, keepdim=False, *, dtype=None", "input, dim -> values, indices"; "*size" is
  /// a tuple that may be spread out where it is the only argument, "*tensors" always is;
  /// "?inplace" is what PyTorch reads in Python. A second call with the same name adds
  /// an overload, tried after the first.
  template <class R, class... A>
  void add(Place place, const char* name, const char* signature, R (*function)(A...),
           const char* doc) {
    add_overload(place, name, signature, detail::box(function), doc);
  }
  template <class F>
  void both(const char* name, const char* signature, F f, const char* doc) {
    add(Place::Both, name, signature, +f, doc);
  }
  template <class F>
  void function(const char* name, const char* signature, F f, const char* doc) {
    add(Place::Function, name, signature, +f, doc);
  }
  template <class F>
  void method(const char* name, const char* signature, F f, const char* doc) {
    add(Place::Method, name, signature, +f, doc);
  }
  template <class F>
  void nn(const char* name, const char* signature, F f, const char* doc) {
    add(Place::Nn, name, signature, +f, doc);
  }
  template <class F>
  void fft(const char* name, const char* signature, F f, const char* doc) {
    add(Place::Fft, name, signature, +f, doc);
  }
  template <class F>
  void linalg(const char* name, const char* signature, F f, const char* doc) {
    add(Place::Linalg, name, signature, +f, doc);
  }
  /// Other names of a registered operation (of its in-place form too, where there is one).
  void alias(const char* name, std::initializer_list<const char*> others);
  /// The method name_, which writes the result of a registered operation into its first argument;
  /// `elementwise` ones are an error where another tensor shares a part of its memory.
  void inplace(std::initializer_list<const char*> names, bool elementwise = false);
  /// Operations, separated by spaces, whose results out= may take in a wider type.
  void widens(const char* names);
  /// Operations, separated by spaces, that also take their arguments in an older order: those named
  /// in `first` ("input, alpha"), then the others without a keyword.
  void older(const char* names, const char* first);
  /// For calls that are not plain functions: `overload` comes with typed, unnamed arguments.
  Operation* add_overload(Place place, const char* name, const char* signature, Overload overload,
                          const char* doc);

  /// In the order of their registration; nn.functional's own live beside the others.
  const std::vector<std::unique_ptr<Operation>>& operations() const { return operations_; }

 private:
  std::vector<std::unique_ptr<Operation>> operations_;
  std::map<std::pair<std::string, std::string>, Operation*> by_name_;  // namespace, name
};

/// Every operation. Built on first use by the families' register_ functions.
const Registry& registry();

void register_pointwise(Registry&);
void register_complex(Registry&);
void register_fft(Registry&);
void register_stft(Registry&);
void register_range(Registry&);
void register_creation(Registry&);
void register_copy(Registry&);
void register_memory(Registry&);
void register_shape(Registry&);
void register_slicing(Registry&);
void register_reduction(Registry&);
void register_statistics(Registry&);
void register_scan(Registry&);
void register_summary(Registry&);
void register_samples(Registry&);
void register_distance(Registry&);
void register_matmul(Registry&);
void register_joining(Registry&);
void register_indexing(Registry&);
void register_scatter(Registry&);
void register_index_along(Registry&);
void register_strided(Registry&);
void register_sorting(Registry&);
void register_searching(Registry&);
void register_softmax(Registry&);
void register_loss(Registry&);
void register_likelihood(Registry&);
void register_random(Registry&);
void register_sampling(Registry&);
void register_conv(Registry&);
void register_pooling(Registry&);
void register_resample(Registry&);
void register_grid_sample(Registry&);
void register_embedding(Registry&);
void register_channel_norm(Registry&);
void register_row_norm(Registry&);
void register_image(Registry&);
void register_similarity(Registry&);
void register_dropout(Registry&);
void register_margin(Registry&);
void register_ctc(Registry&);
void register_attention(Registry&);
void register_recurrent(Registry&);

}  // namespace bx
