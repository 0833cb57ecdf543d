"""Transforms of torch.func, forward mode and batched gradients: straight-through, or refused."""

import formula
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import (
    functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vjp, vmap,
)

from bitlinear_torch import BitLinear, Recipe, absmax_quantize

LAYERS = [
    {}, {"recipe": "b158", "bias": True}, {"groups": 2, "activation_bits": 12},
    {"recipe": "b158", "norm": "layer", "learn_norm": True, "bias": True},
    {"recipe": "b158", "norm": "group", "groups": 2, "learn_norm": True},
    {"recipe": "b158", "activation_block": 32}, {"recipe": Recipe(weight_scale="median")},
    {"recipe": Recipe(weight_scale="threshold", norm="rms"), "backend": "torch"},
]
every_layer = pytest.mark.parametrize("options", LAYERS)
# PyTorch's warning of a map that is a slow loop would be a fault.
pytestmark = pytest.mark.filterwarnings(
    "ignore:an input of tokens", "error:There is a performance drop")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def assert_close(found, expected):
    torch.testing.assert_close(
        found, expected, rtol=0, atol=1e-5 * expected.abs().max().item() + 1e-12)


def both(options):
    """A layer and its packed form."""
    layer = BitLinear(64, 8, **options)
    return layer, layer.pack()


def loss_of(layer):
    return lambda parameters, x: functional_call(layer, parameters, (x,)).square().sum()


def parameters_of(layer):
    return {name: value.detach() for name, value in layer.named_parameters()}


def gradients(layer, x):
    """The gradients of the loss for parameters and input, by torch.autograd."""
    x = x.detach().requires_grad_()
    names, values = zip(*layer.named_parameters()) if list(layer.parameters()) else ((), ())
    found = torch.autograd.grad(layer(x).square().sum(), [x, *values])
    return found[0], dict(zip(names, found[1:]))


@every_layer
def test_reverse_mode(options):
    for layer in both(options):
        x = torch.randn(3, 64)
        of_x, of_parameters = gradients(layer, x)
        if of_parameters:
            found = grad(loss_of(layer))(parameters_of(layer), x)
            for name, expected in of_parameters.items():
                assert_close(found[name], expected)
        upstream = 2 * layer(x).detach()
        assert_close(vjp(layer, x)[1](upstream)[0], of_x)
        assert_close(torch.einsum("toij,to->ij", jacrev(layer)(x), upstream), of_x)


@every_layer
def test_forward_mode(options):
    for layer in both(options):
        x, tangent = torch.randn(3, 64), torch.randn(3, 64)
        jacobian = jacrev(layer)(x)
        expected = torch.einsum("toij,ij->to", jacobian, tangent)
        assert_close(jvp(layer, (x,), (tangent,))[1], expected)
        assert_close(jacfwd(layer)(x), jacobian)
        for is_enabled in (True, False):
            with torch.set_grad_enabled(is_enabled), forward_ad.dual_level():
                dual = forward_ad.make_dual(x, tangent)
                assert_close(forward_ad.unpack_dual(layer(dual)).tangent, expected)


@every_layer
def test_tangents_of_parameters(options):
    layer, x = BitLinear(64, 8, **options), torch.randn(3, 64)
    parameters = parameters_of(layer)
    tangents = {name: torch.randn_like(value) for name, value in parameters.items()}
    _, found = jvp(lambda some: loss_of(layer)(some, x), (parameters,), (tangents,))
    _, expected = gradients(layer, x)
    terms = [expected[name] * tangents[name] for name in parameters]
    size = sum(term.abs().sum() for term in terms)
    assert (found - sum(term.sum() for term in terms)).abs() < 1e-5 * size


@pytest.mark.parametrize("recipe, norm", [("bitnet", None), ("bitnet", "layer"), ("b158", "rms")])
@pytest.mark.parametrize("transform", [vjp, jvp])
def test_formula_in_double_precision(recipe, norm, transform):
    layer, x = BitLinear(64, 8, recipe=recipe, norm=norm), torch.randn(3, 64)
    exact = x.double().requires_grad_()
    y, *_ = formula.bit_linear(exact, layer.weight.detach().double(), recipe=recipe, norm=norm)
    upstream, tangent = torch.randn(3, 8), torch.randn(3, 64)
    expected, = torch.autograd.grad(y, exact, upstream.double())
    if transform is vjp:
        found, = vjp(layer, x)[1](upstream)
        assert formula.relative_error(found, expected) < 1e-5
    else:
        found = (jvp(layer, (x,), (tangent,))[1] * upstream).sum()
        assert (found - (expected * tangent).sum()).abs() < 1e-4 * expected.norm()


@every_layer
def test_gradients_of_each_sample(options):
    for layer in both(options):
        x = torch.randn(4, 3, 64)
        each = [gradients(layer, sample) for sample in x]
        if each[0][1]:
            found = vmap(grad(loss_of(layer)), (None, 0))(parameters_of(layer), x)
            for name, values in found.items():
                assert_close(values, torch.stack([of[name] for _, of in each]))
        found = vmap(grad(lambda sample: layer(sample).square().sum()))(x)
        assert_close(found, torch.stack([of_x for of_x, _ in each]))


@every_layer
def test_maps_are_loops_bit_for_bit(options):
    for layer in both(options):
        x = torch.randn(2, 4, 3, 64)
        assert torch.equal(vmap(layer)(x[0]), torch.stack([layer(part) for part in x[0]]))
        assert torch.equal(
            vmap(layer, 1)(x[0]), torch.stack([layer(part) for part in x[0].unbind(1)]))
        assert torch.equal(
            vmap(vmap(layer))(x),
            torch.stack([torch.stack([layer(part) for part in parts]) for parts in x]))
        # Backward of the map is that of the loop.
        leaf, other = x[0].clone().requires_grad_(), x[0].clone().requires_grad_()
        vmap(layer)(leaf).square().sum().backward()
        torch.stack([layer(part) for part in other]).square().sum().backward()
        assert_close(leaf.grad, other.grad)


@every_layer
def test_ensembles(options):
    layers = [BitLinear(64, 8, **options) for _ in range(3)]
    parameters, buffers = stack_module_state(layers)
    parameters = {name: value.detach() for name, value in parameters.items()}
    skeleton = BitLinear(64, 8, device="meta", **options)

    def call(parameters, x):
        return functional_call(skeleton, (parameters, buffers), (x,))

    x = torch.randn(3, 2, 64)
    assert torch.equal(
        vmap(call)(parameters, x), torch.stack([layer(part) for layer, part in zip(layers, x)]))
    assert torch.equal(
        vmap(call, (0, None))(parameters, x[0]), torch.stack([layer(x[0]) for layer in layers]))
    found = vmap(grad(lambda some, x: call(some, x).square().sum()))(parameters, x)
    for index, layer in enumerate(layers):
        for name, expected in gradients(layer, x[index])[1].items():
            assert_close(found[name][index], expected)


@every_layer
def test_batches_of_gradients(options):
    for layer in both(options):
        x = torch.randn(3, 64, requires_grad=True)
        inputs, upstream = [x, *layer.parameters()], torch.randn(5, 3, 8)
        found = torch.autograd.grad(layer(x), inputs, upstream, is_grads_batched=True)
        each = [torch.autograd.grad(layer(x), inputs, part) for part in upstream]
        for values, expected in zip(found, zip(*each)):
            assert_close(values, torch.stack(expected))
        expected = torch.autograd.functional.jacobian(layer, x)
        for strategy in ("reverse-mode", "forward-mode"):
            assert_close(torch.autograd.functional.jacobian(
                layer, x.detach(), vectorize=True, strategy=strategy), expected)


@every_layer
def test_second_derivatives_are_refused(options):
    for layer in both(options):
        x = torch.randn(3, 64)

        def loss(x):
            return layer(x).square().sum()

        for second in (
            lambda: hessian(loss)(x), lambda: torch.autograd.functional.hessian(loss, x),
            lambda: grad(lambda x: grad(loss)(x).sum())(x), lambda: jacrev(jacrev(loss))(x),
            lambda: jvp(grad(loss), (x,), (x,)),
        ):
            with pytest.raises(NotImplementedError, match="first derivatives only"):
                second()


def test_strength():
    layer, x, tangent = BitLinear(64, 8, recipe="b158"), torch.randn(3, 64), torch.randn(3, 64)
    layer.strength = 0.5
    expected = torch.einsum("toij,ij->to", torch.autograd.functional.jacobian(layer, x), tangent)
    assert_close(jvp(layer, (x,), (tangent,))[1], expected)
    found = vmap(grad(loss_of(layer)), (None, 0))(parameters_of(layer), x)["weight"]
    assert_close(found, torch.stack([gradients(layer, part)[1]["weight"] for part in x]))


@pytest.mark.parametrize("options", [{}, {"per_token": True}, {"block": 32}, {"bits": 12}])
def test_absmax_quantize(options):
    x, tangent = torch.randn(3, 64), torch.randn(3, 64)

    def values(x):
        return absmax_quantize(x, **options)[1]

    def loss(x):
        return values(x).square().sum()

    assert torch.equal(jvp(values, (x,), (tangent,))[1], tangent)
    assert torch.equal(grad(loss)(x), 2 * values(x))
    assert torch.equal(vmap(grad(loss))(x), torch.stack([2 * values(part) for part in x]))
    for jacobian in (jacrev, jacfwd):
        assert torch.equal(jacobian(values)(x).reshape(192, 192), torch.eye(192))
    for index in (0, 1):
        each = torch.stack([absmax_quantize(part, **options)[index] for part in x])
        assert torch.equal(vmap(lambda x: absmax_quantize(x, **options)[index])(x), each)
    leaf = x.clone().requires_grad_()
    upstream = torch.stack([tangent, 2 * tangent])
    found, = torch.autograd.grad(values(leaf), leaf, upstream, is_grads_batched=True)
    assert torch.equal(found, upstream)
    with torch.no_grad(), forward_ad.dual_level():
        found = forward_ad.unpack_dual(values(forward_ad.make_dual(x, tangent))).tangent
    assert torch.equal(found, tangent)


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_transforms_that_are_compiled(backend):
    layer, tangent = BitLinear(64, 8, recipe="b158", backend=backend), torch.randn(3, 64)
    packed = layer.pack()

    def every(parameters, x):
        return (
            grad(loss_of(layer))(parameters, x)["weight"], jacrev(layer)(x), vmap(layer)(x),
            vmap(grad(loss_of(layer)), (None, 0))(parameters, x)["weight"],
            jvp(layer, (x,), (tangent,))[1], vmap(packed)(x), jvp(packed, (x,), (tangent,))[1],
            vmap(grad(lambda x: packed(x).square().sum()))(x),
            jvp(lambda x: absmax_quantize(x)[1], (x,), (tangent,))[1],
            vmap(grad(lambda x: absmax_quantize(x)[1].square().sum()))(x),
        )

    parameters, x = parameters_of(layer), torch.randn(3, 64)
    found = torch.compile(every, backend="aot_eager", fullgraph=True)(parameters, x)
    for values, expected in zip(found, every(parameters, x), strict=True):
        assert_close(values, expected)


def test_second_derivatives_that_are_compiled():
    layer, x = BitLinear(64, 8), torch.randn(3, 64)
    compiled = torch.compile(hessian(lambda x: layer(x).square().sum()), backend="eager")
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        compiled(x)


def test_functional_call_of_a_model():
    model = nn.Sequential(BitLinear(64, 8, recipe="b158"), nn.ReLU(), BitLinear(8, 4, bias=True))
    x = torch.randn(3, 64)
    doubled = {name: 2 * value for name, value in parameters_of(model).items()}
    expected = functional_call(model, doubled, (x,))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    assert torch.equal(model(x), expected)
