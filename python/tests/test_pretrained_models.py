"""Models of transformers: replaced, trained, packed, and saved and loaded by transformers."""

import warnings

import pytest
import torch

pytest.importorskip("transformers")

import pretrained
from pretrained import is_no_head, logits
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

import bitlinear_torch.huggingface  # noqa: F401 (makes transformers know the layers)
from bitlinear_torch import (
    BitLinear, BitLinearWarning, ConversionReport, PackedBitLinear, pack_model, replace_linear)

NAMES = pytest.mark.parametrize("name", pretrained.MODELS)


def converted(name, recipe="b158"):
    """A model whose layers are BitLinear, and the report of that."""
    torch.manual_seed(0)
    model = pretrained.MODELS[name][0]()
    report = ConversionReport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BitLinearWarning)
        replace_linear(model, is_no_head, types=(torch.nn.Linear, Conv1D), report=report,
                       recipe=recipe)
    return model, report


@NAMES
def test_trains_packs_and_generates(name):
    _, count, kept = pretrained.MODELS[name]
    model, report = converted(name)
    assert len(report.changed) == count
    for layer, words in kept.items():
        assert words in report.kept[layer]
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(**pretrained.inputs(model)).loss.backward()
    optimizer.step()
    layers = [key for key, layer in model.named_modules() if isinstance(layer, BitLinear)]
    assert len(layers) == count
    unchanged = [
        key for key in layers
        if torch.equal(before[f"{key}.weight"], model.get_submodule(key).weight)]
    assert not unchanged
    expected = logits(model)
    pack_model(model)
    assert sum(isinstance(layer, PackedBitLinear) for layer in model.modules()) == count
    assert torch.equal(logits(model), expected)
    if model.can_generate():
        found = model.generate(pretrained.IDS, max_new_tokens=3, do_sample=False)
        assert found.shape[1] >= 3


@NAMES
def test_saved_packed_and_loaded(name, tmp_path):
    model, _ = converted(name)
    pack_model(model)
    expected = logits(model)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    found = {key for key, layer in loaded.named_modules() if isinstance(layer, PackedBitLinear)}
    assert found == {
        key for key, layer in model.named_modules() if isinstance(layer, PackedBitLinear)}
    assert torch.equal(logits(loaded), expected)
    assert AutoConfig.from_pretrained(tmp_path).quantization_config["quant_method"] == "bitlinear"


def test_bfloat16_model_of_t5():
    # T5 gives what goes into wo the type of wo's weight, unless that is int8.
    model, _ = converted("t5")
    model.to(torch.bfloat16)
    expected = logits(model)
    pack_model(model)
    assert expected.dtype is torch.bfloat16
    assert torch.equal(logits(model), expected)


def test_subclasses_of_readers_are_readers():
    class Mine(type(pretrained.mamba().backbone.layers[0].mixer)):
        pass

    model = pretrained.mamba()
    model.backbone.layers[0].mixer.__class__ = Mine
    with pytest.warns(BitLinearWarning, match="Mine reads its weight without calling it"):
        replace_linear(model, recipe="b158")
    assert type(model.backbone.layers[0].mixer.dt_proj) is torch.nn.Linear
