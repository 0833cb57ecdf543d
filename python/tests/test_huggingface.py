"""from_pretrained and save_pretrained with this package's layers."""

import json
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

import pretrained
from pretrained import is_no_head, logits
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM

from bitlinear_torch import (
    BitLinear, BitLinearWarning, PackedBitLinear, Recipe, load_packed, pack_model, replace_linear,
    save_packed)
from bitlinear_torch.huggingface import BitLinearConfig, attach_config

load = AutoModelForCausalLM.from_pretrained


def packed(recipe="b158", **options):
    """A packed Llama."""
    torch.manual_seed(0)
    return pack_model(replace_linear(pretrained.llama(), is_no_head, recipe=recipe, **options))


def kinds(model):
    return {
        name: type(layer) for name, layer in model.named_modules()
        if isinstance(layer, (torch.nn.Linear, PackedBitLinear))}


@pytest.fixture
def floats(tmp_path):
    """A folder of floats, and its model."""
    torch.manual_seed(1)
    model = pretrained.llama()
    model.save_pretrained(tmp_path / "floats")
    return tmp_path / "floats", model


def config_in(folder):
    return json.loads((folder / "config.json").read_text())["quantization_config"]


def change_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"].update(changes)
    path.write_text(json.dumps(config))


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# ---- A folder of packed layers -------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {}, {"device_map": "cpu"}, {"dtype": "auto"}, {"low_cpu_mem_usage": True},
    {"dtype": torch.float32}])
def test_loads_what_was_packed(tmp_path, options):
    model = packed()
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path, **options)
    assert torch.equal(logits(loaded), logits(model))
    layer = loaded.model.layers[0].mlp.up_proj
    assert type(layer) is PackedBitLinear and type(loaded.lm_head) is torch.nn.Linear
    assert layer.recipe == Recipe.named("b158") and layer.weight.dtype is torch.int8
    assert layer.layout == model.model.layers[0].mlp.up_proj.layout
    assert not [name for name, part in loaded.state_dict().items() if part.is_meta]


def test_bfloat16(tmp_path):
    model = packed()
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path, dtype=torch.bfloat16)
    assert loaded.dtype is torch.bfloat16
    assert loaded.model.layers[0].mlp.up_proj.weight_scale.dtype is torch.float32
    # Packed layers are the same; parameters, but not buffers, are rounded.
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    assert torch.equal(logits(loaded), logits(model))


def test_shards(tmp_path):
    model = packed()
    model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert torch.equal(logits(load(tmp_path)), logits(model))


def test_base_model_of_the_folder(tmp_path):
    model = packed()
    model.save_pretrained(tmp_path / "whole")
    base = AutoModel.from_pretrained(tmp_path / "whole")
    with torch.no_grad():
        expected = model.eval().model(pretrained.IDS).last_hidden_state
        assert torch.equal(base(pretrained.IDS).last_hidden_state, expected)
    base.save_pretrained(tmp_path / "base")
    again = AutoModel.from_pretrained(tmp_path / "base")
    with torch.no_grad():
        assert torch.equal(again(pretrained.IDS).last_hidden_state, expected)


@pytest.mark.parametrize("recipe, options", [
    ("bitnet", {}), ("bitnet", {"groups": 4}), ("b158", {"learn_norm": True}),
    (Recipe(norm="layer", activation_bits=4, activation_block=32), {"learn_norm": True}),
    (Recipe(norm="group", norm_groups=2, weight_scale="threshold"), {"groups": 2}),
    (Recipe(weight_scale="median"), {"bias": True}),
])
def test_every_kind_of_layer(tmp_path, recipe, options):
    torch.manual_seed(2)
    has_bias = options.pop("bias", False)
    model = pretrained.llama(mlp_bias=has_bias, attention_bias=has_bias)
    replace_linear(model, is_no_head, recipe=recipe, **options)
    with torch.no_grad():
        for name, part in model.named_parameters():
            if ".norm." in name or name.endswith("bias"):
                part.add_(torch.rand_like(part))
    pack_model(model)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert torch.equal(logits(loaded), logits(model))
    own, found = (part.model.layers[1].mlp.down_proj for part in (model, loaded))
    assert own.extra_repr() == found.extra_repr()


def test_layers_that_differ(tmp_path):
    model = pretrained.llama()
    replace_linear(model, lambda name, _: "down_proj" in name, recipe="b158", activation_bits=4)
    replace_linear(model, lambda name, _: "up_proj" in name, recipe="bitnet", groups=2)
    replace_linear(model, lambda name, _: "layers.1.self_attn.o_proj" in name, learn_norm=True,
                   recipe="b158")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BitLinearWarning)
        pack_model(model)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert kinds(loaded) == kinds(model)
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.model.layers[0].mlp.down_proj.recipe.activation_bits == 4


def test_a_name_that_ends_another(tmp_path):
    model = pretrained.llama()
    # Names of packed layers end with that of this layer of floats.
    model.proj = torch.nn.Linear(64, 8)
    replace_linear(model, lambda name, _: name.endswith("_proj"), recipe="b158")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BitLinearWarning)
        pack_model(model)
    names = model.config.quantization_config.modules_to_not_convert
    assert sorted(names) == ["^proj$", "lm_head"]
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(load(tmp_path)), logits(model))


def test_saved_again_after_changes(tmp_path, floats):
    loaded = load(floats[0], quantization_config=BitLinearConfig("b158", trainable=True))
    loaded.save_pretrained(tmp_path / "latent")
    assert config_in(tmp_path / "latent")["trainable"] is True
    pack_model(loaded)
    loaded.save_pretrained(tmp_path / "packed")
    assert config_in(tmp_path / "packed")["trainable"] is False
    assert torch.equal(logits(load(tmp_path / "packed")), logits(load(tmp_path / "latent")))


def test_packed_layers_put_there_by_hand(tmp_path):
    model = replace_linear(pretrained.llama(), is_no_head, recipe="b158")
    for layer in model.model.layers:
        layer.mlp.up_proj = layer.mlp.up_proj.pack()
    attach_config(model).save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert kinds(loaded) == kinds(model)
    assert torch.equal(logits(loaded), logits(model))


def test_load_packed_describes_the_model(tmp_path):
    model = packed()
    save_packed(model, tmp_path / "layers.safetensors")
    other = load_packed(tmp_path / "layers.safetensors", pretrained.llama())
    other.save_pretrained(tmp_path / "folder")
    assert config_in(tmp_path / "folder")["quant_method"] == "bitlinear"
    assert torch.equal(logits(load(tmp_path / "folder")), logits(model))


def test_a_model_inside_another_module():
    model = replace_linear(pretrained.llama(), is_no_head, recipe="b158")
    pack_model(torch.nn.ModuleDict({"model": model}))
    assert model.config.quantization_config.recipe == Recipe.named("b158")


def test_the_examples_of_the_readme(floats, tmp_path, monkeypatch):
    pytest.importorskip("peft")
    readme = Path(__file__).resolve().parents[1] / "README.md"
    section = readme.read_text().partition("## Hugging Face")[2].partition("\n## ")[0]
    examples = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(examples) == 2
    monkeypatch.chdir(tmp_path)
    trained = []
    names = {"folder": floats[0], "train": trained.append}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    assert type(trained[0].model.layers[0].mlp.up_proj) is PackedBitLinear
    base = names["model"].base_model.model.model.layers[0]
    assert type(base.mlp.up_proj) is PackedBitLinear
    assert type(base.self_attn.q_proj).__name__ == "PackedLoraLinear"
    assert config_in(tmp_path / "bitnet")["quant_method"] == "bitnet"


# ---- A folder of floats --------------------------------------------------------------------------


def test_packs_floats(floats):
    folder, model = floats
    loaded = load(folder, quantization_config=BitLinearConfig("b158"))
    pack_model(replace_linear(model, is_no_head, recipe="b158"))
    assert kinds(loaded) == kinds(model)
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.config.quantization_config.recipe == Recipe.named("b158")


def test_makes_floats_trainable(floats, tmp_path):
    recipe = Recipe(norm=None, weight_scale="median")
    config = BitLinearConfig(recipe, trainable=True, modules_to_not_convert=["lm_head", "k_proj"])
    loaded = load(floats[0], quantization_config=config)
    layer = loaded.model.layers[0].mlp.gate_proj
    assert type(layer) is BitLinear and layer.recipe == recipe
    assert type(loaded.model.layers[0].self_attn.k_proj) is torch.nn.Linear
    loaded(pretrained.IDS, labels=pretrained.IDS).loss.backward()
    assert layer.weight.grad.abs().max() > 0
    loaded.save_pretrained(tmp_path)
    assert config_in(tmp_path)["recipe"] == recipe.as_dict()
    again = load(tmp_path)
    assert kinds(again) == kinds(loaded)
    assert torch.equal(logits(again), logits(loaded))


def test_learned_norms_of_trainable_layers(floats, tmp_path):
    config = BitLinearConfig("b158", trainable=True, learn_norm=True)
    loaded = load(floats[0], quantization_config=config)
    with torch.no_grad():
        loaded.model.layers[0].mlp.up_proj.norm.weight.add_(1)
    loaded.save_pretrained(tmp_path)
    again = load(tmp_path)
    assert torch.equal(logits(again), logits(loaded))
    change_tensors(tmp_path, lambda tensors: tensors.pop(
        "model.layers.0.mlp.up_proj.norm.weight"))
    with pytest.raises(ValueError, match="found no model.layers.0.mlp.up_proj.norm.weight"):
        load(tmp_path)


def test_layers_of_floats_that_differ(floats):
    config = BitLinearConfig("b158", groups=2, layers={
        "model.layers.0.mlp.up_proj": {"groups": 4, "recipe": "bitnet"},
        "model.layers.1.mlp.up_proj": {"trainable": True}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BitLinearWarning)
        loaded = load(floats[0], quantization_config=config)
    first, second = (layer.mlp for layer in loaded.model.layers)
    assert (first.up_proj.groups, first.gate_proj.groups) == (4, 2)
    assert first.up_proj.recipe.weights == "sign" and type(second.up_proj) is BitLinear


def test_conv1d_of_gpt2(tmp_path):
    pretrained.gpt2().save_pretrained(tmp_path)
    loaded = load(tmp_path, quantization_config=BitLinearConfig("b158"))
    assert type(loaded.transformer.h[0].attn.c_attn) is PackedBitLinear
    assert loaded.transformer.h[0].attn.c_attn.out_features == 192


# ---- Errors --------------------------------------------------------------------------------------


def test_a_recipe_that_is_not_that_of_the_layers(tmp_path):
    packed().save_pretrained(tmp_path)
    change_config(tmp_path, recipe=replace(Recipe.named("b158"), activation_bits=4).as_dict())
    with pytest.raises(ValueError, match='"activation_bits": 8.*expected.*"activation_bits": 4'):
        load(tmp_path)


@pytest.mark.parametrize("part", ["weight", "weight_scale"])
def test_tensors_that_are_missing(tmp_path, part):
    packed().save_pretrained(tmp_path)
    change_tensors(tmp_path, lambda tensors: tensors.pop(f"model.layers.1.mlp.up_proj.{part}"))
    with pytest.raises(ValueError, match=f"found no model.layers.1.mlp.up_proj.{part} in the folder"):
        load(tmp_path)


def test_damaged_codes(tmp_path):
    packed().save_pretrained(tmp_path)
    change_tensors(
        tmp_path, lambda tensors: tensors["model.layers.1.mlp.up_proj.weight"].fill_(255))
    with pytest.raises(ValueError, match="layer model.layers.1.mlp.up_proj: "):
        load(tmp_path)


@pytest.mark.parametrize("changes, text", [
    ({"recipe": "b159"}, "b159"), ({"recipe": {"bits": 3}}, "found bits in a recipe"),
    ({"recipe": 3}, "found recipe 3"), ({"groups": 0}, "groups 0"), ({"colour": 1}, "colour"),
    ({"trainable": 1}, "trainable 1"), ({"weight_block": 5}, "weight_block 5"),
    ({"weight_block": 64, "groups": 2}, "weight_block 64 with groups 2"),
    ({"learn_norm": ["scale"]}, "scale"), ({"learn_norm": "weight"}, None),
    ({"learn_norm": True, "recipe": Recipe(norm=None)}, "learn_norm True without a norm"),
    ({"learn_norm": ["bias"], "trainable": True}, "found learn_norm .'bias'. of trainable"),
    ({"modules_to_not_convert": "lm_head"}, "modules_to_not_convert 'lm_head'"),
    ({"layers": {"a.b": {"bits": 3}}}, "layer a.b: found .'bits': 3. for a layer"),
    ({"layers": {"a.b": {"groups": -3}}}, "layer a.b: found groups -3"),
    ({"quant_method": "bitnet"}, "quant_method 'bitnet', expected 'bitlinear'"),
])
def test_configurations_without_a_meaning(changes, text):
    if text is None:
        assert BitLinearConfig(**changes).plan.learn_norm == ("weight",)
        return
    with pytest.raises(ValueError, match=text):
        BitLinearConfig(**changes)


def test_a_configuration_is_read_as_it_was_written():
    config = BitLinearConfig(
        Recipe(norm="layer", activation_bits=5), groups=2, learn_norm=True,
        modules_to_not_convert=["a"], layers={"b": {"groups": 1, "learn_norm": ["bias"]}})
    text = json.dumps(config.to_dict())
    again = BitLinearConfig.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert again.layers["b"].learn_norm == ("bias",) and again.recipe == config.recipe


def test_groups_that_do_not_divide(floats):
    with pytest.raises(ValueError, match="layer model.layers.0.*7 groups do not divide 64"):
        load(floats[0], quantization_config=BitLinearConfig("b158", groups=7))


def test_models_without_layers_or_of_others():
    with pytest.raises(ValueError, match="no BitLinear and no PackedBitLinear in LlamaForCausalLM"):
        attach_config(pretrained.llama())
    with pytest.raises(TypeError, match="found a Linear, expected a model of transformers"):
        attach_config(torch.nn.Linear(2, 2))


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "bitlinear_torch.huggingface")
    with pytest.raises(ImportError, match="pip install .transformers>=5.24"):
        import bitlinear_torch.huggingface  # noqa: F401
