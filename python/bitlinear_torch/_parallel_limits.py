"""What layers that are spread over processes cannot do, said in words instead of PyTorch's own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, Optional, TypeVar

import torch
from torch import Tensor

from ._routes import derivative_levels, has_transforms, is_batched
from ._straight_through import LastGradient, applied, may_be_differentiated

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
SpreadT = TypeVar("SpreadT", bound="Spread")

_REASON = (
    "a layer that is spread over processes exchanges data with them while it computes, which a "
    "graph cannot hold"
)


def not_compiled(function: FunctionT) -> FunctionT:
    """A function that torch.compile does not trace: it runs between two graphs."""
    # PyTorch before 2.8 takes no reason, and fullgraph=True then fails without one.
    takes_reason = "reason" in inspect.signature(torch.compiler.disable).parameters
    words = {"reason": f"{_REASON}; compile with fullgraph=False"} if takes_reason else {}
    found: FunctionT = torch.compiler.disable(function, **words)
    return found


def refuse_transforms(input: Tensor) -> None:
    """Raises NotImplementedError inside of torch.func, forward mode and batches of gradients."""
    if has_transforms() or derivative_levels() or is_batched(input):
        raise NotImplementedError(
            "found a layer that is spread over processes inside a transform of torch.func or in "
            "forward mode, expected backward() or torch.autograd.grad: sums over processes have no "
            "rules for transforms"
        )


def last_gradients(
    compute: Callable[[], tuple[Optional[Tensor], ...]], grad: Tensor, *sources: Optional[Tensor]
) -> tuple[Optional[Tensor], ...]:
    """What a backward returns: gradients that ``create_graph=True`` may ask for, but not use.

    Args:
        compute: gives the gradients.
        grad: that of the output.
        sources: the inputs that the gradients depend on.

    Raises:
        NotImplementedError: a batch of gradients comes at once (``is_grads_batched=True``).
    """
    if is_batched(grad):
        raise NotImplementedError(
            "found a batch of gradients (is_grads_batched=True) in a layer that is spread over "
            "processes, expected one gradient in each call"
        )
    with torch.no_grad():
        found = compute()
    if not may_be_differentiated():
        return found
    known = [source for source in sources if source is not None]
    return tuple(
        None if part is None else applied(LastGradient, part, grad, *known) for part in found
    )


class Spread:
    """A layer that is spread over processes: it can be copied, but not pickled."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise NotImplementedError(
            f"found a {type(self).__name__}, which is spread over processes, expected a layer of "
            "one process: torch.distributed.checkpoint saves its state_dict, and "
            "bitlinear_torch.parallel.save_packed_sharded a packed file"
        )

    def __deepcopy__(self: SpreadT, memo: dict[int, Any]) -> SpreadT:
        copied = memo[id(self)] = self.__class__.__new__(self.__class__)
        copied.__setstate__(copy.deepcopy(self._state(), memo))  # type: ignore[attr-defined]
        return copied

    def __copy__(self: SpreadT) -> SpreadT:
        copied = self.__class__.__new__(self.__class__)
        copied.__setstate__(self._state())  # type: ignore[attr-defined]
        return copied

    def _state(self) -> dict[str, Any]:
        # Only some versions of Python and some layers have a __getstate__ of their own.
        get = getattr(self, "__getstate__", None)
        return dict(self.__dict__ if get is None else get())
