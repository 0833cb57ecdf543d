"""The program's GGUF files in the package gguf, and the package's files in the program."""

import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter

import formats
from gguf_support import FILE_TYPES, TYPE_IDS, GGUFTest
from support import floats, other_tensors, random_weight, read_safetensors, write_safetensors

# The types that both kinds of files have.
COMMON = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8"]


class GGUFTests(GGUFTest):
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
