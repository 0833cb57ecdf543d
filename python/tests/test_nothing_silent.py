"""What once was lost or left without a word: now it is right, or an error or a warning says so."""

import copy
import io
import pickle
import subprocess
import sys
import warnings

import numpy
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from bitlinear_torch import (
    BitLinear, BitLinearWarning, ConversionReport, PackedBitLinear, Recipe, absmax_quantize,
    load_packed, pack_model, replace_linear, save_packed,
)

pytestmark = pytest.mark.filterwarnings("error::bitlinear_torch.BitLinearWarning")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("other", [
    {"activation_bits": 4}, {"norm": "layer"}, {"per_token": False}, {"activation_block": 32},
    {"recipe": "bitnet"}])
def test_states_of_other_recipes_are_refused(other):
    options = {"recipe": "b158"}
    for pack in (lambda layer: layer, BitLinear.pack):
        source = nn.Sequential(pack(BitLinear(16, 8, **{**options, **other})))
        target = nn.Sequential(pack(BitLinear(16, 8, **options)))
        buffer = io.BytesIO()
        torch.save(source.state_dict(), buffer)
        buffer.seek(0)
        x = torch.randn(3, 16)
        before = target(x)
        with pytest.raises(RuntimeError, match="state is that of a layer with the recipe"):
            target.load_state_dict(torch.load(buffer))
        assert torch.equal(target(x), before)


HOOKS = {
    "weight_norm": weight_norm, "spectral_norm": spectral_norm,
    "prune": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", HOOKS)
def test_weights_that_a_hook_computes(name):
    model = nn.Sequential(nn.Linear(16, 8))
    HOOKS[name](model[0])
    with pytest.raises(ValueError, match="layer 0: .*hook .*remove"):
        replace_linear(model)
    model = nn.Sequential(BitLinear(16, 8, recipe="b158"))
    HOOKS[name](model[0])
    optimizer, x = torch.optim.SGD(model.parameters(), lr=1.0), torch.randn(5, 16)
    for _ in range(3):
        model(x).square().sum().backward()
        optimizer.step()
    # The last step changed what the weight is computed from, and nothing has called the layer.
    packed = model[0].pack()
    assert torch.equal(packed(x), model.eval()(x))
    layer = BitLinear(16, 8)
    del layer.weight
    layer.weight = torch.randn(8, 16)
    layer.register_forward_pre_hook(lambda layer, _: None)
    with pytest.raises(ValueError, match="may be stale"):
        layer.pack()


def test_weights_that_are_parametrized():
    model = nn.Sequential(nn.Linear(16, 8))
    parametrizations.weight_norm(model[0])
    with pytest.warns(BitLinearWarning, match="parametrized.*remove_parametrizations"):
        replace_linear(model)
    layer = BitLinear(16, 8, recipe="b158")
    parametrizations.weight_norm(layer)
    x = torch.randn(3, 16)
    assert torch.equal(layer.pack()(x), layer(x))


@pytest.mark.parametrize("is_packed", [False, True])
def test_encoders_that_are_built_by_hand(is_packed):
    def made(linear):
        layer = BitLinear.from_float(linear, recipe="b158")
        return layer.pack() if is_packed else layer

    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True), 2).eval()
    for layer in encoder.layers:
        layer.linear1, layer.linear2 = made(layer.linear1), made(layer.linear2)
    x = torch.randn(2, 5, 16)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    expected = encoder(x, src_key_padding_mask=padding)
    with torch.no_grad():
        found = encoder(x, src_key_padding_mask=padding)
    assert found.shape == expected.shape
    torch.testing.assert_close(found[~padding], expected[~padding])
    with torch.no_grad():
        alone = encoder.layers[0](x)
    torch.testing.assert_close(alone, encoder.layers[0](x))


def test_encoders_of_which_only_the_list_of_layers_is_replaced():
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True), 2).eval()
    with pytest.warns(BitLinearWarning, match="out_proj: nn.MultiheadAttention reads"):
        replace_linear(encoder.layers, recipe="b158")
    x = torch.randn(2, 5, 16)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    expected = encoder(x, src_key_padding_mask=padding)
    with torch.no_grad():
        found = encoder(x, src_key_padding_mask=padding)
    torch.testing.assert_close(found[~padding], expected[~padding])


class Wide(nn.Linear):
    pass


def test_what_was_changed_and_what_was_not(tmp_path):
    model = nn.Sequential(nn.Linear(16, 8), Wide(8, 8), nn.MultiheadAttention(8, 2))
    report = ConversionReport()
    with pytest.warns(BitLinearWarning, match="1: a Wide, a subclass.*2.out_proj"):
        replace_linear(model, report=report)
    assert report.changed == ["0"] and sorted(report.kept) == ["1", "2.out_proj"]
    assert str(report).startswith("1 changed, 2 kept")
    with pytest.warns(BitLinearWarning):
        replace_linear(model, types=[Wide], report=report)
    assert report.changed == ["1"] and type(model[1]) is BitLinear
    with pytest.warns(BitLinearWarning, match="replaced no layer"):
        replace_linear(nn.ReLU())
    with pytest.warns(BitLinearWarning, match="packed no layer"):
        pack_model(nn.Linear(2, 2))
    with pytest.warns(BitLinearWarning, match=r"2 BitLinear layers as floats \(0, 1\)"):
        saved = save_packed(model, tmp_path / "file")
    assert saved.unpacked == ("0", "1") and saved.packed == ()
    pack_model(model, report=report)
    assert report.changed == ["0", "1"] and list(report.kept) == ["2.out_proj"]
    saved = save_packed(model, tmp_path / "file")
    assert saved.packed == ("0", "1") and saved.byte_count == (tmp_path / "file").stat().st_size
    # What a filter leaves out is left as the user wants.
    replace_linear(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), lambda name, _: name == "0")


def test_parents_that_look_at_a_weight():
    for layer in (BitLinear(16, 8), BitLinear(16, 8).pack()):
        assert layer.weight.dtype in (torch.float32, torch.int8) and layer.weight.is_cpu


def test_gradients_pass_through_packed_layers():
    first, packed = nn.Linear(16, 16), BitLinear(16, 16, recipe="b158", norm="rms")
    x, results = torch.randn(3, 16), []
    for layer in (packed, packed.pack()):
        first.zero_grad()
        hidden = first(x)
        (hidden + layer(hidden)).square().sum().backward()
        results.append(first.weight.grad.clone())
    torch.testing.assert_close(*results)


def test_default_devices_change_nothing(tmp_path):
    model = pack_model(nn.Sequential(BitLinear(16, 8, recipe="b158"), BitLinear(8, 4)))
    x = torch.randn(3, 16)
    expected, path = model(x), tmp_path / "file"
    layer, trained = BitLinear(16, 8, recipe="b158"), torch.randn(3, 16, requires_grad=True)
    quant, _ = absmax_quantize(x)
    torch.set_default_device("meta")
    try:
        state = model.state_dict()
        assert all(not value.is_meta for value in state.values())
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
        assert torch.equal(copy.deepcopy(model)(x), expected)
        model.load_state_dict(state)
        save_packed(model, path)
        assert torch.equal(load_packed(path)["0"](x), model[0](x))
        target = nn.Sequential(
            BitLinear(16, 8, recipe="b158", device="cpu"), BitLinear(8, 4, device="cpu"))
        assert torch.equal(load_packed(path, target)(x), expected)
        assert torch.equal(absmax_quantize(x)[0], quant)
        layer(trained).sum().backward()
        assert torch.equal(layer.pack()(x), layer(x)) and trained.grad.any()
    finally:
        torch.set_default_device(None)


def test_models_without_memory_are_loaded_whole(tmp_path):
    def made():
        return nn.Sequential(
            nn.Embedding(5, 16), BitLinear(16, 8, recipe="b158"), nn.BatchNorm1d(8),
            nn.Linear(8, 3)).eval()

    model, tokens = pack_model(made()), torch.arange(5)
    save_packed(model, tmp_path / "file")
    with torch.device("meta"):
        other = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_packed(tmp_path / "file", other)
    assert torch.equal(other(tokens), model(tokens))


def test_moves_and_types():
    packed = BitLinear(16, 8, recipe="b158", bias=True).pack()
    x = torch.randn(3, 16)
    expected = packed(x)
    for changed in (packed.half(), packed.double(), packed.to(torch.bfloat16), packed.to("cpu")):
        assert changed is packed and torch.equal(packed(x), expected)
    assert packed.weight_scale.dtype is torch.float32
    moved = copy.deepcopy(packed).to("meta")
    assert moved.weight.is_meta and moved(x.to("meta")).is_meta
    with pytest.raises(ValueError, match="found an input on cpu, expected .* on meta"):
        moved(x)
    assert sum(buffer.nbytes for buffer in packed.buffers()) == packed.nbytes


def test_numbers_of_numpy_and_positional_bias():
    layer = BitLinear(numpy.int64(16), numpy.int32(8), numpy.int64(2))
    assert layer(torch.randn(3, 16)).shape == (3, 8) and type(layer.in_features) is int
    assert BitLinear(16, 8, activation_bits=numpy.int64(4)).recipe == Recipe(
        weights="sign", per_token=False, activation_bits=4)
    with pytest.raises(ValueError, match="the bias is a keyword: bias=False"):
        BitLinear(16, 8, False)


@pytest.mark.parametrize("magnitude", [1e-300, 1e-50, 1e300])
def test_float64_is_quantized_in_float64(magnitude):
    x = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64) * magnitude
    quant, dequant = absmax_quantize(x)
    assert quant.tolist() == [127, -64, 32] and dequant.dtype is torch.float64
    torch.testing.assert_close(dequant / magnitude, quant.double() / 127)


def output(layer, x, queue):
    """For another process, to which the layer is sent."""
    queue.put(layer(x).tolist())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_packed_layers_go_to_other_processes(method):
    layer, x = BitLinear(64, 32, recipe="b158").pack(), torch.randn(2, 64)
    context = torch.multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    child = context.Process(target=output, args=(layer, x, queue))
    child.start()
    try:
        # A queue that a failed process has left empty would be waited for without end.
        child.join(120)
        assert child.exitcode == 0
    finally:
        child.kill()
    assert queue.get() == layer(x).tolist()


MEMORY = """
import ctypes, gc, resource, torch
from torch import nn
from bitlinear_torch import BitLinear, pack_model

def resident():
    gc.collect()
    # What is freed goes back to the system.
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

torch.set_num_threads(1)
x = torch.randn(1, 2560)
BitLinear(64, 64, recipe="b158").pack()(x[:, :64])
before = resident()
model = nn.Sequential(*(BitLinear(2560, 2560, recipe="b158").pack() for _ in range(8)))
packed = resident()
model(x), model(torch.randn(64, 2560))
used = resident()
print(packed - before, used - packed, sum(layer.nbytes for layer in model))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_memory_of_packed_layers():
    result = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    after_packing, by_use, size = map(int, result.stdout.split())
    codes = 8 * 2560 * 2560 // 4
    assert codes <= size < 1.01 * codes
    # Latent weights would be 16 times the codes; a second copy of the codes would double them.
    assert after_packing < 1.6 * codes and by_use < 0.6 * codes
