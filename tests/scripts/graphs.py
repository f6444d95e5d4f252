"""Programs recorded as graphs, looked at, changed, and run again."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

torch.manual_seed(0)


@fx.wrap
def clipped(x, limit):
    return x.clamp(max=limit) if limit > 0 else x


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)) * self.gain + x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, stride=2)
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.head = nn.Linear(4, 3)
        self.register_buffer("shift", torch.tensor([0.5, -0.5, 0.0]))

    def forward(self, x, scale=2.0):
        x = self.blocks(self.stem(x)).mean(dim=(2, 3))
        x = torch.flatten(x, 1).view(x.shape[0], -1)
        logits = clipped(self.head(x), 5.0) * scale + self.shift
        return F.log_softmax(logits / math.sqrt(4), dim=1)


net = Net()
traced = fx.symbolic_trace(net)
print(traced.graph)
print(traced)
images, labels = torch.randn(2, 1, 9, 9), torch.tensor([0, 2])
loss = F.nll_loss(traced(images), labels)
loss.backward()
print(loss, net.head.bias.grad, traced.blocks.get_submodule("0").gain.grad)

ShapeProp(traced).propagate(images)
for node in traced.graph.nodes:
    meta = node.meta.get("tensor_meta")
    print(node.op, node.name, node.args, node.kwargs, len(node.users), meta and meta.shape)
traced.print_readable()

# Another function for relu, and an attribute and a call more.
for node in traced.graph.find_nodes(op="call_function", target=F.relu):
    with traced.graph.inserting_after(node):
        other = traced.graph.call_function(torch.tanh, (node.args[0],))
    node.replace_all_uses_with(other)
    traced.graph.erase_node(node)
with traced.graph.inserting_before(traced.graph.output_node()):
    shift = traced.graph.get_attr("shift")
    total = traced.graph.call_method("sum", (shift,), {"dim": 0})
traced.graph.output_node().args = ((traced.graph.output_node().args[0], total),)
traced.graph.lint()
traced.recompile()
print(traced.code)
print(traced(images))
again = copy.deepcopy(traced)
again.graph.output_node().args = (total and again.graph.output_node().args[0][0],)
print(again.graph.eliminate_dead_code(), len(again.graph.nodes), len(traced.graph.nodes))


class Counting(fx.Interpreter):
    def run_node(self, n):
        self.counts = getattr(self, "counts", {})
        self.counts[n.op] = self.counts.get(n.op, 0) + 1
        return super().run_node(n)


counting = Counting(traced)
print(torch.equal(counting.run(images)[0], traced(images)[0]), counting.counts)


class Doubled(fx.Transformer):
    def call_module(self, target, args, kwargs):
        return super().call_module(target, args, kwargs) * 2

    def call_function(self, target, args, kwargs):
        target = torch.sigmoid if target is torch.tanh else target
        return super().call_function(target, args, kwargs)


print(Doubled(traced).transform().code)


def pair(a, b):
    return torch.cat([a, b]).sum()


def program(x, w1, w2):
    return x + torch.max(pair(w1, w2)) + torch.max(pair(w1, w2))


gm = fx.symbolic_trace(program)
found = fx.replace_pattern(gm, pair, lambda a, b: torch.stack([a, b]))
print(len(found), found[0].anchor, gm.code)


def selected(x, flag, parts):
    for part in parts:
        x = x + part if flag else x - part
    first, second = x.chunk(2)
    return {"sum": first + second, "both": [first, second[..., None, 1:]]}


gm = fx.symbolic_trace(selected, concrete_args={"flag": False, "parts": (fx.PH, fx.PH)})
print(gm.graph, gm.code)
one = torch.ones(4, 2)
print(gm(one, False, (one, 2 * one)))


class NoDropout(fx.Tracer):
    def is_leaf_module(self, m, module_qualified_name):
        print(module_qualified_name, type(m).__name__)
        return super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m, forward, args, kwargs):
        if isinstance(m, nn.Dropout):
            return args[0]
        return super().call_module(m, forward, args, kwargs)


rnn = nn.ModuleDict({"embed": nn.Embedding(5, 3), "lstm": nn.LSTM(3, 4, batch_first=True)})


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts, self.drop, self.out = rnn, nn.Dropout(0.5), nn.Linear(4, 2)

    def forward(self, words, *, last=True):
        states, (h, _) = self.parts["lstm"](self.parts["embed"](words))
        return self.out(self.drop(states[:, -1])), h


tagger = Tagger()
graph = NoDropout().trace(tagger)
graph.print_tabular()
print(fx.GraphModule(tagger, graph, "Plain"))
tagger.eval()
print(fx.GraphModule(tagger, graph)(torch.tensor([[1, 2, 3]]), True)[0], tagger(torch.tensor([[1, 2, 3]]))[0])

graph = fx.Graph()
x = fx.Proxy(graph.placeholder("x"))
graph.output((x.neg() + x[0] * 2 > 1).node)
print(graph, fx.GraphModule({}, graph)(torch.tensor([1.0, -2.0])))
