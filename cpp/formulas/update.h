// The rules of the optimizers, as rows: settings, state, and the step that Lanes<T> run.
//
// A rule is used at two levels. The engine (optim/update.cpp) reads the settings by their names in
// Python's param_groups, counts the steps and computes what is the same for all elements:
// scalars(). The kernel (kernels/optimizer.cpp) runs step() on registers of a parameter p, its
// gradient g and its state s. Sums are written in PyTorch's order, so that five steps agree to
// rounding.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

namespace bx::formulas {

/// Value of an index below: none of the settings.
inline constexpr int kAlways = -1, kZero = -1;

/// A tensor of the parameter's shape; kept where setting `when` is not 0, filled with `fill`.
struct Slot {
  const char* name;
  int when = kAlways;
  int fill = kZero;
};
/// A number of each parameter, which starts as `start`, or as setting `like`.
struct Counter {
  const char* name;
  double start = 0;
  int like = -1;
};

struct Update {
  static constexpr std::array<Counter, 1> counters{{{"step"}}};
};

/// What nearly all rules do first: g <- -g (maximize); g <- g + decay p; p <- shrink p.
struct Descent {
  bool maximize;
  double decay, shrink = 1;

  template <class L>
  L operator()(L& p, L g) const {
    if (maximize) g = -g;
    if (decay != 0) g = g + p * decay;
    if (shrink != 1) p = p * shrink;
    return g;
  }
};

/// Weight decay as a part of the gradient, or apart from it. [Loshchilov & Hutter, 1711.05101]
inline Descent decayed(double maximize, double decay, double lr, double decoupled) {
  return decoupled != 0 ? Descent{maximize != 0, 0, 1 - lr * decay} : Descent{maximize != 0, decay};
}

/// m <- m + (x - m) weight
template <class L>
void blend(L& m, L x, double weight) {
  m = m + (x - m) * weight;
}
/// m <- keep m + (1 - keep) x y
template <class L>
void average(L& m, L x, L y, double keep) {
  m = m * keep + x * y * (1. - keep);
}

/// b <- momentum b + (1 - dampening) g (b = g first);  p -= lr b, or lr (g + momentum b) for
/// Nesterov.  [Sutskever et al. 2013]
struct SgdUpdate : Update {
  static constexpr auto name = "SGD";
  struct Settings {
    double lr, momentum, dampening, weight_decay, nesterov, maximize;
  };
  static constexpr std::array settings{"lr",           "momentum",  "dampening",
                                       "weight_decay", "nesterov?", "maximize?"};
  static constexpr std::array<Counter, 0> counters{};
  static constexpr std::array<Slot, 1> slots{{{"momentum_buffer", 1}}};
  struct Scalars {
    Descent descent;
    double lr, momentum, gain;
    bool nesterov, first;
  };
  static Scalars scalars(const Settings& h, double*, bool first) {
    return {{h.maximize != 0, h.weight_decay},
            h.lr,
            h.momentum,
            1 - h.dampening,
            h.nesterov != 0,
            first};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    if (c.momentum != 0) {
      s[0] = c.first ? g : s[0] * c.momentum + g * c.gain;
      g = c.nesterov ? g + s[0] * c.momentum : s[0];
    }
    p = p - g * c.lr;
  }
};

/// m, v: averages of g and g^2;  p -= lr m^ / (sqrt(v^) + eps), ^ freed of the bias to 0; amsgrad:
/// with the greatest v so far.  [Kingma & Ba, 1412.6980; Reddi et al. 2018]
struct AdamUpdate : Update {
  static constexpr auto name = "Adam";
  struct Settings {
    double lr, beta1, beta2, eps, weight_decay, maximize, decoupled, amsgrad;
  };
  static constexpr std::array settings{"lr",
                                       "betas.0",
                                       "betas.1",
                                       "eps",
                                       "weight_decay",
                                       "maximize?",
                                       "decoupled_weight_decay?",
                                       "amsgrad?"};
  static constexpr std::array<Slot, 3> slots{{{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq", 7}}};
  struct Scalars {
    Descent descent;
    double lr, gain, beta2, scale, eps;
    bool amsgrad;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    const double t = ++n[0];
    return {decayed(h.maximize, h.weight_decay, h.lr, h.decoupled),
            h.lr / (1 - std::pow(h.beta1, t)),
            1 - h.beta1,
            h.beta2,
            1 / std::sqrt(1 - std::pow(h.beta2, t)),
            h.eps,
            h.amsgrad != 0};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    blend(s[0], g, c.gain);
    average(s[1], g, g, c.beta2);
    L v = s[1];
    if (c.amsgrad) v = s[2] = maximum(s[2], v);
    p = p - s[0] * c.lr / (sqrt(v) * c.scale + c.eps);
  }
};

/// Adam with Nesterov's momentum, whose weight grows.  [Dozat 2016]
struct NAdamUpdate : Update {
  static constexpr auto name = "NAdam";
  struct Settings {
    double lr, beta1, beta2, eps, weight_decay, maximize, decoupled, momentum_decay;
  };
  static constexpr std::array settings{"lr",
                                       "betas.0",
                                       "betas.1",
                                       "eps",
                                       "weight_decay",
                                       "maximize?",
                                       "decoupled_weight_decay?",
                                       "momentum_decay"};
  static constexpr std::array<Counter, 2> counters{{{"step"}, {"mu_product", 1}}};
  static constexpr std::array<Slot, 2> slots{{{"exp_avg"}, {"exp_avg_sq"}}};
  struct Scalars {
    Descent descent;
    double of_g, of_m, gain, beta2, scale, eps;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    const double t = ++n[0];
    auto weight = [&](double at) {
      return h.beta1 * (1 - 0.5 * std::pow(0.96, at * h.momentum_decay));
    };
    const double mu = weight(t), next = weight(t + 1);
    n[1] *= mu;
    return {decayed(h.maximize, h.weight_decay, h.lr, h.decoupled),
            h.lr * (1 - mu) / (1 - n[1]),
            h.lr * next / (1 - n[1] * next),
            1 - h.beta1,
            h.beta2,
            1 / (1 - std::pow(h.beta2, t)),
            h.eps};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    blend(s[0], g, c.gain);
    average(s[1], g, g, c.beta2);
    p = p - (g * c.of_g + s[0] * c.of_m) / (sqrt(s[1] * c.scale) + c.eps);
  }
};

/// Adam that trusts v only once it rests on enough steps.  [Liu et al. 1908.03265]
struct RAdamUpdate : Update {
  static constexpr auto name = "RAdam";
  struct Settings {
    double lr, beta1, beta2, eps, weight_decay, maximize, decoupled;
  };
  static constexpr std::array settings{
      "lr", "betas.0", "betas.1", "eps", "weight_decay", "maximize?", "decoupled_weight_decay?"};
  static constexpr std::array<Slot, 2> slots{{{"exp_avg"}, {"exp_avg_sq"}}};
  struct Scalars {
    Descent descent;
    double lr, gain, beta2, eps;
    bool adaptive;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    const double t = ++n[0], power = std::pow(h.beta2, t);
    const double most = 2 / (1 - h.beta2) - 1, length = most - 2 * t * power / (1 - power);
    double lr = h.lr / (1 - std::pow(h.beta1, t));
    if (length > 5)
      lr *= std::sqrt((1 - power) * (length - 4) * (length - 2) * most /
                      ((most - 4) * (most - 2) * length));
    return {decayed(h.maximize, h.weight_decay, h.lr, h.decoupled),
            lr,
            1 - h.beta1,
            h.beta2,
            h.eps,
            length > 5};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    blend(s[0], g, c.gain);
    average(s[1], g, g, c.beta2);
    const L d = s[0] * c.lr;
    p = p - (c.adaptive ? d / (sqrt(s[1]) + c.eps) : d);
  }
};

/// u <- max(beta2 u, |g| + eps);  p -= lr m^ / u.  [Kingma & Ba, 1412.6980, section 7.1]
struct AdamaxUpdate : Update {
  static constexpr auto name = "Adamax";
  struct Settings {
    double lr, beta1, beta2, eps, weight_decay, maximize;
  };
  static constexpr std::array settings{"lr",  "betas.0",      "betas.1",
                                       "eps", "weight_decay", "maximize?"};
  static constexpr std::array<Slot, 2> slots{{{"exp_avg"}, {"exp_inf"}}};
  struct Scalars {
    Descent descent;
    double lr, gain, beta2, eps;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    const double t = ++n[0];
    return {{h.maximize != 0, h.weight_decay},
            h.lr / (1 - std::pow(h.beta1, t)),
            1 - h.beta1,
            h.beta2,
            h.eps};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    blend(s[0], g, c.gain);
    s[1] = maximum(s[1] * c.beta2, abs(g) + c.eps);
    p = p - s[0] * c.lr / s[1];
  }
};

/// v: average of g^2, less that of g squared when centered;  p -= lr g / (sqrt(v) + eps), or with
/// momentum.  [Hinton, lecture 6e, 2012; Graves, 1308.0850]
struct RmspropUpdate : Update {
  static constexpr auto name = "RMSprop";
  struct Settings {
    double lr, alpha, eps, weight_decay, maximize, momentum, centered;
  };
  static constexpr std::array settings{"lr",        "alpha",    "eps",      "weight_decay",
                                       "maximize?", "momentum", "centered?"};
  static constexpr std::array<Slot, 3> slots{
      {{"square_avg"}, {"momentum_buffer", 5}, {"grad_avg", 6}}};
  struct Scalars {
    Descent descent;
    double lr, alpha, eps, momentum;
    bool centered;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    ++n[0];
    return {{h.maximize != 0, h.weight_decay}, h.lr, h.alpha, h.eps, h.momentum, h.centered != 0};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    average(s[0], g, g, c.alpha);
    L v = s[0];
    if (c.centered) {
      blend(s[2], g, 1. - c.alpha);
      v = v - s[2] * s[2];
    }
    g = g / (sqrt(v) + c.eps);
    if (c.momentum != 0) g = s[1] = s[1] * c.momentum + g;
    p = p - g * c.lr;
  }
};

/// v <- v + g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps).  [Duchi et al. 2011]
struct AdagradUpdate : Update {
  static constexpr auto name = "Adagrad";
  struct Settings {
    double lr, lr_decay, eps, weight_decay, maximize, initial;
  };
  static constexpr std::array settings{"lr",           "lr_decay",  "eps",
                                       "weight_decay", "maximize?", "initial_accumulator_value"};
  static constexpr std::array<Slot, 1> slots{{{"sum", kAlways, 5}}};
  struct Scalars {
    Descent descent;
    double lr, eps;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    const double before = n[0]++;
    return {{h.maximize != 0, h.weight_decay}, h.lr / (1 + before * h.lr_decay), h.eps};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    s[0] = s[0] + g * g;
    p = p - g * c.lr / (sqrt(s[0]) + c.eps);
  }
};

/// d = g sqrt(u + eps) / sqrt(v + eps), v and u averages of g^2 and d^2;  p -= lr d.
/// [Zeiler, 1212.5701]
struct AdadeltaUpdate : Update {
  static constexpr auto name = "Adadelta";
  struct Settings {
    double lr, rho, eps, weight_decay, maximize;
  };
  static constexpr std::array settings{"lr", "rho", "eps", "weight_decay", "maximize?"};
  static constexpr std::array<Slot, 2> slots{{{"square_avg"}, {"acc_delta"}}};
  struct Scalars {
    Descent descent;
    double lr, rho, eps;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    ++n[0];
    return {{h.maximize != 0, h.weight_decay}, h.lr, h.rho, h.eps};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    average(s[0], g, g, c.rho);
    const L d = sqrt(s[1] + c.eps) / sqrt(s[0] + c.eps) * g;
    average(s[1], d, d, c.rho);
    p = p - d * c.lr;
  }
};

/// A step size e of each element grows where the gradient keeps its sign and shrinks, without a
/// step, where it turns;  p -= sign(g) e.  [Riedmiller & Braun 1993]
struct RpropUpdate : Update {
  static constexpr auto name = "Rprop";
  struct Settings {
    double lr, shrink, grow, least, most, maximize;
  };
  static constexpr std::array settings{"lr",           "etas.0",       "etas.1",
                                       "step_sizes.0", "step_sizes.1", "maximize?"};
  static constexpr std::array<Slot, 2> slots{{{"prev"}, {"step_size", kAlways, 0}}};
  struct Scalars {
    Descent descent;
    double shrink, grow, least, most;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    ++n[0];
    return {{h.maximize != 0, 0}, h.shrink, h.grow, h.least, h.most};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    g = c.descent(p, g);
    const L turn = g * s[0];
    L e = s[1];
    e = select(turn > 0., e * c.grow, select(turn < 0., e * c.shrink, e));
    e = select(e < c.least, c.least, select(e > c.most, c.most, e));
    g = select(turn < 0., 0., g);
    p = p - select(g > 0., e, select(g < 0., -e, 0.));
    s[0] = g;
    s[1] = e;
  }
};

/// p <- (1 - lambd eta) p - eta g, eta = lr / (1 + lambd lr t)^alpha; ax is the average of p from
/// step t0 on.  [Polyak & Juditsky 1992]
struct AsgdUpdate : Update {
  static constexpr auto name = "ASGD";
  struct Settings {
    double lr, lambd, alpha, t0, weight_decay, maximize;
  };
  static constexpr std::array settings{"lr", "lambd", "alpha", "t0", "weight_decay", "maximize?"};
  static constexpr std::array<Counter, 3> counters{{{"step"}, {"eta", 0, 0}, {"mu", 1}}};
  static constexpr std::array<Slot, 1> slots{{{"ax"}}};
  struct Scalars {
    Descent descent;
    double eta, mu;
  };
  static Scalars scalars(const Settings& h, double* n, bool) {
    const double t = ++n[0], eta = n[1], mu = n[2];
    n[1] = h.lr / std::pow(1 + h.lambd * h.lr * t, h.alpha);
    n[2] = 1 / std::max(1., t - h.t0);
    return {{h.maximize != 0, h.weight_decay, 1 - h.lambd * eta}, eta, mu};
  }
  template <class L>
  static void step(L& p, L g, L* s, const Scalars& c) {
    p = p - c.descent(p, g) * c.eta;
    s[0] = c.mu == 1 ? p : s[0] + (p - s[0]) * c.mu;
  }
};

/// Every rule; a rule's place is its number.
using Updates = std::tuple<SgdUpdate, AdamUpdate, NAdamUpdate, RAdamUpdate, AdamaxUpdate,
                           RmspropUpdate, AdagradUpdate, AdadeltaUpdate, RpropUpdate, AsgdUpdate>;
inline constexpr int kUpdates = std::tuple_size_v<Updates>;
/// The most slots and counters of a rule.
inline constexpr int kMaxSlots = 3, kMaxCounters = 3;

}  // namespace bx::formulas
