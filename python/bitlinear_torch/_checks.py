"""Checks of what users pass."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ._numbers import as_float, whole
from ._routes import BACKENDS


def positive(name: str, value: Any) -> int:
    """A whole number from 1, also one of NumPy.

    Raises:
        ValueError: it is something else.
    """
    number = whole(value)
    if number is None or number < 1:
        raise ValueError(f"found {name} {value!r}, expected a whole number from 1")
    return number


def check_backend(backend: Any) -> Literal["auto", "torch"]:
    """Raises ValueError unless it is the name of a backend."""
    if backend not in BACKENDS:
        raise ValueError(f"found backend {backend!r}, expected 'auto' or 'torch'")
    found: Literal["auto", "torch"] = backend
    return found


def check_strength(value: Any) -> float:
    """A number from 0 to 1.

    Raises:
        ValueError: it is something else.
    """
    number = as_float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"found strength {value!r}, expected a number from 0 to 1")
    return number


def require_floating(x: Any) -> None:
    """Raises TypeError unless ``x`` is a floating point tensor of rows in memory."""
    if not isinstance(x, Tensor):
        raise TypeError(f"found {type(x).__name__}, expected a tensor")
    if not x.is_floating_point():
        raise TypeError(f"found a tensor of {x.dtype}, expected a floating point one")
    if x.layout is not torch.strided and x.layout is not torch.jagged:
        raise TypeError(f"found a tensor of layout {x.layout}, expected a dense one: to_dense()")
