"""Lesson 3: reading old scripts. Before PyTorch 0.4, a tensor had to be wrapped to be trained.

`Variable` is kept for them: Variable(t, requires_grad=True) is a tensor on the memory of t.
"""

import backprop_ext as torch
from backprop_ext.autograd import Variable

x_data = [1.0, 2.0, 3.0]
y_data = [2.0, 4.0, 6.0]

w = Variable(torch.Tensor([1.0]), requires_grad=True)  # any first guess


def forward(x):
    return x * w


def loss(x, y):
    return (forward(x) - y) * (forward(x) - y)


print("before training: 4 ->", forward(4).data[0])

for epoch in range(10):
    for x_val, y_val in zip(x_data, y_data, strict=True):
        error = loss(x_val, y_val)
        error.backward()
        print("\tgrad:", x_val, y_val, w.grad.data[0])
        w.data = w.data - 0.01 * w.grad.data
        # The gradient is set to zero after the update, by hand.
        w.grad.data.zero_()
    print("epoch", epoch, "loss", error.data[0])

print("after training: 4 ->", forward(4).data[0])
