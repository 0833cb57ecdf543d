"""PackedBitLinear, its copies, and changing the layers of a model."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch
from torch import nn

from bitlinear_torch import BitLinear, PackedBitLinear, pack_model, replace_linear

RECIPES = [
    {"recipe": "b158", "bias": True}, {"groups": 2}, {"norm": "layer", "per_token": True},
    {"recipe": "b158", "activation_block": 32}, {"activation_block": 256},
]
every_recipe = pytest.mark.parametrize("options", RECIPES)


class Model(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.embedding = nn.Embedding(7, 12)
        self.blocks = nn.Sequential(
            BitLinear(12, 8, **options), nn.BatchNorm1d(8), BitLinear(8, 6, **options))
        self.head = nn.Linear(6, 3)

    def forward(self, tokens):
        return self.head(self.blocks(self.embedding(tokens)))


@every_recipe
def test_same_bits_and_fewer_bytes(options):
    layer = BitLinear(512, 64, **options)
    packed = layer.pack()
    x = torch.randn(5, 512)
    y = packed(x.requires_grad_())
    assert torch.equal(y, layer(x))
    assert (packed.in_features, packed.out_features, packed.groups) == (512, 64, layer.groups)
    assert list(packed.parameters()) == [] and not packed.training
    bits = 2 if layer.recipe.weights == "ternary" else 1
    # Codes, scales and bias; rows may be padded.
    codes = 512 * 64 * bits // 8
    assert codes <= packed.nbytes <= 1.1 * codes + 4 * (64 + 64)
    assert "in_features=512, out_features=64" in repr(packed)


@every_recipe
def test_copies(options):
    packed = nn.Sequential(BitLinear(10, 6, **options)).apply(lambda _: None)
    pack_model(packed)
    x = torch.randn(5, 10)
    buffer = io.BytesIO()
    torch.save(packed, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(packed), copy.copy(packed), pickle.loads(pickle.dumps(packed)),
                  torch.load(buffer, weights_only=False)):
        assert repr(other) == repr(packed)
        assert torch.equal(other(x), packed(x))


@every_recipe
def test_state_dict(options):
    first, second = BitLinear(10, 6, **options), BitLinear(10, 6, **options)
    packed = nn.Sequential(first.pack())
    state = packed.state_dict()
    row_bytes = 3 if first.recipe.weights == "ternary" else 2
    assert state["0.weight"].dtype is torch.uint8 and state["0.weight"].shape == (6, row_bytes)
    assert state["0.weight_scale"].shape == (first.groups,)
    assert ("0.bias" in state) == (first.bias is not None)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    other = nn.Sequential(second.pack())
    unchanged = copy.deepcopy(other)
    other.load_state_dict(torch.load(buffer))
    x = torch.randn(5, 10)
    assert torch.equal(other(x), packed(x))
    assert torch.equal(unchanged(x), second(x))


def test_state_dict_that_does_not_fit():
    packed = nn.Sequential(BitLinear(10, 6).pack())
    x = torch.randn(2, 10)
    before = packed(x)
    state = packed.state_dict()
    del state["0.weight_scale"]
    state["0.other"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"(?s)0.weight_scale.*0.other"):
        packed.load_state_dict(state)
    for wrong in (torch.zeros(6, 3, dtype=torch.uint8), torch.zeros(6, 2), "text"):
        with pytest.raises(RuntimeError, match=r"expected \[6, 2\] of torch.uint8"):
            packed.load_state_dict({**packed.state_dict(), "0.weight": wrong})
    with pytest.raises(RuntimeError, match="nan"):
        packed.load_state_dict({**packed.state_dict(), "0.weight_scale": torch.tensor([torch.nan])})
    assert torch.equal(packed(x), before)


def test_unused_bits_that_are_set():
    packed = BitLinear(10, 6).pack()
    state = packed.state_dict()
    state["weight"] = torch.full((6, 2), 255, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="expected zero bits after 10 columns"):
        packed.load_state_dict(state)


def test_memory_is_freed():
    gc.collect()
    packed = [BitLinear(10, 6).pack() for _ in range(10)]
    for layer in packed:
        layer(torch.randn(2, 10))
    handles = [weakref.ref(layer.handle()) for layer in packed]
    assert all(handle() is not None for handle in handles)
    del packed, layer
    assert all(handle() is None for handle in handles)  # without the collector: no cycle


def test_weights_that_are_not_finite():
    layer = BitLinear(4, 4, 2)
    with torch.no_grad():
        layer.weight[3, 1] = torch.inf
    with pytest.raises(ValueError, match="inf"):
        layer.pack()
    model = nn.Sequential(BitLinear(4, 4), layer)
    with pytest.raises(ValueError, match="layer 1: .*inf"):
        pack_model(model)
    assert all(type(module) is BitLinear for module in model)


def test_pack_model():
    model = Model(recipe="b158").eval()
    tokens = torch.tensor([1, 2, 3])
    expected = model(tokens)
    parameters = dict(model.named_parameters())
    assert pack_model(model) is model
    assert torch.equal(model(tokens), expected)
    kinds = [type(module) for module in model.blocks]
    assert kinds == [PackedBitLinear, nn.BatchNorm1d, PackedBitLinear]
    assert model.head.weight is parameters["head.weight"]
    assert isinstance(pack_model(BitLinear(4, 4)), PackedBitLinear)


def test_replace_linear():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 6, bias=False)),
                          nn.Linear(6, 2)).eval()
    weight, bias = model[0].weight, model[0].bias
    state = torch.random.get_rng_state()
    found = replace_linear(model, lambda name, linear: name != "3", recipe="b158", groups=2)
    assert found is model and torch.equal(torch.random.get_rng_state(), state)
    assert type(model[3]) is nn.Linear and type(model[2][0]) is BitLinear
    assert model[0].weight is weight and model[0].bias is bias and model[2][0].bias is None
    assert model[0].groups == 2 and not model[0].training
    assert model(torch.randn(3, 4)).shape == (3, 2)
    alone = nn.Linear(4, 4)
    assert replace_linear(alone).weight is alone.weight


def test_replace_linear_that_does_not_fit():
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 5))
    with pytest.raises(ValueError, match="layer 1: 2 groups do not divide 5"):
        replace_linear(model, groups=2)
    assert all(type(module) is nn.Linear for module in model)


def test_layers_in_two_places_stay_one():
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)})
    replace_linear(model)
    assert model["a"] is model["b"][0] and type(model["a"]) is BitLinear
    pack_model(model)
    assert model["a"] is model["b"][0] and type(model["a"]) is PackedBitLinear


def test_attention_keeps_its_own_linear():
    attention = nn.MultiheadAttention(8, 2)
    kind = type(attention.out_proj)
    assert type(replace_linear(attention).out_proj) is kind
