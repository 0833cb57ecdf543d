"""What transformers' models are told while they are converted, and training by its Trainer."""

import json

import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not installed")

import pretrained
import transformers
from pretrained import logits
from transformers import AutoModelForCausalLM

from bitlinear_torch import BitLinear, BitLinearWarning, ConversionReport, pack_model
from bitlinear_torch.huggingface import BitLinearConfig

load = AutoModelForCausalLM.from_pretrained
UP = "model.layers.0.mlp.up_proj"


def test_one_warning_at_the_line_of_the_user(tmp_path):
    pretrained.qwen3_moe().save_pretrained(tmp_path)
    config = BitLinearConfig("b158", layers={
        "model.layers.0.self_attn.q_proj": {"groups": 2},
        "model.layers.1.self_attn.q_proj": {"trainable": True}})
    with pytest.warns(BitLinearWarning) as found:
        load(tmp_path, quantization_config=config)
    own = [part for part in found if part.category is BitLinearWarning]
    assert len(own) == 1 and own[0].filename == __file__
    assert "left as floats: model.layers.0.mlp.experts.gate_up_proj" in str(own[0].message)


@pytest.mark.parametrize("name, kept", [
    ("gpt2", "transformer.h.0.attn.c_attn"), ("qwen3_moe", "model.layers.0.mlp.experts.down_proj")])
def test_report_of_what_stays_floats(name, kept):
    model = pretrained.MODELS[name][0]()
    model.extra = BitLinear(8, 8)
    report = ConversionReport()
    pack_model(model, report=report)
    assert report.changed == ["extra"] and kept in report.kept and "lm_head" in report.kept


def test_trainer(tmp_path):
    pytest.importorskip("accelerate")
    torch.manual_seed(1)
    pretrained.llama().save_pretrained(tmp_path / "floats")
    # Most layers are packed; those that are trained make the model one to train.
    config = BitLinearConfig("b158", layers={UP: {"trainable": True}})
    model = load(tmp_path / "floats", quantization_config=config)
    before = model.get_submodule(UP).weight.detach().clone()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=2, learning_rate=0.01, use_cpu=True,
        report_to=[], save_strategy="no", disable_tqdm=True)
    data = [{"input_ids": pretrained.IDS[0], "labels": pretrained.IDS[0]}] * 4
    trainer = transformers.Trainer(model=model, args=arguments, train_dataset=data)
    trainer.train()
    assert not torch.equal(model.get_submodule(UP).weight, before)
    trainer.save_model(tmp_path / "saved")
    stored = json.loads((tmp_path / "saved" / "config.json").read_text())["quantization_config"]
    assert stored["layers"][UP] == {"trainable": True}
    assert torch.equal(logits(load(tmp_path / "saved")), logits(model))
    with pytest.raises(ValueError, match="purely quantized"):
        transformers.Trainer(model=pack_model(model), args=arguments, train_dataset=data)
