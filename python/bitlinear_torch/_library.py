"""The Swift library: finding it, the types of its functions, its errors.

The contract is ``Sources/CBitLinear/include/bitlinear.h``; the structures below are its.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import POINTER, c_char_p, c_float, c_int32, c_int64, c_uint64, c_void_p
from pathlib import Path

_POINTER = c_void_p
_NAME = "libbitlinear.dylib" if sys.platform == "darwin" else "libbitlinear.so"


class CRecipe(ctypes.Structure):
    """How a layer quantizes."""

    _fields_ = [
        ("weights", c_int32),
        ("activation_bits", c_int32),
        ("per_token", c_int32),
        ("activation_epsilon", c_float),
        ("norm", c_int32),
        ("norm_groups", c_int32),
        ("norm_epsilon", c_float),
        ("activation_block", c_int32),
    ]


class CLayer(ctypes.Structure):
    """A layer with latent weights."""

    _fields_ = [
        ("in_features", c_int64),
        ("out_features", c_int64),
        ("groups", c_int64),
        ("weight", _POINTER),
        ("weight_stride", c_int64),
        ("bias", _POINTER),
        ("norm_weight", _POINTER),
        ("norm_bias", _POINTER),
        ("weight_parameter", _POINTER),
        ("weight_scale", _POINTER),
    ]


class CPackedInfo(ctypes.Structure):
    """What a packed layer is made of."""

    _fields_ = [
        ("recipe", CRecipe),
        ("in_features", c_int64),
        ("out_features", c_int64),
        ("scale_count", c_int64),
        ("block_features", c_int64),
        ("row_bytes", c_int64),
        ("byte_count", c_int64),
        ("has_bias", c_int32),
        ("has_norm_weight", c_int32),
        ("has_norm_bias", c_int32),
    ]


class CTensor(ctypes.Structure):
    """A tensor of a file."""

    _fields_ = [
        ("name", c_char_p),
        ("dtype", c_char_p),
        ("rank", c_int32),
        ("shape", POINTER(c_int64)),
        ("data", _POINTER),
        ("byte_count", c_int64),
    ]


class CNamedLayer(ctypes.Structure):
    """A packed layer and its name."""

    _fields_ = [("name", c_char_p), ("layer", _POINTER)]


_RECIPE, _LAYER = POINTER(CRecipe), POINTER(CLayer)

# Result and arguments of every function; a result of c_int32 is a status, but for those
# whose name says a number.
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "bitlinear_version": (c_char_p, []),
    "bitlinear_last_error": (c_char_p, []),
    "bitlinear_threads": (c_int32, []),
    "bitlinear_set_threads": (c_int32, [c_int32]),
    "bitlinear_absmax_quantize": (
        c_int32,
        [_POINTER, c_int64, c_int64, c_int64, c_int32, c_int32, c_int32, _POINTER, _POINTER,
         _POINTER],
    ),
    "bitlinear_forward": (
        c_int32, [_RECIPE, _LAYER, _POINTER, c_int64, c_int64, _POINTER, c_int64],
    ),
    "bitlinear_weight_values": (c_int32, [_RECIPE, _LAYER, c_int32, _POINTER]),
    "bitlinear_input_values": (
        c_int32, [_RECIPE, _LAYER, _POINTER, c_int64, c_int64, c_int32, _POINTER],
    ),
    "bitlinear_norm_backward": (
        c_int32,
        [_RECIPE, c_int64, _POINTER, _POINTER, _POINTER, c_int64, c_int64, _POINTER, c_int64,
         _POINTER, _POINTER, _POINTER],
    ),
    "bitlinear_native_layout": (c_int32, [c_int32]),
    "bitlinear_codes_bytes": (c_int64, [c_int32, c_int64, c_int64, c_int32]),
    "bitlinear_convert_codes": (
        c_int32, [c_int32, c_int64, c_int64, c_int32, _POINTER, c_int32, _POINTER],
    ),
    "bitlinear_checksum": (c_int32, [_POINTER, c_int64, c_int64, c_int64, POINTER(c_uint64)]),
    "bitlinear_pack_codes": (c_int32, [_RECIPE, _LAYER, _POINTER, _POINTER]),
    "bitlinear_packed_borrow": (
        c_int32,
        [POINTER(CPackedInfo), _POINTER, _POINTER, _POINTER, _POINTER, _POINTER,
         POINTER(c_void_p)],
    ),
    "bitlinear_packed_forward": (
        c_int32, [c_void_p, _POINTER, c_int64, c_int64, _POINTER, c_int64],
    ),
    "bitlinear_packed_describe": (c_int32, [c_void_p, POINTER(CPackedInfo)]),
    "bitlinear_packed_read": (
        c_int32, [c_void_p, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER],
    ),
    "bitlinear_packed_codes": (c_int32, [c_void_p, c_int32, _POINTER]),
    "bitlinear_packed_values": (
        c_int32, [c_void_p, c_int64, c_int64, c_int32, _POINTER],
    ),
    "bitlinear_packed_free": (None, [c_void_p]),
    "bitlinear_save": (
        c_int32,
        [c_char_p, POINTER(CNamedLayer), c_int64, POINTER(CTensor), c_int64, c_char_p],
    ),
    "bitlinear_open": (c_int32, [c_char_p, POINTER(c_void_p)]),
    "bitlinear_file_layer_count": (c_int64, [c_void_p]),
    "bitlinear_file_tensor_count": (c_int64, [c_void_p]),
    "bitlinear_file_layer": (
        c_int32, [c_void_p, c_int64, POINTER(c_char_p), POINTER(c_void_p)],
    ),
    "bitlinear_file_tensor": (c_int32, [c_void_p, c_int64, POINTER(CTensor)]),
    "bitlinear_file_metadata": (c_char_p, [c_void_p]),
    "bitlinear_close": (None, [c_void_p]),
}

_MISSING, NOT_FINITE, _INPUT_OUTPUT = 4, 6, 7


def _path() -> Path:
    named = os.environ.get("BITLINEAR_LIBRARY")
    return Path(named) if named else Path(__file__).with_name(_NAME)


def _load() -> ctypes.CDLL:
    path = _path()
    if not path.is_file():
        raise ImportError(
            f"bitlinear_torch has no library {path}: install it with pip install ./python from "
            "the repository, or set BITLINEAR_LIBRARY to the file"
        )
    try:
        loaded = ctypes.CDLL(str(path.resolve()))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ImportError(f"bitlinear_torch cannot use its library {path}: {error}") from error
    return loaded


library = _load()


def check(status: int) -> None:
    """Raises the exception that belongs to a status of the library, if it is one of failure.

    Raises:
        FileNotFoundError: a file, or something in it, is not there.
        OSError: the operating system failed to read or write a file.
        ValueError: any other failure.
    """
    if status == 0:
        return
    text = library.bitlinear_last_error().decode("utf-8", "replace")
    if status == _MISSING:
        raise FileNotFoundError(text)
    if status == _INPUT_OUTPUT:
        raise OSError(text)
    raise ValueError(text)


def version() -> str:
    """The version of the Swift library, such as ``"0.1.0"``."""
    text: bytes = library.bitlinear_version()
    return text.decode()
