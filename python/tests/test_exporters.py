"""Exporters and tracers: fx, TorchScript, ONNX, make_fx, and counters of FLOPs."""

import io

import pytest
import torch
from every import Every
from torch import fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from bitlinear_torch import BitLinear, Recipe, set_strength

LAYERS = [
    {}, {"recipe": "b158", "bias": True}, {"groups": 2, "activation_bits": 12},
    {"recipe": "b158", "norm": "layer", "learn_norm": True, "bias": True},
    {"recipe": "b158", "norm": "group", "groups": 2, "learn_norm": True},
    {"recipe": "b158", "activation_block": 32}, {"recipe": Recipe(weight_scale="median")},
    {"recipe": Recipe(weight_scale="threshold", norm="rms")},
]
every_layer = pytest.mark.parametrize("options", LAYERS)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:an input of tokens")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def both(options):
    """A model and its packed form."""
    layer = BitLinear(64, 8, **options)
    return nn.Sequential(layer, nn.ReLU()), nn.Sequential(layer.pack(), nn.ReLU())


@every_layer
def test_fx_takes_layers_as_leaves(options):
    for model in both(options):
        traced = fx.symbolic_trace(model)
        x = torch.randn(5, 64)
        assert torch.equal(traced(x), model(x))
        calls = [node.target for node in traced.graph.nodes if node.op == "call_module"]
        assert calls == ["0", "1"]
        with pytest.raises(ValueError, match="cannot trace a single .*put it into a module"):
            fx.symbolic_trace(model[0])


@every_layer
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_torchscript(options, dtype):
    for model in both({**options, "dtype": dtype}):
        kinds = [type(module) for module in model]
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(model), buffer)
        buffer.seek(0)
        loaded = torch.jit.load(buffer)
        # The model itself is as it was.
        assert [type(module) for module in model] == kinds
        leaf, other = (torch.randn(2, 3, 64).requires_grad_() for _ in range(2))
        other.data.copy_(leaf.detach())
        found, expected = loaded(leaf), model(other)
        assert torch.equal(found, expected)
        found.square().sum().backward()
        expected.square().sum().backward()
        assert torch.equal(leaf.grad, other.grad)
        assert loaded(leaf.half()).dtype is torch.float16
        alone = torch.jit.script(model[0])
        assert torch.equal(alone(leaf), model[0](leaf))


def test_torchscript_of_a_layer_that_is_not_fully_quantized():
    model, _ = both({})
    set_strength(model, 0.5)
    with pytest.raises(ValueError, match="strength 0.5, expected 1"):
        torch.jit.script(model)


@every_layer
def test_traces_of_torchscript(options):
    for model in both(options):
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.trace(model, torch.randn(5, 64)), buffer)
        buffer.seek(0)
        x = torch.randn(7, 64)
        assert torch.equal(torch.jit.load(buffer)(x), model(x))


@every_layer
def test_make_fx(options):
    for model in both(options):
        def gradient(x):
            return torch.func.grad(lambda x: model(x).square().sum())(x)

        example, x = torch.randn(5, 64), torch.randn(5, 64)
        assert torch.equal(make_fx(model)(example)(x), model(x))
        torch.testing.assert_close(make_fx(gradient)(example)(x), gradient(x))


@pytest.mark.parametrize("is_new, backend", [(False, "auto"), (False, "torch"), (True, "auto")])
def test_onnx(is_new, backend, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, path = Every(LAYERS, backend), str(tmp_path / "model.onnx")
    if is_new:
        tokens = torch.export.Dim("tokens", min=2, max=100)
        how = {"dynamo": True, "verbose": False, "dynamic_shapes": ({0: tokens},)}
    else:
        how = {"dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "tokens"}}}
    torch.onnx.export(model, (torch.randn(5, 64),), path, opset_version=18, **how)
    session = onnxruntime.InferenceSession(path)
    x = torch.randn(7, 64)
    found, = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", LAYERS[2:6])
def test_operators_keep_the_rules(options):
    layer = BitLinear(64, 8, **options)
    packed, recipe = layer.pack(), layer.recipe.options
    norm_weight = None if layer.norm is None else layer.norm.weight
    norm_bias = None if layer.norm is None else layer.norm.bias
    x, grad = torch.randn(5, 64, requires_grad=True), torch.randn(5, 8)
    operators = torch.ops.bitlinear
    norm = (norm_weight, norm_bias)
    tail = (layer.groups, *recipe, 0)
    wanted = [True, True, False, norm_weight is not None, norm_bias is not None]
    size = (64, 8, packed.layout, *packed.recipe.options)
    tensors = packed.parts()
    for operator, arguments in (
        (operators.forward, (x, layer.weight, layer.bias, *norm, *tail)),
        (operators.backward, (grad, x.detach(), layer.weight.detach(),
                              *(part if part is None else part.detach() for part in norm),
                              *tail, wanted)),
        (operators.packed_forward, (x, *tensors, *size)),
        (operators.packed_backward, (grad, x.detach(), *tensors[:2], *tensors[3:], *size, 0)),
    ):
        torch.library.opcheck(operator.default, arguments)
    torch.library.opcheck(operators.absmax_quantize.default, (x.detach(), 8))


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_flops_are_those_of_linear(backend):
    x = torch.randn(3, 5, 64, requires_grad=True)

    def count(layer):
        with FlopCounterMode(display=False) as forward:
            y = layer(x)
        # The counter is left between, as where only backward is watched.
        with FlopCounterMode(display=False) as backward:
            y.sum().backward()
        return forward.get_total_flops(), backward.get_total_flops()

    layer = BitLinear(64, 8, recipe="b158", backend=backend)
    assert count(layer) == count(nn.Linear(64, 8, bias=False)) == (15360, 2 * 15360)
    assert count(layer.pack()) == (15360, 15360)
    layer.weight.requires_grad_(False)
    assert count(layer) == (15360, 15360)
