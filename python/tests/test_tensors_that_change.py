"""Layers whose tensors change, move or end behind their back: never another result, never a crash."""

import copy
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from bitlinear_torch import BitLinear, PackedBitLinear, Recipe, load_packed, pack_model, save_packed


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def fresh(packed):
    """A layer of the same tensors that nobody has called."""
    return copy.deepcopy(packed)


def full_layer():
    """A packed layer with every kind of tensor."""
    layer = BitLinear(128, 64, 4, recipe="b158", norm="layer", bias=True, learn_norm=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)
    return layer.pack()


CHANGES = {
    "scale": lambda packed: packed.weight_scale.data.mul_(10),
    "bias": lambda packed: packed.bias.data.add_(5),
    "bias by NumPy": lambda packed: packed.bias.numpy().__setitem__(slice(None), 7),
    "norm": lambda packed: packed.norm.weight.data.mul_(3),
    "another norm": lambda packed: setattr(packed, "norm", full_layer().norm),
    "another bias": lambda packed: setattr(packed, "bias", torch.ones(64)),
    "no bias": lambda packed: setattr(packed, "bias", None),
    "shorter memory": lambda packed: setattr(packed.bias, "data", packed.bias.data.clone()),
    "another recipe": lambda packed: setattr(
        packed, "recipe", replace(packed.recipe, activation_bits=4)),
    "codes": lambda packed: packed.weight.data.copy_(full_layer().weight),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("is_inference", [False, True])
def test_packed_layers_follow_their_tensors(name, is_inference, tmp_path):
    with torch.inference_mode(is_inference):
        packed, x = full_layer(), torch.randn(5, 128)
        operator = torch.compile(packed, backend="eager") if name == "bias" else packed
        before = packed(x).clone(), operator(x).clone()
        CHANGES[name](packed)
        after = packed(x)
        assert not torch.equal(after, before[0]) or name == "shorter memory"
        assert torch.equal(after, fresh(packed)(x)) and torch.equal(operator(x), after)
        model = nn.Sequential(packed)
        save_packed(model, tmp_path / "file")
        other = load_packed(tmp_path / "file")["0"]
        if name != "no bias":
            assert torch.equal(other(x), after)


def test_state_that_is_loaded_in_inference_mode():
    with torch.inference_mode():
        first, second, x = full_layer(), full_layer(), torch.randn(5, 128)
        first(x)
        first.load_state_dict(second.state_dict())
        assert torch.equal(first(x), second(x))


def test_memory_that_moves():
    packed, x = full_layer(), torch.randn(5, 128)
    expected = packed(x)
    for part in (packed.weight, packed.weight_scale, packed.bias, packed.norm.weight):
        # As sending a tensor to another process does; the memory of before is freed.
        part.share_memory_()
        filler = [torch.full((2048,), 77.0) for _ in range(20)]
        assert torch.equal(packed(x), expected)
        del filler


def test_memory_that_moves_before_backward():
    packed, x = full_layer(), torch.randn(5, 128, requires_grad=True)
    expected, = torch.autograd.grad(packed(x).sum(), x)
    y = packed(x)
    packed.weight.share_memory_()
    filler = [torch.full((2048,), 77.0) for _ in range(20)]
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], expected)
    del filler


def test_operator_with_tensors_that_end():
    packed, x = full_layer(), torch.randn(5, 128)
    operator = torch.ops.bitlinear.packed_forward
    parts, shape = packed.parts(), packed.shape()
    for number in range(30):
        # A new bias, perhaps where the last one was.
        bias = torch.full((64,), float(number))
        y = operator(x, parts.codes, parts.scale, bias, parts.norm_weight, parts.norm_bias,
                     *shape[:3], *shape.recipe.options)
        packed.bias = bias
        assert torch.equal(y, fresh(packed)(x))


@pytest.mark.parametrize("features", [0, 9, 16, 4096])
def test_wrong_inputs_of_graphs(features):
    model = nn.Sequential(BitLinear(8, 64, recipe="b158").pack())
    x = torch.randn(64, 8)
    for graph in (torch.jit.script(model), torch.jit.trace(model, x)):
        with pytest.raises(Exception, match=f"{features} features in the last dimension"):
            graph(torch.randn(64, features))


def test_codes_that_do_not_fit():
    packed, x = full_layer(), torch.randn(5, 128)
    packed.weight = torch.zeros(64, 4, dtype=torch.int8)
    with pytest.raises(ValueError, match=r"found packed codes \[64, 4\]"):
        packed(x)
    packed.weight = torch.zeros(64, 32)
    with pytest.raises(ValueError, match="float32"):
        packed(x)
    with pytest.raises(ValueError, match="9 scales for a row of 128 weights"):
        PackedBitLinear.from_codes(
            torch.zeros(4, 32, dtype=torch.uint8), torch.ones(4, 9), Recipe(), 128)


@pytest.mark.parametrize("norm", [None, "layer", "rms", "group"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tokens", [3, 100])
def test_backward_of_packed_layers_inside_autocast(norm, dtype, tokens):
    layer = BitLinear(64, 32, 2, recipe="b158", norm=norm)
    packed, x = layer.pack(), torch.randn(tokens, 64)
    exact = x.clone().requires_grad_()
    packed(exact).square().sum().backward()
    cast = x.to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        packed(cast).float().square().sum().backward()
    assert cast.grad.dtype is dtype
    scale = exact.grad.abs().max().item()
    torch.testing.assert_close(cast.grad.float(), exact.grad, rtol=0.1, atol=0.1 * scale)
    with torch.autocast("cpu", torch.bfloat16):  # only around backward
        y = packed(exact).float()
    y.square().sum().backward()


def test_latent_states_of_other_groups():
    state = BitLinear(64, 32, recipe="b158").state_dict()
    with pytest.raises(RuntimeError, match="and groups 1, expected the recipe .* and groups 4"):
        BitLinear(64, 32, 4, recipe="b158").load_state_dict(state)
    nn.Linear(64, 32, bias=False).load_state_dict(state)


def test_weights_that_overlap():
    layer, x = BitLinear(512, 256, recipe="b158", norm=None), torch.randn(3, 512)
    row = torch.randn(1, 512)
    for _ in range(3):
        expanded = torch.func.functional_call(layer, {"weight": row.expand(256, 512)}, (x,))
        whole = torch.func.functional_call(
            layer, {"weight": row.expand(256, 512).contiguous()}, (x,))
        assert torch.equal(expanded, whole)


def test_kept_codes_go_with_their_weights():
    from bitlinear_torch._weights import _cache

    def kept():
        return sum(entry.packed is not None for entry in _cache._entries.values())

    x, before = torch.randn(3, 512), kept()
    layers = [BitLinear(512, 256, recipe="b158") for _ in range(5)]
    with torch.no_grad():
        for layer in layers:
            layer(x), layer(x)
        assert kept() >= 5
        del layer, layers
        BitLinear(512, 256)(x)  # the next weight makes room
    assert kept() <= before


def test_weights_in_one_storage_keep_their_codes(monkeypatch):
    from bitlinear_torch import _weights

    flat, x = torch.randn(2 * 512 * 256), torch.randn(3, 512)
    layers = [BitLinear(512, 256, recipe="b158") for _ in range(2)]
    for layer, part in zip(layers, flat.view(2, 256, 512)):
        layer.weight = nn.Parameter(part)
    packs, pack = [], _weights._pack
    monkeypatch.setattr(_weights, "_pack", lambda *options: packs.append(1) or pack(*options))
    with torch.no_grad():
        expected = [layer(x) for _ in range(5) for layer in layers][:2]
        assert len(packs) == 4  # once when met, once to keep
        flat.mul_(-1)
        assert all(torch.equal(layer(x), -y) for layer, y in zip(layers, expected))


def test_strength_survives_moves_and_types():
    layer = BitLinear(8, 4, device="meta")
    layer.strength = 0.3
    layer.to_empty(device="cpu").reset_parameters()
    for moved in (layer, copy.deepcopy(layer).bfloat16(), copy.deepcopy(layer).double()):
        assert moved.strength == 0.3 and moved._strength.dtype is torch.float32
        assert moved._strength.item() == pytest.approx(0.3)


def test_threads_while_weights_come_and_go():
    code = """
import threading, torch
from bitlinear_torch import BitLinear
x, failures = torch.randn(3, 512), []
def work():
    try:
        for _ in range(40):
            layer = BitLinear(512, 128, recipe="b158")
            with torch.no_grad():
                y = layer(x)
                assert torch.equal(layer(x), y) and torch.equal(layer(x), y)
    except BaseException as error:
        failures.append(error)
threads = [threading.Thread(target=work) for _ in range(6)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
assert not failures, failures
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_wrong_kinds_of_arguments():
    from bitlinear_torch import set_threads

    for threads in ("2", 1.7, True):
        with pytest.raises(ValueError, match="found threads"):
            set_threads(threads)
    with pytest.raises(TypeError, match="found NoneType, expected a module"):
        pack_model(None)
