"""autograd.Function in every form that the notes show, and saved-tensor hooks."""

import torch
from torch.autograd import Function, gradcheck, gradgradcheck
from torch.autograd.function import once_differentiable, FunctionCtx, InplaceFunction


class Exp(Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


class SinCos(Function):
    @staticmethod
    def forward(x):
        return x.sin(), x.cos()

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, gs, gc):
        (x,) = ctx.saved_tensors
        total = None
        print("undefined:", gs is None, gc is None)
        if gs is not None:
            total = gs * x.cos()
        if gc is not None:
            t = -gc * x.sin()
            total = t if total is None else total + t
        return total


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        print(ctx.needs_input_grad)
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class MulConstant(Function):
    @staticmethod
    def forward(ctx, tensor, constant):
        ctx.constant = constant
        return tensor * constant

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.constant, None


class STE(Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).float()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return torch.nn.functional.hardtanh(g)


class Sort(Function):
    @staticmethod
    def forward(ctx, x):
        values, idx = x.sort()
        ctx.mark_non_differentiable(idx)
        ctx.save_for_backward(idx)
        return values, idx

    @staticmethod
    def backward(ctx, g1, g2):
        (idx,) = ctx.saved_tensors
        out = torch.zeros_like(g1)
        out.index_add_(0, idx, g1)
        return out


class Reverse(Function):
    @staticmethod
    def forward(ctx, x, lambd):
        ctx.lambd = lambd
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.neg() * ctx.lambd, None


x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.double, requires_grad=True)
y = Exp.apply(x)

y.sum().backward()
print(x.grad)
s, c = SinCos.apply(x)
print(s, c)
print(torch.autograd.grad(s.sum(), x))
s, c = SinCos.apply(x)
print(torch.autograd.grad((s * c).sum(), x))
inp = (
    torch.randn(4, 3, dtype=torch.double, requires_grad=True),
    torch.randn(2, 3, dtype=torch.double, requires_grad=True),
)
torch.manual_seed(0)
a = torch.randn(2, 3, requires_grad=True)
w = torch.randn(2, 3, requires_grad=True)
b = torch.zeros(2)
LinearFunction.apply(a, w, b).sum().backward()
print(a.grad, w.grad)
print(
    gradcheck(MulConstant.apply, (x, 3.0)),
    gradcheck(Exp.apply, (x,), eps=1e-6, atol=1e-4),
    gradgradcheck(Exp.apply, (x,)),
)
q = torch.tensor([0.3, -0.3], requires_grad=True)
o = STE.apply(q)

(g,) = torch.autograd.grad(o.sum() * 2, q, create_graph=True)
print(g)
try:
    g.sum().backward()
except RuntimeError:
    print("once")
v, i = Sort.apply(torch.tensor([3.0, 1.0, 2.0], requires_grad=True))
print(v, i, i.requires_grad)
r = torch.ones(2, requires_grad=True)
Reverse.apply(r, 0.5).sum().backward()
print(r.grad)


class Bad(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 3


print(gradcheck(Bad.apply, (x,), raise_exception=False))
try:
    Exp()(x)
except RuntimeError as e:
    print("RuntimeError legacy")
try:

    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, g

    Wrong.apply(x).sum().backward()
except RuntimeError as e:
    print("RuntimeError too many")
with torch.autograd.graph.saved_tensors_hooks(
    lambda t: (print("pack", tuple(t.shape)), t.clone())[1], lambda t: (print("unpack"), t)[1]
):
    z = Exp.apply(x)
z.sum().backward()
