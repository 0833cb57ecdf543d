"""What the tests share: the program, a folder of files, and safetensors files of every type."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import safetensors

# numpy has no bfloat16: its bits.
TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}
# How the package calls them when it writes.
NAMES = {name: np.dtype(dtype).name for name, dtype in TYPES.items()} | {"BF16": "bfloat16"}


def write_safetensors(path, tensors, metadata=None):
    """Writes (type, array) by name with the package."""
    arrays = {name: np.ascontiguousarray(array) for name, (_, array) in tensors.items()}
    specs = {
        name: safetensors.TensorSpec(
            dtype=NAMES[dtype], shape=list(array.shape),
            data_ptr=arrays[name].ctypes.data, data_len=arrays[name].nbytes)
        for name, (dtype, array) in tensors.items()
    }
    safetensors.serialize_file(specs, path, metadata)


def read_safetensors(path):
    """(type, array) by name, and the metadata, as the package reads them."""
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    tensors = {}
    for name, entry in safetensors.deserialize(pathlib.Path(path).read_bytes()):
        array = np.frombuffer(entry["data"], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = (entry["dtype"], array)
    return tensors, metadata


def floats(tensor):
    """The values of a (type, array) as float32."""
    dtype, array = tensor
    if dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def random_weight(seed, shape, dtype="F32"):
    """Random weights whose sums are exact in float64."""
    values = np.random.default_rng(seed).normal(0.01, 0.3, shape)
    exact = np.rint(values * 2**20) / 2**20
    if dtype == "BF16":
        return dtype, (exact.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return dtype, exact.astype(TYPES[dtype])


def other_tensors(types):
    """A tensor of each type, with its extreme values."""
    tensors = {}
    for dtype in types:
        kind = np.dtype(TYPES[dtype])
        if dtype == "BOOL":
            array = np.array([[True, False, True]])
        elif kind.kind in "iu":
            info = np.iinfo(kind)
            array = np.array([[info.min, 0, 1], [2, 3, info.max]], kind)
        else:
            info = np.finfo(kind)
            array = np.array([info.min, -0.0, 0.1, info.tiny, info.max, np.inf], kind)
        tensors[f"other.{dtype}"] = (dtype, array)
    return tensors


class FileTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def path(self, name):
        return str(self.folder / name)

    def bitlinear(self, *arguments):
        """Runs the program and gives what it prints."""
        run = subprocess.run(
            [os.environ["BITLINEAR_BINARY"], *arguments, "--json"], capture_output=True,
            text=True, timeout=120)
        self.assertEqual(run.returncode, 0, f"{arguments}: {run.stderr}")
        return json.loads(run.stdout)

    def assert_same(self, found, expected, name=""):
        """Expects the same type, shape and bits."""
        self.assertEqual((found.dtype, found.shape), (expected.dtype, expected.shape), name)
        self.assertEqual(found.tobytes(), expected.tobytes(), name)

    def assert_same_tensors(self, found, expected):
        """Expects that the tensors of `expected` are in `found`."""
        for name, (dtype, array) in expected.items():
            self.assertEqual(found[name][0], dtype, name)
            self.assert_same(found[name][1], array, name)
