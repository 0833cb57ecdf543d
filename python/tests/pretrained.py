"""Tiny random models of transformers, and what to do with each of them."""

import torch
import transformers as tf

IDS = torch.arange(1, 11)[None] % 60 + 2

_SMALL = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 64,
}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}


def llama(**options):
    return tf.LlamaForCausalLM(tf.LlamaConfig(**{**_SMALL, **options}))


def bitnet(**options):
    return tf.BitNetForCausalLM(tf.BitNetConfig(**{**_SMALL, **options}))


def gemma3():
    return tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(
        **_SMALL, head_dim=16, sliding_window=8, query_pre_attn_scalar=16))


def qwen3_moe():
    return tf.Qwen3MoeForCausalLM(tf.Qwen3MoeConfig(**_SMALL, **_EXPERTS, head_dim=16))


def mixtral():
    return tf.MixtralForCausalLM(tf.MixtralConfig(
        **_SMALL, num_local_experts=4, num_experts_per_tok=2))


def gpt2():
    return tf.GPT2LMHeadModel(tf.GPT2Config(
        n_embd=64, n_layer=2, n_head=4, vocab_size=100, n_positions=64,
        attn_pdrop=0, embd_pdrop=0, resid_pdrop=0, bos_token_id=0, eos_token_id=0))


def bert():
    return tf.BertForMaskedLM(tf.BertConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        vocab_size=100, max_position_embeddings=64, hidden_dropout_prob=0,
        attention_probs_dropout_prob=0))


def t5(feed_forward_proj="relu"):
    return tf.T5ForConditionalGeneration(tf.T5Config(
        d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, vocab_size=100, dropout_rate=0,
        feed_forward_proj=feed_forward_proj, decoder_start_token_id=0))


def gated_t5():
    return t5("gated-gelu")


def mamba():
    return tf.MambaForCausalLM(tf.MambaConfig(
        hidden_size=64, state_size=8, num_hidden_layers=2, vocab_size=100, conv_kernel=4))


def mamba2():
    return tf.Mamba2ForCausalLM(tf.Mamba2Config(
        hidden_size=64, state_size=8, num_hidden_layers=2, vocab_size=100, num_heads=8,
        head_dim=16, n_groups=1, chunk_size=8))


#: By name: how to make it, how many layers become BitLinear, and what is kept with which words.
MODELS = {
    "llama": (llama, 14, {}),
    "bitnet": (bitnet, 14, {}),
    "gemma3": (gemma3, 14, {}),
    "gpt2": (gpt2, 8, {}),
    "bert": (bert, 13, {}),
    "t5": (t5, 32, {}),
    "gated_t5": (gated_t5, 36, {}),
    "mamba": (mamba, 2, {
        "backbone.layers.0.mixer.dt_proj": "MambaMixer reads its weight",
        "backbone.layers.0.mixer.x_proj": "MambaMixer reads its weight",
        "backbone.layers.0.mixer.out_proj": "MambaMixer reads its weight",
        "lm_head": "gives its input the type of its weight",
    }),
    "mamba2": (mamba2, 2, {
        "backbone.layers.1.mixer.out_proj": "Mamba2Mixer reads its weight",
    }),
    "qwen3_moe": (qwen3_moe, 8, {
        "model.layers.0.mlp.experts.gate_up_proj": "matrices of Qwen3MoeExperts",
    }),
    "mixtral": (mixtral, 8, {
        "model.layers.1.mlp.experts.down_proj": "matrices of MixtralExperts",
    }),
}


def inputs(model):
    """What a model is called with, with the labels of a training step."""
    return {"input_ids": IDS, "labels": IDS}


def is_no_head(name, _):
    """A filter of replace_linear that leaves output heads out."""
    return name not in ("lm_head", "cls.predictions.decoder")


def logits(model):
    model.eval()
    with torch.no_grad():
        return model(**inputs(model)).logits
