"""Graphs of torch.compile, torch.export and AOTInductor, in this process and in others."""

import copy
import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from every import Every
from torch import nn
from torch._dynamo.testing import CompileCounter

import bitlinear_torch
from bitlinear_torch import BitLinear, Recipe, StrengthSchedule

LAYERS = [
    {}, {"recipe": "b158", "bias": True, "norm": "layer", "learn_norm": True},
    {"recipe": "b158", "activation_block": 32, "groups": 2}, {"activation_bits": 12},
    {"recipe": Recipe(weight_scale="median", norm="group", norm_groups=4)},
]
# Where this package is, from its sources or installed.
PACKAGE = Path(bitlinear_torch.__file__).resolve().parents[1]
pytestmark = pytest.mark.filterwarnings("ignore:an input of tokens")


@pytest.fixture(autouse=True)
def seed():
    torch._dynamo.reset()
    torch.manual_seed(0)


def in_new_process(code, folder, has_package=True):
    """Runs a program, with this package or without it."""
    paths = [str(PACKAGE)] if has_package else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if not has_package:
        # A finder that refuses, as where it is not installed.
        code = "import sys; sys.modules['bitlinear_torch'] = None\n" + code
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True,
        env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_exported_programs_outlive_their_model(backend, tmp_path):
    model, x = Every(LAYERS, backend), torch.randn(7, 64)
    tokens = torch.export.Dim("tokens", min=2, max=100)
    program = torch.export.export(
        model, (torch.randn(5, 64),), dynamic_shapes=({0: tokens},))
    namespaces = {
        str(node.target).partition(".")[0] for node in program.graph.nodes
        if node.op == "call_function" and "operator" not in str(node.target)}
    assert ("bitlinear" in namespaces) == (backend == "auto") and "aten" in namespaces
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((x, model(x)), tmp_path / "values.pt")
    del model, program
    gc.collect()
    first = "import bitlinear_torch\n" if backend == "auto" else ""
    found = in_new_process(
        first + "import torch\nx, y = torch.load('values.pt')\n"
        "print(torch.equal(torch.export.load('program.pt2').module()(x), y))",
        tmp_path, has_package=backend == "auto")
    assert found == ["True"]


@pytest.mark.skipif(not shutil.which("g++"), reason="AOTInductor needs a C++ compiler")
def test_aot_inductor_in_a_new_process(tmp_path):
    model, x = nn.Sequential(BitLinear(64, 8, recipe="b158").pack(), nn.ReLU()), torch.randn(5, 64)
    torch.save((x, model(x)), tmp_path / "values.pt")
    path = str(tmp_path / "model.pt2")
    torch._inductor.aoti_compile_and_package(
        torch.export.export(model, (x,)), package_path=path)
    del model
    gc.collect()
    found = in_new_process(
        "import torch, bitlinear_torch\nx, y = torch.load('values.pt')\n"
        "print(torch.equal(torch._inductor.aoti_load_package('model.pt2')(x), y))", tmp_path)
    assert found == ["True"]


class Block(nn.Module):
    def __init__(self, is_packed, backend):
        super().__init__()
        layer = BitLinear(16, 16, recipe="b158", backend=backend)
        self.layer = layer.pack() if is_packed else layer

    def forward(self, x):
        return x + self.layer(x).relu()


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_blocks_share_one_graph(is_packed, backend):
    blocks = [Block(is_packed, backend) for _ in range(12)]
    counter = CompileCounter()
    expected = found = torch.randn(3, 16, requires_grad=True)
    for block in blocks:
        expected = block(expected)
        compiled = copy.copy(block)
        compiled.compile(backend=counter, fullgraph=True)
        found = compiled(found)
    assert torch.equal(found, expected) and counter.frame_count == 1


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_compiled_training(backend):
    model = nn.Sequential(*(
        BitLinear(64, 64, backend=backend, **options) for options in LAYERS)).train()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.randn(5, 64)
    results = []
    for function in (model, compiled):
        model.zero_grad()
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        y.square().sum().backward()
        results.append([y, leaf.grad, *(part.grad for part in model.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_compiled_formula_of_inductor():
    layer = BitLinear(64, 8, recipe="b158", norm=None, backend="torch")
    compiled = torch.compile(layer, fullgraph=True)
    x = torch.randn(5, 64)
    torch.testing.assert_close(compiled(x), layer(x), rtol=0, atol=1e-6)


def test_strength_that_changes_each_step_is_compiled_once():
    model = nn.Sequential(BitLinear(16, 16, recipe="b158"), BitLinear(16, 16))
    schedule, counter = StrengthSchedule(model, 8, start=0.1), CompileCounter()
    compiled = torch.compile(model, backend=counter, fullgraph=True)
    x = torch.randn(3, 16, requires_grad=True)
    for _ in range(7):
        assert torch.equal(compiled(x), model(x))
        schedule.step()
    assert counter.frame_count == 1
    schedule.step()
    assert model[0].strength == 1 and torch.equal(compiled(x), model(x))
    assert counter.frame_count == 2
