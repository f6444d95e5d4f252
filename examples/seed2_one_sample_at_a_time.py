"""Lesson 2: stochastic gradient descent, one sample at a time.

The data lie on y = 3 x, the model is x * weight, and the weight is corrected after every sample.
x comes from NumPy: its float64 scalars stand on the left of the product, and the result is a
float32 tensor all the same, because numbers take the type of the tensor that they meet.
"""

import numpy as np

import backprop_ext as torch

xs = np.arange(1.0, 10.0)
ys = 3 * xs

weight = torch.tensor([1.0], requires_grad=True)
learning_rate = 0.01

for epoch in range(3):
    for input_x, target in zip(xs, ys, strict=True):
        prediction = input_x * weight
        loss = (prediction - target) ** 2
        loss.backward()
        if epoch == 0:
            print("x", input_x, "grad", weight.grad.data.item())
        weight.data -= learning_rate * weight.grad.data
        weight.grad.data.zero_()
    print("epoch", epoch, "weight", weight.item(), "loss", loss.item())
print("prediction for x = 4:", (4 * weight).item())
