"""Bad input: a Python exception with the numbers that do not fit, or a right result."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from bitlinear_torch import BitLinear, absmax_quantize


@pytest.mark.parametrize("arguments, text", [
    ((10, 20, 3), "3 groups do not divide 20"),
    ((10, 20, 0), "groups 0"), ((10, 20, -1), "groups -1"), ((0, 20), "in_features 0"),
    ((10, 0), "out_features 0"), ((10, -2), "out_features -2"), ((10, 2.5), "out_features 2.5"),
    (("10", 20), "in_features '10'"),
])
def test_features(arguments, text):
    with pytest.raises(ValueError, match=text):
        BitLinear(*arguments)


@pytest.mark.parametrize("options, text", [
    ({"recipe": "b159"}, "b159"), ({"activation_bits": 1}, "1, expected 2 to 16"),
    ({"activation_bits": 17}, "17, expected 2 to 16"), ({"activation_bits": 8.0}, "8.0"),
    ({"per_token": "yes"}, "yes"),
    ({"activation_block": 48}, "48, expected None, 32, 64, 128 or 256"),
    ({"activation_block": 0}, "0, expected"), ({"activation_block": True}, "True, expected"),
    ({"activation_block": 64.0}, "64.0"), ({"activation_block": "64"}, "'64'"),
    ({"activation_block": 64, "per_token": False}, "64 with per_token False"),
    ({"norm": "batch"}, "batch"), ({"norm_eps": -1.0}, "-1.0"),
    ({"norm_eps": float("nan")}, "nan"), ({"norm_eps": float("inf")}, "inf"),
    ({"norm": "group", "groups": 4}, "4 groups of norm do not divide 10 input features"),
])
def test_options(options, text):
    with pytest.raises(ValueError, match=text):
        BitLinear(10, 20, **options)


def test_type_of_parameters():
    with pytest.raises(TypeError, match="int8"):
        BitLinear(10, 20, dtype=torch.int8)


@pytest.fixture(params=["trained", "packed"])
def layer(request):
    layer = BitLinear(10, 20, recipe="b158")
    return layer.pack() if request.param == "packed" else layer


def test_wrong_last_dimension(layer):
    with pytest.raises(ValueError, match="11 features in the last dimension, expected 10"):
        layer(torch.randn(3, 11))
    with pytest.raises(ValueError, match="0 features in the last dimension, expected 10"):
        layer(torch.randn(3, 0))
    with pytest.raises(ValueError, match="scalar, expected 10"):
        layer(torch.tensor(1.0))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.complex64])
def test_types_that_are_not_of_floats(layer, dtype):
    for function in (layer, absmax_quantize):
        with pytest.raises(TypeError, match=str(dtype)):
            function(torch.ones(3, 10, dtype=dtype))


def test_things_that_are_no_tensors(layer):
    for function in (layer, absmax_quantize):
        with pytest.raises(TypeError, match="list"):
            function([1.0] * 10)


def test_parameters_that_do_not_fit():
    layer = BitLinear(10, 20, bias=True)
    layer.bias = nn.Parameter(torch.zeros(19))
    with pytest.raises(ValueError, match=r"bias \[19\], expected \[20\]"):
        layer(torch.randn(3, 10))
    layer.weight = nn.Parameter(torch.zeros(20))
    with pytest.raises(ValueError, match=r"weight \[20\]"):
        layer(torch.randn(3, 10))


def test_parameters_without_memory():
    layer = BitLinear(10, 20, device="meta")
    with pytest.raises(ValueError, match="meta"):
        layer(torch.randn(3, 10))
    with pytest.raises(ValueError, match="meta"):
        layer.pack()


@pytest.mark.parametrize("bits", [1, 17, 0, -8, 8.5, None])
def test_bits(bits):
    with pytest.raises(ValueError, match=f"{bits}.*expected 2 to 16"):
        absmax_quantize(torch.randn(3), bits)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_rows_that_are_not_finite(layer, value):
    x = torch.randn(4, 10)
    expected = layer(x)
    x[2, 5] = value
    y = layer(x)
    assert y[2].isnan().all()
    rest = torch.tensor([0, 1, 3])
    assert torch.equal(y[rest], expected[rest])
    quant, dequant = absmax_quantize(x)
    assert dequant[2].isnan().all() and not quant[2].any()
    assert torch.equal(dequant[rest], absmax_quantize(x[rest])[1])


def test_weights_that_are_not_finite():
    layer = BitLinear(10, 20)
    with torch.no_grad():
        layer.weight[0, 0] = torch.nan
    x = torch.randn(3, 10, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.isnan().all() and y.shape == (3, 20)


@pytest.mark.parametrize("magnitude", [0.0, 1e-45, 1e-38, 3e38])
def test_extreme_magnitudes(magnitude):
    x = torch.full((3, 10), magnitude)
    x[:, ::2] *= -1
    quant, dequant = absmax_quantize(x)
    assert dequant.isfinite().all()
    assert (dequant - x).abs().max() <= max(magnitude / 100, 2e-38)
    for recipe in ("bitnet", "b158"):
        layer = BitLinear(10, 20, recipe=recipe, norm=None)
        with torch.no_grad():
            layer.weight *= 1e-3
        assert layer(x).isfinite().all()


def test_2_to_the_31_elements():
    # No memory stands behind them.
    layer = BitLinear(2, 3, device="meta")
    x = torch.empty((2**30 + 1, 2), device="meta")
    assert layer(x).shape == (2**30 + 1, 3)
    with pytest.raises(ValueError, match=f"{2**31} features in the last dimension, expected 2"):
        BitLinear(2, 3)(torch.empty(1).expand(1, 2**31))


@pytest.mark.parametrize("name, text", [
    ("nowhere.so", "no library"), (__file__, "cannot use its library"),
])
def test_libraries_that_cannot_be_loaded(name, text):
    import os

    result = subprocess.run(
        [sys.executable, "-c", "import bitlinear_torch"], capture_output=True, text=True,
        env={**os.environ, "BITLINEAR_LIBRARY": name}, check=False)
    assert result.returncode == 1 and "ImportError" in result.stderr and text in result.stderr


def test_too_many_features():
    with pytest.raises(ValueError, match="found in_features 8388609, expected at most 8388608"):
        BitLinear(8388609, 1, device="meta")
