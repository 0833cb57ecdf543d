"""Nested tensors: sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Callable

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
        if x._ragged_idx != 1:  # type: ignore[attr-defined]
            raise ValueError("found a nested tensor of columns, expected its second dimension to "
                             "be the one of different lengths")
        # The same offsets, so that PyTorch knows that the lengths are those of the input.
        return torch.nested.nested_tensor_from_jagged(
            layer(x.values()), x.offsets(), x.lengths(),  # type: ignore[attr-defined]
            min_seqlen=x._maybe_min_seqlen,  # type: ignore[attr-defined]
            max_seqlen=x._maybe_max_seqlen,  # type: ignore[attr-defined]
        )
    parts = x.unbind()
    for part in parts:
        if part.dim() == 0 or part.shape[-1] != features:
            raise ValueError(
                f"found a nested tensor with a part {list(part.shape)}, expected [..., {features}]"
            )
    y = layer(torch.cat([part.reshape(-1, features) for part in parts]))
    outputs = y.split([part.numel() // features for part in parts])
    return torch.nested.as_nested_tensor(
        [output.reshape(*part.shape[:-1], -1) for output, part in zip(outputs, parts)]
    )
