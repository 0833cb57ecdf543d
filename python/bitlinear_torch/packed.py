"""PackedBitLinear: a layer for inference, 1 or 2 bits a weight."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ._direct import is_direct
from ._handle import PackedHandle, packed_forward_op
from ._recipe import Recipe
from .linear import BitLinear
from .quantize import require_floating

# The parts that are tensors, by their names in a state_dict and in files.
_TENSORS = {
    "weight": "weight", "weight_scale": "weight_scale", "bias": "bias",
    "norm.weight": "norm_weight", "norm.bias": "norm_bias",
}


class PackedBitLinear(nn.Module):
    """A linear layer of packed codes, for inference only: its outputs never require gradients.

    It gives the same bits as the :class:`BitLinear` that it was packed from. It has no parameters
    and no buffers, so ``.to(...)`` and ``.half()`` do nothing to it; it computes on the CPU in
    float32 and returns the type of its input.

    Its ``state_dict`` holds the packed form: ``weight`` ``[out, bytes of a row]`` uint8,
    ``weight_scale`` ``[groups]``, and ``bias`` ``[out]``, ``norm.weight`` ``[in]``, ``norm.bias``
    ``[in]`` where there are such. ``load_state_dict`` takes it into a layer of the same recipe.

    Made by :meth:`BitLinear.pack`, :func:`pack_model` or :func:`load_packed`.

    Shape:
        input ``[..., in_features]`` of any leading shape, also empty; output
        ``[..., out_features]``.
    """

    def __init__(self, handle: PackedHandle) -> None:
        super().__init__()
        self._handle = handle
        self.eval()

    @classmethod
    def from_layer(cls, layer: BitLinear) -> PackedBitLinear:
        """Packs a layer; see :meth:`BitLinear.pack`."""
        weight, bias = layer.weight.detach(), layer.bias
        return cls(
            PackedHandle.pack(
                weight.float(), None if bias is None else bias.detach().float(), layer.groups,
                layer.recipe,
            )
        )

    @property
    def in_features(self) -> int:
        """Features of the input."""
        return self._handle.in_features

    @property
    def out_features(self) -> int:
        """Features of the output."""
        return self._handle.out_features

    @property
    def groups(self) -> int:
        """Equal blocks of output features with a scale each."""
        return self._handle.groups

    @property
    def recipe(self) -> Recipe:
        """How the layer quantizes."""
        return self._handle.recipe

    @property
    def nbytes(self) -> int:
        """Bytes in memory of codes, scales, bias and norm."""
        return self._handle.nbytes

    @property
    def handle(self) -> PackedHandle:
        """The layer in the library's memory."""
        return self._handle

    def forward(self, input: Tensor) -> Tensor:
        """The output ``[..., out_features]``, of the type of the input, without a gradient.

        Raises:
            TypeError: the input is not a floating point tensor.
            ValueError: its last dimension is not ``in_features``, or it is not on the CPU.
        """
        require_floating(input)
        handle = self._handle
        if input.dim() == 0 or input.shape[-1] != handle.in_features:
            found = f"{input.shape[-1]} features in the last dimension" if input.dim() else (
                "a scalar")
            raise ValueError(f"found an input of {found}, expected {handle.in_features}")
        x = input.detach().float()
        if is_direct(x):
            y = handle.forward(x)
        else:
            y = packed_forward_op(x, handle.key, handle.out_features)
        return y.to(input.dtype)

    def extra_repr(self) -> str:
        """What the layer prints of itself."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"groups={self.groups}, {self.recipe.describe()}, nbytes={self.nbytes}"
        )

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        parts = self._handle.parts()
        for name, attribute in _TENSORS.items():
            tensor = getattr(parts, attribute)
            if tensor is not None:
                destination[prefix + name] = tensor

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs,
    ) -> None:
        parts = self._handle.parts()
        loaded: dict[str, Tensor] = {}
        for name, attribute in _TENSORS.items():
            own, key = getattr(parts, attribute), prefix + name
            if own is None:
                continue
            found = state_dict.get(key)
            if found is None:
                if strict:
                    missing_keys.append(key)
            elif not isinstance(found, Tensor) or (found.shape, found.dtype) != (
                own.shape, own.dtype
            ):
                text = f"{list(found.shape)} of {found.dtype}" if isinstance(found, Tensor) else (
                    type(found).__name__)
                error_msgs.append(
                    f"{key}: found {text}, expected {list(own.shape)} of {own.dtype}"
                )
            else:
                loaded[attribute] = found.detach().cpu()
        if strict:
            known = {prefix + name for name, part in _TENSORS.items()
                     if getattr(parts, part) is not None}
            unexpected_keys += [
                key for key in state_dict if key.startswith(prefix) and key not in known
            ]
        try:
            self._handle = PackedHandle.from_parts(parts._replace(**loaded))
        except ValueError as error:
            error_msgs.append(f"{prefix.rstrip('.') or 'PackedBitLinear'}: {error}")
