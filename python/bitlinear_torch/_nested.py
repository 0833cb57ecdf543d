"""Nested tensors: sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def is_nested(x: Tensor) -> bool:
    """Whether a tensor is nested."""
    return x.is_nested


def per_row(x: Tensor, features: int, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """The output of a layer for a nested tensor whose last dimension is ``features``.

    All rows are computed at once.

    Raises:
        ValueError: the last dimension is another or has different lengths.
    """
    if x.layout is torch.jagged:
        jagged: Any = x
        if jagged._ragged_idx != 1:
            raise ValueError("found a nested tensor of columns, expected its second dimension to "
                             "be the one of different lengths")
        # The same offsets, so that PyTorch knows that the lengths are those of the input.
        y: Tensor = torch.nested.nested_tensor_from_jagged(
            layer(jagged.values()), jagged.offsets(), jagged.lengths(),
            min_seqlen=jagged._maybe_min_seqlen, max_seqlen=jagged._maybe_max_seqlen,
        )
        return y
    parts = x.unbind()
    for part in parts:
        if part.dim() == 0 or part.shape[-1] != features:
            raise ValueError(
                f"found a nested tensor with a part {list(part.shape)}, expected [..., {features}]"
            )
    if not parts:
        return x
    whole = layer(torch.cat([part.reshape(-1, features) for part in parts]))
    outputs = whole.split([part.numel() // features for part in parts])
    return torch.nested.as_nested_tensor(
        [output.reshape(*part.shape[:-1], -1) for output, part in zip(outputs, parts)]
    )
