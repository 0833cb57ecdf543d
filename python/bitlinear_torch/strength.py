"""How far quantized values replace latent ones: a warm-up of quantization."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import nn

from ._checks import check_strength, positive
from .linear import BitLinear


def set_strength(model: nn.Module, strength: float) -> int:
    """Sets how far quantized values replace latent ones in all BitLinear layers of a model.

    Input and weight become ``v + strength * (quantized(v) - v)``, with straight-through gradients:
    0 is a linear layer of floats behind the layer's norm, 1 the quantized layer. Models that were
    trained as floats are turned into quantized ones by raising it slowly. Below 1 the products are
    PyTorch's, in float32, and second derivatives are those of the product alone.

    Args:
        model: a module with BitLinear layers.
        strength: from 0 to 1.

    Returns:
        The number of layers.

    Raises:
        ValueError: ``strength`` is out of range, or there is no BitLinear layer.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"found {type(model).__name__}, expected a module")
    strength = check_strength(strength)
    layers = [module for module in model.modules() if isinstance(module, BitLinear)]
    if not layers:
        raise ValueError(f"found no BitLinear in {type(model).__name__}, expected at least one")
    for layer in layers:
        layer.strength = strength
    return len(layers)


class StrengthSchedule:
    """Raises the strength of a model's BitLinear layers to 1 in a number of steps.

    Use it like a learning rate scheduler: ``step()`` after each step of the optimizer.
    ``state_dict`` and ``load_state_dict`` make it go on where it was.

    Args:
        model: a module with BitLinear layers; its strength becomes ``start``.
        steps: the steps until it is 1.
        start: the strength at first.
        shape: "linear"; "cosine", slow at both ends; or "sigmoid", slower there.

    Raises:
        ValueError: an argument is out of range, or there is no BitLinear layer.
    """

    def __init__(
        self, model: nn.Module, steps: int, start: float = 0.0,
        shape: Literal["linear", "cosine", "sigmoid"] = "linear",
    ) -> None:
        if shape not in ("linear", "cosine", "sigmoid"):
            raise ValueError(f"found shape {shape!r}, expected 'linear', 'cosine' or 'sigmoid'")
        self._model = model
        self._steps, self._start, self._shape = positive("steps", steps), start, shape
        self._done = 0
        set_strength(model, start)

    @property
    def strength(self) -> float:
        """The strength after the steps so far."""
        part = min(1.0, self._done / self._steps)
        if self._shape == "cosine":
            part = (1 - math.cos(math.pi * part)) / 2
        elif self._shape == "sigmoid" and part < 1:
            low, high = _sigmoid(-5.0), _sigmoid(5.0)
            part = (_sigmoid(10 * part - 5) - low) / (high - low)
        return self._start + (1 - self._start) * part

    def step(self) -> None:
        """Goes one step on."""
        self._done += 1
        set_strength(self._model, self.strength)

    def state_dict(self) -> dict[str, Any]:
        """The steps so far, and what the schedule is."""
        return {
            "done": self._done, "steps": self._steps, "start": self._start, "shape": self._shape,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where ``state`` was, and sets the strength of that step.

        Raises:
            ValueError: it is the state of another schedule.
        """
        own = self.state_dict()
        for name in ("steps", "start", "shape"):
            if state.get(name) != own[name]:
                raise ValueError(
                    f"found the state of a schedule with {name} {state.get(name)!r}, expected "
                    f"{own[name]!r}"
                )
        done = state.get("done")
        if not isinstance(done, int) or done < 0:
            raise ValueError(f"found done {done!r}, expected a whole number from 0")
        self._done = done
        set_strength(self._model, self.strength)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
