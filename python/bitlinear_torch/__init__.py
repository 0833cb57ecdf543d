"""BitLinear for PyTorch: 1-bit and 1.58-bit linear layers, computed by a Swift library.

Training: :class:`BitLinear`, :class:`Recipe`, :func:`replace_linear`, :func:`set_strength`,
:class:`StrengthSchedule`. Inference: :class:`PackedBitLinear`, :func:`pack_model`. Files:
:func:`save_packed`, :func:`load_packed`, :func:`load_metadata`.

These modules are imported by themselves: ``bitlinear_torch.parallel`` for tensor parallelism and
packing in several processes, ``bitlinear_torch.huggingface`` for models of transformers, and
``bitlinear_torch.peft`` for LoRA.
"""

from . import _flops as _flops  # registers what profilers count
from ._library import version as _version
from ._threads import get_threads, set_threads
from ._warnings import BitLinearWarning
from .conversion import ConversionReport, pack_model, replace_linear
from .files import SaveReport, load_metadata, load_packed, save_packed
from .linear import BitLinear
from .packed import PackedBitLinear
from .quantize import absmax_quantize
from .recipe import Recipe
from .strength import StrengthSchedule, set_strength

__version__ = _version()

__all__ = [
    "BitLinear",
    "BitLinearWarning",
    "ConversionReport",
    "PackedBitLinear",
    "Recipe",
    "SaveReport",
    "StrengthSchedule",
    "absmax_quantize",
    "get_threads",
    "load_metadata",
    "load_packed",
    "pack_model",
    "replace_linear",
    "save_packed",
    "set_strength",
    "set_threads",
]
