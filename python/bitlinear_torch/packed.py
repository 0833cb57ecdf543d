"""PackedBitLinear: a layer for inference, 1 or 2 bits a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Optional

import torch
from torch import Tensor, fx, nn

from . import _codes
from . import _formula as formula
from ._checks import check_backend, require_floating
from ._handle import Handle, Parts, Shape
from ._memory import version
from ._nested import is_nested, per_row
from ._packed import packed_linear, packed_linear_in_graph, quantized_parts
from ._routes import is_direct
from ._script import ScriptedPackedBitLinear
from ._sources import current_weight, require_memory
from ._types import output_type
from ._weights import pack
from .linear import BitLinear, call_leaf
from .recipe import Recipe, encoded

if TYPE_CHECKING:
    from typing_extensions import Self

# The parts that are tensors, by their names in a state_dict and in files.
_NAMES = {
    "codes": "weight", "scale": "weight_scale", "bias": "bias", "norm_weight": "norm.weight",
    "norm_bias": "norm.bias",
}
_EXTRA = "_extra_state"


class PackedNorm(nn.Module):
    """The factor and the offset of a packed layer's norm, as buffers."""

    def __init__(self, weight: Optional[Tensor], bias: Optional[Tensor]) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def _load_from_state_dict(self, *_arguments: Any) -> None:
        # The layer takes these tensors with its own, all or none.
        return


class PackedBitLinear(ScriptedPackedBitLinear, nn.Module):
    """A linear layer of packed codes, for inference: it has no parameters.

    It gives the same bits as the :class:`BitLinear` that it was packed from. Gradients pass
    through it to its input (straight-through), as adapters on a packed model need. On the CPU the
    Swift library computes, from the codes where they are; on other devices PyTorch does.

    Its tensors are buffers, which ``.to(device)`` moves; other types of floats change nothing:
    scales stay float32. ``state_dict`` holds the form of files: ``weight`` ``[out, bytes of a
    row]`` uint8, ``weight_scale`` ``[groups]``, and ``bias`` ``[out]``, ``norm.weight`` ``[in]``,
    ``norm.bias`` ``[in]`` where there are such; and the recipe, so that ``load_state_dict`` refuses
    the state of a layer that computes otherwise.

    Made by :meth:`BitLinear.pack`, :func:`pack_model` or :func:`load_packed`.

    Shape:
        input ``[..., in_features]`` of any leading shape, also empty, or a nested tensor of such
        rows; output ``[..., out_features]``, of the type of the input or, under autocast, that of
        autocast.

    Attributes:
        weight: the codes, int8, in the order in which the kernels of this CPU read them.
        weight_scale: the scale of each group ``[groups]``, or ``[out, blocks]`` where a block of
            weights of a row has its own.
        bias: ``[out]`` or None.
        norm: the module with the norm's factor and offset, or None.
        in_features, out_features: as those of nn.Linear.
        recipe: how the layer quantizes.
        backend: "auto" or "torch", as in :class:`BitLinear`.
    """

    if TYPE_CHECKING:
        # Not while a program runs: torch.jit.script would read them, and does not know text.
        weight: Tensor
        weight_scale: Tensor
        bias: Optional[Tensor]
        norm: Optional[PackedNorm]

    def __init__(self, parts: Parts, shape: Shape) -> None:
        super().__init__()
        self.in_features = shape.in_features
        self.out_features = shape.out_features
        self.recipe = shape.recipe.inference()
        self.layout = shape.layout
        self.backend: Literal["auto", "torch"] = "auto"
        self.register_buffer("weight", parts.codes)
        self.register_buffer("weight_scale", parts.scale)
        self.register_buffer("bias", parts.bias)
        has_norm = parts.norm_weight is not None or parts.norm_bias is not None
        self.norm = PackedNorm(parts.norm_weight, parts.norm_bias) if has_norm else None
        self.eval()

    @classmethod
    def from_layer(cls, layer: BitLinear) -> Self:
        """Packs a layer; see :meth:`BitLinear.pack`."""
        if layer.strength != 1:
            raise ValueError(
                f"found strength {layer.strength:g}, expected 1: a packed layer is fully "
                "quantized; see set_strength"
            )
        weight = current_weight(layer).detach()
        bias = None if layer.bias is None else layer.bias.detach()
        norm_weight = norm_bias = None
        if layer.norm is not None:
            norm_weight = layer.norm.weight.detach()
            norm_bias = None if layer.norm.bias is None else layer.norm.bias.detach()
        for name, part in (("weight", weight), ("bias", bias), ("norm.weight", norm_weight)):
            require_memory(part, name)
        floats = [
            None if part is None else part.float().clone() for part in
            (bias, norm_weight, norm_bias)
        ]
        quantize = _pack_by_library if weight.is_cpu else _pack_by_formula
        codes, scale, layout = quantize(weight, layer.groups, layer.recipe)
        shape = Shape(layer.in_features, layer.out_features, layout, layer.recipe.inference())
        packed = cls(Parts(codes, scale, floats[0], floats[1], floats[2]), shape)
        packed.backend = check_backend(layer.backend)
        return packed

    @classmethod
    def from_codes(
        cls,
        codes: Tensor,
        scale: Tensor,
        recipe: Recipe,
        in_features: int,
        bias: Optional[Tensor] = None,
        norm_weight: Optional[Tensor] = None,
        norm_bias: Optional[Tensor] = None,
    ) -> Self:
        """The layer of packed codes, as ``state_dict`` has them.

        Args:
            codes: uint8 ``[out, bytes of a row]``, consecutive from the lowest bits: code + 1 in 2
                bits for ternary weights, a bit that is set for +1 for sign weights.
            scale: ``[groups]``, or ``[out, blocks]`` with blocks of 64, 128 or 256 weights of a row.
            recipe: how the layer quantizes.
            in_features: columns of the codes.
            bias: ``[out]`` or None.
            norm_weight, norm_bias: ``[in]`` or None.

        Raises:
            ValueError: the parts do not fit one another, or are not what they must be.
        """
        if codes.dim() != 2:
            raise ValueError(f"found packed codes {list(codes.shape)}, expected [out, bytes]")
        recipe, out_features = recipe.inference(), codes.shape[0]
        layout = _codes.native_layout(recipe.weights)
        native = _codes.convert(
            codes, recipe.weights, out_features, in_features, _codes.ROWS, layout
        )
        vectors = [
            None if part is None else part.detach().float().contiguous()
            for part in (scale, bias, norm_weight, norm_bias)
        ]
        assert vectors[0] is not None
        shape = Shape(in_features, out_features, layout, recipe)
        parts = Parts(native, vectors[0], *vectors[1:])
        _validate(parts, shape)
        return cls(parts, shape)

    @property
    def groups(self) -> int:
        """Equal blocks of output features with a scale each; 1 if blocks of weights have scales."""
        return self.weight_scale.shape[0] if self.weight_scale.dim() == 1 else 1

    @property
    def nbytes(self) -> int:
        """Bytes in memory of codes, scales, bias and norm."""
        return sum(part.nbytes for part in self.parts() if part is not None)

    def parts(self) -> Parts:
        """The tensors, as the operation takes them."""
        norm = self.norm
        return Parts(
            self.weight, self.weight_scale, self.bias, None if norm is None else norm.weight,
            None if norm is None else norm.bias,
        )

    def shape(self) -> Shape:
        """What the operation must know beside the tensors."""
        return Shape(self.in_features, self.out_features, self.layout, self.recipe)

    def handle(self) -> Handle:
        """The layer for the library, which reads the codes where they are, on the CPU."""
        cached = self._cached_handle()
        if cached is not None:
            return cached
        handle = Handle.of(self.parts(), self.shape())
        places = [(self._buffers, name) for name in ("weight", "weight_scale", "bias")]
        if self.norm is not None:
            places += [(self.norm._buffers, name) for name in ("weight", "bias")]
        known = []
        for buffers, name in places:
            part = buffers[name]
            known.append((buffers, name, part, 0 if part is None else version(part)))
        self.__dict__["_cache"] = handle, known
        return handle

    def _cached_handle(self) -> Optional[Handle]:
        """The handle of an earlier call, if the tensors are those of then."""
        cached = self.__dict__.get("_cache")
        if cached is None:
            return None
        found: Handle = cached[0]
        for buffers, name, part, count in cached[1]:
            own = buffers[name]
            if own is not part or (own is not None and version(own) != count):
                return None
        return found

    def _call_directly(self, input: Tensor) -> Optional[Tensor]:
        """The output if nothing is in the way of calling the library at once; else None.

        The way of :meth:`forward` without what most calls do not need, which takes longer than
        the product of a small layer.
        """
        if (
            type(input) is not Tensor
            or input.dtype is not torch.float32
            or not input.is_cpu
            or not input.is_contiguous()
            or input.is_neg()
            or input._is_zerotensor()
            or (input.requires_grad and torch.is_grad_enabled())
            or self.backend != "auto"
            or not is_direct(input)
            or torch.is_autocast_enabled("cpu")
        ):
            return None
        handle, shape = self._cached_handle(), input.shape
        if handle is None or not shape or shape[-1] != self.in_features:
            return None
        return handle.forward_plain(input, self.in_features, self.out_features)

    def forward(self, input: Tensor) -> Tensor:
        """The output ``[..., out_features]``.

        Raises:
            TypeError: the input is not a floating point tensor.
            ValueError: its last dimension is not ``in_features``, or it is on another device than
                the codes.
        """
        if torch.jit.is_scripting():
            return self._scripted(input)
        else:  # which TorchScript does not compile
            return self._compute(input)

    def _compute(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            y = self._call_directly(input)
            if y is not None:
                return y
        if isinstance(input, fx.Proxy):
            return call_leaf(self, input)  # type: ignore[no-any-return]
        require_floating(input)
        if input.dim() == 0 or (input.shape[-1] != self.in_features and not is_nested(input)):
            found = f"{input.shape[-1]} features in the last dimension" if input.dim() else (
                "a scalar")
            raise ValueError(f"found an input of {found}, expected {self.in_features}")
        if input.device != self.weight.device:
            raise ValueError(
                f"found an input on {input.device}, expected it where the codes are, "
                f"on {self.weight.device}"
            )
        if is_nested(input):
            return per_row(input, self.in_features, self.forward)
        x = input.float()
        if self.backend == "auto" and is_direct(x, self.weight):
            y = packed_linear(x, self.parts(), self.shape(), self.handle())
        else:
            y = packed_linear_in_graph(x, self.parts(), self.shape(), self.backend)
        return y.to(output_type(input))

    def dequantized_weight(self) -> Tensor:
        """The weights that the codes stand for, ``[out, in]`` of float32: code times scale."""
        return formula.weight_values(quantized_parts(self.parts(), self.shape()))

    def extra_repr(self) -> str:
        """What the layer prints of itself."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"groups={self.groups}, {self.recipe.describe()}, nbytes={self.nbytes}"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def keep_type(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            is_same = moved.dtype is tensor.dtype or not tensor.is_floating_point()
            return moved if is_same else tensor.to(moved.device)

        self.__dict__.pop("_cache", None)
        return super()._apply(keep_type, recurse)

    # ---- State -----------------------------------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """The recipe, as the bytes of its JSON."""
        return torch.frombuffer(bytearray(encoded(self.recipe)), dtype=torch.uint8).clone()

    def set_extra_state(self, state: Any) -> None:
        """Checks that the recipe is the same, for loaders that set one entry after the other.

        Raises:
            ValueError: it is another one.
        """
        for error in _recipe_errors(state, self.recipe):
            raise ValueError(error)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        shape = self.shape()
        rows = _codes.convert(
            self.weight, self.recipe.weights, shape.out_features, shape.in_features, self.layout,
            _codes.ROWS,
        )
        destination[prefix + "weight"] = rows.view(torch.uint8)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool,
        missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:
        shape, own = self.shape(), self.parts()
        expected = {
            prefix + _NAMES[name]: part for name, part in own._asdict().items() if part is not None
        }
        if strict:
            known = {*expected, prefix + _EXTRA}
            missing_keys += [key for key in sorted(known) if key not in state_dict]
            unexpected_keys += [
                key for key in state_dict if key.startswith(prefix) and key not in known
            ]
        errors = _recipe_errors(state_dict.get(prefix + _EXTRA), self.recipe)
        loaded = own._asdict()
        for name, part in own._asdict().items():
            key = prefix + _NAMES[name]
            found = state_dict.get(key)
            if part is None or key not in state_dict:
                continue
            rows_shape = _codes.codes_shape(
                self.recipe.weights, shape.out_features, shape.in_features, _codes.ROWS
            )
            wanted = rows_shape if name == "codes" else tuple(part.shape)
            dtypes = (torch.uint8, torch.int8) if name == "codes" else (torch.float32,)
            if not isinstance(found, Tensor) or tuple(found.shape) != wanted or (
                found.dtype not in dtypes
            ):
                text = f"{list(found.shape)} of {found.dtype}" if isinstance(found, Tensor) else (
                    type(found).__name__)
                errors.append(f"{key}: found {text}, expected {list(wanted)} of {dtypes[0]}")
                continue
            loaded[name] = found.detach()
        if not errors:
            try:
                if loaded["codes"] is not own.codes:
                    loaded["codes"] = _codes.convert(
                        loaded["codes"], self.recipe.weights, shape.out_features,
                        shape.in_features, _codes.ROWS, self.layout,
                    )
                _validate(Parts(**loaded), shape)
            except ValueError as error:
                errors.append(f"{prefix.rstrip('.') or 'PackedBitLinear'}: {error}")
        if errors:
            error_msgs += errors
            return
        is_assigned = local_metadata.get("assign_to_params_buffers", False)
        with torch.no_grad():
            for name, part in own._asdict().items():
                if part is None or loaded[name] is part:
                    continue
                if part.is_meta or is_assigned:
                    module, _, attribute = _NAMES[name].rpartition(".")
                    setattr(self.get_submodule(module), attribute, loaded[name].contiguous())
                else:
                    part.copy_(loaded[name])

    def use_native_layout(self) -> None:
        """Puts the codes into the order in which the kernels of this CPU read them.

        Raises:
            ValueError: the codes are not codes of such weights.
        """
        native = _codes.native_layout(self.recipe.weights)
        if self.layout != native:
            self.weight = _codes.convert(
                self.weight, self.recipe.weights, self.out_features, self.in_features,
                self.layout, native,
            )
            self.layout = native

    def check(self) -> None:
        """Raises ValueError unless the tensors are those of a layer."""
        _validate(self.parts(), self.shape())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_cache", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # From a CPU whose kernels read another layout.
        self.use_native_layout()


def _pack_by_library(
    weight: Tensor, groups: int, recipe: Recipe
) -> tuple[Tensor, Tensor, int]:
    return (*pack(weight, groups, recipe), _codes.native_layout(recipe.weights))


def _pack_by_formula(
    weight: Tensor, groups: int, recipe: Recipe
) -> tuple[Tensor, Tensor, int]:
    codes, scale = formula.weight_codes(weight.float(), recipe, groups)
    bad = (~scale.isfinite()).nonzero()
    if len(bad):
        group = int(bad[0])
        raise ValueError(
            f"weight: found the scale {float(scale[group])} of group {group}, expected finite "
            "weights"
        )
    layout = _codes.native_layout(recipe.weights)
    native = _codes.convert(
        _codes.pack_rows(codes, recipe.weights), recipe.weights, *weight.shape, _codes.ROWS,
        layout,
    )
    return native, scale, layout


def _validate(parts: Parts, shape: Shape) -> None:
    """Raises ValueError unless the parts are those of a layer."""
    if parts.codes.is_meta:
        return
    on_cpu = [None if part is None else part.detach().cpu().contiguous() for part in parts]
    assert on_cpu[0] is not None and on_cpu[1] is not None
    Handle.of(Parts(on_cpu[0], on_cpu[1], *on_cpu[2:]), shape)


def _recipe_errors(state: Any, own: Recipe) -> list[str]:
    if state is None:
        return []
    if not isinstance(state, Tensor) or state.dtype is not torch.uint8 or state.dim() != 1:
        return [f"{_EXTRA}: found something that is no recipe, expected bytes of JSON"]
    if state.is_meta:
        return []
    text = bytes(state.tolist())
    if text != encoded(own):
        return [
            f"the state is that of a layer with the recipe {text.decode('utf-8', 'replace')}, "
            f"expected {encoded(own).decode()}"
        ]
    return []
