"""The program's safetensors files, and the files of the package safetensors in the program."""

import json

import numpy as np

import formats
from support import (
    TYPES, FileTest, floats, other_tensors, random_weight, read_safetensors, write_safetensors)

METADATA = {"format": "pt", "note": "ä \" \\ \n 🙂", "empty": ""}


class SafetensorsTests(FileTest):
    def write_floats(self, dtype="F32", rows=24, columns=256, more=None):
        """A float checkpoint of two layers and tensors of all types."""
        tensors = {
            "a.weight": random_weight(1, (rows, columns), dtype),
            "b.weight": random_weight(2, (rows, columns), dtype),
            "embed_tokens.weight": random_weight(3, (5, 8), "BF16"),
            "norm.weight": random_weight(4, (8,), "F16"),
            "scalar": ("F32", np.array(3.5, np.float32)),
            "nothing": ("F32", np.zeros((0, 3), np.float32)),
            **other_tensors(TYPES), **(more or {}),
        }
        write_safetensors(self.path("in.safetensors"), tensors, METADATA)
        return tensors

    def others(self, tensors, layers=("a", "b")):
        parts = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
        return {name: tensor for name, tensor in tensors.items() if name not in parts}

    def test_floats_are_copied(self):
        tensors = self.write_floats()
        self.bitlinear(
            "convert", self.path("in.safetensors"), "-o", self.path("out.safetensors"), "--verify")
        found, metadata = read_safetensors(self.path("out.safetensors"))
        self.assertEqual(metadata, METADATA)
        self.assertEqual(found.keys(), tensors.keys())
        self.assert_same_tensors(found, tensors)

    def test_quantize_hf(self):
        for dtype in ["F32", "F16", "BF16", "F64"]:
            with self.subTest(dtype):
                bias = random_weight(5, (24,), "BF16")
                tensors = self.write_floats(dtype, more={"a.bias": bias})
                out = self.path("out.safetensors")
                self.bitlinear(
                    "quantize", self.path("in.safetensors"), "-o", out, "--recipe", "b158")
                found, metadata = read_safetensors(out)
                config = json.loads(metadata.pop("bitlinear.quantization_config"))
                self.assertEqual(config["linear_class"], "autobitlinear")
                self.assertEqual(metadata, METADATA)
                self.assert_same_tensors(found, self.others(tensors))
                self.assertEqual(
                    found.keys() - tensors.keys(), {"a.weight_scale", "b.weight_scale"})
                self.check_hf_layers(found, tensors)
                # The scale of the layer multiplies the bias as well.
                stored, scale = floats(found["a.bias"]), found["a.weight_scale"][1]
                self.assert_same(stored, floats(bias) / scale)
                np.testing.assert_allclose(stored * scale, floats(bias), rtol=3e-7)

    def check_hf_layers(self, found, tensors, layers=("a", "b")):
        for layer in layers:
            codes, scales = formats.quantize(floats(tensors[f"{layer}.weight"]), "b158")
            self.assertEqual({*codes.flat}, {-1, 0, 1})
            dtype, packed = found[f"{layer}.weight"]
            self.assertEqual(dtype, "U8")
            self.assert_same(packed, formats.pack_hf(codes))
            self.assert_same(formats.unpack_hf(packed), codes)
            self.assertEqual(found[f"{layer}.weight_scale"][0], "F32")
            self.assert_same(found[f"{layer}.weight_scale"][1], scales)

    def test_quantize_hf_folder(self):
        folder = self.folder / "in"
        folder.mkdir()
        tensors = self.write_floats()
        (self.folder / "in.safetensors").rename(folder / "model.safetensors")
        config = {"model_type": "other", "hidden_size": 256, "nested": {"x": [1, 2.5, None, "ä"]}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text('{"kept": "as it is" }')
        out = self.folder / "out"
        self.bitlinear(
            "quantize", str(folder), "-o", f"{out}/", "--recipe", "b158", "--exclude", "^b")
        found, metadata = read_safetensors(out / "model.safetensors")
        self.assertEqual(metadata, METADATA)
        self.check_hf_layers(found, tensors, layers=["a"])
        self.assert_same_tensors(found, self.others(tensors, layers=["a"]))
        written = json.loads((out / "config.json").read_text())
        self.assertEqual(written.pop("quantization_config"), {
            "quant_method": "bitnet", "linear_class": "autobitlinear",
            "quantization_mode": "offline", "modules_to_not_convert": ["b"]})
        self.assertEqual(written, config)
        self.assertEqual((out / "tokenizer.json").read_text(), '{"kept": "as it is" }')

    def test_quantize_bitlinear(self):
        for recipe in ["b158", "bitnet"]:
            for groups in [1, 3]:
                with self.subTest(recipe=recipe, groups=groups):
                    # Rows that are no whole bytes.
                    tensors = self.write_floats(columns=251)
                    out = self.path("out.safetensors")
                    self.bitlinear(
                        "quantize", self.path("in.safetensors"), "-o", out, "--recipe", recipe,
                        "--groups", str(groups), "--outtype", "bitlinear")
                    found, metadata = read_safetensors(out)
                    layers = json.loads(metadata.pop("bitlinear.layers"))
                    self.assertEqual(metadata, METADATA)
                    self.assert_same_tensors(found, self.others(tensors))
                    for layer in ["a", "b"]:
                        self.assertEqual(layers[layer]["in_features"], 251)
                        codes, scales = formats.quantize(
                            floats(tensors[f"{layer}.weight"]), recipe, groups)
                        packed = found[f"{layer}.weight"][1]
                        self.assert_same(formats.unpack_rows(packed, 251, recipe), codes)
                        stored = found[f"{layer}.weight_scale"][1]
                        self.assert_same(
                            formats.values(codes, stored), formats.values(codes, scales))

    def test_read_hf_folders(self):
        """Packed by numpy, written by the package, with scales that divide or multiply."""
        codes = np.random.default_rng(6).integers(-1, 2, (32, 256)).astype(np.int8)
        scales = {"F32": np.array([0.8125], np.float32), "F16": np.array([0.8125], np.float16),
                  "BF16": (np.array([0.8125], np.float32).view(np.uint32) >> 16).astype(np.uint16)}
        for linear_class in ["bitlinear", "autobitlinear"]:
            for dtype, stored in scales.items():
                with self.subTest(linear_class=linear_class, dtype=dtype):
                    folder = self.folder / f"{linear_class}-{dtype}"
                    folder.mkdir()
                    tensors = {"a.weight": ("U8", formats.pack_hf(codes)),
                               "a.weight_scale": (dtype, stored)}
                    write_safetensors(folder / "model.safetensors", tensors, METADATA)
                    (folder / "config.json").write_text(json.dumps({"quantization_config": {
                        "quant_method": "bitnet", "linear_class": linear_class}}))
                    self.bitlinear(
                        "convert", str(folder), "-o", self.path("out.safetensors"),
                        "--outtype", "bitlinear", "--verify")
                    found, _ = read_safetensors(self.path("out.safetensors"))
                    self.assert_same(
                        formats.unpack_rows(found["a.weight"][1], 256, "b158"), codes)
                    scale = np.array([0.8125], np.float32)
                    self.assert_same(
                        found["a.weight_scale"][1],
                        1 / scale if linear_class == "bitlinear" else scale)
                    # And back again, to the bits that the package wrote.
                    self.bitlinear(
                        "convert", str(folder), "-o", self.path("again/"), "--verify")
                    again, metadata = read_safetensors(self.path("again/model.safetensors"))
                    self.assertEqual(metadata, METADATA)
                    self.assertEqual(again.keys(), tensors.keys())
                    self.assert_same_tensors(again, tensors)
