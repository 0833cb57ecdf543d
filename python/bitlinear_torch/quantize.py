"""Absmax quantization of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from ._library import check, library
from ._memory import rows
from ._threads import follow_torch


def absmax_quantize(x: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """Quantizes a tensor to integers, with one scale for all of it.

    With Q = 2^(bits - 1) - 1 and s = Q / max|x|: quant = clamp(round(x * s), -Q, Q), half to even,
    and dequant = quant / s. Zeros give zeros. A row of the last dimension with a NaN or an infinity
    is left out of the maximum, and has quant 0 and dequant NaN.

    The gradient of ``dequant`` is passed to ``x`` as it is (straight-through).

    Args:
        x: a floating point tensor of any shape, also empty, on the CPU.
        bits: 2 to 16.

    Returns:
        ``quant``, int8 up to 8 bits and int16 above, and ``dequant`` of the type of ``x``; both of
        the shape of ``x``.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: ``x`` is on another device, or ``bits`` is outside 2 to 16.
    """
    require_floating(x)
    if not isinstance(bits, int) or not 2 <= bits <= 16:
        raise ValueError(f"found bits {bits!r}, expected 2 to 16")
    quant, dequant = _absmax_quantize(x.float(), bits)
    return quant, dequant.to(x.dtype)


def require_floating(x: Tensor) -> None:
    """Raises unless ``x`` is a floating point tensor on the CPU or without memory (meta)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"found {type(x).__name__}, expected a tensor")
    if not x.is_floating_point():
        raise TypeError(f"found a tensor of {x.dtype}, expected a floating point one")
    if not x.is_cpu and not x.is_meta:
        raise ValueError(f"found a tensor on {x.device}; bitlinear_torch computes on the CPU only")


def _outputs(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    quant = x.new_empty(x.shape, dtype=torch.int8 if bits <= 8 else torch.int16)
    return quant, x.new_empty(x.shape)


@torch.library.custom_op("bitlinear::absmax_quantize", mutates_args=(), device_types="cpu")
def _absmax_quantize(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    quant, dequant = _outputs(x, bits)
    if x.numel() == 0:
        return quant, dequant
    x = x.reshape(1) if x.dim() == 0 else x
    x, stride = rows(x)
    features = x.shape[-1]
    follow_torch()
    check(
        library.bitlinear_absmax_quantize(
            x.data_ptr(), x.numel() // features, features, stride, bits, 0, 0,
            quant.data_ptr(), None, dequant.data_ptr(),
        )
    )
    return quant, dequant


@_absmax_quantize.register_fake
def _(x, bits):
    return _outputs(x, bits)


def _backward(ctx, _grad_quant, grad_dequant):
    return grad_dequant, None


_absmax_quantize.register_autograd(_backward)
