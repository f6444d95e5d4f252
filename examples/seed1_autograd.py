"""Lesson 1: what `backward` computes, and why gradients have to be zeroed.

The model is one weighted sum, y_hat = w . x, and the loss its squared error (y_hat - y)^2.
The chain rule gives the gradient by hand: d loss / d w = 2 (y_hat - y) x.
"""

import backprop_ext as torch

x = torch.tensor([2.0, 3.0, 1.0])
y = torch.tensor(3.0)
w = torch.tensor([1.0, 1.0, 2.0], requires_grad=True)

# 1. The forward pass records what is done to w ...
y_hat = w @ x
loss = (y_hat - y) ** 2
print("y_hat ", y_hat)
print("loss  ", loss)

# 2. ... and backward walks the record from the loss back to w. It fills w.grad.
loss.backward()
print("w.grad", w.grad, "by hand", (2 * (y_hat - y) * x).detach())

# 3. One step downhill. `.data` is the tensor without the record: the update is no part of the loss.
w.data = w.data - 0.01 * w.grad.data
print("w     ", w.data)

# 4. backward ADDS to w.grad. Nobody zeroes it here, so each step goes along the sum of all the
#    gradients so far: the loss falls, and then the weights overshoot and it rises again.
for step in range(2, 5):
    loss = (w @ x - y) ** 2
    print(f"step {step}: loss {loss.item():.4f}")
    if step == 4:
        break
    loss.backward()
    print("w.grad", w.grad)
    w.data = w.data - 0.01 * w.grad.data
    print("w     ", w.data)

# 5. The cure is one line before backward.
w.grad.data.zero_()
loss.backward()
print("zeroed first: w.grad", w.grad)
