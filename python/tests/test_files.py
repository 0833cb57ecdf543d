"""Files of packed layers."""

import json
import struct

import pytest
import torch
from test_packed import Model
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

from bitlinear_torch import (
    BitLinear,
    PackedBitLinear,
    load_metadata,
    load_packed,
    pack_model,
    replace_linear,
    save_packed,
)


@pytest.fixture
def saved(tmp_path):
    model = pack_model(Model(recipe="b158", bias=True)).eval()
    path = tmp_path / "model.safetensors"
    save_packed(model, path, {"note": "größer"})
    return model, path


def test_round_trip(saved):
    model, path = saved
    tokens = torch.tensor([1, 2, 3])
    floats = Model()
    floats.blocks[0], floats.blocks[2] = nn.Linear(12, 8), nn.Linear(8, 6)
    for other in (Model(recipe="b158", bias=True), pack_model(Model(recipe="bitnet")),
                  floats):
        assert load_packed(path, other.eval()) is other
        assert torch.equal(other(tokens), model(tokens))
        assert list(other.state_dict()) == list(model.state_dict())
    assert load_metadata(path)["note"] == "größer"


@pytest.mark.parametrize("block", [32, 64, 128, 256])
def test_blocks_of_activations(tmp_path, block):
    layers = nn.Sequential(BitLinear(300, 6, recipe="b158", activation_block=block), nn.ReLU(),
                           BitLinear(6, 4, activation_bits=12, activation_block=block))
    x = torch.randn(3, 300) * torch.linspace(0, 9, 300).exp()
    expected = layers(x)
    path = tmp_path / "model.safetensors"
    save_packed(pack_model(layers), path)
    assert f'\\"activation_block\\":{block}'.encode() in path.read_bytes()
    # Recipes are those of the file.
    other = load_packed(path, nn.Sequential(BitLinear(300, 6), nn.ReLU(), BitLinear(6, 4)))
    assert torch.equal(other(x), expected)
    assert f"per_token=True, activation_block={block}, " in repr(other)


def test_without_a_model(saved):
    model, path = saved
    found = load_packed(str(path))
    assert {name for name, part in found.items() if isinstance(part, PackedBitLinear)} == {
        "blocks.0", "blocks.2"}
    state = model.state_dict()
    for name, part in found.items():
        if isinstance(part, torch.Tensor):
            assert part.dtype is state[name].dtype and torch.equal(part, state[name])
    x = torch.randn(4, 12)
    assert torch.equal(found["blocks.0"](x), model.blocks[0](x))
    # A number of batches is a tensor without dimensions.
    assert found["blocks.1.num_batches_tracked"].shape == ()


@pytest.mark.parametrize("dtype", [
    torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
    torch.int8, torch.uint8, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_types(dtype, shape, tmp_path):
    model = nn.Module()
    model.register_buffer("value", (torch.randn(shape) * 5).to(dtype))
    save_packed(model, tmp_path / "file")
    found = load_packed(tmp_path / "file")["value"]
    assert found.dtype is dtype and torch.equal(found, model.value) and found.shape == shape


def test_file_is_safetensors_of_plain_names(saved):
    model, path = saved
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    assert set(header) == {
        name for name in model.state_dict() if not name.endswith("_extra_state")}
    assert header["blocks.0.weight"]["dtype"] == "U8" and metadata["note"] == "größer"
    begin, end = header["blocks.0.weight"]["data_offsets"]
    codes = torch.frombuffer(bytearray(data[8 + length + begin:8 + length + end]),
                             dtype=torch.uint8)
    assert torch.equal(codes.reshape(8, 3), model.state_dict()["blocks.0.weight"])


def test_models_that_do_not_fit(saved):
    _, path = saved
    model = Model(recipe="b158")
    model.extra = nn.Linear(2, 2)
    del model.head
    model.blocks[2] = BitLinear(8, 5)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError) as caught:
        load_packed(path, model)
    for part in ("missing tensor extra.weight", "unexpected tensor head.bias",
                 "layer blocks.2: the file has 8 to 6 features, the model 8 to 5"):
        assert part in str(caught.value)
    assert type(model.blocks[0]) is BitLinear
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_other_kinds_of_modules_that_do_not_fit(saved):
    _, path = saved
    model = Model()
    model.blocks = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(8))
    with pytest.raises(ValueError, match="layer blocks.0: found ReLU.*unexpected layer blocks.2"):
        load_packed(path, model)
    wide = Model()
    wide.head = nn.Linear(6, 4)
    with pytest.raises(ValueError, match=r"head.weight: the file has \[3, 6\], the model \[4, 6\]"):
        load_packed(path, wide)


def test_files_that_are_not_there_or_damaged(tmp_path, saved):
    _, path = saved
    for load in (load_packed, load_metadata):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load(tmp_path / "nowhere")
        with pytest.raises(OSError):
            load(tmp_path)
        with pytest.raises(ValueError, match="null"):
            load("a\0b")
    data = path.read_bytes()
    for damaged in (b"", data[:7], data[:100], data[:-1], data + b"x", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="model.safetensors"):
            load_packed(path)


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(ValueError, match="nn.Sequential"):
        save_packed(BitLinear(4, 4).pack(), path)
    model = nn.Module()
    model.register_buffer("value", torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(ValueError, match="value of torch.complex64"):
        save_packed(model, path)
    with pytest.raises(ValueError, match="value on meta"):
        model.value = torch.zeros(2, device="meta")
        save_packed(model, path)
    with pytest.raises(ValueError, match="not text"):
        save_packed(nn.Linear(2, 2), path, {"epochs": 3})
    with pytest.raises(OSError):
        save_packed(nn.Linear(2, 2), tmp_path / "no" / "folder")
    assert not path.exists()


def wrapped(model):
    """The same model as activation checkpoints and torch.compile wrap it."""
    model[1] = checkpoint_wrapper(model[1])
    model[2] = torch.compile(model[2], backend="eager")
    return checkpoint_wrapper(model)


def test_wrapped_layers(tmp_path):
    """Wrappers change names of modules; files have those of the plain model."""
    def plain(scale=1):
        torch.manual_seed(scale)
        return nn.Sequential(nn.Linear(4, 4), BitLinear(4, 6, bias=True),
                             nn.Sequential(BitLinear(6, 4), nn.LayerNorm(4)))

    expected, x = pack_model(plain()), torch.randn(3, 4)
    save_packed(expected, tmp_path / "plain")
    report = save_packed(wrapped(pack_model(plain())), tmp_path / "wrapped")
    assert report.packed == ("1", "2.0")
    assert (tmp_path / "wrapped").read_bytes() == (tmp_path / "plain").read_bytes()
    loaded = load_packed(tmp_path / "wrapped", wrapped(plain(2)))
    assert torch.equal(loaded(x), expected(x))
    compiled = torch.compile(plain(2), backend="eager")
    assert torch.equal(load_packed(tmp_path / "plain", compiled)(x), expected(x))


def test_what_a_file_would_break_on(tmp_path):
    model = pack_model(nn.Sequential(BitLinear(4, 4)))
    renamed = nn.Sequential(*model)
    renamed.register_state_dict_post_hook(
        lambda module, state, prefix, metadata: state.update(other=state.pop("0.weight")))
    with pytest.raises(ValueError, match="layer 0: found no 0.weight in the state"):
        save_packed(renamed, tmp_path / "file")
    for metadata, words in (({"bitlinear.layers": ""}, "expected another name"),
                            ({"a": "\ud800"}, "half of a surrogate pair")):
        with pytest.raises(ValueError, match=words):
            save_packed(model, tmp_path / "file", metadata)
    assert list(tmp_path.iterdir()) == []
    save_packed(model, tmp_path / "file")
    layer = nn.Sequential(torch.compile(BitLinear(4, 4), backend="eager"))
    with pytest.raises(ValueError, match="torch.compile was called with"):
        load_packed(tmp_path / "file", layer)


def test_shared_layers(tmp_path):
    def shared():
        layer = nn.Linear(4, 4)
        return nn.ModuleDict({"a": layer, "b": layer})

    model = pack_model(replace_linear(shared()))
    save_packed(model, tmp_path / "file")
    other = load_packed(tmp_path / "file", shared())
    assert other["a"] is other["b"]
    x = torch.randn(3, 4)
    assert torch.equal(other["b"](x), model["a"](x))
