"""Lesson 4: the gradients of a perceptron with one hidden layer, by hand and by `backward`.

    z = W1 x (+ b1)    h = phi(z)    o = W2 h (+ b2)
    L = |o - y|^2 / 2  s = lambda / 2 (|W1|^2 + |W2|^2)    J = L + s

Backpropagation is the chain rule read from the right: each line of `closed_forms` uses the line
above it. The same penalty is what optimizers call weight decay. In float64, everything agrees to
the last digits.
"""

import backprop_ext as torch

LAMBDA = 0.1
INPUTS, HIDDEN, OUTPUTS = 4, 5, 3

torch.manual_seed(0)
f64 = {"dtype": torch.float64}
x, y = torch.randn(INPUTS, **f64), torch.randn(OUTPUTS, **f64)
W1_0, W2_0 = torch.randn(HIDDEN, INPUTS, **f64), torch.randn(OUTPUTS, HIDDEN, **f64)
b1_0, b2_0 = torch.randn(HIDDEN, **f64), torch.randn(OUTPUTS, **f64)


def leaves(*tensors):
    """Fresh copies that record what is done to them."""
    return [t.clone().requires_grad_() for t in tensors]


def perceptron(W1, W2, b1=None, b2=None):
    """Every step of the forward pass; phi is tanh."""
    z = W1 @ x if b1 is None else W1 @ x + b1
    h = torch.tanh(z)
    o = W2 @ h if b2 is None else W2 @ h + b2
    return z, h, o


def loss_of(o):
    return ((o - y) ** 2).sum() / 2


def penalty(W1, W2):
    return LAMBDA / 2 * ((W1**2).sum() + (W2**2).sum())


def closed_forms(W1, W2, z, h, o):
    """The gradients of J, from the output back to the input."""
    do = o - y  #                                     dJ/do = o - y for half the squared error
    dW2 = torch.outer(do, h) + LAMBDA * W2  #         dJ/do h^T + lambda W2
    dh = W2.T @ do  #                                 W2^T dJ/do
    dz = dh * (1 - torch.tanh(z) ** 2)  #             dJ/dh * phi'(z), and tanh' = 1 - tanh^2
    dW1 = torch.outer(dz, x) + LAMBDA * W1  #         dJ/dz x^T + lambda W1
    return {"o": do, "W2": dW2, "h": dh, "z": dz, "W1": dW1}


def compare(name, got, want):
    largest = (got - want).abs().max().item()
    print(f"  {name:<18} |difference| <= 1e-12: {largest <= 1e-12}")


print("Without biases")
W1, W2 = leaves(W1_0, W2_0)
z, h, o = perceptron(W1, W2)
for intermediate in (z, h, o):
    intermediate.retain_grad()  # only leaves keep their gradient unless they are asked to
J = loss_of(o) + penalty(W1, W2)
J.backward()
print(f"  J = {J.item():.12f}")
print("  dJ/dW2 =", W2.grad[0])
with torch.no_grad():
    by_hand = closed_forms(W1, W2, z, h, o)
for name, tensor in {"o": o, "W2": W2, "h": h, "z": z, "W1": W1}.items():
    compare("dJ/d" + name, tensor.grad, by_hand[name])

print("The penalty in the loss, or weight_decay in the optimizer: five steps of SGD")
penalized, decayed = leaves(W1_0, W2_0), leaves(W1_0, W2_0)
plain = torch.optim.SGD(penalized, lr=0.1)
decaying = torch.optim.SGD(decayed, lr=0.1, weight_decay=LAMBDA)
for _ in range(5):
    plain.zero_grad()
    (loss_of(perceptron(*penalized)[-1]) + penalty(*penalized)).backward()
    plain.step()
    decaying.zero_grad()
    loss_of(perceptron(*decayed)[-1]).backward()
    decaying.step()
compare("W1", penalized[0], decayed[0])
compare("W2", penalized[1], decayed[1])

print("Exercise: the same with biases, which are not penalized")
W1, W2, b1, b2 = leaves(W1_0, W2_0, b1_0, b2_0)
z, h, o = perceptron(W1, W2, b1, b2)
J = loss_of(o) + penalty(W1, W2)
J.backward()
print(f"  J = {J.item():.12f}")
with torch.no_grad():
    by_hand = closed_forms(W1, W2, z, h, o)
compare("dJ/dW2", W2.grad, by_hand["W2"])
compare("dJ/dW1", W1.grad, by_hand["W1"])
compare("dJ/db2 = dJ/do", b2.grad, by_hand["o"])  # o = W2 h + b2, so do/db2 is the identity
compare("dJ/db1 = dJ/dz", b1.grad, by_hand["z"])

penalized, decayed = leaves(W1_0, W2_0, b1_0, b2_0), leaves(W1_0, W2_0, b1_0, b2_0)
plain = torch.optim.SGD(penalized, lr=0.1)
groups = [{"params": decayed[:2], "weight_decay": LAMBDA}, {"params": decayed[2:]}]
decaying = torch.optim.SGD(groups, lr=0.1)
plain.zero_grad()
(loss_of(perceptron(*penalized)[-1]) + penalty(*penalized[:2])).backward()
plain.step()
loss_of(perceptron(*decayed)[-1]).backward()
decaying.step()
for name, ours, theirs in zip(("W1", "W2", "b1", "b2"), penalized, decayed, strict=True):
    compare(f"{name} after a step", ours, theirs)
