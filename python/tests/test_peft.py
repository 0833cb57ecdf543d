"""LoRA adapters of peft on BitLinear and on PackedBitLinear."""

import sys

import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("peft")

import pretrained
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from pretrained import is_no_head, logits
from torch import nn

from bitlinear_torch import BitLinear, PackedBitLinear, pack_model, replace_linear
from bitlinear_torch.peft import PackedLoraLinear, register

TARGETS = ["q_proj", "v_proj", "down_proj"]


def llama():
    torch.manual_seed(0)
    return replace_linear(
        pretrained.llama(), is_no_head, recipe="b158")


def config(**options):
    return LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, **options)


def packed(**options):
    return get_peft_model(pack_model(llama()), register(config(**options)))


def fill(model):
    """Makes the adapters do something, in all models the same."""
    torch.manual_seed(5)
    with torch.no_grad():
        for name, part in model.named_parameters():
            if "lora_" in name:
                part.normal_(std=0.1)


def codes(model):
    return {
        name: layer.weight.clone() for name, layer in model.named_modules()
        if isinstance(layer, PackedBitLinear)}


def test_an_adapter_learns_beside_packed_layers():
    model = packed()
    kinds = [type(layer) for layer in model.modules() if type(layer) is PackedLoraLinear]
    assert len(kinds) == 6
    before, first = codes(model), logits(model)
    assert torch.equal(first, logits(pack_model(llama())))
    trained = {name for name, part in model.named_parameters() if part.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    model.train()
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = model(pretrained.IDS, labels=pretrained.IDS).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    after = codes(model)
    assert all(torch.equal(after[name], part) for name, part in before.items())
    with model.disable_adapter():
        assert torch.equal(logits(model), first)


def test_gradients_pass_through_packed_layers():
    # The same adapters beside the layers that were packed: gradients are straight-through in both.
    gradients = []
    for base in (llama(), pack_model(llama())):
        model = get_peft_model(base, register(config()))
        fill(model)
        model(pretrained.IDS, labels=pretrained.IDS).loss.backward()
        gradients.append({
            name: part.grad for name, part in model.named_parameters() if "lora_" in name})
    latent, found = gradients
    # Behind every one of these is at least one packed layer.
    first = next(name for name in found if "layers.0.self_attn.q_proj.lora_A" in name)
    assert found[first].abs().max() > 0
    for name, grad in latent.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_an_adapter_before_a_packed_layer():
    torch.manual_seed(0)
    layer = BitLinear(16, 8, recipe="b158").pack()
    # peft asks a model for its first parameter, and a packed layer has none.
    model = get_peft_model(
        nn.Sequential(nn.Identity(), layer, nn.PReLU(8, init=1)),
        register(LoraConfig(r=2, target_modules=["1"])))
    fill(model)
    x = torch.randn(5, 16, requires_grad=True)
    model(x).sum().backward()
    lora = model.base_model.model[1]
    a, b = lora.lora_A["default"].weight, lora.lora_B["default"].weight
    y = x.detach().requires_grad_()
    layer(y).sum().backward()
    expected = y.grad + (torch.ones(5, 8) @ b @ a) * lora.scaling["default"]
    torch.testing.assert_close(x.grad, expected)


def test_adapters_are_saved_and_loaded(tmp_path):
    model = packed()
    fill(model)
    expected = logits(model)
    model.save_pretrained(tmp_path)
    base = pack_model(llama())
    again = PeftModel.from_pretrained(
        base, tmp_path, config=register(PeftConfig.from_pretrained(tmp_path)))
    assert torch.equal(logits(again), expected)
    with pytest.raises(ValueError, match="PackedBitLinear.*not supported"):
        PeftModel.from_pretrained(pack_model(llama()), tmp_path)


def test_merging_into_packed_layers_is_refused():
    model = packed()
    fill(model)
    expected = logits(model)
    for merge in (model.merge_adapter, model.merge_and_unload):
        with pytest.raises(ValueError, match="cannot be merged into a PackedBitLinear"):
            merge()
    assert torch.equal(logits(model), expected)


def test_bit_linear_is_a_linear_layer_to_peft(tmp_path):
    model = get_peft_model(llama(), config())
    fill(model)
    expected = logits(model)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(PeftModel.from_pretrained(llama(), tmp_path)), expected)
    # Merged, the adapter is a part of the latent weight, and is quantized with it.
    layer = model.base_model.model.model.layers[0].mlp.down_proj
    delta = layer.get_delta_weight("default")
    weight = layer.base_layer.weight.detach().clone()
    model.merge_adapter()
    torch.testing.assert_close(layer.base_layer.weight, weight + delta)
    assert not torch.equal(logits(model), expected)
    model.unmerge_adapter()
    torch.testing.assert_close(layer.base_layer.weight.detach(), weight)
    merged = model.merge_and_unload()
    assert type(merged.model.layers[0].mlp.down_proj) is BitLinear
    own = logits(merged)
    assert torch.equal(logits(pack_model(merged)), own)


@pytest.mark.parametrize("options, text", [
    ({"init_lora_weights": "pissa"}, "found init_lora_weights 'pissa'.*expected True"),
    ({"init_lora_weights": "olora"}, "found init_lora_weights 'olora'"),
    ({"init_lora_weights": "orthogonal"}, "found init_lora_weights 'orthogonal'.*or its type"),
    ({"use_dora": True}, "use_dora"),
])
def test_what_needs_weights_of_floats(options, text):
    with pytest.raises(ValueError, match=text):
        packed(**options)


def test_all_linear_finds_no_packed_layer():
    # What the README says of it.
    options = register(LoraConfig(target_modules="all-linear"))
    with pytest.raises(ValueError, match="No `target_modules` passed"):
        get_peft_model(pack_model(llama()), options)


def test_other_configurations():
    from peft import IA3Config
    with pytest.raises(TypeError, match="found a IA3Config, expected a LoraConfig"):
        register(IA3Config())


def test_without_peft(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.delitem(sys.modules, "bitlinear_torch.peft")
    with pytest.raises(ImportError, match="pip install .peft>=0.21"):
        import bitlinear_torch.peft  # noqa: F401


def test_another_peft(monkeypatch):
    import peft
    monkeypatch.delattr(peft, "LoraConfig")
    monkeypatch.delitem(sys.modules, "bitlinear_torch.peft")
    with pytest.raises(ImportError, match=f"found peft {peft.__version__}, expected 0.21 or later"):
        import bitlinear_torch.peft  # noqa: F401
