"""A BitNet language model from Hugging Face's names and keys to those of GGUF, and back."""

import json

import gguf
import numpy as np

import formats
from gguf_support import GGUFTest
from support import random_weight, read_safetensors, write_safetensors


class BitNetModelTests(GGUFTest):
    def test_bitnet_model(self):
        """A checkpoint of a BitNet model has the names and keys of llama.cpp, and comes back."""
        layer = "model.layers.0"
        shapes = {
            f"{layer}.self_attn.{x}_proj": (128 if x in "kv" else 256, 256) for x in "qkvo"} | {
            f"{layer}.mlp.gate_proj": (512, 256), f"{layer}.mlp.up_proj": (512, 256),
            f"{layer}.mlp.down_proj": (256, 512)}
        tensors = {}
        for index, (name, shape) in enumerate(shapes.items()):
            codes = np.random.default_rng(index).integers(-1, 2, shape).astype(np.int8)
            tensors[f"{name}.weight"] = ("U8", formats.pack_hf(codes))
            tensors[f"{name}.weight_scale"] = ("F32", np.array([0.5 + index / 64], np.float32))
        for name, size in {
            f"{layer}.input_layernorm": 256, f"{layer}.self_attn.attn_sub_norm": 256,
            f"{layer}.post_attention_layernorm": 256, f"{layer}.mlp.ffn_sub_norm": 512,
            "model.norm": 256}.items():
            tensors[f"{name}.weight"] = random_weight(size, (size,))
        tensors["model.embed_tokens.weight"] = random_weight(9, (64, 256), "F16")
        config = {
            "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "vocab_size": 64,
            "max_position_embeddings": 128, "hidden_size": 256, "num_hidden_layers": 1,
            "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "relu2",
            "tie_word_embeddings": True, "quantization_config": {
                "quant_method": "bitnet", "linear_class": "autobitlinear",
                "quantization_mode": "offline"}}
        folder = self.folder / "model"
        folder.mkdir()
        write_safetensors(folder / "model.safetensors", tensors, {"format": "pt"})
        (folder / "config.json").write_text(json.dumps(config))
        for type in ["tq1_0", "tq2_0", "q2_0", "i2_s"]:
            with self.subTest(type=type):
                path, back = self.path("x.gguf"), self.folder / type
                self.bitlinear("convert", str(folder), "-o", path, "--outtype", type, "--verify")
                names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BITNET, 1)
                found = self.tensors(path)
                self.assertEqual(len(found), len(tensors) - len(shapes))
                for name, (dtype, array) in tensors.items():
                    if name.endswith("_scale"):
                        continue
                    # The package knows these norms by their older names.
                    old = name.replace("attn_sub_norm", "inner_attn_ln")
                    old = old.replace("ffn_sub_norm", "ffn_layernorm")
                    new = names.get_name(old, try_suffixes=(".weight",))
                    if dtype == "U8":
                        codes, scales = self.decode(path, new)
                        self.assert_same(codes, formats.unpack_hf(array))
                        self.assertEqual(
                            {*scales.flat}, {*tensors[f"{name}_scale"][1].flat}, name)
                    else:
                        self.check_copy(found[new], dtype, array)
                values = {key: value for key, (_, value) in self.fields(path).items()}
                prefix = values["general.architecture"]
                self.assertEqual(prefix, "bitnet-b1.58")
                for key, expected in {
                    gguf.Keys.LLM.VOCAB_SIZE: 64, gguf.Keys.LLM.CONTEXT_LENGTH: 128,
                    gguf.Keys.LLM.EMBEDDING_LENGTH: 256, gguf.Keys.LLM.BLOCK_COUNT: 1,
                    gguf.Keys.LLM.FEED_FORWARD_LENGTH: 512, gguf.Keys.Attention.HEAD_COUNT: 4,
                    gguf.Keys.Attention.HEAD_COUNT_KV: 2, gguf.Keys.Rope.DIMENSION_COUNT: 64,
                    gguf.Keys.Rope.FREQ_BASE: 500000.0,
                    gguf.Keys.Attention.LAYERNORM_RMS_EPS: float(np.float32(1e-5))}.items():
                    self.assertEqual(values[key.format(arch=prefix)], expected, key)
                self.bitlinear("convert", path, "-o", f"{back}/", "--verify")
                again, metadata = read_safetensors(back / "model.safetensors")
                self.assertEqual(metadata["format"], "pt")
                self.assertEqual(again.keys(), tensors.keys())
                # All floats come back in the one type that holds them exactly.
                wide = {
                    name: ("F32", array.astype(np.float32)) if dtype == "F16" else (dtype, array)
                    for name, (dtype, array) in tensors.items()}
                self.assert_same_tensors(again, wide)
                found = json.loads((back / "config.json").read_text())
                self.assertEqual(found, found | config)
