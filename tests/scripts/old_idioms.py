"""Idioms of 2016 to 2019 that still circulate: Variable, .data, typed tensors, size_average."""

from __future__ import absolute_import, division, print_function
import numpy as np
import torch as th
import torch
from torch import nn
from torch.autograd import Variable, Function, grad, backward
import torch.nn.init as weight_init
from torch.nn import Parameter
import torch.utils.data as Data
import torch.optim as optim
import torch.nn.functional as fn

use_cuda = torch.cuda.is_available()
FloatTensor = torch.cuda.FloatTensor if use_cuda else torch.FloatTensor
LongTensor = torch.cuda.LongTensor if use_cuda else torch.LongTensor
th.manual_seed(1)
torch.set_default_tensor_type("torch.FloatTensor")


def to_var(x, volatile=False):
    if torch.cuda.is_available():
        x = x.cuda()
    return Variable(x)


def to_np(x):
    return x.data.cpu().numpy()


x = torch.unsqueeze(torch.linspace(-1, 1, 20), dim=1)
y = x.pow(2) + 0.2 * torch.rand(x.size())
x, y = Variable(x), Variable(y)


class Net(torch.nn.Module):
    def __init__(self, n_feature, n_hidden, n_output):
        super(Net, self).__init__()
        self.hidden = torch.nn.Linear(n_feature, n_hidden)
        self.predict = torch.nn.Linear(n_hidden, n_output)
        self.hidden.weight.data.normal_(0, 0.1)
        weight_init.xavier_normal_(self.predict.weight.data)

    def forward(self, x):
        x = torch.nn.functional.relu(self.hidden(x))
        return self.predict(x)


net = Net(n_feature=1, n_hidden=10, n_output=1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
import warnings

warnings.simplefilter("ignore")
loss_func = torch.nn.MSELoss(size_average=True)
for t in range(20):
    prediction = net(x)
    loss = loss_func(prediction, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if t % 5 == 0:
        print(t, loss.data.numpy(), loss.data.item(), to_np(loss).shape)
print(
    fn.cross_entropy(torch.ones(2, 3), LongTensor([0, 1]), size_average=False),
    fn.nll_loss(torch.zeros(2, 3), LongTensor([0, 1]), reduce=False),
    nn.BCELoss(size_average=False)(torch.full((2,), 0.5), torch.ones(2)),
)
torch_dataset = Data.TensorDataset(x.data, y.data)
loader = Data.DataLoader(dataset=torch_dataset, batch_size=8, shuffle=True)
for step, (batch_x, batch_y) in enumerate(loader):
    print("Step:", step, batch_x.numpy().shape, batch_y.sum().item())
out = torch.cat((torch.normal(2 * torch.ones(5, 2), 1), torch.normal(-2 * torch.ones(5, 2), 1)), 0).type(
    torch.FloatTensor
)
lab = torch.cat(
    (torch.zeros(5), torch.ones(5)),
).type(torch.LongTensor)
print(
    torch.max(fn.softmax(out, dim=1), 1)[1].data.numpy().squeeze(),
    (torch.max(out, 1)[1].numpy() == lab.data.numpy()).astype(int).sum() / float(lab.size(0)),
)
a = torch.Tensor(2, 3).fill_(1.5)
b = torch.Tensor([1, 2, 3])
c = torch.Tensor(b)
print(
    a,
    b.type(),
    c.size(),
    torch.Tensor([[1]]).size(),
    torch.IntTensor([1]).type(),
    torch.DoubleTensor(2).zero_(),
    torch.Tensor().size(),
    torch.LongTensor(2, 2).zero_(),
)
print(
    b.new([4, 5]),
    b.new(2, 2).zero_(),
    b.new_tensor([1.0]),
    b.resize_(1, 3),
    b.numpy().dtype,
    b.view(-1, 1).expand(3, 2),
    b.squeeze().unsqueeze(1).size(),
    torch.from_numpy(np.array([1.0, 2.0])).float(),
)
print(
    b.mul(2).add(1, b) if False else b.add(b),
    torch.addmm(torch.ones(1), torch.ones(2, 2), torch.ones(2, 2)),
    torch.mm(a, a.t()),
    a.mean(1, True),
    a.sum(1).squeeze(),
    a.max(1)[0],
    a.norm(2, 1),
    a.cumsum(1),
    torch.ge(a, 1).all(),
    a.gt(1).sum(),
    torch.eq(a, a).long().sum(),
    a.lt(2).float().mean(),
)
w = Variable(torch.Tensor([1.0]), requires_grad=True)
for xv, yv in [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]:
    l = (xv * w - yv) * (xv * w - yv)
    l.backward()
    print("\tgrad: ", xv, yv, w.grad.data[0])
    w.data = w.data - 0.01 * w.grad.data
    w.grad.data.zero_()
print("predict", (4 * w).data[0])


class GRL(Function):
    @staticmethod
    def forward(ctx, x, l):
        ctx.l = l
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.neg() * ctx.l, None


v = Variable(torch.ones(2), requires_grad=True)
GRL.apply(v, 0.3).sum().backward()
print(v.grad.data)
h0 = Variable(torch.zeros(1, 2, 4))
rnn = nn.RNN(3, 4, 1, batch_first=True)
o, hn = rnn(Variable(torch.ones(2, 5, 3)), h0)
print(o[:, -1, :].data.size(), hn.data.squeeze(0).size())
hidden = tuple(Variable(hh.data) for hh in (hn, hn))
print(len(hidden))


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    else:
        return tuple(repackage_hidden(v) for v in h)


print(
    repackage_hidden((hn, hn))[0].requires_grad,
    [p.nelement() for p in rnn.parameters()],
    np.prod(list(rnn.parameters())[0].size()),
)
params = list(net.parameters())
k = 0
for i in params:
    l = 1
    for j in i.size():
        l *= j
    k = k + l
print("total", str(k))
net.train(mode=False)
net.cpu()
net.eval()
print(net.training)
state = net.state_dict()
own = {n: p for n, p in state.items() if n in net.state_dict()}
state.update(own)
net.load_state_dict(state)
print(
    net._modules.keys(),
    list(net._parameters),
    net.hidden._parameters.keys(),
    [m for m in net.children()],
    net.hidden.bias.data[:2],
)


def exp_lr(optimizer, epoch, lr_decay=0.5, every=2):
    if epoch % every == 0:
        for g in optimizer.param_groups:
            g["lr"] *= lr_decay
    return optimizer


for e in range(4):
    optimizer = exp_lr(optimizer, e)
print(optimizer.param_groups[0]["lr"])
sched = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2], gamma=0.1)
optimizer.step()
sched.step()
print(sched.get_last_lr(), sched.milestones)
idx = torch.LongTensor([0, 2])
print(
    torch.index_select(a, 1, idx),
    a.index_select(0, torch.LongTensor([1])),
    a.masked_select(a > 1).size(),
    torch.nonzero(a > 1).size(),
    torch.gather(a, 1, torch.LongTensor([[0], [1]])),
    torch.sort(b, 1, True)[1],
    torch.topk(b, 2)[0],
    torch.chunk(b, 3, 1)[0],
    torch.stack([b, b], 0).size(),
    torch.t(a).size(),
    torch.transpose(a, 0, 1).size(),
    torch.arange(0, 5).tolist(),
    torch.range(0, 2) if False else "",
    torch.clamp(a, 0, 1).sum(),
    torch.histc(b, 3, 1, 3),
    torch.dot(b.squeeze(), b.squeeze()),
    torch.ger(b.squeeze(), b.squeeze())[0],
)
