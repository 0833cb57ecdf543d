"""BitLinear: a linear layer of 1-bit or 1.58-bit weights, with latent weights to train."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

import torch
from torch import Tensor, fx, nn

from ._checks import check_backend, check_strength, positive, require_floating
from ._nested import is_nested, per_row
from ._norm import LearnedNorm, learned_norm_of
from ._layer import check_shapes
from ._script import ScriptedBitLinear
from ._operators import bit_linear
from ._quick import QuickLayer, is_plain
from ._warnings import BitLinearWarning
from ._types import output_type, product_type
from .recipe import NormName, Recipe, RecipeName, encoded, make_recipe

#: Beyond, the library's 32-bit sums would not be exact.
MAXIMUM_IN_FEATURES = 1 << 23

if TYPE_CHECKING:
    from typing_extensions import Self

    from .packed import PackedBitLinear


class BitLinear(ScriptedBitLinear, nn.Linear):
    """A linear layer that quantizes its weight to 1 or 1.58 bits and its input to integers.

    y = (codes of W . codes of norm(x)) * scale of the weight's group / scale of the token (+ bias).
    The product is exact; with blocks of activations, that of each block is, and they are added in
    their order. Gradients are straight-through: those of ``v + (q(v) - v).detach()`` for weight and
    input. There are no second derivatives.

    It is an nn.Linear to everything that asks, with the same parameters. On the CPU the Swift
    library computes; on other devices, under torch.func and in exporters, the same formula in
    PyTorch's own operations does, with the same codes.

    Computes in float32 and returns the type of the input or, under autocast, that of autocast.
    Rows of the input with a NaN or an infinity give rows of NaN.

    Args:
        in_features: features of the input.
        out_features: features of the output.
        groups: equal blocks of output features, each with a scale of its own; with norm "group",
            also the number of groups of input features, unless ``norm_groups`` says otherwise.
        bias: whether to add a learned bias.
        recipe: how the layer quantizes, a :class:`Recipe` or the name of one: "bitnet", 1 bit: the
            sign of w - mean, one scale for the whole input, no norm (arXiv 2310.11453); or "b158",
            ternary weights, a scale for each token, RMSNorm (arXiv 2402.17764). The one scale of
            "bitnet" couples the tokens of a sequence, past and future ones: use "b158" or
            ``per_token=True`` for sequences.
        activation_bits: 2 to 16; "default", like the others below, is what the recipe says.
        per_token: whether each token (row of the last dimension) has a scale of its own.
        activation_block: 32, 64, 128 or 256: so many columns of a token have a scale of their own,
            whatever the recipe says, and an outlier costs precision in its block alone; the last
            block of a token may be shorter. None is what the recipe says.
        norm: what is done to the input first: None, "layer", "rms" or "group".
        norm_groups: equal parts of the features that norm "group" normalizes; None: ``groups``.
        norm_eps: added to the variance or the mean square.
        learn_norm: whether the norm has a learned factor ``norm.weight`` and, but for "rms", a
            learned offset ``norm.bias``, both ``[in_features]``.
        backend: "auto", or "torch" to compute by PyTorch's operations on the CPU too: slower, but
            a graph that is exported so needs nothing but PyTorch.
        device: of the parameters.
        dtype: of the parameters.

    Shape:
        input ``[..., in_features]`` of any leading shape, also empty, or a nested tensor of such
        rows; output ``[..., out_features]``.

    Attributes:
        weight: the latent weight ``[out_features, in_features]``.
        bias: ``[out_features]`` or None.
        norm: the module of the learned norm, or None.
        recipe: how the layer quantizes.
        strength: how far quantized values replace latent ones, from 0 to 1, at first 1; see
            :func:`set_strength`.

    Raises:
        ValueError: a number is out of its range, or two arguments do not fit each other.
    """

    if TYPE_CHECKING:
        # Not while a program runs: torch.jit.script would read them, and does not know text.
        weight: nn.Parameter
        bias: Optional[nn.Parameter]  # type: ignore[assignment]
        norm: Optional[LearnedNorm]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        groups: int = 1,
        *,
        bias: bool = False,
        recipe: Union[RecipeName, Recipe] = "bitnet",
        activation_bits: Union[int, Literal["default"]] = "default",
        per_token: Union[bool, Literal["default"]] = "default",
        activation_block: Optional[Literal[32, 64, 128, 256]] = None,
        norm: Union[NormName, Literal["default"], None] = "default",
        norm_groups: Optional[int] = None,
        norm_eps: Union[float, Literal["default"]] = "default",
        learn_norm: bool = False,
        backend: Literal["auto", "torch"] = "auto",
        device: Any = None,
        dtype: Optional[torch.dtype] = None,
    ) -> None:
        nn.Module.__init__(self)
        if isinstance(groups, bool):
            raise ValueError(
                f"found groups {groups}, expected a whole number from 1; the bias is a keyword: "
                f"bias={groups}"
            )
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        self.groups = positive("groups", groups)
        if self.out_features % self.groups:
            raise ValueError(
                f"{self.groups} groups do not divide {self.out_features} output features"
            )
        if self.in_features > MAXIMUM_IN_FEATURES:
            raise ValueError(
                f"found in_features {in_features}, expected at most {MAXIMUM_IN_FEATURES}"
            )
        self.recipe = make_recipe(
            recipe, activation_bits=activation_bits, per_token=per_token,
            activation_block=activation_block, norm=norm, norm_groups=norm_groups,
            norm_eps=norm_eps, groups=self.groups,
        )
        if self.in_features % self.recipe.norm_groups:
            raise ValueError(
                f"{self.recipe.norm_groups} groups of norm do not divide {self.in_features} input "
                "features"
            )
        if learn_norm and self.recipe.norm is None:
            raise ValueError("found learn_norm True without a norm, expected norm 'layer', 'rms' "
                             "or 'group'")
        self.backend = check_backend(backend)
        options = {"device": device, "dtype": dtype}
        weight = torch.empty((self.out_features, self.in_features), **options)
        if not weight.is_floating_point():
            raise TypeError(f"found dtype {dtype}, expected a floating point one")
        self.weight = nn.Parameter(weight)
        if bias:
            self.bias = nn.Parameter(torch.empty(self.out_features, **options))
        else:
            self.register_parameter("bias", None)
        self.norm = None
        if learn_norm:
            self.norm = LearnedNorm(self.in_features, self.recipe.norm != "rms", **options)
        self.register_buffer("_strength", None, persistent=False)
        self._strength_number = 1.0
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew from U(-1/sqrt(in), 1/sqrt(in)), as nn.Linear does.

        A learned norm becomes the identity.
        """
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            nn.init.uniform_(self.bias, -bound, bound)
        if self.norm is not None:
            self.norm.reset_parameters()

    @property
    def strength(self) -> float:
        """How far quantized values replace latent ones: v + strength * (quantized(v) - v)."""
        return self._strength_number

    @strength.setter
    def strength(self, value: float) -> None:
        self._strength_number = check_strength(value)
        if self._strength_number == 1:
            self._strength = None
        elif self._strength is None:
            self._strength = self._strength_tensor()
        else:
            # The same tensor, so that a compiled graph of it goes on.
            self._strength.fill_(value)

    def _strength_tensor(self) -> Tensor:
        return torch.tensor(
            self._strength_number, dtype=torch.float32, device=self.weight.device)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._strength is not None:
            # Neither rounded to the layer's type nor lost with its memory.
            self._strength = self._strength_tensor()
        return self

    def forward(self, input: Tensor) -> Tensor:
        """The output ``[..., out_features]``.

        Raises:
            TypeError: the input is not a floating point tensor.
            ValueError: its last dimension is not ``in_features``, or it is not where the weight is.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._scripted(input)
        else:  # which TorchScript does not compile
            return self._compute(input)

    def _call_directly(self, input: Tensor) -> Optional[Tensor]:
        """The output if nothing is in the way of calling the library at once; else None."""
        parameters = self._parameters
        weight, bias = parameters.get("weight"), parameters.get("bias")
        if (
            weight is None
            or (torch.is_grad_enabled() and (
                weight.requires_grad or input.requires_grad
                or (bias is not None and bias.requires_grad)))
            or self._modules.get("norm") is not None
            or self._strength_number != 1
            or self.backend != "auto"
            or not is_plain(input)
            or not input.dim()
            or input.shape[-1] != self.in_features
            or (self.training and input.dim() > 2)
        ):
            return None
        quick: Optional[QuickLayer] = self.__dict__.get("_quick")
        if quick is None or not quick.is_of(weight, bias, self.groups, self.recipe):
            if not QuickLayer.takes(weight, bias, self.recipe):
                return None
            quick = QuickLayer(weight, bias, self.groups, self.recipe)
            self.__dict__["_quick"] = quick
        return quick(input)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_quick", None)
        return state

    def _compute(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_compiling() and isinstance(input, Tensor):
            y = self._call_directly(input)
            if y is not None:
                return y
        if isinstance(input, fx.Proxy):
            return call_leaf(self, input)
        require_floating(input)
        weight = self.weight
        if input.device != weight.device:
            raise ValueError(
                f"found an input on {input.device}, expected it where the weight is, "
                f"on {weight.device}"
            )
        if self.training and not self.recipe.per_token and input.dim() > 2:
            warn_of_coupling()
        if is_nested(input):
            return per_row(input, self.in_features, self.forward)
        bias, norm = self.bias, self.norm
        check_shapes(input, weight, bias)
        norm_weight = norm_bias = None
        if norm is not None:
            norm_weight, norm_bias = norm.floats()
        y = bit_linear(
            input.float(), weight, None if bias is None else bias.float(), norm_weight,
            norm_bias, self.groups, self.recipe, self._strength,
            product_type(weight), self.backend,
        )
        return y.to(output_type(input))

    def quantized_weight(self) -> Tensor:
        """The weight that the layer computes with at full strength, ``[out, in]`` of float32.

        Each value is a code times the scale of its group. Its gradient, if it is asked for, goes
        to ``weight`` unchanged (straight-through), so that it can be used in a loss.
        """
        from ._formula import weight_codes, weight_values

        weight = self.weight.float()
        values = weight_values(weight_codes(weight.detach(), self.recipe, self.groups))
        if not weight.requires_grad or not torch.is_grad_enabled():
            return values
        return values + (weight - weight.detach())

    def extra_repr(self) -> str:
        """What the layer prints of itself."""
        text = (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"groups={self.groups}, bias={self.bias is not None}, {self.recipe.describe()}"
        )
        if self.strength != 1:
            text += f", strength={self.strength:g}"
        return text if self.backend == "auto" else f"{text}, backend={self.backend!r}"

    @classmethod
    def from_float(cls, linear: nn.Module, **options: Any) -> BitLinear:
        """A layer with the parameters of ``linear``: the same objects, not copies.

        Args:
            linear: an nn.Linear; transformers' Conv1D, whose weight is transposed, so that the new
                layer's is a copy; or transformers' AutoBitLinear, whose learned RMSNorm is
                kept, and which gets no norm if it has none, unless ``norm`` says otherwise.
            options: as in the constructor, but for the features, bias, device and dtype.

        Raises:
            TypeError: ``linear`` is another kind of module.
            ValueError: an option has no meaning, ``groups`` does not divide, or the weight is
                computed from other tensors (a parametrization, weight_norm, pruning).
        """
        from ._sources import source_of

        source = source_of(linear)
        if source.norm_weight is not None:
            found = options.setdefault("norm", "rms")
            if found not in ("rms", "default"):
                raise ValueError(
                    f"found norm {found!r} for a {type(linear).__name__} with a learned RMSNorm, "
                    "expected 'rms': its factors would be lost"
                )
            options["norm"] = "rms"
            options.setdefault("norm_eps", source.norm_eps)
            options["learn_norm"] = True
        elif source.knows_norm:
            # As the layer was trained, whatever the recipe says.
            options.setdefault("norm", None)
        # On meta: without memory, and without a draw from the random generator.
        layer = cls(
            source.weight.shape[1], source.weight.shape[0], bias=source.bias is not None,
            device="meta", **options,
        )
        layer.weight, layer.bias = source.weight, source.bias
        if layer.norm is not None:
            layer.norm = learned_norm_of(layer.norm, source.norm_weight, source.weight)
        return layer.train(linear.training)

    def pack(self) -> PackedBitLinear:
        """The layer for inference: 1 or 2 bits a weight, no latent weights, the same outputs.

        Raises:
            ValueError: a weight is NaN or infinite; the weight has no memory (meta), is spread over
                processes (DTensor) or is stale, because a hook computes it; or ``strength`` is not 1.
        """
        from .packed import PackedBitLinear

        return PackedBitLinear.from_layer(self)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        # Not an entry, so that the state is that of an nn.Linear and can be loaded by one.
        metadata = getattr(destination, "_metadata", None)
        if metadata is not None and prefix[:-1] in metadata:
            metadata[prefix[:-1]]["bitlinear"] = self._description()

    def _description(self) -> str:
        return f"the recipe {encoded(self.recipe).decode()} and groups {self.groups}"

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool,
        missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:
        found, own = local_metadata.get("bitlinear"), self._description()
        if found is not None and found != own:
            error_msgs.append(
                f"{prefix[:-1] or 'BitLinear'}: the state is that of a layer with {found}, "
                f"expected {own}"
            )
            return
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def call_leaf(module: nn.Module, input: fx.Proxy) -> Any:
    """The call of a layer in a graph of torch.fx, where it is one node."""
    tracer: Any = input.tracer
    path = tracer.path_of_module(module)
    if not path:
        raise ValueError(
            f"torch.fx cannot trace a single {type(module).__name__}: put it into a module, such "
            "as nn.Sequential, in whose graph it is one node"
        )
    return tracer.create_proxy("call_module", path, (input,), {})


def warn_of_coupling() -> None:
    """Warns that one scale for the whole input couples its tokens, outside of graphs."""
    if torch.compiler.is_compiling():
        return
    warnings.warn(
        "an input of tokens meets a BitLinear whose activations have one scale for the whole "
        "input (per_token=False, as recipe 'bitnet' says): future tokens change past ones, and "
        "padding and other sequences of a batch change all. Use recipe='b158' or per_token=True "
        "for sequences",
        BitLinearWarning, stacklevel=4,
    )
