"""Codes of weights in memory: rows as in files, or the layouts that kernels of a CPU read.

The layouts are described in ``bitlinear.h``. ``ROWS`` has a row of the matrix after the other;
the others have strips of 64 rows, in which 16 or 64 rows lie side by side. All of them can be read
everywhere; the kernels of a CPU read one of them directly.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ._library import check, library

ROWS, LOOKUP, DOT = 0, 1, 2

_WEIGHTS = {"sign": 0, "ternary": 1}
_BITS = {"sign": 1, "ternary": 2}
_STRIP = 64


@lru_cache
def native_layout(weights: str) -> int:
    """The layout that the kernels of this CPU read."""
    layout: int = library.bitlinear_native_layout(_WEIGHTS[weights])
    return layout


def row_bytes(weights: str, in_features: int) -> int:
    """The bytes of a row in ROWS."""
    return (in_features * _BITS[weights] + 7) // 8


def row_codes(weights: str) -> int:
    """The codes in a byte of ROWS."""
    return 8 // _BITS[weights]


def codes_shape(weights: str, out_features: int, in_features: int, layout: int) -> tuple[int, int]:
    """The shape of codes in a layout: rows, for strips padded to 64 of them, and their bytes."""
    length = row_bytes(weights, in_features)
    if layout == ROWS:
        return out_features, length
    rows = -(-out_features // _STRIP) * _STRIP
    return rows, length if layout == LOOKUP else -(-length // 4) * 4


def convert(
    codes: Tensor, weights: str, out_features: int, in_features: int, source: int, target: int
) -> Tensor:
    """Codes of a layout in another one, as int8 on the same device.

    Raises:
        ValueError: the codes of rows are not codes of such weights, or their shape does not fit.
    """
    if source == target and source != ROWS:
        return codes
    _check_shape(codes, codes_shape(weights, out_features, in_features, source))
    shape = codes_shape(weights, out_features, in_features, target)
    if codes.is_meta:
        return torch.empty(shape, dtype=torch.int8, device="meta")
    device, codes = codes.device, codes.detach().cpu().contiguous()
    result = torch.empty(shape, dtype=torch.int8, device="cpu")
    check(
        library.bitlinear_convert_codes(
            _WEIGHTS[weights], out_features, in_features, source, codes.data_ptr(), target,
            result.data_ptr(),
        )
    )
    return result.to(device)


def check_codes(
    codes: Tensor, weights: str, out_features: int, in_features: int, layout: int
) -> None:
    """Raises ValueError unless a tensor can hold codes of that layout."""
    _check_shape(codes, codes_shape(weights, out_features, in_features, layout))


def _check_shape(codes: Tensor, shape: tuple[int, int]) -> None:
    if tuple(codes.shape) != shape or codes.dtype not in (torch.int8, torch.uint8):
        raise ValueError(
            f"found packed codes {list(codes.shape)} of {codes.dtype}, expected {list(shape)} of "
            "torch.uint8"
        )


def unpack(
    codes: Tensor, weights: str, out_features: int, in_features: int, layout: int
) -> Tensor:
    """The codes -1, 0, +1 as float32 ``[out, in]``, by PyTorch's operations on any device."""
    bits = _BITS[weights]
    per_byte = 8 // bits
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=codes.device)
    # The same bits: not view, which ONNX does not have.
    parts = codes.to(torch.uint8).reshape(-1)
    if layout == ROWS:
        parts = parts.reshape(out_features, -1, 1)
    elif layout == LOOKUP:
        # Row 32k + 8v + 4h + i of a strip has byte 32k + 16h + 4v + i of each step.
        parts = parts.reshape(-1, codes.shape[1], 2, 2, 4, 4, 1).permute(0, 2, 4, 3, 5, 1, 6)
    else:
        # Byte 4r + j of a step of a panel of 16 rows has columns f * 4 + j of row r.
        parts = parts.reshape(-1, codes.shape[1] // 4, 16, 4, 1).permute(0, 2, 1, 4, 3)
    if layout == DOT:
        shifts = shifts.reshape(per_byte, 1)
    fields = _fields(parts, shifts, bits)
    rows = -(-out_features // _STRIP) * _STRIP if layout != ROWS else out_features
    values: Tensor = fields.reshape(rows, -1)[:out_features, :in_features].float()
    return values - 1 if weights == "ternary" else values * 2 - 1


def _fields(parts: Tensor, shifts: Tensor, bits: int) -> Tensor:
    if torch.onnx.is_in_onnx_export():
        # The exporters know no shift of bytes. Floats of bytes are exact.
        scaled = (parts.float() * 2.0 ** -shifts.float()).floor()
        fields: Tensor = scaled - 2**bits * (scaled * 2.0**-bits).floor()
    else:
        fields = (parts >> shifts) & (2**bits - 1)
    return fields


def pack_rows(codes: Tensor, weights: str) -> Tensor:
    """The codes -1, 0, +1 ``[out, in]`` in ROWS, by PyTorch's operations on any device."""
    bits = _BITS[weights]
    fields = codes + 1 if weights == "ternary" else (codes + 1) / 2
    padding = row_bytes(weights, codes.shape[1]) * (8 // bits) - codes.shape[1]
    fields = torch.nn.functional.pad(fields, (0, padding)).to(torch.uint8)
    fields = fields.unflatten(1, (-1, 8 // bits))
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=codes.device)
    # The fields have no bits in common: their sum is their union.
    packed: Tensor = fields << shifts
    return packed.sum(-1).to(torch.uint8).view(torch.int8)
