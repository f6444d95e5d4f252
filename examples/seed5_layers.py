"""Lesson 5: layers with an explicit forward and backward.

A layer keeps its weights and their gradients. forward(x) gives y; backward(x, dy) is given
d loss / d y, adds d loss / d W and d loss / d b to the gradients, and gives d loss / d x, which is
the dy of the layer before it. The names are those of BigDL and Analytics Zoo.
"""

import numpy as np

from backprop_ext.keras.criterion import AbsCriterion
from backprop_ext.keras.layers import Dense
from backprop_ext.keras.models import Sequential

# 1. A linear regression, y = W x + b with W = [w1, w2]. The number of samples is left open.
linear = Sequential()
dense = Dense(1, input_shape=[2])
linear.add(dense)
print(linear.get_input_shape(), "->", linear.get_output_shape())
linear.set_weights([np.array([[0.59797329, -1.3809334]]), np.array([0.0])])
for name, table in linear.parameters().items():
    print(name, table)

# 2. Forward: one sample, w1 * 1 + w2 * (-2) + b.
input = np.array([1, -2])
output = linear.forward(input)
print("output", output)

# 3. The loss is the mean absolute error. Its slope is 1 wherever the output lies above the target,
#    and backward takes that slope through the layer: dW = dy x, db = dy, dx = dy W.
mae = AbsCriterion()
target = np.array([0])
print("loss", mae.forward(output, target))
grad_output = mae.backward(output, target)
grad_input = linear.backward(input, grad_output)
print("dy", grad_output, "dx", grad_input)
gradients = linear.parameters()[dense.name()]
print("dW", gradients["gradWeight"], "db", gradients["gradBias"])

# 4. Other weights: the loss is another one, and the gradients are not. |y| has the slope 1 however
#    far away the target is. Gradients add up until they are zeroed, so that is done first.
linear.set_weights([np.array([[0.37797534, -0.62202466]]), np.array([0.0])])
output = linear.forward(input)
print("output", output, "loss", mae.forward(output, target))
linear.zero_grad_parameters()
linear.backward(input, mae.backward(output, target))
gradients = linear.parameters()[dense.name()]
print("dW", gradients["gradWeight"], "db", gradients["gradBias"])

# 5. A backward belongs to a forward. For another input it would be wrong, so it is refused.
try:
    linear.backward(np.array([3, 4]), grad_output)
except RuntimeError as error:
    print("RuntimeError:", error)

# 6. Gradient descent. Once the output is below the target, the slope is -1 and the way turns back:
#    steps of one length do not come to rest.
for step in range(1, 7):
    output = linear.forward(input)
    print(f"step {step}: output {output[0]:.4f}, loss {mae.forward(output, target):.4f}")
    linear.zero_grad_parameters()
    linear.backward(input, mae.backward(output, target))
    linear.update_parameters(0.1)
