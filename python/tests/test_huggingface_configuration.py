"""What config.json says of layers: strength, names, ties, and what it cannot say."""

import subprocess
import sys
import warnings

import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not installed")

import pretrained
import transformers
from pretrained import is_no_head, logits
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from bitlinear_torch import (
    BitLinear, BitLinearWarning, PackedBitLinear, Recipe, load_packed, pack_model, replace_linear,
    save_packed, set_strength)
from bitlinear_torch.huggingface import (
    BitLinearConfig, attach_config, load_huggingface, save_huggingface)

load = AutoModelForCausalLM.from_pretrained
UP = "model.layers.0.mlp.up_proj"


def latent(**options):
    torch.manual_seed(0)
    return replace_linear(pretrained.llama(), is_no_head, recipe="b158", **options)


@pytest.fixture
def floats(tmp_path):
    """A folder of floats."""
    torch.manual_seed(1)
    pretrained.llama().save_pretrained(tmp_path / "floats")
    return tmp_path / "floats"


# ---- Another transformers ------------------------------------------------------------------------


@pytest.fixture
def another_transformers(monkeypatch):
    from transformers.integrations import bitnet
    monkeypatch.delattr(bitnet, "BitNetDeserialize")
    monkeypatch.delitem(sys.modules, "bitlinear_torch.huggingface")


def test_another_transformers(another_transformers):
    found = f"found transformers {transformers.__version__}, expected 5.24 or later: .*BitNetDeseri"
    with pytest.raises(ImportError, match=found):
        import bitlinear_torch.huggingface  # noqa: F401


def test_packs_and_loads_with_another_transformers(another_transformers, tmp_path):
    model = latent()
    with pytest.warns(BitLinearWarning, match="config.json will not describe.*expected 5.24") as of:
        assert pack_model(model) is model
    assert of[0].filename == __file__
    assert type(model.model.layers[0].mlp.up_proj) is PackedBitLinear
    save_packed(model, tmp_path / "layers.safetensors")
    other = pretrained.llama()
    with pytest.warns(BitLinearWarning, match="config.json will not describe"):
        load_packed(tmp_path / "layers.safetensors", other)
    assert torch.equal(logits(other), logits(model))


def test_folders_without_the_import(tmp_path):
    # What the README says of it.
    model = attach_config(latent())
    model.save_pretrained(tmp_path / "latent")
    pack_model(model).save_pretrained(tmp_path / "packed")
    code = (
        "from transformers import AutoModelForCausalLM as A\n"
        "print(type(A.from_pretrained('latent').model.layers[0].mlp.up_proj).__name__)\n"
        "A.from_pretrained('packed')")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        check=False)
    assert result.stdout == "Linear\n" and "Unknown quantization type" in result.stderr
    assert result.returncode == 1 and "size mismatch" in result.stderr


# ---- Strength and backend ------------------------------------------------------------------------


def test_strength_and_backend_are_kept(tmp_path):
    model = latent(backend="torch")
    set_strength(model, 0.3)
    model.get_submodule(UP).strength = 0.7
    attach_config(model).save_pretrained(tmp_path)
    loaded = load(tmp_path)
    for name, layer in model.named_modules():
        if isinstance(layer, BitLinear):
            found = loaded.get_submodule(name)
            assert (found.strength, found.backend) == (layer.strength, "torch")
            assert not found._strength.is_meta
    assert torch.equal(logits(loaded), logits(model))
    set_strength(loaded, 1)
    pack_model(loaded).save_pretrained(tmp_path / "packed")
    again = load(tmp_path / "packed")
    assert again.get_submodule(UP).backend == "torch"
    assert torch.equal(logits(again), logits(loaded))


def test_strength_of_a_folder_of_floats(floats):
    config = BitLinearConfig("b158", trainable=True, strength=0.25, backend="torch")
    layer = load(floats, quantization_config=config).get_submodule(UP)
    assert (layer.strength, layer.backend) == (0.25, "torch")


@pytest.mark.parametrize("options, text", [
    ({"strength": 0.5}, "found strength 0.5 of packed layers, expected 1"),
    ({"strength": 2, "trainable": True}, "found strength 2, expected a number from 0 to 1"),
    ({"backend": "swift"}, "found backend 'swift', expected 'auto' or 'torch'"),
])
def test_values_without_a_meaning(options, text):
    with pytest.raises(ValueError, match=text):
        BitLinearConfig(**options)


# ---- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, text", [
    ("model.layers.0.mlp.up", "model.layers.0.mlp.up: there is no such linear layer"),
    ("model.embed_tokens", "model.embed_tokens: there is no such linear layer"),
    ("lm_head", "lm_head: modules_to_not_convert leaves it out"),
])
def test_names_that_no_layer_has(floats, name, text):
    config = BitLinearConfig("b158", layers={name: {"groups": 2}, UP: {"groups": 2}})
    with pytest.raises(ValueError, match=f"not converted in LlamaForCausalLM, .*layers: {text}$"):
        load(floats, quantization_config=config)


def test_names_of_the_head_where_only_the_base_is_loaded(tmp_path):
    model = latent()
    model.lm_head = BitLinear.from_float(model.lm_head, recipe="b158", groups=2).pack()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, BitLinear):
            model.set_submodule(name, layer.pack())
    attach_config(model).save_pretrained(tmp_path)
    assert torch.equal(logits(load(tmp_path)), logits(model))
    with pytest.warns(BitLinearWarning, match="lm_head: there is no such linear layer"):
        base = AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        expected = model.model(pretrained.IDS).last_hidden_state
        assert torch.equal(base(pretrained.IDS).last_hidden_state, expected)


@pytest.mark.parametrize("options, text", [
    ({"learn_norm": ["weight"]}, r"found learn_norm \['weight'\] for a model of floats"),
    ({"weight_block": 64}, "found weight_block 64 for a model of floats"),
])
def test_what_a_folder_of_floats_cannot_become(floats, options, text):
    config = BitLinearConfig(Recipe(norm="layer"), **options)
    with pytest.raises(ValueError, match=f"layer model.layers.0.self_attn.q_proj: {text}"):
        load(floats, quantization_config=config)


# ---- Ties ----------------------------------------------------------------------------------------


def tied():
    torch.manual_seed(2)
    return replace_linear(pretrained.llama(tie_word_embeddings=True), recipe="b158")


TIED = "layer lm_head: found a PackedBitLinear .*ties to that of model.embed_tokens"


@pytest.mark.parametrize("save", [
    lambda model, folder: attach_config(model),
    lambda model, folder: model.save_pretrained(folder),
    lambda model, folder: save_huggingface(model, folder),
])
def test_a_packed_head_that_is_tied(tmp_path, save):
    model = pack_model(tied())
    assert type(model.lm_head) is PackedBitLinear
    with pytest.raises(ValueError, match=TIED):
        save(model, tmp_path)
    assert not list(tmp_path.glob("*.safetensors")) and not list(tmp_path.glob("*.json"))
    # As the error says.
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert type(loaded.lm_head) is PackedBitLinear
    assert torch.equal(logits(loaded), logits(model))
    # A folder that says otherwise of its own layers.
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace(
        '"tie_word_embeddings": false', '"tie_word_embeddings": true'))
    with pytest.raises(ValueError, match=TIED):
        load(tmp_path)


def test_a_tied_head_of_floats_is_packed_in_memory_only(tmp_path):
    torch.manual_seed(2)
    model = pretrained.llama(tie_word_embeddings=True)
    model.save_pretrained(tmp_path)
    config = BitLinearConfig("b158", modules_to_not_convert=[])
    loaded = load(tmp_path, quantization_config=config)
    assert torch.equal(logits(loaded), logits(pack_model(replace_linear(model, recipe="b158"))))
    with pytest.raises(ValueError, match=TIED):
        loaded.save_pretrained(tmp_path / "packed")


def test_a_latent_head_that_is_tied(tmp_path):
    model = attach_config(tied())
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert type(loaded.lm_head) is BitLinear
    assert torch.equal(logits(loaded), logits(model))


# ---- transformers' own layers --------------------------------------------------------------------


@pytest.mark.parametrize("is_packed", [False, True])
def test_conv1d_has_no_place_in_folders_of_transformers(tmp_path, is_packed):
    model = replace_linear(pretrained.gpt2(), is_no_head, types=(Conv1D,), recipe="b158", norm=None)
    if is_packed:
        pack_model(model)
    else:
        attach_config(model)
    own = model.config.quantization_config
    with pytest.raises(ValueError, match="layer transformer.h.0.attn.c_attn: found a Conv1D of th"):
        save_huggingface(model, tmp_path)
    assert not list(tmp_path.iterdir()) and model.config.quantization_config is own


def test_layers_that_the_architecture_does_not_have(tmp_path):
    model = latent(norm=None)
    model.proj = BitLinear(64, 8, recipe="b158", norm=None)
    with pytest.raises(ValueError, match="layer proj: found no layer of this name in a new Llama"):
        save_huggingface(pack_model(model), tmp_path)


def test_options_of_the_hub_are_those_of_config_json_too(tmp_path, monkeypatch):
    model = pack_model(latent(norm=None))
    save_huggingface(model, tmp_path / "inner")
    assert torch.equal(logits(load_huggingface(tmp_path, subfolder="inner")), logits(model))
    assert torch.equal(
        logits(load_huggingface(tmp_path / "inner", config=tmp_path / "inner")), logits(model))
    seen = {}

    def refuse(source, **options):
        seen.update(options)
        raise OSError("no network")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    options = {"revision": "abc", "token": "t", "cache_dir": "d", "trust_remote_code": False}
    with pytest.raises(OSError, match="no network"):
        load_huggingface("someone/model", dtype=torch.bfloat16, **options)
    assert seen == options


def test_files_of_transformers_are_no_packed_files(tmp_path):
    save_huggingface(pack_model(latent(norm=None)), tmp_path)
    path = tmp_path / "model.safetensors"
    with pytest.warns(BitLinearWarning, match="looks like codes of transf.*load_huggingface") as of:
        assert load_packed(path)[f"{UP}.weight"].dtype is torch.uint8
    assert of[0].filename == __file__
    # Bytes that are no codes are nobody's business.
    save_file({"a.weight": torch.zeros(4, dtype=torch.uint8)}, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(load_packed(path)) == ["a.weight"]
