"""The gradients of a norm, by the library."""

from __future__ import annotations

from typing import Optional

from torch import Tensor

from ._library import check, library
from ._memory import address, rows, vector
from ._threads import follow_torch
from .recipe import Recipe


def norm_gradients(
    grad: Tensor, x: Tensor, recipe: Recipe, norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor], wanted: tuple[bool, bool, bool],
) -> tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor]]:
    """The gradients of the norm's input, factor and offset, where wanted."""
    if recipe.norm is None:
        return (grad if wanted[0] else None), None, None
    x, stride = rows(x)
    grad, grad_stride = rows(grad)
    features = x.shape[-1]
    vectors = [vector(norm_weight), vector(norm_bias)]
    shapes = (x.shape, (features,), (features,))
    results = [x.new_empty(shape) if want else None for shape, want in zip(shapes, wanted)]
    follow_torch()
    check(
        library.bitlinear_norm_backward(
            recipe.pointer, features, *map(address, vectors), x.data_ptr(),
            x.numel() // features, stride, grad.data_ptr(), grad_stride, *map(address, results),
        )
    )
    return results[0], results[1], results[2]
