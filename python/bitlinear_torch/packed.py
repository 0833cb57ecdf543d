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
from ._layer import check_input
from ._nested import is_nested, per_row
from ._packed_state import names_of, read_state, recipe_errors
from ._packing import pack_weight, validate
from ._packed import packed_linear, packed_linear_in_graph, quantized_parts
from ._quick import is_plain
from ._routes import is_direct
from ._script import ScriptedPackedBitLinear
from ._sources import current_weight, require_memory
from ._types import output_type, product_type
from .linear import BitLinear, call_leaf
from .recipe import Recipe, encoded

if TYPE_CHECKING:
    from typing_extensions import Self


class PackedNorm(nn.Module):
    """The factor and the offset of a packed layer's norm, as buffers."""

    if TYPE_CHECKING:
        # Not while a program runs: torch.jit.script would read them, and does not know text.
        weight: Optional[Tensor]
        bias: Optional[Tensor]

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
        codes, scale, layout = pack_weight(weight, layer.groups, layer.recipe)
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
        validate(parts, shape)
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
        if norm is None:
            return Parts(self.weight, self.weight_scale, self.bias, None, None)
        return Parts(self.weight, self.weight_scale, self.bias, norm.weight, norm.bias)

    def shape(self) -> Shape:
        """What the operation must know beside the tensors."""
        return Shape(self.in_features, self.out_features, self.layout, self.recipe)

    def handle(self) -> Handle:
        """The layer for the library, which reads the tensors where they are, on the CPU."""
        cached = self._cached_handle()
        if cached is not None:
            return cached
        places = [(self._buffers, name) for name in ("weight", "weight_scale", "bias")]
        if self.norm is not None:
            places += [(self.norm._buffers, name) for name in ("weight", "bias")]
        known = []
        for buffers, name in places:
            part = buffers[name]
            place = (0, 0) if part is None else (part.data_ptr(), part.numel())
            known.append((buffers, name, part, *place))
        handle = Handle.of(self.parts(), self.shape())
        if not handle.copied:
            self.__dict__["_cache"] = handle, known, self.norm, self.recipe
        return handle

    def _cached_handle(self) -> Optional[Handle]:
        """The handle of an earlier call, if the tensors still are where they were then."""
        cached = self.__dict__.get("_cache")
        if cached is None:
            return None
        found: Handle
        found, known, norm, recipe = cached
        if self._modules.get("norm") is not norm or self.recipe is not recipe:
            return None
        for buffers, name, part, place, count in known:
            if buffers[name] is not part or part is not None and (
                part.data_ptr() != place or part.numel() != count or not part.is_contiguous()
            ):
                return None
        return found

    def _call_directly(self, input: Tensor) -> Optional[Tensor]:
        """The output if nothing is in the way of calling the library at once; else None.

        The way of :meth:`forward` without what most calls do not need, which takes longer than
        the product of a small layer.
        """
        if (
            self.backend != "auto"
            or not is_plain(input)
            or (input.requires_grad and torch.is_grad_enabled())
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
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._scripted(input)
        else:  # which TorchScript does not compile
            return self._compute(input)

    def _compute(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            y = self._call_directly(input)
            if y is not None:
                return y
        if isinstance(input, fx.Proxy):
            return call_leaf(self, input)
        require_floating(input)
        if is_nested(input):
            return per_row(input, self.in_features, self.forward)
        check_input(input, self.in_features)
        if input.device != self.weight.device:
            raise ValueError(
                f"found an input on {input.device}, expected it where the codes are, "
                f"on {self.weight.device}"
            )
        x = input.float()
        if self.backend == "auto" and is_direct(x, self.weight):
            y = packed_linear(
                x, self.parts(), self.shape(), self.handle(), product_type(input)
            )
        else:
            y = packed_linear_in_graph(
                x, self.parts(), self.shape(), self.backend, product_type(input)
            )
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
        super()._apply(keep_type, recurse)  # type: ignore[no-untyped-call]
        return self

    # ---- State -----------------------------------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """The recipe, as the bytes of its JSON."""
        return torch.frombuffer(bytearray(encoded(self.recipe)), dtype=torch.uint8).clone()

    def set_extra_state(self, state: Any) -> None:
        """Checks that the recipe is the same, for loaders that set one entry after the other.

        Raises:
            ValueError: it is another one.
        """
        for error in recipe_errors(state, self.recipe):
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
        own = self.parts()
        if strict:
            known = names_of(own, prefix)
            missing_keys += [key for key in sorted(known) if key not in state_dict]
            unexpected_keys += [
                key for key in state_dict if key.startswith(prefix) and key not in known
            ]
        found, errors = read_state(own, self.shape(), state_dict, prefix)
        error_msgs += errors
        is_assigned = local_metadata.get("assign_to_params_buffers", False)
        with torch.no_grad():
            for name, tensor in found.items():
                module, _, attribute = name.rpartition(".")
                buffers = self.get_submodule(module)._buffers
                part = buffers[attribute]
                if part is None or part.is_meta or is_assigned:
                    buffers[attribute] = tensor.contiguous()
                else:
                    part.copy_(tensor)

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
        validate(self.parts(), self.shape())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_cache", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # From a CPU whose kernels read another layout.
        self.use_native_layout()
