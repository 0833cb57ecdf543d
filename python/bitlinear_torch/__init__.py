"""BitLinear for PyTorch: 1-bit and 1.58-bit linear layers, computed by a Swift library.

Training: :class:`BitLinear`, :func:`replace_linear`. Inference: :class:`PackedBitLinear`,
:func:`pack_model`. Files: :func:`save_packed`, :func:`load_packed`, :func:`load_metadata`.
"""

from ._library import version as _version
from ._threads import get_threads, set_threads
from .conversion import pack_model, replace_linear
from .files import load_metadata, load_packed, save_packed
from .linear import BitLinear
from .packed import PackedBitLinear
from .quantize import absmax_quantize

__version__ = _version()

__all__ = [
    "BitLinear",
    "PackedBitLinear",
    "absmax_quantize",
    "get_threads",
    "load_metadata",
    "load_packed",
    "pack_model",
    "replace_linear",
    "save_packed",
    "set_threads",
]
