"""What a layer is beside its tensors, in words: for the configuration of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Optional, Union, cast

import torch

from . import _codes
from ._checks import check_backend, check_strength, positive
from ._handle import Parts, Shape
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import Recipe, RecipeName

_BLOCKS = (64, 128, 256)
_NORM_PARTS = ("weight", "bias")


@dataclass(frozen=True)
class LayerPlan:
    """All that must be known to make a layer for tensors that are still to come.

    Attributes:
        recipe: how the layer quantizes; made of a name or of ``Recipe.as_dict()`` too.
        groups: equal parts of the output features with a scale each.
        weight_block: None, or the weights of a row, 64, 128 or 256, that share a scale, as some
            packed layers of files have.
        learn_norm: which of "weight" and "bias" the norm has; made of True, all that it can have,
            of False or of a list too.
        trainable: whether it is a BitLinear rather than a PackedBitLinear.
        strength: how far quantized values replace latent ones; 1 unless it is trainable.
        backend: "auto" or "torch".

    Raises:
        ValueError: an attribute has no meaning, or two do not fit each other.
    """

    recipe: Recipe
    groups: int = 1
    weight_block: Optional[int] = None
    learn_norm: tuple[str, ...] = ()
    trainable: bool = False
    strength: float = 1.0
    backend: Literal["auto", "torch"] = "auto"

    def __post_init__(self) -> None:
        recipe: Any = self.recipe
        if isinstance(recipe, Mapping):
            object.__setattr__(self, "recipe", Recipe.from_dict(recipe))
        elif isinstance(recipe, str):
            object.__setattr__(self, "recipe", Recipe.named(cast(RecipeName, recipe)))
        elif not isinstance(recipe, Recipe):
            raise ValueError(
                f"found recipe {recipe!r}, expected 'bitnet', 'b158', a Recipe or its as_dict()"
            )
        positive("groups", self.groups)
        if self.weight_block is not None and self.weight_block not in _BLOCKS:
            raise ValueError(
                f"found weight_block {self.weight_block!r}, expected None, 64, 128 or 256"
            )
        if self.weight_block is not None and (self.groups != 1 or self.trainable):
            raise ValueError(
                f"found weight_block {self.weight_block} with groups {self.groups} and trainable "
                f"{self.trainable}, expected groups 1 and trainable False"
            )
        if not isinstance(self.trainable, bool):
            raise ValueError(f"found trainable {self.trainable!r}, expected True or False")
        check_backend(self.backend)
        object.__setattr__(self, "strength", check_strength(self.strength))
        if self.strength != 1 and not self.trainable:
            raise ValueError(
                f"found strength {self.strength:g} of packed layers, expected 1: they are fully "
                "quantized"
            )
        found: Any = self.learn_norm
        whole = self.all_norm_parts()
        if isinstance(found, bool):
            parts: tuple[Any, ...] = whole if found else ()
        else:
            parts = tuple(found) if isinstance(found, (list, tuple)) else (found,)
        if not set(parts) <= set(_NORM_PARTS):
            raise ValueError(
                f"found learn_norm {found!r}, expected True, False or a list of 'weight' and 'bias'"
            )
        if (found is True or parts) and self.recipe.norm is None:
            raise ValueError(
                f"found learn_norm {found!r} without a norm, expected norm 'layer', 'rms' or "
                "'group' in the recipe"
            )
        if self.trainable and parts not in ((), whole):
            raise ValueError(
                f"found learn_norm {found!r} of trainable layers with norm {self.recipe.norm!r}, "
                f"expected {list(whole)} or none"
            )
        object.__setattr__(self, "learn_norm", parts)

    def all_norm_parts(self) -> tuple[str, ...]:
        """What a norm of this recipe has if all of it is learned."""
        return _NORM_PARTS[:1] if self.recipe.norm == "rms" else _NORM_PARTS

    @staticmethod
    def of(layer: Union[BitLinear, PackedBitLinear]) -> LayerPlan:
        """The plan that would make a given layer again."""
        norm = layer.norm
        parts = [
            name for name in _NORM_PARTS if norm is not None and getattr(norm, name) is not None
        ]
        if isinstance(layer, BitLinear):
            return LayerPlan(
                layer.recipe, layer.groups, None, tuple(parts), True, layer.strength, layer.backend
            )
        block = layer.shape().block_features(layer.weight_scale) or None
        return LayerPlan(
            layer.recipe, layer.groups, block, tuple(parts), backend=layer.backend
        )

    def changed(self, changes: Mapping[str, Any]) -> LayerPlan:
        """The plan with other values, as :meth:`differences` gives them.

        Raises:
            ValueError: a value is unknown or has no meaning.
        """
        known = {field.name for field in fields(LayerPlan)}
        if not isinstance(changes, Mapping) or not set(changes) <= known:
            raise ValueError(f"found {changes!r} for a layer, expected values of {sorted(known)}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """The values as JSON has them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["recipe"], values["learn_norm"] = self.recipe.as_dict(), list(self.learn_norm)
        return values

    def differences(self, base: LayerPlan) -> dict[str, Any]:
        """The values that differ from those of another plan, as JSON has them."""
        other = base.as_dict()
        return {name: value for name, value in self.as_dict().items() if value != other[name]}

    def options(self) -> dict[str, Any]:
        """The plan as the arguments of BitLinear, which begins with strength 1.

        Raises:
            ValueError: BitLinear has no such layers.
        """
        whole = self.all_norm_parts()
        if self.learn_norm not in ((), whole):
            raise ValueError(
                f"found learn_norm {list(self.learn_norm)} for a model of floats, whose norms have "
                f"all parameters or none, expected {list(whole)} or none"
            )
        if self.weight_block is not None:
            raise ValueError(
                f"found weight_block {self.weight_block} for a model of floats, expected None: "
                "layers of blocks are made by other programs"
            )
        return {
            "recipe": self.recipe, "groups": self.groups, "learn_norm": bool(self.learn_norm),
            "backend": self.backend,
        }

    def empty_packed(
        self, in_features: int, out_features: int, bias: bool
    ) -> PackedBitLinear:
        """A packed layer on meta whose codes are to be those of files, in rows.

        Raises:
            ValueError: ``groups`` does not divide the output features.
        """
        if out_features % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {out_features} output features")
        recipe, layout = self.recipe.inference(), _codes.ROWS
        shape = _codes.codes_shape(recipe.weights, out_features, in_features, layout)
        scales: tuple[int, ...] = (self.groups,)
        if self.weight_block is not None:
            scales = (out_features, -(-in_features // self.weight_block))

        def floats(*extents: int) -> torch.Tensor:
            return torch.empty(extents, dtype=torch.float32, device="meta")

        def norm(part: str) -> Optional[torch.Tensor]:
            return floats(in_features) if part in self.learn_norm else None

        parts = Parts(
            torch.empty(shape, dtype=torch.uint8, device="meta"), floats(*scales),
            floats(out_features) if bias else None, norm("weight"), norm("bias"),
        )
        layer = PackedBitLinear(parts, Shape(in_features, out_features, layout, recipe))
        layer.backend = self.backend
        return layer
