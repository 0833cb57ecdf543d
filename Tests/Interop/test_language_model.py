"""Whole language models from Hugging Face folders to GGUF and back, as other packages read them."""

import json
import pathlib

import gguf
import numpy as np

from gguf_support import GGUFTest

try:
    import tokenizers
except ImportError:
    tokenizers = None

GOLDEN = pathlib.Path(__file__).parent.parent / "BitFormatsTests" / "Golden" / "lm"
TEXTS = ["Hello world, 12345!", "<|begin_of_text|>User: hi<|eot_id|>", "  \u00e9\u4e16\n\n x", ""]


class LanguageModelTests(GGUFTest):
    def values(self, path):
        """The metadata of a GGUF file."""
        return {
            key: field.contents() for key, field in gguf.GGUFReader(path).fields.items()
            if not key.startswith("GGUF.")}

    def numbers(self, path):
        """The numbers of a GGUF file's tensors by their names."""
        return {
            tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            for tensor in gguf.GGUFReader(path).tensors}

    def test_llama(self):
        """Names, numbers, order of rows and vocabulary are those of a file of the package."""
        path = self.path("x.gguf")
        source = str(GOLDEN / "llama-b158-256")
        self.bitlinear("convert", source, "-o", path, "--outtype", "tq2_0", "--lossy", "--verify")
        golden = str(GOLDEN / "gguf" / "llama-b158-256-tq2_0.gguf")
        found, expected = self.values(path), self.values(golden)
        for key, value in expected.items():
            self.assertEqual(found.get(key), value, key)
        found, expected = self.numbers(path), self.numbers(golden)
        self.assertEqual(found.keys(), expected.keys())
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, name)

    def test_rope_divisors(self):
        """The scaling of Llama 3.1 is a tensor of divisors."""
        path = self.path("x.gguf")
        source = str(GOLDEN / "llama-b158-64-rope3")
        self.bitlinear("convert", source, "-o", path, "--outtype", "float")
        golden = str(GOLDEN / "gguf" / "llama-b158-64-rope3-f16.gguf")
        found, expected = self.numbers(path), self.numbers(golden)
        self.assertEqual(found.keys(), expected.keys())
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=3e-7, atol=0, err_msg=name)

    def test_yarn(self):
        """A Qwen 3 has the keys of the package for its scaling."""
        path = self.path("x.gguf")
        self.bitlinear("convert", str(GOLDEN / "qwen3-t128-tied"), "-o", path)
        values = self.values(path)
        for key, expected in {
            gguf.Keys.Rope.SCALING_TYPE: "yarn", gguf.Keys.Rope.SCALING_FACTOR: 4.0,
            gguf.Keys.Rope.SCALING_ORIG_CTX_LEN: 64, gguf.Keys.Attention.KEY_LENGTH: 64,
            gguf.Keys.Attention.VALUE_LENGTH: 64}.items():
            self.assertEqual(values[key.format(arch="qwen3")], expected, key)

    def test_tokenizer(self):
        """The tokenizer that comes back makes the same ids in the package tokenizers."""
        if tokenizers is None:
            self.skipTest("the package tokenizers is not installed")
        for name in ["llama-b158-256", "qwen3-t128-tied"]:
            with self.subTest(name=name):
                path, back = self.path(f"{name}.gguf"), self.folder / name
                self.bitlinear("convert", str(GOLDEN / name), "-o", path)
                self.bitlinear("convert", path, "-o", f"{back}/")
                found = tokenizers.Tokenizer.from_file(str(back / "tokenizer.json"))
                expected = tokenizers.Tokenizer.from_file(str(GOLDEN / name / "tokenizer.json"))
                for text in TEXTS:
                    self.assertEqual(found.encode(text).ids, expected.encode(text).ids, text)
                config = json.loads((back / "tokenizer_config.json").read_text())
                golden = json.loads((GOLDEN / name / "tokenizer_config.json").read_text())
                self.assertEqual(config["chat_template"], golden["chat_template"])
                self.assertEqual(
                    json.loads((back / "generation_config.json").read_text())["eos_token_id"],
                    [313, 316])
