"""The Python examples of the README run in its order, with small models in the place of a user's.

The first three are in test_examples.py, those of transformers in test_huggingface.py.
"""

import re
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from bitlinear_torch import BitLinear, PackedBitLinear, load_packed, pack_model, replace_linear

README = Path(__file__).resolve().parents[1] / "README.md"
ELSEWHERE = {"Three examples", "Hugging Face"}


def examples():
    """The text of all Python blocks, by the heading of their section."""
    found = {}
    for section in re.split(r"^## ", README.read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        if blocks:
            found[section.partition("\n")[0]] = "\n".join(blocks)
    return found


def run(title, names):
    exec(compile(examples()[title], f"README.md, {title}", "exec"), names)
    return names


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.head = nn.Linear(64, 32), nn.Linear(32, 8)

    def forward(self, x):
        return self.head(self.up(x).relu())


def step(model, _=None):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randn(5, 64)).square().sum().backward()
    optimizer.step()


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


def test_every_section_is_run():
    here = {"A model of your own", "Recipes", "Turning a trained model into a quantized one",
            "More than one process"}
    assert set(examples()) == here | ELSEWHERE


def test_a_model_of_your_own():
    names = run("A model of your own", {"build_model": Model, "train": step})
    model = names["model"]
    assert type(model.up) is PackedBitLinear and type(model.head) is nn.Linear
    assert torch.equal(load_packed("model.safetensors", Model())(x := torch.randn(5, 64)), model(x))


def test_recipes():
    layer = run("Recipes", {})["layer"]
    assert layer.recipe.weight_scale == "median" and layer.groups == 4
    assert layer(torch.randn(5, 64)).shape == (5, 32)


def test_turning_a_trained_model_into_a_quantized_one():
    names = {"replace_linear": replace_linear, "model": Model(), "step": step, "batches": range(3)}
    model = run("Turning a trained model into a quantized one", names)["model"]
    assert type(model.up) is BitLinear and model.up.strength == 1
    assert type(pack_model(model).up) is PackedBitLinear


@pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(), reason="PyTorch is without gloo")
def test_more_than_one_process(tmp_path, monkeypatch):
    # One name for the network of this machine alone, whatever else it has.
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    block = nn.ModuleDict({
        "up": BitLinear(64, 32, recipe="b158"), "down": BitLinear(32, 64, recipe="b158")})

    def train(block):
        block["down"](block["up"](torch.randn(5, 64)).relu()).square().sum().backward()

    dist.init_process_group(
        "gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        run("More than one process", {
            "block": block, "mesh": init_device_mesh("cpu", (1,)), "train": train})
    finally:
        dist.destroy_process_group()
    loaded = load_packed("model.safetensors")
    assert {name: type(layer) for name, layer in loaded.items()} == {
        "up": PackedBitLinear, "down": PackedBitLinear}
