"""from_torch leaves no trace on its process: settings, functions, loggers and generators stay."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

TRACES = """
import inspect, logging, os, random, signal, sys, warnings

import jax
import numpy as np
import torch

import onebasin as ob
from onebasin import from_torch

OWNERS = {
    "torch": torch, "torch.nn": torch.nn, "torch.utils": torch.utils, "Tensor": torch.Tensor,
    "functional": torch.nn.functional, "Module": torch.nn.Module, "linalg": torch.linalg,
    "packets": torch._ops.OpOverloadPacket, "overloads": torch._ops.OpOverload,
    "torch.autograd": torch.autograd, "jax": jax, "jax.numpy": jax.numpy, "jax.lax": jax.lax,
    "numpy": np, "logging": logging, "warnings": warnings,
}

def traces():
    found = {
        "variables": dict(os.environ),
        "options of JAX": dict(jax.config.values),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "accelerator": torch.accelerator.current_accelerator(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "autocast": torch.is_autocast_enabled(),
        "type of a tensor": type(torch.ones(2)),
        "generator of torch": torch.get_rng_state().tolist(),
        "generator of NumPy": str(np.random.get_state()),
        "generator of Python": random.getstate(),
        "handlers": list(logging.getLogger().handlers),
        "levels": {name: logging.getLogger(name).level for name in ("", "jax", "torch")},
        "filters": list(warnings.filters),
        "errors of NumPy": np.geterr(),
        "hooks": (sys.excepthook, sys.displayhook, sys.gettrace(), sys.getprofile()),
        "signal": signal.getsignal(signal.SIGINT),
        "path": list(sys.path),
    }
    for owner_name, owner in OWNERS.items():
        for name, value in vars(owner).items():
            if type(value).__name__ != "module":  # some load when they are first used
                # PyTorch's compiler, which every dispatch mode imports, wraps torch.manual_seed.
                found[owner_name, name] = id(inspect.unwrap(value) if callable(value) else value)
    return found

attend = torch.nn.TransformerEncoderLayer(8, 2, 6, batch_first=True)
module = torch.nn.Sequential(torch.nn.Linear(3, 8), attend, torch.nn.Linear(8, 2)).eval()
row = torch.ones(1, 4, 3)
module(row)
str(np.random.get_state())
jax.jit(lambda x: x @ x.T)(np.ones((2, 3))).block_until_ready()
with torch.no_grad():
    module(row)
before = traces()
apply, params = from_torch(module, row)
ob.adapters.to_torch(params, module)
apply(params, row.numpy())
after = traces()
changed = {key: (before.get(key), after.get(key)) for key in before | after
           if before.get(key) != after.get(key)}
assert not changed, changed
compiled = torch.compile(module, backend="aot_eager")
assert torch.allclose(compiled(row), module(row), atol=1e-5)
"""


def test_a_process_is_as_it_was_and_modules_can_be_compiled_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", TRACES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
