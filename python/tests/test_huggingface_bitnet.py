"""transformers' own BitNet layers and folders: read, written, and trained with."""

import json
from dataclasses import replace

import golden
import pytest
import torch

pytest.importorskip("transformers")

import pretrained
from pretrained import is_no_head, logits
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.integrations.bitnet import AutoBitLinear
from transformers.integrations.bitnet import BitLinear as PackedOfTransformers
from transformers.integrations.bitnet import pack_weights

from bitlinear_torch import BitLinear, PackedBitLinear, Recipe, pack_model, replace_linear
from bitlinear_torch._hf_bitnet import packed_layer, stored_tensors
from bitlinear_torch.huggingface import load_huggingface, save_huggingface

CLASSES = pytest.mark.parametrize("linear_class", ["bitlinear", "autobitlinear"])
#: transformers computes with the same codes, but rounds products and sums of floats.
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}
NO_NORM = replace(Recipe.named("b158"), norm=None)
UP = "model.layers.0.mlp.up_proj"


@pytest.fixture(autouse=True)
def without_a_compiler():
    # transformers compiles parts of its layers.
    with torch.compiler.set_stance("force_eager"):
        yield


def latent(recipe=NO_NORM, has_bias=False, **options):
    """A Llama of BitLinear layers, with biases that count."""
    torch.manual_seed(0)
    model = pretrained.llama(attention_bias=has_bias, mlp_bias=has_bias)
    replace_linear(model, is_no_head, recipe=recipe, **options)
    with torch.no_grad():
        for name, part in model.named_parameters():
            if ".norm." in name or name.endswith("bias"):
                part.add_(torch.rand_like(part))
    return model


def change(folder, name, change_tensor):
    tensors = load_file(folder / "model.safetensors")
    tensors[name] = change_tensor(tensors[name])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# ---- Single layers -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", golden.load("BitFormatsTests/Golden/hf_packing.json")["layers"])
@CLASSES
def test_golden_layers(case, linear_class):
    ternary, bias = golden.tensor(case["ternary"]), golden.tensor(case["bias"])
    options = {"use_rms_norm": case["use_rms_norm"], "rms_norm_eps": case["rms_norm_eps"]}
    out_features, in_features = ternary.shape
    is_auto = linear_class == "autobitlinear"
    kind = AutoBitLinear if is_auto else PackedOfTransformers
    layer = kind(in_features, out_features, bias is not None, dtype=torch.float32, **options)
    if is_auto:
        layer.weight = nn.Parameter(ternary)
        layer.bias = None if bias is None else nn.Parameter(bias)
    else:
        layer.weight, layer.bias = pack_weights(ternary.clone()), bias
    layer.weight_scale = torch.tensor([case[f"{linear_class}_weight_scale"]])
    found = packed_layer(layer)
    expected = golden.tensor(case["y_autobitlinear_offline" if is_auto else "y_bitlinear"])
    torch.testing.assert_close(found(golden.tensor(case["x"])), expected, rtol=1e-5, atol=1e-6)
    # And back: what was read is what is written.
    stored = stored_tensors(found, linear_class)
    assert torch.equal(stored["weight"], pack_weights(ternary.clone()))
    torch.testing.assert_close(stored["weight_scale"], layer.weight_scale, rtol=1.2e-7, atol=0)
    if bias is not None:
        torch.testing.assert_close(stored["bias"], bias, rtol=1e-6, atol=0)


def test_divisors_are_the_nearest():
    layer = BitLinear(8, 4, recipe=NO_NORM).pack()
    torch.manual_seed(0)
    for scale in torch.rand(200):
        layer.weight_scale = scale.reshape(1)
        stored = stored_tensors(layer, "bitlinear")["weight_scale"]
        neighbours = [torch.nextafter(stored, torch.tensor([end])) for end in (0.0, 9e9)]
        errors = [float((1 / part - scale).abs()) for part in (stored, *neighbours)]
        assert errors[0] == min(errors)


def test_auto_bit_linear_becomes_bit_linear():
    for use_rms_norm in (False, True):
        torch.manual_seed(3)
        model = nn.Sequential(AutoBitLinear(
            16, 8, online_quant=True, use_rms_norm=use_rms_norm, rms_norm_eps=1e-3))
        if use_rms_norm:
            nn.init.uniform_(model[0].rms_norm.weight, 0.5, 2)
        x = torch.randn(5, 16)
        expected = model(x)
        expected.square().sum().backward()
        weight = model[0].weight
        grad, weight.grad = weight.grad, None
        replace_linear(model, types=(AutoBitLinear,), recipe="b158")
        assert type(model[0]) is BitLinear and model[0].weight is weight
        assert model[0].recipe.norm == ("rms" if use_rms_norm else None)
        found = model(x)
        torch.testing.assert_close(found, expected, **ROUNDING)
        found.square().sum().backward()
        torch.testing.assert_close(weight.grad, grad, rtol=1e-4, atol=1e-5)
        assert torch.equal(pack_model(model)(x), found)


def test_auto_bit_linear_that_cannot_be_replaced():
    with pytest.raises(ValueError, match="found norm None.*learned RMSNorm, expected 'rms'"):
        BitLinear.from_float(
            AutoBitLinear(8, 4, online_quant=True, use_rms_norm=True), recipe="b158", norm=None)
    with pytest.raises(ValueError, match="quantization_mode 'offline'.*load_huggingface"):
        replace_linear(nn.Sequential(AutoBitLinear(8, 4)), types=(AutoBitLinear,), recipe="b158")


# ---- Folders -------------------------------------------------------------------------------------


@CLASSES
@pytest.mark.parametrize("recipe, options", [
    (NO_NORM, {}), (NO_NORM, {"has_bias": True}), (Recipe.named("b158"), {}),
    (replace(Recipe.named("b158"), norm_eps=1e-3), {"learn_norm": True, "has_bias": True})])
def test_saved_and_loaded(tmp_path, linear_class, recipe, options):
    model = pack_model(latent(recipe, **options))
    own = model.config.quantization_config
    save_huggingface(model, tmp_path, linear_class)
    assert model.config.quantization_config is own and model.hf_quantizer is not None
    config = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "bitnet" and config["linear_class"] == linear_class
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    kind = AutoBitLinear if linear_class == "autobitlinear" else PackedOfTransformers
    assert type(theirs.model.layers[0].mlp.up_proj) is kind
    assert type(theirs.lm_head) is nn.Linear
    torch.testing.assert_close(logits(theirs), logits(model), rtol=1e-4, atol=1e-5)
    for loaded in (load_huggingface(tmp_path), load_huggingface(theirs)):
        layer = loaded.model.layers[0].mlp.up_proj
        assert type(layer) is PackedBitLinear
        assert torch.equal(layer.weight, model.model.layers[0].mlp.up_proj.weight)
        torch.testing.assert_close(logits(loaded), logits(model), **ROUNDING)
        if not (options.get("has_bias") or linear_class == "bitlinear"):
            assert torch.equal(logits(loaded), logits(model))
        loaded.save_pretrained(tmp_path / "again")
        again = AutoModelForCausalLM.from_pretrained(tmp_path / "again")
        assert torch.equal(logits(again), logits(loaded))


@CLASSES
def test_bfloat16_keeps_the_scales_of_the_folder(tmp_path, linear_class):
    model = pack_model(latent())
    save_huggingface(model, tmp_path, linear_class, max_shard_size="40KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    loaded = load_huggingface(tmp_path, dtype=torch.bfloat16)
    assert loaded.dtype is torch.bfloat16
    for name, layer in model.named_modules():
        if isinstance(layer, PackedBitLinear):
            torch.testing.assert_close(
                loaded.get_submodule(name).weight_scale, layer.weight_scale, rtol=1.2e-7, atol=0)


def test_bitnet_model(tmp_path):
    torch.manual_seed(0)
    model = pack_model(replace_linear(
        pretrained.bitnet(tie_word_embeddings=True), is_no_head, recipe=NO_NORM))
    save_huggingface(model, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    torch.testing.assert_close(logits(theirs), logits(model), rtol=1e-4, atol=1e-5)
    assert torch.equal(logits(load_huggingface(tmp_path)), logits(model))


def test_codes_as_floats(tmp_path):
    model = pack_model(latent())
    save_huggingface(model, tmp_path)
    layer = model.model.layers[0].mlp.up_proj
    codes = layer.dequantized_weight() / layer.weight_scale
    change(tmp_path, f"{UP}.weight", lambda _: codes.round().to(torch.bfloat16))
    assert torch.equal(logits(load_huggingface(tmp_path)), logits(model))
    change(tmp_path, f"{UP}.weight", lambda part: part * 2)
    with pytest.raises(ValueError, match=f"layer {UP}: found another value than -1, 0 and 1"):
        load_huggingface(tmp_path)


def test_the_route_from_a_model_that_transformers_trained(tmp_path):
    torch.manual_seed(0)
    model = pretrained.llama()
    model.config.quantization_config = {
        "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online",
        "use_rms_norm": True}
    model.save_pretrained(tmp_path / "begun")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "begun")
    assert type(model.model.layers[0].mlp.up_proj) is AutoBitLinear
    model(pretrained.IDS, labels=pretrained.IDS).loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    expected = logits(model)
    model.save_pretrained(tmp_path / "trained")
    loaded = load_huggingface(tmp_path / "trained")
    layer = loaded.model.layers[0].mlp.up_proj
    assert type(layer) is BitLinear and layer.norm.weight.std() > 0
    torch.testing.assert_close(logits(loaded), expected, rtol=1e-4, atol=2e-5)
    own = logits(loaded)
    pack_model(loaded).save_pretrained(tmp_path / "packed")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "packed")
    assert torch.equal(logits(again), own)


def test_latent_layers_are_saved_to_train_on(tmp_path):
    model = latent(Recipe.named("b158"), learn_norm=True)
    save_huggingface(model, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(theirs.model.layers[0].mlp.up_proj) is AutoBitLinear
    torch.testing.assert_close(logits(theirs), logits(model), rtol=1e-4, atol=2e-5)
    loaded = load_huggingface(tmp_path)
    assert type(loaded.model.layers[0].mlp.up_proj) is BitLinear
    assert torch.equal(logits(loaded), logits(model))


# ---- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe, options, text", [
    ("bitnet", {}, "found weights='sign'"),
    (NO_NORM, {"groups": 2}, "found 2 groups with different scales"),
    (NO_NORM, {"activation_bits": 4}, "activation_bits=4"),
    (NO_NORM, {"activation_block": 32}, "activation_block=32"),
    (NO_NORM, {"per_token": False}, "per_token=False"),
    (replace(NO_NORM, activation_epsilon=0.0), {}, "activation_epsilon=0, expected"),
    (Recipe.named("b158"), {"norm": "layer"}, "norm='layer'"),
])
def test_layers_that_cannot_be_represented(tmp_path, recipe, options, text):
    with pytest.raises(ValueError, match=f"layer model.layers.0.self_attn.q_proj: .*{text}"):
        save_huggingface(pack_model(latent(recipe, **options)), tmp_path)
    assert not list(tmp_path.iterdir())


def packed_parts(out_features=8, **changes):
    parts = {"scale": torch.ones(1), "norm_bias": None, **changes}
    return PackedBitLinear.from_codes(
        torch.full((out_features, 16), 0x55, dtype=torch.uint8), parts["scale"],
        replace(NO_NORM, norm="rms"), 64, norm_bias=parts["norm_bias"])


@pytest.mark.parametrize("layer, text", [
    (packed_parts(6), "found 6 output features, expected a multiple of 4"),
    (packed_parts(scale=torch.rand(8, 1)), "found scales of blocks of weights"),
    (packed_parts(norm_bias=torch.ones(64)), "found an offset of the norm"),
])
def test_parts_that_cannot_be_represented(layer, text):
    with pytest.raises(ValueError, match=text):
        stored_tensors(layer, "autobitlinear")


def test_models_of_two_kinds(tmp_path):
    model = latent()
    model.model.layers[0].mlp.up_proj = model.model.layers[0].mlp.up_proj.pack()
    with pytest.raises(ValueError, match="found 13 BitLinear layers, such as .* beside packed"):
        save_huggingface(model, tmp_path)
    model = latent()
    model.model.layers[1].mlp.up_proj.strength = 0.5
    with pytest.raises(ValueError, match="layer model.layers.1.mlp.up_proj: found strength 0.5"):
        save_huggingface(model, tmp_path)
    model = latent()
    other = model.model.layers[1].mlp.up_proj
    other.recipe = replace(other.recipe, norm="rms")
    with pytest.raises(ValueError, match="layer model.layers.1.mlp.up_proj: .*norm='rms'"):
        save_huggingface(model, tmp_path)


def test_arguments_without_a_meaning(tmp_path):
    with pytest.raises(ValueError, match="linear_class 'linear', expected 'bitlinear' or"):
        save_huggingface(pack_model(latent()), tmp_path, "linear")
    with pytest.raises(TypeError, match="found a Sequential, expected a model of transformers"):
        save_huggingface(nn.Sequential(), tmp_path)
    with pytest.raises(TypeError, match="found a Sequential, expected a model of transformers"):
        load_huggingface(nn.Sequential())
    with pytest.raises(ValueError, match="no BitLinear and no AutoBitLinear of transformers"):
        load_huggingface(pretrained.llama())
    with pytest.raises(ValueError, match=r"found options \['dtype'\] beside a model"):
        load_huggingface(pretrained.llama(), dtype=torch.bfloat16)
    pretrained.llama().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="found quant_method None in config.json, expected 'bitn"):
        load_huggingface(tmp_path)


@pytest.mark.parametrize("name, tensor, text", [
    (f"{UP}.weight", lambda part: part | 3, "found another value than -1, 0 and 1 in row 0"),
    (f"{UP}.weight", lambda part: part[:8].clone(), "found 32 rows and 64 columns of weights"),
    (f"{UP}.weight", lambda part: part.float(), "weights of torch.float32 in a layer of class 'bit"),
    (f"{UP}.weight_scale", lambda part: part * 0, r"found weight_scale \[0.0\]"),
    (f"{UP}.weight_scale", lambda part: part * float("nan"), r"found weight_scale \[nan\]"),
    (f"{UP}.weight_scale", lambda part: part.repeat(9), "found weight_scale 9 numbers"),
])
def test_damaged_folders(tmp_path, name, tensor, text):
    save_huggingface(pack_model(latent()), tmp_path, "bitlinear")
    change(tmp_path, name, tensor)
    with pytest.raises(ValueError, match=f"layer {UP}: .*{text}"):
        load_huggingface(tmp_path)


def test_a_folder_without_scales(tmp_path):
    save_huggingface(pack_model(latent()), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors[f"{UP}.weight_scale"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"found no {UP}.weight_scale in the folder"):
        load_huggingface(tmp_path)
