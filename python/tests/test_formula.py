"""Equality with the plain PyTorch formula on random inputs, forward and every gradient."""

import formula
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from bitlinear_torch import BitLinear, absmax_quantize

TOLERANCE = 1e-5

leading_shapes = st.lists(st.integers(1, 5), max_size=3)
recipes = st.fixed_dictionaries({
    "recipe": st.sampled_from(["bitnet", "b158"]),
    "activation_bits": st.integers(2, 16),
    "per_token": st.booleans(),
})


def compare(leading, in_features, out_features, groups, seed, bias, options, needs_distance):
    """Compares a layer and its packed form with the formula."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    layer = BitLinear(in_features, out_features, groups, bias=bias, **options)
    layer.weight = nn.Parameter(draw(out_features, in_features) + 0.1)
    if bias:
        layer.bias = nn.Parameter(draw(out_features))
    x = (draw(*leading, in_features) * 3).requires_grad_()
    exact = [
        None if part is None else part.detach().double().requires_grad_()
        for part in (x, layer.weight, layer.bias)]
    expected, tie, *quantized = formula.bit_linear(*exact, groups=groups, **options)
    # The norm of a float32 library may round to either side of a tie.
    assume(not needs_distance or tie > 1e-5 * 2 ** options["activation_bits"])
    upstream = draw(*expected.shape)
    with torch.no_grad():
        whole, *wholes = formula.sums_of_magnitudes(*quantized, exact[2], upstream.double())
    # A norm may also subtract nearly all of its gradient: compared with all of it.
    kind, eps = options["norm"], options.get("norm_eps", 0.0)
    if kind is not None:
        wholes[0] *= 100 / formula.deviation(exact[0], kind, groups, eps)
    y = layer(x)
    assert y.shape == expected.shape and y.dtype is torch.float32
    assert formula.relative_error(y, expected, whole) < TOLERANCE
    assert torch.equal(layer.pack()(x), y)
    y.backward(upstream)
    expected.backward(upstream.double())
    for found, wanted, magnitude in zip((x, layer.weight, layer.bias), exact, wholes):
        if found is not None:
            assert found.grad.shape == wanted.grad.shape
            assert formula.relative_error(found.grad, wanted.grad, magnitude) < TOLERANCE


@settings(max_examples=150)
@given(leading_shapes, st.integers(1, 70), st.integers(1, 12), st.integers(1, 4),
       st.integers(0, 2**31), st.booleans(), recipes)
def test_without_norm(leading, in_features, rows, groups, seed, bias, options):
    options = {**options, "norm": None}
    compare(leading, in_features, rows * groups, groups, seed, bias, options, False)


@settings(max_examples=100)
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(2, 10), st.integers(1, 6),
       st.integers(1, 3), st.integers(0, 2**31), st.booleans(),
       st.sampled_from(["layer", "rms", "group"]), st.sampled_from([1e-5, 1e-2]),
       recipes)
def test_with_norm(leading, features, rows, groups, seed, bias, norm, eps, options):
    options = {**options, "norm": norm, "norm_eps": eps}
    options["activation_bits"] = min(options["activation_bits"], 10)
    compare(leading, features * groups, rows * groups, groups, seed, bias, options, True)


@settings(max_examples=100)
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 600), st.integers(1, 6),
       st.integers(1, 3), st.integers(0, 2**31), st.booleans(), st.integers(2, 16),
       st.sampled_from(["bitnet", "b158"]), st.sampled_from([None, "rms", "layer"]),
       st.sampled_from([32, 64, 128, 256]))
def test_blocks_of_activations(
    leading, in_features, rows, groups, seed, bias, bits, recipe, norm, block
):
    options = {"recipe": recipe, "activation_block": block, "norm": norm}
    if norm is None:
        options["activation_bits"] = bits
    else:
        options.update(activation_bits=min(bits, 10), norm_eps=1e-2)
        in_features += 1  # A layer norm of one feature is zero, but for its rounding.
    compare(
        leading, in_features, rows * groups, groups, seed, bias, options, norm is not None)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 6), max_size=4), st.integers(2, 16), st.integers(0, 2**31),
       st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.float64]))
def test_absmax_of_any_shape(shape, bits, seed, dtype):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    x.requires_grad_()
    quant, dequant = absmax_quantize(x, bits)
    assert quant.shape == dequant.shape == x.shape and dequant.dtype is dtype
    if x.numel():
        expected, _ = formula.absmax(x.detach().float(), bits, False, 0.0)
        assert torch.equal(dequant, expected.float().to(dtype)) or (
            formula.relative_error(dequant, expected) < (1e-5 if dtype.itemsize > 2 else 1e-2))
        assert quant.abs().max() == 2 ** (bits - 1) - 1
    upstream = torch.ones_like(x)
    dequant.backward(upstream)
    assert torch.equal(x.grad, upstream)
