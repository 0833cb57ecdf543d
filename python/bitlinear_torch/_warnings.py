"""The warnings of this package."""

from __future__ import annotations

import sys
import warnings

_LIBRARIES = ("bitlinear_torch", "transformers", "torch")


class BitLinearWarning(UserWarning):
    """Something was left as it was, or does not do what it looks like."""


def warn(text: str) -> None:
    """Warns at the line of the user, however many calls of libraries are between."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and (
        frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, BitLinearWarning, stacklevel=level)
