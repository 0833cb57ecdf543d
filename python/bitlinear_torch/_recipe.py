"""How a layer quantizes, as the operations and the library take it."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Literal, NamedTuple, Union

from ._library import CRecipe, check, library

#: The name of a recipe: 1 bit (arXiv 2310.11453) or 1.58 bits (arXiv 2402.17764).
RecipeName = Literal["bitnet", "b158"]
#: What is done to the input of a layer first.
Norm = Union[Literal["default", "layer", "rms", "group"], None]

_NORMS: tuple[str | None, ...] = (None, "layer", "rms", "group")
_WEIGHTS = ("sign", "ternary")
_BLOCKS = (32, 64, 128, 256)


class Recipe(NamedTuple):
    """The members of ``bitlinear_recipe``, in its order."""

    weights: int
    activation_bits: int
    per_token: bool
    activation_epsilon: float
    norm: int
    norm_groups: int
    norm_epsilon: float
    activation_block: int = 0

    def describe(self) -> str:
        """The recipe as keyword arguments in words, for ``extra_repr``."""
        text = (
            f"weights={_WEIGHTS[self.weights]!r}, activation_bits={self.activation_bits}, "
            f"per_token={self.per_token}, "
        )
        if self.activation_block:
            text += f"activation_block={self.activation_block}, "
        text += f"norm={_NORMS[self.norm]!r}"
        return f"{text}, norm_eps={self.norm_epsilon:g}" if self.norm else text


@lru_cache(maxsize=1024)
def c_recipe(recipe: Recipe) -> object:
    """A pointer to the recipe for the library, which only reads it."""
    return ctypes.byref(CRecipe(*recipe))


def from_c(recipe: CRecipe) -> Recipe:
    """The recipe of a structure of the library."""
    values = [getattr(recipe, name) for name, *_ in CRecipe._fields_]
    return Recipe(*values)._replace(per_token=bool(recipe.per_token))


def make_recipe(
    name: str,
    activation_bits: int,
    per_token: bool | str,
    norm: str | None,
    norm_eps: float,
    groups: int,
    activation_block: int | None = None,
) -> Recipe:
    """The recipe of a name with the changes that BitLinear's arguments make to it.

    Raises:
        ValueError: an argument has no meaning.
    """
    named = CRecipe()
    if name not in ("bitnet", "b158"):
        raise ValueError(f"found recipe {name!r}, expected 'bitnet' or 'b158'")
    check(library.bitlinear_recipe_named(name.encode(), ctypes.byref(named)))
    recipe = from_c(named)
    if not isinstance(activation_bits, int) or not 2 <= activation_bits <= 16:
        raise ValueError(f"found activation_bits {activation_bits!r}, expected 2 to 16")
    if per_token == "default":
        per_token = recipe.per_token
    elif not isinstance(per_token, bool):
        raise ValueError(f"found per_token {per_token!r}, expected True, False or 'default'")
    elif activation_block is not None and not per_token:
        raise ValueError(
            f"found activation_block {activation_block!r} with per_token False, expected True or "
            "'default': a block is a part of a token"
        )
    if activation_block is not None:
        if not isinstance(activation_block, int) or activation_block not in _BLOCKS:
            raise ValueError(
                f"found activation_block {activation_block!r}, expected None, 32, 64, 128 or 256"
            )
        per_token = True
    if norm == "default":
        norm_kind = recipe.norm
    elif norm in _NORMS:
        norm_kind = _NORMS.index(norm)
    else:
        raise ValueError(
            f"found norm {norm!r}, expected None, 'layer', 'rms', 'group' or 'default'"
        )
    # Also false for a NaN. The largest float32 is the limit of the library.
    if not 0 <= norm_eps < 3.4028235e38:
        raise ValueError(f"found norm_eps {norm_eps!r}, expected a finite number from 0")
    return recipe._replace(
        activation_bits=activation_bits,
        per_token=per_token,
        norm=norm_kind,
        norm_groups=groups if _NORMS[norm_kind] == "group" else 1,
        norm_epsilon=float(norm_eps),
        activation_block=activation_block or 0,
    )
