"""What the tests of GGUF share: files as the package gguf reads them, with the types that it does
not know."""

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader

import formats
from support import FileTest

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


class GGUFTest(FileTest):
    """A test of GGUF files."""

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

    def check_copy(self, tensor, dtype, array):
        self.assertEqual(tensor.tensor_type.name, dtype)
        self.assertEqual(tuple(reversed(tensor.shape.tolist())), array.shape)
        self.assertEqual(tensor.data.tobytes(), array.tobytes(), tensor.name)
