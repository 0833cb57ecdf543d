"""BitLinear as a module of PyTorch: types, tools that transform or copy it, threads."""

import copy
import io
import math
import multiprocessing
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import bitlinear_torch
from bitlinear_torch import BitLinear, replace_linear

OPTIONS = [
    {}, {"recipe": "b158", "bias": True}, {"groups": 2, "norm": "layer"},
    {"groups": 2, "norm": "group", "recipe": "b158"}, {"activation_bits": 12, "norm": "rms"},
    {"recipe": "b158", "activation_block": 32},
]
every_option = pytest.mark.parametrize("options", OPTIONS)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def gradients(function, layer, x):
    """Output and gradients of a layer, computed by a function that stands for it."""
    layer.zero_grad()
    x = x.detach().requires_grad_()
    y = function(x)
    y.square().sum().backward()
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert torch.equal(one, other)


def test_parameters_are_those_of_linear():
    torch.manual_seed(3)
    linear = nn.Linear(10, 20)
    torch.manual_seed(3)
    layer = BitLinear(10, 20, bias=True)
    assert list(layer.state_dict()) == list(linear.state_dict())
    assert torch.equal(layer.weight, linear.weight) and torch.equal(layer.bias, linear.bias)
    assert layer.weight.abs().max() <= 1 / math.sqrt(10)
    layer.load_state_dict(nn.Linear(10, 20).state_dict())
    assert BitLinear(10, 20).bias is None
    assert repr(BitLinear(10, 20, 2, recipe="b158")) == (
        "BitLinear(in_features=10, out_features=20, groups=2, bias=False, weights='ternary', "
        "activation_bits=8, per_token=True, norm='rms', norm_eps=1e-05)")
    assert repr(BitLinear(10, 20, activation_block=64)).endswith(
        "activation_bits=8, per_token=True, activation_block=64, norm=None)")


@every_option
@pytest.mark.parametrize("shape", [(12,), (0, 12), (3, 0, 12), (2, 3, 4, 12)])
def test_leading_shapes(options, shape):
    layer = BitLinear(12, 6, **options)
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    assert y.shape == (*shape[:-1], 6)
    y.sum().backward()
    assert x.grad.shape == shape and layer.weight.grad.shape == (6, 12)
    if x.numel() == 0:
        assert not layer.weight.grad.any()
    assert layer.pack()(x).shape == y.shape


@every_option
def test_strided_inputs(options):
    layer = BitLinear(12, 6, **options)
    whole = torch.randn(4, 5, 30)
    for x in (whole[..., 3:15], whole[:, 1, :12], whole[::2, :, ::2][..., :12],
              whole.transpose(0, 1)[..., :12], torch.randn(12, 7).t(),
              torch.randn(1, 12).expand(5, 12), torch.randn(12).expand(2, 3, 12)):
        assert_equal(gradients(layer, layer, x), gradients(layer, layer, x.contiguous()))
        assert torch.equal(layer.pack()(x), layer.pack()(x.contiguous()))
    layer.weight = nn.Parameter(torch.randn(12, 6).t())
    x = torch.randn(3, 12)
    strided = gradients(layer, layer, x)
    layer.weight = nn.Parameter(layer.weight.detach().contiguous())
    assert_equal(strided, gradients(layer, layer, x))


def test_plain_memory_is_not_copied():
    from bitlinear_torch._memory import rows

    x = torch.randn(6, 4, 30)
    for view, stride in ((x, 30), (x[..., :12], 30), (x[:, 0, :12], 120), (x[2:], 30)):
        found, distance = rows(view)
        assert found.data_ptr() == view.data_ptr() and distance == stride


@every_option
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_are_computed_in_float32(options, dtype):
    layer = BitLinear(12, 6, **options, dtype=dtype)
    exact = copy.deepcopy(layer).float()
    x = torch.randn(5, 12, dtype=dtype)
    found = gradients(layer, layer, x)
    assert all(part.dtype is dtype for part in found)
    y = exact(x.float())
    assert torch.equal(found[0], y.to(dtype))
    assert torch.equal(layer.pack()(x), y.to(dtype))


def test_autocast_multiplies_in_its_type_backward_only():
    layer = BitLinear(12, 6, bias=True)
    x = torch.randn(5, 12)
    expected = gradients(layer, layer, x)
    packed = layer.pack()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        assert y.dtype is packed(x).dtype is torch.bfloat16
        assert torch.equal(y, expected[0].bfloat16()) and torch.equal(packed(x), y)
        assert layer(nn.Linear(12, 12)(x)).dtype is torch.bfloat16
        torch.zeros(9, 6, dtype=y.dtype).index_add_(0, torch.arange(5), y)
        found = gradients(layer, layer, x)
    for one, other in zip(found[1:], expected[1:]):
        assert one.dtype is torch.float32
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05 * other.abs().max().item())


@every_option
def test_compile(options):
    layer = BitLinear(12, 6, **options)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for tokens in (5, 3):
        x = torch.randn(tokens, 12)
        assert_equal(gradients(compiled, layer, x), gradients(layer, layer, x))
    packed = layer.pack()
    compiled = torch.compile(packed, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x), packed(x))


@every_option
def test_export(options):
    model = nn.Sequential(BitLinear(12, 6, **options), nn.ReLU())
    x = torch.randn(5, 12)
    tokens = torch.export.Dim("tokens", min=2, max=1000)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: tokens},))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer).module()
    x = torch.randn(8, 12)
    assert torch.equal(loaded(x), model(x))
    packed = nn.Sequential(model[0].pack(), nn.ReLU())
    assert torch.equal(torch.export.export(packed, (x,)).module()(x), model(x))


def test_operators():
    from bitlinear_torch._operators import forward_op
    from bitlinear_torch.quantize import _absmax_quantize

    layer = BitLinear(12, 6, recipe="b158")
    x, weight = torch.randn(5, 12, requires_grad=True), layer.weight
    options = (*layer.recipe.options, 0)
    torch.library.opcheck(forward_op, (x, weight, None, None, None, 1, *options))
    torch.library.opcheck(_absmax_quantize, (x.detach(), 8))


def test_operator_and_direct_path_are_the_same():
    from bitlinear_torch._operators import forward_op

    layer = BitLinear(12, 6, 3, recipe="b158", bias=True)

    def by_operator(x):
        return forward_op(x, layer.weight, layer.bias, None, None, layer.groups,
                          *layer.recipe.options, 0)

    x = torch.randn(5, 12)
    assert_equal(gradients(by_operator, layer, x), gradients(layer, layer, x))


@every_option
def test_copies(options):
    layer = BitLinear(12, 6, **options)
    x = torch.randn(5, 12)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)),
                  torch.load(buffer, weights_only=False)):
        assert repr(other) == repr(layer) and other.weight is not layer.weight
        assert_equal(gradients(other, other, x), gradients(layer, layer, x))


def test_checkpointing():
    model = nn.Sequential(BitLinear(12, 8, recipe="b158"), nn.ReLU(), BitLinear(8, 6, bias=True))
    x = torch.randn(5, 12)
    expected = gradients(model, model, x)
    for reentrant in (False, True):
        assert_equal(
            gradients(lambda x: checkpoint(model, x, use_reentrant=reentrant), model, x), expected)


def test_second_derivatives_are_refused():
    layer = BitLinear(12, 6)
    x = torch.randn(5, 12, requires_grad=True)
    gradient, = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    assert torch.equal(gradient, torch.autograd.grad(layer(x).sum(), x)[0])
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        (layer(x).sum() + gradient.square().sum()).backward()


@pytest.mark.filterwarnings("ignore")  # that torch.jit is old
def test_watched_and_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    layer, x = BitLinear(12, 6, bias=True), torch.randn(5, 12)
    expected = gradients(layer, layer, x)
    with FlopCounterMode(display=False):
        assert_equal(gradients(layer, layer, x), expected)
    with torch.inference_mode():
        assert torch.equal(layer(x), expected[0])
    traced = torch.jit.trace(layer.pack(), x)
    x = torch.randn(7, 12)
    assert torch.equal(traced(x), layer(x))
    with FakeTensorMode():
        assert BitLinear(12, 6)(torch.randn(3, 12)).shape == (3, 6)


def test_only_wanted_gradients():
    layer = BitLinear(12, 6, bias=True)
    x = torch.randn(5, 12)
    expected = gradients(layer, layer, x)
    layer.weight.requires_grad_(False)
    layer.bias.requires_grad_(False)
    found = gradients(layer, layer, x)
    assert torch.equal(found[1], expected[1]) and found[2:] == [None, None]
    layer.weight.requires_grad_(True)
    layer(x).square().sum().backward()
    assert torch.equal(layer.weight.grad, expected[2])


@pytest.mark.parametrize("options", OPTIONS)
def test_gradient_of_the_bias_numerically(options):
    # The output is smooth in the bias, linear in fact. Computed in float32: so is the tolerance.
    layer = BitLinear(12, 6, **{**options, "bias": True}, dtype=torch.float64)
    x, bias = torch.randn(5, 12, dtype=torch.float64), layer.bias

    def output(bias):
        return torch.func.functional_call(layer, {"bias": bias}, (x,))

    assert torch.autograd.gradcheck(output, (bias,), eps=0.5, atol=1e-5, rtol=1e-5)


def test_threads_of_python():
    layer = BitLinear(256, 128, recipe="b158")
    packed = layer.pack()
    inputs = [torch.randn(33, 256) for _ in range(4)]
    expected = [packed(x) for x in inputs]
    failures = []

    def work(index):
        for _ in range(20):
            x = inputs[index].clone().requires_grad_()
            y = layer(x)
            y.sum().backward()
            if not torch.equal(y, expected[index]) or not torch.equal(packed(x), y):
                failures.append(index)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_number_of_threads_follows_torch():
    before = torch.get_num_threads()
    processors = bitlinear_torch.get_threads()
    x, layer = torch.randn(64, 512), BitLinear(512, 256, recipe="b158")
    try:
        torch.set_num_threads(1)
        assert bitlinear_torch.get_threads() == 1
        alone = layer(x)
        torch.set_num_threads(2)
        assert bitlinear_torch.get_threads() == min(2, processors)
        assert torch.equal(layer(x), alone)
        bitlinear_torch.set_threads(1)
        assert bitlinear_torch.get_threads() == 1
        bitlinear_torch.set_threads(None)
        assert bitlinear_torch.get_threads() == min(2, processors)
        with pytest.raises(ValueError, match="threads: found 0"):
            bitlinear_torch.set_threads(0)
    finally:
        torch.set_num_threads(before)


def _use_after_fork(layer, x, expected, threads, queue):
    bitlinear_torch.set_threads(threads)
    queue.put((bitlinear_torch.get_threads(), torch.equal(layer(x), expected)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_forked_process(threads):
    layer = BitLinear(512, 256, recipe="b158").pack()
    x = torch.randn(64, 512)
    before = torch.get_num_threads()
    available = bitlinear_torch.get_threads()
    try:
        torch.set_num_threads(2)
        expected = layer(x)  # starts the library's threads, which the child lacks
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(
            target=_use_after_fork, args=(layer, x, expected, threads, queue))
        child.start()
        child.join(60)
        alive = child.is_alive()
        if alive:
            child.kill()
        assert not alive and child.exitcode == 0
        found, is_equal = queue.get()
        assert is_equal and found == min(2 if threads is None else threads, max(2, available))
        assert torch.equal(layer(x), expected)
    finally:
        torch.set_num_threads(before)


def test_meta():
    layer = BitLinear(12, 6, 2, bias=True, device="meta", norm="group")
    x = torch.randn(5, 12, device="meta", requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.shape == (5, 6) and x.grad.shape == (5, 12) and y.is_meta


def test_training_lowers_the_loss():
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    replace_linear(model, recipe="b158")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.randn(64, 8)
    target = x[:, :4].argmax(dim=1)
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("is_packed", [False, True])
def test_transformers_call_their_layers(is_packed):
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2)
    model = replace_linear(encoder).eval()
    x, padding = torch.randn(2, 3, 8), torch.tensor([[False] * 3, [False, True, True]])
    expected = [model(x), model(x, src_key_padding_mask=padding)]
    if is_packed:
        model = bitlinear_torch.pack_model(model)
    with torch.no_grad():
        # Here PyTorch would compute with the float weights.
        found = [model(x), model(x, src_key_padding_mask=padding)]
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)


def test_values_that_are_not_in_memory():
    layer = BitLinear(10, 20, bias=True)
    x = torch.randn(6, 10, requires_grad=True)
    ones = torch.ones(6, 20)
    for grad, same in [
        (torch._neg_view(ones), -ones), (torch._efficientzerotensor(6, 20), torch.zeros(6, 20))
    ]:
        assert_equal(
            torch.autograd.grad(layer(x), [x, *layer.parameters()], grad),
            torch.autograd.grad(layer(x), [x, *layer.parameters()], same))
    packed = layer.pack()
    conjugate = torch.randn(6, 10, dtype=torch.complex64).conj().imag
    for function in layer, packed:
        assert torch.equal(function(conjugate), function(conjugate.clone()))
        assert torch.equal(
            function(torch._efficientzerotensor(6, 10)), function(torch.zeros(6, 10)))
