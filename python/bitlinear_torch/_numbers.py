"""Numbers that users pass: Python's, NumPy's and PyTorch's."""

from __future__ import annotations

import operator
from typing import Any, Optional


def whole(value: Any) -> Optional[int]:
    """A whole number as int, also one of NumPy; None for anything else, truth values included."""
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_", "Tensor"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def as_float(value: Any) -> float:
    """A number as float; NaN for anything else, truth values and text included."""
    try:
        return float("nan") if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def finite(name: str, value: Any, largest: float) -> float:
    """A number from 0 to ``largest`` as float.

    Raises:
        ValueError: it is something else.
    """
    number = as_float(value)
    # Also false for a NaN.
    if not 0 <= number < largest:
        raise ValueError(f"found {name} {value!r}, expected a finite number from 0")
    return number
