"""Recipe: how a layer normalizes its input and quantizes its input and its weights."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Optional, Union

from ._library import CRecipe
from ._numbers import finite, whole

#: The name of a recipe: 1 bit (arXiv 2310.11453) or 1.58 bits (arXiv 2402.17764).
RecipeName = Literal["bitnet", "b158"]
#: The values of the codes: -1 and +1, or -1, 0 and +1.
Weights = Literal["sign", "ternary"]
#: What the scale of a group of weights is made of.
WeightScale = Literal["mean", "median", "threshold"]
#: What is done to the input of a layer first.
NormName = Literal["layer", "rms", "group"]

_NORMS: tuple[str | None, ...] = (None, "layer", "rms", "group")
_WEIGHTS = ("sign", "ternary")
_SCALES = ("mean", "median", "threshold")
_BLOCKS = (32, 64, 128, 256)
# The largest float32 is the limit of the library.
_LARGEST = 3.4028235e38


Options = tuple[int, int, int, bool, int, float, int, int, float]


@dataclass(frozen=True)
class Recipe:
    """How a layer normalizes its input and quantizes its input and its weights.

    ``Recipe.named("b158")`` and ``Recipe.named("bitnet")`` are those of the papers;
    ``dataclasses.replace`` changes a part. Recipes are compared by value and never change.

    Attributes:
        weights: "ternary", codes -1, 0 and +1 (arXiv 2402.17764), or "sign", -1 and +1
            (arXiv 2310.11453).
        weight_scale: what the scale b of a group of ternary weights is: "mean", b = mean|w| and
            code = round(w / b), as in the paper; "median", the same with the median of \\|w\\|, the
            lower one of two; "threshold", Ternary Weight Networks (arXiv 1605.04711): code = sign(w)
            where \\|w\\| > 0.7 mean|w|, and b the mean of those \\|w\\|. Sign weights have "mean".
        activation_bits: bits of a code of the input, 2 to 16.
        per_token: whether each token (row of the last dimension) has a scale of its own; otherwise
            the input has one, which couples its tokens.
        activation_block: None, or 32, 64, 128 or 256: so many columns of a token have a scale of
            their own, which needs ``per_token``.
        activation_epsilon: the least max\\|x\\| that a scale is computed from; 0 for none.
        norm: what is done to the input first: None, "layer", "rms" or "group".
        norm_groups: equal parts of the features that norm "group" normalizes; 1 otherwise.
        norm_eps: added to the variance or the mean square.

    Raises:
        ValueError: an attribute has no meaning, or two do not fit each other.
    """

    weights: Weights = "ternary"
    weight_scale: WeightScale = "mean"
    activation_bits: int = 8
    per_token: bool = True
    activation_block: Optional[Literal[32, 64, 128, 256]] = None
    activation_epsilon: float = 0.0
    norm: Optional[NormName] = None
    norm_groups: int = 1
    norm_eps: float = 1e-5

    #: The recipe as an operator of PyTorch takes it; see :func:`from_options`.
    options: ClassVar[Options]

    def __post_init__(self) -> None:
        _choice("weights", self.weights, _WEIGHTS)
        _choice("weight_scale", self.weight_scale, _SCALES)
        if self.weights == "sign" and self.weight_scale != "mean":
            raise ValueError(
                f"found weight_scale {self.weight_scale!r} for sign weights, expected 'mean'"
            )
        bits = whole(self.activation_bits)
        if bits is None or not 2 <= bits <= 16:
            raise ValueError(f"found activation_bits {self.activation_bits!r}, expected 2 to 16")
        if not isinstance(self.per_token, bool):
            raise ValueError(f"found per_token {self.per_token!r}, expected True or False")
        block = self.activation_block
        if block is not None and (whole(block) is None or block not in _BLOCKS):
            raise ValueError(
                f"found activation_block {block!r}, expected None, 32, 64, 128 or 256"
            )
        if block is not None and not self.per_token:
            raise ValueError(
                f"found activation_block {block} with per_token False, expected True: a block is a "
                "part of a token"
            )
        _choice("norm", self.norm, _NORMS)
        groups = whole(self.norm_groups)
        if groups is None or groups < 1:
            raise ValueError(
                f"found norm_groups {self.norm_groups!r}, expected a whole number from 1"
            )
        if self.norm != "group" and groups != 1:
            raise ValueError(
                f"found norm_groups {groups} for norm {self.norm!r}, expected 1: only norm 'group' "
                "has groups"
            )
        # Plain numbers of Python, so that recipes are equal and can be written as JSON.
        values = {
            "activation_bits": bits, "norm_groups": groups,
            "activation_block": None if block is None else int(block),
            "activation_epsilon": finite("activation_epsilon", self.activation_epsilon, _LARGEST),
            "norm_eps": finite("norm_eps", self.norm_eps, _LARGEST),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "options", (
            _WEIGHTS.index(self.weights), _SCALES.index(self.weight_scale), self.activation_bits,
            self.per_token, self.activation_block or 0, self.activation_epsilon,
            _NORMS.index(self.norm), self.norm_groups, self.norm_eps,
        ))

    @staticmethod
    def named(name: RecipeName) -> Recipe:
        """The recipe of a paper: "bitnet" (arXiv 2310.11453) or "b158" (arXiv 2402.17764).

        Raises:
            ValueError: there is no recipe of that name.
        """
        recipe = _NAMED.get(name) if isinstance(name, str) else None
        if recipe is None:
            raise ValueError(f"found recipe {name!r}, expected 'bitnet', 'b158' or a Recipe")
        return recipe

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, for JSON; see :meth:`from_dict`."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Recipe:
        """The recipe of :meth:`as_dict`; what is not there has its default.

        Raises:
            ValueError: an attribute is unknown or has no meaning.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"found a {type(values).__name__}, expected a recipe's dict")
        known = {field.name for field in fields(Recipe)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"found {', '.join(unknown)} in a recipe, expected {sorted(known)}")
        return Recipe(**values)

    def describe(self) -> str:
        """The recipe as keyword arguments in words, for ``extra_repr``."""
        parts: dict[str, Any] = {"weights": self.weights}
        if self.weight_scale != "mean":
            parts["weight_scale"] = self.weight_scale
        parts.update(activation_bits=self.activation_bits, per_token=self.per_token)
        if self.activation_block:
            parts["activation_block"] = self.activation_block
        parts["norm"] = self.norm
        if self.norm_groups > 1:
            parts["norm_groups"] = self.norm_groups
        text = ", ".join(f"{name}={value!r}" for name, value in parts.items())
        return f"{text}, norm_eps={self.norm_eps:g}" if self.norm else text

    def inference(self) -> Recipe:
        """What is left of the recipe once the weights are packed: not how their scale was found."""
        return replace(self, weight_scale="mean")

    @cached_property
    def pointer(self) -> Any:
        """A pointer to the recipe for the library, which only reads it."""
        weights, _, bits, per_token, block, epsilon, norm, groups, norm_eps = self.options
        return ctypes.byref(
            CRecipe(weights, bits, per_token, epsilon, norm, groups, norm_eps, block)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the cached pointer.
        return Recipe, tuple(getattr(self, field.name) for field in fields(self))

    def __deepcopy__(self, _memo: Any) -> Recipe:
        return self


def from_options(
    weights: int, weight_scale: int, activation_bits: int, per_token: bool, activation_block: int,
    activation_epsilon: float, norm: int, norm_groups: int, norm_eps: float,
) -> Recipe:
    """The recipe of its :attr:`Recipe.options`."""
    values: tuple[Any, ...] = (
        _WEIGHTS[weights], _SCALES[weight_scale], activation_bits, per_token,
        activation_block or None, activation_epsilon, _NORMS[norm], norm_groups, norm_eps,
    )
    return Recipe(*values)


def from_c(recipe: CRecipe) -> Recipe:
    """The recipe of a structure of the library."""
    return from_options(
        recipe.weights, 0, recipe.activation_bits, bool(recipe.per_token),
        recipe.activation_block, _short(recipe.activation_epsilon), recipe.norm,
        recipe.norm_groups, _short(recipe.norm_epsilon) if recipe.norm else 1e-5,
    )


def make_recipe(
    recipe: Union[RecipeName, Recipe],
    *,
    activation_bits: Any = "default",
    per_token: Any = "default",
    activation_block: Any = None,
    norm: Any = "default",
    norm_groups: Any = None,
    norm_eps: Any = "default",
    groups: int = 1,
) -> Recipe:
    """A recipe with the changes that BitLinear's arguments make to it.

    Raises:
        ValueError: an argument has no meaning.
    """
    base = recipe if isinstance(recipe, Recipe) else Recipe.named(recipe)
    if norm != "default" and norm not in _NORMS:
        raise ValueError(
            f"found norm {norm!r}, expected None, 'layer', 'rms', 'group' or 'default'"
        )
    changes: dict[str, Any] = {}
    if activation_bits != "default":
        changes["activation_bits"] = activation_bits
    if activation_block is not None:
        changes["activation_block"] = activation_block
        changes["per_token"] = True
    if per_token != "default":
        changes["per_token"] = per_token
    if norm != "default":
        changes["norm"] = norm
        changes["norm_groups"] = groups if norm == "group" else 1
    if norm_groups is not None:
        changes["norm_groups"] = norm_groups
    if norm_eps != "default":
        changes["norm_eps"] = norm_eps
    return replace(base, **changes) if changes else base


def encoded(recipe: Recipe) -> bytes:
    """The recipe as JSON, for the state of a layer."""
    return json.dumps(recipe.as_dict(), sort_keys=True).encode()


def _short(value: float) -> float:
    """The shortest decimal number that is this float32: 1e-5 stays 1e-5."""
    for digits in range(1, 9):
        short = float(f"{value:.{digits}g}")
        if ctypes.c_float(short).value == value:
            return short
    return value


def _choice(name: str, value: Any, choices: tuple[str | None, ...]) -> None:
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise ValueError(
            f"found {name} {value!r}, expected {' or '.join(repr(choice) for choice in choices)}"
        )


_NAMED: dict[str, Recipe] = {
    "bitnet": Recipe(weights="sign", per_token=False),
    "b158": Recipe(activation_epsilon=1e-5, norm="rms"),
}
