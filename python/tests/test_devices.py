"""The formula in PyTorch's operations, which serves other devices, against the library."""

import itertools

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from bitlinear_torch import BitLinear, Recipe, absmax_quantize
from bitlinear_torch import _formula as formula
from bitlinear_torch._straight_through import product_gradients

pytestmark = pytest.mark.filterwarnings("ignore:an input of tokens")

SCALES = [
    ("sign", "mean"), ("ternary", "mean"), ("ternary", "median"), ("ternary", "threshold"),
]
NORMS = [None, "layer", "rms", "group"]
TOKENS = [{"per_token": False}, {"per_token": True}, {"activation_block": 32}]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pair(groups, recipe, **options):
    """The same layer, computed by the library and by the formula."""
    layers = [
        BitLinear(96, 8, groups, recipe=recipe, bias=True, backend=backend, **options)
        for backend in ("auto", "torch")]
    layers[1].load_state_dict(layers[0].state_dict())
    return layers


def run(layer, x, upstream):
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(upstream)
    return [y.detach(), x.grad, *(part.grad for part in layer.parameters())]


def is_near_a_tie(x, layer):
    """Whether a code of the input lies so near to the middle of two that a norm may decide it."""
    recipe = layer.recipe
    codes = formula.input_codes(formula.normalize(x, recipe, None, None), recipe)
    scale = codes.scale
    if recipe.activation_block:
        scale = scale.repeat_interleave(recipe.activation_block, -1)[..., : x.shape[-1]]
    scaled = (formula.normalize(x, recipe, None, None) * scale).double()
    distance = ((scaled - scaled.floor()) - 0.5).abs().min().item()
    return distance < 2.0 ** recipe.activation_bits * 1e-6


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weights, weight_scale", SCALES)
@pytest.mark.parametrize("groups", [1, 4])
def test_formula_and_library(weights, weight_scale, groups, norm):
    ties = 0
    for tokens, bits in itertools.product(TOKENS, (2, 4, 8, 9, 10, 16)):
        recipe = Recipe(
            weights=weights, weight_scale=weight_scale, activation_bits=bits, norm=norm,
            norm_groups=groups if norm == "group" else 1, **tokens)
        library, plain = pair(groups, recipe)
        x, upstream = torch.randn(2, 5, 96), torch.randn(2, 5, 8)
        if norm is None:
            assert torch.equal(library(x), plain(x)), (tokens, bits)
        elif is_near_a_tie(x, library):
            ties += 1
            continue
        for one, other in zip(run(library, x, upstream), run(plain, x, upstream), strict=True):
            error = (one - other).abs().max() / one.abs().max()
            assert error < 1e-6, (tokens, bits, error)
        assert torch.equal(library.pack().state_dict()["weight"],
                           formula_codes(plain)), (tokens, bits)
        packed = plain.pack()
        assert packed.backend == "torch"
        torch.testing.assert_close(packed(x), plain(x), rtol=0, atol=0)
    # Nearly all cases were compared; of 10 and 16 bits most have a tie.
    assert ties <= 12


def formula_codes(layer):
    """The codes of a layer as PyTorch's operations pack them."""
    from bitlinear_torch._codes import pack_rows

    codes, _ = formula.weight_codes(layer.weight.detach(), layer.recipe, layer.groups)
    return pack_rows(codes, layer.recipe.weights).view(torch.uint8)


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("options", [{}, {"per_token": True}, {"block": 32}])
def test_codes_of_the_input_are_the_same_bits(bits, options):
    x = torch.randn(3, 7, 80) * torch.logspace(-3, 3, 7).unsqueeze(1)
    x[0, 1], x[1, 2, 3], x[2, 4, 5] = 0, torch.nan, torch.inf
    # A value in the middle of two codes: half to even.
    x[0, 0], x[0, 0, 1] = 2.0 ** (bits - 1) - 1, 0.5
    quant, dequant = absmax_quantize(x, bits, **options)
    recipe = Recipe(
        activation_bits=bits, per_token=bool(options), activation_block=options.get("block"))
    codes = formula.input_codes(x, recipe)
    assert torch.equal(codes.codes, quant.float())
    torch.testing.assert_close(
        formula.input_values(codes, recipe), dequant, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("recipe", ["bitnet", "b158"])
def test_rows_that_are_special(recipe):
    library, plain = pair(1, recipe)
    for x in (torch.zeros(3, 96), torch.empty(0, 96), torch.empty(2, 0, 96), torch.randn(96)):
        upstream = torch.ones(*x.shape[:-1], 8)
        for one, other in zip(run(library, x, upstream), run(plain, x, upstream), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    x = torch.randn(4, 96)
    x[1, 3], x[2, 0] = torch.nan, -torch.inf
    torch.testing.assert_close(library(x), plain(x), rtol=1e-6, atol=1e-6, equal_nan=True)
    assert plain(x)[1:3].isnan().all() and plain(x)[[0, 3]].isfinite().all()


@pytest.mark.parametrize("mantissa", [8, 11])
@pytest.mark.parametrize("bits", range(2, 17))
def test_products_of_lower_precision_are_exact(bits, mantissa, monkeypatch):
    """As bfloat16 and TF32 round what they multiply, to 8 and 11 bits, and sum in float32."""
    def rounded(x):
        fraction, exponent = torch.frexp(x)
        return torch.ldexp((fraction * 2**mantissa).round() / 2**mantissa, exponent)

    linear = torch.nn.functional.linear
    monkeypatch.setattr(formula.F, "linear", lambda x, weight: linear(rounded(x), rounded(weight)))
    levels = 2 ** (bits - 1) - 1
    codes = torch.randint(-levels, levels + 1, (5, 300)).float()
    weight = torch.randint(-1, 2, (8, 300)).float()
    found = formula.exact_product(codes, weight, bits)
    assert torch.equal(found, (codes.long() @ weight.long().t()).float())


class NoLibrary(TorchDispatchMode):
    """Fails where an operator of this package is called, and counts all others."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.namespace != "bitlinear", func
        self.calls += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
@pytest.mark.parametrize("options", [
    {}, {"recipe": "b158", "norm": "layer", "learn_norm": True}, {"activation_bits": 12},
    {"recipe": "b158", "activation_block": 32}])
def test_other_devices_take_the_formula(device, options):
    # Fake tensors need no such device, and run the code that is written for it.
    # Drawing parameters there would need the device.
    skeleton = BitLinear(96, 8, device="meta", **options)
    # So would the engine of autograd.
    with torch.no_grad(), FakeTensorMode(), NoLibrary() as mode:
        parameters = {
            name: torch.empty(value.shape, device=device)
            for name, value in skeleton.named_parameters()}

        def layer(x):
            return torch.func.functional_call(skeleton, parameters, (x,))

        x = torch.empty(2, 5, 96, device=device)
        y = layer(x)
        assert y.shape == (2, 5, 8) and y.device.type == device
        wanted = (True, True, True)
        found = product_gradients(
            torch.empty_like(y), x, parameters["weight"], 1, skeleton.recipe, torch.float32,
            wanted)
        assert [part.shape for part in found] == [(2, 5, 96), (8, 96), (8,)]
        assert all(part.device.type == device for part in found)
        quant, dequant = absmax_quantize(x)
        assert quant.device.type == dequant.device.type == device
        with pytest.raises(ValueError, match=f"found an input on cpu, .* on {device}"):
            layer(torch.empty(3, 96, device="cpu"))
    assert mode.calls > 10
