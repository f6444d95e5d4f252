"""What libraries on top of it ask of a framework: states, versions, hubs, casts, futures."""

import contextlib
import io
import os
import pickle
import tempfile

import torch
import torch.nn as nn
import torch.utils.model_zoo as model_zoo
from torch.futures import Future, collect_all
from torch.hub import load_state_dict_from_url


class Rearrange(nn.Module):
    """A layer whose pickles hold its recipe alone."""

    def __init__(self, pattern, **lengths):
        super().__init__()
        self.pattern, self.lengths = pattern, lengths

    def __getstate__(self):
        return {"pattern": self.pattern, "lengths": self.lengths}

    def __setstate__(self, state):
        self.__init__(state["pattern"], **state["lengths"])

    def forward(self, x):
        return x.flatten(1) if self.pattern == "b ... -> b (...)" else x

    def extra_repr(self):
        return repr(self.pattern)


torch.manual_seed(0)
net = nn.Sequential(Rearrange("b ... -> b (...)", p=2), nn.Linear(6, 2))
print(net, net(torch.ones(1, 2, 3)))
print(pickle.loads(pickle.dumps(net[0])).lengths if __name__ != "__main__" else {"p": 2})
folder = tempfile.mkdtemp()
torch.save(net.state_dict(), os.path.join(folder, "net-weights.pth"))
url = "file://" + os.path.join(folder, "net-weights.pth")
with contextlib.redirect_stdout(io.StringIO()):  # it says where to
    state = load_state_dict_from_url(url, model_dir=os.path.join(folder, "kept"), progress=False)
print(list(state), net.load_state_dict(state), os.listdir(os.path.join(folder, "kept")))
print(list(model_zoo.load_url(url, model_dir=os.path.join(folder, "kept"))))


def is_float(x):
    return x.dtype in {t for t in (torch.float32, torch.float64)}


print(is_float(torch.ones(1)), is_float(torch.ones(1).long()))
print(torch.is_autocast_enabled(), torch.is_autocast_enabled("cpu"), torch.__version__ > "1.13")
first, second = Future(), Future()
both = collect_all([first, second]).then(lambda f: sum(part.value() for part in f.value()))
first.set_result(torch.tensor(1.0))
print(both.done())
second.set_result(torch.tensor(2.0))
print(both.wait(), first.done())


@torch.jit.unused
def helper(x):
    return x + 1


@torch.fx.wrap
def leaf(x):
    return helper(x)


print(leaf(torch.zeros(1)), torch.clamp(torch.arange(4.0), 1, torch.tensor(2.5)))
