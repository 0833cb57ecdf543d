"""The program's GGUF files in the package gguf, and the package's files in the program."""

import json
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter

import formats
from support import (
    FileTest, floats, other_tensors, random_weight, read_safetensors, write_safetensors)

# The types that both kinds of files have.
COMMON = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8"]
FILE_TYPES = {"tq1_0": 36, "tq2_0": 37, "q1_0": 40, "i2_s": 40, "q2_0": 41}
TYPE_IDS = {"tq1_0": 34, "tq2_0": 35, "i2_s": 36, "q1_0": 41, "q2_0": 42}


def add_type(name, number, elements, size):
    """Teaches the package a type that it does not know."""
    if number in GGMLQuantizationType._value2member_map_:
        return
    member = int.__new__(GGMLQuantizationType, number)
    member._name_, member._value_ = name, number
    GGMLQuantizationType._value2member_map_[number] = member
    gguf.GGML_QUANT_SIZES[member] = (elements, size)


add_type("Q1_0", 41, 128, 18)
add_type("Q2_0", 42, 64, 18)
# And 32 bytes at the end, with the scale.
add_type("I2_S", 36, 4, 1)


class GGUFTests(FileTest):
    def tensors(self, path):
        return {tensor.name: tensor for tensor in GGUFReader(path).tensors}

    def fields(self, path):
        """Types and values by key, without those of the container."""
        return {
            key: (field.types, field.contents())
            for key, field in GGUFReader(path).fields.items() if not key.startswith("GGUF.")}

    def decode(self, path, name):
        """The codes and the scales of a tensor."""
        reader = GGUFReader(path)
        tensor = next(tensor for tensor in reader.tensors if tensor.name == name)
        shape = tuple(int(extent) for extent in reversed(tensor.shape))
        kind = int(tensor.tensor_type)
        self.assertEqual(tensor.data_offset % reader.alignment, 0)
        if kind == TYPE_IDS["i2_s"]:
            end = tensor.data_offset + tensor.n_bytes + 32
            return formats.unpack_i2_s(reader.data[tensor.data_offset:end].tobytes(), shape)
        if kind == TYPE_IDS["q1_0"]:
            return formats.unpack_q1_0(tensor.data.tobytes(), shape)
        if kind == TYPE_IDS["q2_0"]:
            return formats.unpack_q2_0(tensor.data.tobytes(), shape)
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        self.assertEqual(values.shape, shape)
        codes = np.sign(values).astype(np.int8)
        return codes, np.abs(values).reshape(-1, 256).max(axis=1).reshape(shape[0], -1)

    def test_quantize(self):
        """Floats of the package safetensors become what the package gguf reads."""
        tensors = {
            "a.weight": random_weight(1, (24, 256)), "b.weight": random_weight(2, (8, 512), "BF16"),
            "embed_tokens.weight": random_weight(3, (5, 8), "F16"), **other_tensors(COMMON)}
        write_safetensors(self.path("in.safetensors"), tensors)
        for type, groups in [("tq1_0", 1), ("tq2_0", 1), ("tq2_0", 4), ("q2_0", 1), ("i2_s", 1),
                             ("q1_0", 1), ("q1_0", 4)]:
            with self.subTest(type=type, groups=groups):
                recipe = "bitnet" if type == "q1_0" else "b158"
                out = self.path("out.gguf")
                self.bitlinear(
                    "quantize", self.path("in.safetensors"), "-o", out, "--recipe", recipe,
                    "--outtype", type, "--groups", str(groups))
                self.assertEqual(self.fields(out)["general.file_type"][1], FILE_TYPES[type])
                found = self.tensors(out)
                self.assertEqual(found.keys(), tensors.keys())
                for name in ["a.weight", "b.weight"]:
                    self.assertEqual(int(found[name].tensor_type), TYPE_IDS[type])
                    codes, scales = formats.quantize(floats(tensors[name]), recipe, groups)
                    if type != "i2_s":
                        scales = scales.astype(np.float16).astype(np.float32)
                    read, stored = self.decode(out, name)
                    self.assert_same(read, codes)
                    self.assert_same(formats.values(read, stored), formats.values(codes, scales))
                    if type in ("tq1_0", "tq2_0"):
                        self.check_bytes(found[name], formats.values(codes, scales))
                for name in tensors.keys() - {"a.weight", "b.weight"}:
                    self.check_copy(found[name], *tensors[name])

    def check_bytes(self, tensor, values):
        """The package's own quantizer gives the same bytes."""
        expected = gguf.quantize(values, tensor.tensor_type)
        self.assert_same(np.asarray(tensor.data), expected, tensor.name)

    def check_copy(self, tensor, dtype, array):
        self.assertEqual(tensor.tensor_type.name, dtype)
        self.assertEqual(tuple(reversed(tensor.shape.tolist())), array.shape)
        self.assertEqual(tensor.data.tobytes(), array.tobytes(), tensor.name)

    def write(self, path, tensors, alignment=None):
        """A file of the package with values of every type."""
        writer = GGUFWriter(path, "other")
        if alignment:
            writer.add_custom_alignment(alignment)
        for type in GGUFValueType:
            key = f"x.{type.name.lower()}"
            if type == GGUFValueType.ARRAY:
                continue
            values = {
                GGUFValueType.STRING: ["", "ä \0 🙂", "a" * 1000],
                GGUFValueType.BOOL: [True, False, True],
                GGUFValueType.FLOAT32: [0.1, -0.0, float("-inf"), 1e-45],
                GGUFValueType.FLOAT64: [0.1, -0.0, float("inf"), 5e-324],
            }.get(type)
            if values is None:
                bits, isSigned = int(type.name.lstrip("UINT")), type.name.startswith("INT")
                values = [-(2 ** (bits - 1)) if isSigned else 0, 2 ** (bits - isSigned) - 1]
            for index, value in enumerate(values):
                writer.add_key_value(f"{key}.{index}", value, type)
            writer.add_key_value(f"{key}.array", values, GGUFValueType.ARRAY, sub_type=type)
        for name, (type, data, shape) in tensors.items():
            writer.add_tensor(name, data, raw_shape=shape, raw_dtype=type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def code_tensors(self):
        """Ternary codes with a scale that all types hold, as the package and numpy pack them."""
        codes = np.random.default_rng(7).integers(-1, 2, (16, 512)).astype(np.int8)
        scale = np.float32(0.40625)
        values = formats.values(codes, [scale])
        kind = GGMLQuantizationType
        return codes, scale, {
            "tq1_0": gguf.quantize(values, kind.TQ1_0), "tq2_0": gguf.quantize(values, kind.TQ2_0),
            "q2_0": formats.pack_q2_0(codes, np.full((16, 8), scale))}

    def test_metadata_of_every_type(self):
        codes, _, packed = self.code_tensors()
        norm = np.arange(7, dtype=np.float32) / 3
        kind = GGMLQuantizationType
        for alignment in [None, 8, 256]:
            with self.subTest(alignment=alignment):
                path, out = self.path("in.gguf"), self.path("out.gguf")
                self.write(path, {
                    "a.weight": (kind.TQ2_0, packed["tq2_0"], None),
                    "a_norm": (None, norm, None), "b_norm": (None, norm[1:], None)}, alignment)
                self.bitlinear("convert", path, "-o", out, "--outtype", "tq1_0", "--verify")
                fields, expected = self.fields(out), self.fields(path)
                self.assertEqual(fields.pop("general.file_type")[1], 36)
                self.assertGreater(len(fields), 40)
                self.assertEqual(repr(fields), repr(expected))
                self.assertEqual(GGUFReader(out).alignment, alignment or 32)
                found = self.tensors(out)
                self.assert_same(self.decode(out, "a.weight")[0], codes)
                self.check_copy(found["a_norm"], "F32", norm)
                self.check_copy(found["b_norm"], "F32", norm[1:])

    def test_read(self):
        """Files of the package become every type that holds their codes."""
        codes, scale, packed = self.code_tensors()
        # Tensors that safetensors has as they are, and some that become F32.
        others = {
            f"o.{name}": (None, array, None) for name, (_, array) in other_tensors(
                ["F64", "F32", "F16", "I64", "I32", "I16", "I8"]).items()}
        numbers = np.linspace(-3, 5, 256, dtype=np.float32).reshape(2, 128)
        quantized = {
            f"o.{kind.name}": (kind, gguf.quantize(numbers, kind), None)
            for kind in [GGMLQuantizationType.BF16, GGMLQuantizationType.Q8_0]}
        for source, data in packed.items():
            kind = GGMLQuantizationType(TYPE_IDS[source])
            path = self.path(f"{source}.gguf")
            self.write(path, {"a.weight": (kind, data, None), **others, **quantized})
            for type in ["hf", "bitlinear", "tq1_0", "tq2_0", "q2_0", "i2_s"]:
                with self.subTest(source=source, type=type):
                    suffix = "safetensors" if type in ("hf", "bitlinear") else "gguf"
                    out = self.path(f"out.{suffix}")
                    self.bitlinear("convert", path, "-o", out, "--outtype", type, "--verify")
                    if suffix == "gguf":
                        read, scales = self.decode(out, "a.weight")
                        found = self.tensors(out)
                        for name, (_, array, _) in others.items():
                            self.check_copy(found[name], name.split(".")[-1], array)
                        for name, (kind, array, _) in quantized.items():
                            self.assertEqual(found[name].tensor_type, kind)
                            self.assert_same(np.asarray(found[name].data), array)
                    else:
                        found, _ = read_safetensors(out)
                        self.assert_same_tensors(found, {
                            name: (name.split(".")[-1], array)
                            for name, (_, array, _) in others.items()})
                        for name, (kind, array, _) in quantized.items():
                            self.assert_same(floats(found[name]), gguf.dequantize(array, kind))
                        weight = found["a.weight"][1]
                        read = (formats.unpack_hf(weight) if type == "hf"
                                else formats.unpack_rows(weight, 512, "b158"))
                        scales = found["a.weight_scale"][1]
                    self.assert_same(read, codes)
                    self.assert_same(
                        formats.values(read, scales), formats.values(codes, [scale]))

    def test_read_signs_and_i2_s(self):
        random = np.random.default_rng(8)
        signs = np.where(random.random((16, 512)) < 0.5, -1, 1).astype(np.int8)
        scales = (random.integers(1, 2048, (16, 4)) / 1024).astype(np.float32)
        path, out = self.path("in.gguf"), self.path("out.safetensors")
        self.write(path, {"a.weight": (
            GGMLQuantizationType(41), formats.pack_q1_0(signs, scales), None)})
        self.bitlinear("convert", path, "-o", out, "--verify")
        found, _ = read_safetensors(out)
        self.assert_same(formats.unpack_rows(found["a.weight"][1], 512, "bitnet"), signs)
        self.assert_same(found["a.weight_scale"][1], scales)

        codes, scale = self.code_tensors()[0], np.float32(0.1)
        # The package would take the scale for weights: it is told of a vector of bytes instead.
        raw = formats.pack_i2_s(codes, scale)
        self.write(path, {"a.weight": (GGMLQuantizationType.I8, raw.view(np.int8), None)})
        self.bitlinear("convert", self.as_i2_s(path, codes.shape, len(raw)), "-o", out, "--verify")
        found, _ = read_safetensors(out)
        self.assert_same(formats.unpack_hf(found["a.weight"][1]), codes)
        self.assert_same(found["a.weight_scale"][1], np.array([scale]))

    def as_i2_s(self, path, shape, count):
        """Replaces the type and the shape of the only tensor of a file, a vector of I8."""
        def entry(shape, type):
            extents = b"".join(extent.to_bytes(8, "little") for extent in reversed(shape))
            return b"a.weight" + len(shape).to_bytes(4, "little") + extents + type.to_bytes(
                4, "little") + bytes(8)
        content = pathlib.Path(path).read_bytes()
        head, old, rest = content.partition(entry((count,), 24))
        self.assertTrue(old)
        head += entry(shape, TYPE_IDS["i2_s"])
        data = rest[-(count + -count % 32):]
        pathlib.Path(path).write_bytes(head + bytes(-len(head) % 32) + data)
        return path

    def test_bitnet_model(self):
        """A checkpoint of a BitNet model has the names and keys of llama.cpp, and comes back."""
        layer = "model.layers.0"
        shapes = {f"{layer}.self_attn.{x}_proj": (256, 256) for x in "qkvo"} | {
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
                self.assert_same_tensors(again, tensors)
                self.assertEqual(json.loads((back / "config.json").read_text()), config)
