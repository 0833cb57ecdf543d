"""PyTorch's own matrix product, for the library to call during backward."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from ._library import MATMUL
from ._memory import floats_at


class _Failure(threading.local):
    """The exception that a product of this thread ended with."""

    error: BaseException | None = None


_failure = _Failure()


def _operand(address: int, rows: int, columns: int, stride: int, transposed: int) -> Tensor:
    if transposed:
        rows, columns = columns, rows
    matrix = floats_at(address, (rows - 1) * stride + columns)
    matrix = matrix.as_strided((rows, columns), (stride, 1))
    return matrix.t() if transposed else matrix


@MATMUL
def matmul(context, m, n, k, a, a_stride, a_transposed, b, b_stride, b_transposed, c):
    """c = op(a) op(b); see ``bitlinear_matmul`` in bitlinear.h."""
    # An exception cannot pass through C: it waits for raise_failure.
    try:
        torch.mm(
            _operand(a, m, k, a_stride, a_transposed),
            _operand(b, k, n, b_stride, b_transposed),
            out=floats_at(c, m * n).view(m, n),
        )
    except BaseException as error:
        _failure.error = error


def raise_failure() -> None:
    """Raises the exception that :data:`matmul` caught on this thread, once."""
    error, _failure.error = _failure.error, None
    if error is not None:
        raise error
