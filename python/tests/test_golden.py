"""Golden values of PyTorch and transformers through the Python package."""

from dataclasses import replace

import golden
import pytest
import torch
from torch import nn

from bitlinear_torch import BitLinear, PackedBitLinear, Recipe, absmax_quantize

NORMS = {"none": None, "layernorm": "layer", "rmsnorm": "rms"}


def cases(path, key="cases", keep=lambda case: True):
    found = [case for case in golden.load(path)[key] if keep(case)]
    assert found
    return pytest.mark.parametrize(
        "case", found, ids=[str(case.get("name", index)) for index, case in enumerate(found)])


def layer_of(case, **options):
    """A layer with the weight and bias of a case."""
    weight, bias = golden.tensor(case["weight"]), golden.tensor(case.get("bias"))
    layer = BitLinear(weight.shape[1], weight.shape[0], case.get("groups", 1),
                      bias=bias is not None, norm_eps=case.get("norm_eps", 0.0), **options)
    layer.weight = nn.Parameter(weight)
    layer.bias = None if bias is None else nn.Parameter(bias)
    return layer


@cases("BitCoreTests/Golden/absmax.json")
def test_absmax(case):
    x = torch.tensor(case["input"], dtype=torch.float32).reshape(case["shape"])
    quant, dequant = absmax_quantize(x, bits=case["bits"])
    assert quant.dtype is (torch.int8 if case["bits"] <= 8 else torch.int16)
    assert quant.shape == dequant.shape == x.shape
    if case["quant"] is None:
        # Where the reference gives NaN: zeros for zeros.
        assert not quant.any() and torch.equal(dequant, torch.zeros_like(x))
        return
    assert quant.flatten().tolist() == case["quant"]
    expected = torch.tensor(case["dequant"], dtype=torch.float32).reshape(x.shape)
    torch.testing.assert_close(dequant, expected, rtol=1.2e-7, atol=0)


# qb 128 is the level of the paper's formula, which no recipe uses.
@cases("BitCoreTests/Golden/bit1_forward.json", keep=lambda case: case["qb"] == 127)
def test_one_bit_forward(case):
    layer = layer_of(case, recipe="bitnet", per_token=case["activation"] == "per_token",
                     norm=NORMS[case["norm"]])
    expected = golden.tensor(case["y"])
    for module in (layer, layer.pack()):
        torch.testing.assert_close(
            module(golden.tensor(case["x"])).detach(), expected, rtol=1e-5, atol=1e-5)


@cases("BitCoreTests/Golden/b158_forward.json", keep=lambda case: case["norm_weight"] is None)
def test_ternary_forward(case):
    layer = layer_of(case, recipe="b158", norm=NORMS[case["norm"]])
    expected = golden.tensor(case["y"])
    for module in (layer, layer.pack()):
        torch.testing.assert_close(
            module(golden.tensor(case["x"])).detach(), expected, rtol=1e-5,
            atol=1e-5 * expected.abs().max().item())


def is_of_a_layer(case):
    return (
        case["lam"] == 1 and case["quant_act"] and case["quant_weight"]
        and case["norm_weight"] is None)


@cases("BitCoreTests/Golden/ste_grads.json", keep=is_of_a_layer)
def test_gradients(case):
    recipe = "b158" if case["weight_mode"] == "b158" else "bitnet"
    layer = layer_of(case, recipe=recipe, per_token=True, norm=NORMS[case["norm"]])
    x = golden.tensor(case["x"]).requires_grad_()
    y = layer(x)
    y.backward(golden.tensor(case["dy"]))
    for found, name in ((y, "y"), (x.grad, "dx"), (layer.weight.grad, "dw")):
        torch.testing.assert_close(found.detach(), golden.tensor(case[name]), rtol=0, atol=2e-5)
    if layer.bias is not None:
        torch.testing.assert_close(
            layer.bias.grad, golden.tensor(case["dbias"]), rtol=0, atol=2e-5)


def unpack_ternary(codes, columns):
    """Codes -1, 0, +1 of packed rows: code + 1 in 2 bits, from the lowest."""
    places = torch.stack([codes >> shift & 3 for shift in (0, 2, 4, 6)], dim=-1)
    return places.reshape(codes.shape[0], -1)[:, :columns].to(torch.int8) - 1


def pack_ternary(ternary):
    """The inverse of unpack_ternary."""
    rows, columns = ternary.shape
    padded = torch.zeros(rows, -(-columns // 4) * 4, dtype=torch.uint8)
    padded[:, :columns] = (ternary + 1).to(torch.uint8)
    places = padded.reshape(rows, -1, 4)
    return sum(places[:, :, place] << 2 * place for place in range(4)).to(torch.uint8)


@cases("BitFormatsTests/Golden/hf_packing.json", keep=lambda case: len(case["shape"]) == 2)
def test_codes_of_packed_ternary_weights(case):
    ternary = torch.tensor(case["ternary"], dtype=torch.float32).reshape(case["shape"])
    layer = BitLinear(ternary.shape[1], ternary.shape[0], recipe="b158")
    layer.weight = nn.Parameter(ternary)
    codes = layer.pack().state_dict()["weight"]
    unpacked = torch.tensor(case["unpacked"], dtype=torch.float32).reshape(-1, ternary.shape[1])
    assert torch.equal(unpack_ternary(codes, ternary.shape[1]).float(), unpacked[: len(ternary)])


@cases("BitFormatsTests/Golden/hf_packing.json", key="layers")
def test_packed_layer_of_transformers(case):
    ternary = golden.tensor(case["ternary"])
    norm = "rms" if case["use_rms_norm"] else None
    layer = PackedBitLinear.from_codes(
        pack_ternary(ternary), torch.tensor([1 / case["bitlinear_weight_scale"]]),
        replace(Recipe.named("b158"), norm=norm, norm_eps=case["rms_norm_eps"]),
        ternary.shape[1], golden.tensor(case["bias"]))
    torch.testing.assert_close(
        layer(golden.tensor(case["x"])), golden.tensor(case["y_bitlinear"]), rtol=1e-5, atol=1e-6)


def test_online_layer_of_transformers():
    case = golden.load("BitFormatsTests/Golden/hf_packing.json")["online_layer"]
    layer = layer_of(case, recipe="b158", norm=None)
    torch.testing.assert_close(
        layer(golden.tensor(case["x"])).detach(), golden.tensor(case["y"]), rtol=1e-5, atol=1e-6)
