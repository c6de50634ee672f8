"""Rows: one network in many forms, dtypes and wrappers, and what is refused."""

import warnings

import torch
from torch import nn
from torch.nn import functional
from torch_table_conv import vgg
from torch_table_row import Apply, Row, floats

X = floats(5, 3)


def plain(dtype=torch.float32):
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).to(dtype)


def lazy():
    return nn.Sequential(nn.LazyLinear(6), nn.Tanh(), nn.LazyLinear(2))


def lazy_after_a_call():
    module = lazy()
    module(X)
    return module


def transposed():
    """A perceptron whose first weights are a transposed view."""
    module = plain()
    module[0].weight = nn.Parameter(torch.randn(3, 6).T)
    return module


def scripted(script):
    def make():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return script(plain())

    return make


class Complex(nn.Module):
    """Complex units, of which the size is read."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 6, dtype=torch.complex64)
        self.out = nn.Linear(6, 2, dtype=torch.complex64)

    def forward(self, x):
        h = self.hidden(torch.complex(x, x**2))
        return self.out(h * torch.sigmoid(h.abs()))


def with_dropout():
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2))


FORMS = [
    Row("float64", lambda: plain(torch.float64), (X.double(),), [6]),
    Row("bfloat16", lambda: plain(torch.bfloat16), (X.bfloat16(),), [6]),
    Row("half", lambda: plain(torch.half), (X.half(),), [6]),
    Row("complex", Complex, (X,), [6]),
    Row(
        "channels_last",
        lambda: vgg().to(memory_format=torch.channels_last),
        (floats(2, 3, 8, 8).to(memory_format=torch.channels_last),),
        [4, 6, 8, 7],
    ),
    Row("weights that are not contiguous", transposed, (X,), [6]),
    Row("inputs that are not contiguous", plain, (floats(3, 5).T,), [6]),
    Row("compiled", lambda: torch.compile(plain()), (X,), [6]),
    Row("DataParallel", lambda: nn.DataParallel(plain()), (X,), [6]),
    Row("torch.fx GraphModule", lambda: torch.fx.symbolic_trace(plain()), (X,), [6]),
    Row("lazy", lazy, (X,), [6], note="the example inputs give it its shapes"),
    Row("lazy, after its first call", lazy_after_a_call, (X,), [6]),
    Row("dropout in evaluation mode", with_dropout, (X,), [6]),
    Row("training mode without random parts", plain, (X,), [6], mode="train"),
]
REFUSED = [
    Row("on the meta device", lambda: plain().to("meta"), (X,), refused="must have numbers"),
    Row("scripted", scripted(torch.jit.script), (X,), refused="must be Python code"),
    Row(
        "traced",
        scripted(lambda module: torch.jit.trace(module, X)),
        (X,),
        refused="must be Python code",
    ),
    Row(
        "dropout in training mode",
        with_dropout,
        (X,),
        refused="must be in evaluation mode",
        mode="train",
    ),
    Row(
        "dropout that ignores the mode",
        lambda: nn.Sequential(plain(), Apply(functional.dropout)),
        (X,),
        refused="the same outputs whenever it is called",
    ),
    Row(
        "a branch on inputs",
        lambda: nn.Sequential(plain(), Apply(lambda h: h if h.sum() > 0 else -h)),
        (X,),
        refused="must be able to run the module",
    ),
    Row("a function", lambda: torch.relu, (X,), refused="must be a torch.nn.Module"),
    Row("without weights", nn.ReLU, (X,), refused="must have weights"),
    Row(
        "quantized",
        lambda: torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear}),
        (X,),
        refused="must have weights",
    ),
]
