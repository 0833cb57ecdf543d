"""How many threads the library uses: PyTorch's number, unless told otherwise."""

from __future__ import annotations

import torch

from ._library import check, library
from ._numbers import whole

_last: int | None = None  # what the library was told last
_fixed: int | None = None  # what the user asked for


def set_threads(threads: int | None) -> None:
    """Sets the number of threads that this package uses, the caller's included.

    Results do not depend on it.

    Args:
        threads: at least 1; more than there are processors means all of them. ``None``, as at the
            start, follows :func:`torch.get_num_threads`.

    Raises:
        ValueError: ``threads`` is less than 1.
    """
    global _fixed
    count = None if threads is None else whole(threads)
    if threads is not None and count is None:
        raise ValueError(f"found threads {threads!r}, expected a whole number from 1, or None")
    if count is not None:
        _tell(count)
    _fixed = count


def get_threads() -> int:
    """The number of threads that the next call uses."""
    follow_torch()
    threads: int = library.bitlinear_threads()
    return threads


def follow_torch() -> None:
    """Tells the library of a change of PyTorch's number of threads. Cheap; before every call."""
    if _fixed is None:
        threads = torch.get_num_threads()
        if threads != _last:
            _tell(threads)


def _tell(threads: int) -> None:
    global _last
    check(library.bitlinear_set_threads(min(threads, 2**31 - 1)))
    _last = threads
