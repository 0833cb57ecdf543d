"""The formula with straight-through gradients, in every way that PyTorch differentiates.

Both quantizers pass a gradient through unchanged and scales are constants: dX = dY W~,
dW = dY^T X~, db = the sum of dY, where W~ and X~ are the quantized values (Bengio et al.,
arXiv 1308.3432). The norm before them is differentiated by PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import torch
from torch import Tensor

from . import _formula as formula
from ._routes import has_transforms
from .recipe import Recipe

Parts = tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor]]


def bit_linear(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor],
    groups: int,
    recipe: Recipe,
    strength: Optional[Tensor],
    product_type: torch.dtype,
) -> Tensor:
    """The output ``[..., out]`` of a layer, float32.

    Args:
        x, weight, bias, norm_weight, norm_bias: of float32.
        strength: how far quantized values replace latent ones, 0 to 1; None is 1.
        product_type: in which backward multiplies.
    """
    # Under autocast PyTorch would multiply in a lower precision, and round what is exact.
    with torch.autocast(x.device.type, enabled=False):
        x = formula.normalize(x, recipe, norm_weight, norm_bias)
        if strength is not None:
            return _blended(x, weight, bias, groups, recipe, strength)
        return _Product.apply(x, weight, bias, groups, recipe, product_type)


def _blended(
    x: Tensor, weight: Tensor, bias: Optional[Tensor], groups: int, recipe: Recipe,
    strength: Tensor,
) -> Tensor:
    """The float product of v + strength * (quantized(v) - v) for input and weight."""
    with torch.no_grad():
        codes = formula.input_codes(x.detach(), recipe)
        change = strength * (formula.input_values(codes, recipe) - x)
        values = formula.weight_values(formula.weight_codes(weight.detach(), recipe, groups))
        weight_change = strength * (values - weight)
    return torch.nn.functional.linear(x + change, weight + weight_change, bias)


def product_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, groups: int, recipe: Recipe,
    product_type: torch.dtype, wanted: tuple[bool, bool, bool],
) -> Parts:
    """The straight-through gradients of normalized x, weight and bias, where wanted."""
    return gradients_of_codes(
        grad, lambda: formula.input_codes(x, recipe),
        lambda: formula.weight_codes(weight, recipe, groups), recipe, product_type, wanted,
    )


def gradients_of_codes(
    grad: Tensor, x: Callable[[], formula.Codes], weight: Callable[[], formula.Codes],
    recipe: Recipe, product_type: torch.dtype, wanted: tuple[bool, bool, bool],
) -> Parts:
    """:func:`product_gradients` of the codes of x and weight, which are made only if needed."""
    needs_x, needs_weight, needs_bias = wanted
    rows = grad.reshape(-1, grad.shape[-1])
    product_rows = rows.to(product_type)
    grad_x = grad_weight = grad_bias = None
    if needs_x:
        values = formula.weight_values(weight()).to(product_type)
        grad_x = (product_rows @ values).to(grad.dtype).reshape(*grad.shape[:-1], values.shape[1])
    if needs_weight:
        inputs = formula.input_values(x(), recipe)
        inputs = inputs.reshape(-1, inputs.shape[-1]).to(product_type)
        grad_weight = (product_rows.t() @ inputs).to(grad.dtype)
    if needs_bias:
        grad_bias = rows.sum(0)
    return grad_x, grad_weight, grad_bias


class _Product(torch.autograd.Function):
    """Quantizing and multiplying, for torch.autograd, torch.func and forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Optional[Tensor], groups: int, recipe: Recipe,
        product_type: torch.dtype,
    ) -> Tensor:
        use_int8 = x.device.type == "cuda" and not has_transforms()
        return formula.product(
            formula.input_codes(x, recipe), formula.weight_codes(weight, recipe, groups), bias,
            recipe, use_int8,
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, *ctx.options = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            found = product_gradients(grad, x, weight, *ctx.options, wanted)
        else:
            found = _ProductGradients.apply(grad, x, weight, *ctx.options, wanted)
        return (*found, None, None, None)

    @staticmethod
    def jvp(
        ctx: Any, x_tangent: Optional[Tensor], weight_tangent: Optional[Tensor],
        bias_tangent: Optional[Tensor], *_: None,
    ) -> Tensor:
        x, weight = ctx.saved_tensors
        groups, recipe, _product_type = ctx.options
        total = None
        if x_tangent is not None:
            values = formula.weight_values(formula.weight_codes(weight, recipe, groups))
            total = torch.nn.functional.linear(x_tangent, values)
        if weight_tangent is not None:
            inputs = formula.input_values(formula.input_codes(x, recipe), recipe)
            part = torch.nn.functional.linear(inputs, weight_tangent)
            total = part if total is None else total + part
        if bias_tangent is not None:
            part = bias_tangent.expand(*x.shape[:-1], -1)
            total = part if total is None else total + part
        assert total is not None
        return total


class _ProductGradients(torch.autograd.Function):
    """:func:`product_gradients` where somebody may want to differentiate again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> Parts:
        return product_gradients(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Parts) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise NotImplementedError(NO_SECOND_DERIVATIVES)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> None:
        raise NotImplementedError(NO_SECOND_DERIVATIVES)


NO_SECOND_DERIVATIVES = (
    "BitLinear has first derivatives only: straight-through gradients are not the derivative of "
    "anything, so they have no derivative of their own"
)
