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
from ._routes import derivative_levels, has_transforms
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
        x, bias, norm_weight, norm_bias: of float32.
        weight: of any type of floats.
        strength: how far quantized values replace latent ones, 0 to 1; None is 1.
        product_type: in which backward multiplies.
    """
    # Under autocast PyTorch would multiply in a lower precision, and round what is exact.
    with torch.autocast(x.device.type, enabled=False):
        x = formula.normalize(x, recipe, norm_weight, norm_bias)
        if strength is not None:
            return _blended(x, weight.float(), bias, groups, recipe, strength)
        product = _Product if not torch.compiler.is_compiling() else _CompiledProduct
        if product is _CompiledProduct and is_transformed():
            return _transformed_product(x, weight.float(), bias, groups, recipe)
        y: Tensor = product.apply(  # type: ignore[no-untyped-call]
            x, weight, bias, groups, recipe, product_type)
        return y


def _blended(
    x: Tensor, weight: Tensor, bias: Optional[Tensor], groups: int, recipe: Recipe,
    strength: Tensor,
) -> Tensor:
    """The float product of v + strength * (quantized(v) - v) for input and weight."""
    with torch.no_grad():
        # Detached from tangents too: no_grad does not stop forward mode.
        latent, latent_weight = x.detach(), weight.detach()
        codes = formula.input_codes(latent, recipe)
        change = strength * (formula.input_values(codes, recipe) - latent)
        values = formula.weight_values(formula.weight_codes(latent_weight, recipe, groups))
        weight_change = strength * (values - latent_weight)
    return torch.nn.functional.linear(x + change, weight + weight_change, bias)


def _transformed_product(
    x: Tensor, weight: Tensor, bias: Optional[Tensor], groups: int, recipe: Recipe
) -> Tensor:
    """What _Product computes, where torch.compile traces a transform of torch.func."""
    latent, latent_weight = x.detach(), weight.detach()
    codes = formula.input_codes(latent, recipe)
    weight_codes = formula.weight_codes(latent_weight, recipe, groups)
    y = formula.product(codes, weight_codes, bias, recipe)
    inputs = straight_through(formula.input_values(codes, recipe), x)
    values = straight_through(formula.weight_values(weight_codes), weight)
    return straight_through(y, torch.nn.functional.linear(inputs, values))


def straight_through(value: Tensor, latent: Tensor) -> Tensor:
    """A value with the gradients and tangents of ``latent``, by operations that all tracers know.

    It has the bits of ``value``, unless ``latent`` is not finite: then it is NaN.
    """
    return value + (latent - latent.detach())


def is_transformed() -> bool:
    """Whether torch.compile traces a transform of torch.func.

    Raises:
        NotImplementedError: it takes second derivatives.
    """
    if derivative_levels() > 1:
        raise NotImplementedError(NO_SECOND_DERIVATIVES)
    return has_transforms() or derivative_levels() > 0


def applied(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    """The result of a function with derivatives of its own."""
    result: Tensor = function.apply(*arguments)
    return result


def may_be_differentiated() -> bool:
    """Whether somebody may differentiate what is computed in backward."""
    # The graphs of torch.compile have first derivatives only.
    is_graph = torch.compiler.is_compiling() and derivative_levels() == 0
    return torch.is_grad_enabled() and not is_graph


def product_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, groups: int, recipe: Recipe,
    product_type: torch.dtype, wanted: tuple[bool, bool, bool],
) -> Parts:
    """The straight-through gradients of normalized x, weight and bias, where wanted."""
    grad_x, grad_weight, grad_bias = gradients_of_codes(
        grad, lambda: formula.input_codes(x, recipe),
        lambda: formula.weight_codes(weight.float(), recipe, groups), recipe, product_type, wanted,
    )
    return grad_x, None if grad_weight is None else grad_weight.to(weight.dtype), grad_bias


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


class _CompiledProduct(torch.autograd.Function):
    """Quantizing and multiplying, as torch.compile takes it: without a rule of forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Optional[Tensor], groups: int, recipe: Recipe,
        product_type: torch.dtype,
    ) -> Tensor:
        use_int8 = x.device.type == "cuda" and not has_transforms()
        return formula.product(
            formula.input_codes(x, recipe),
            formula.weight_codes(weight.float(), recipe, groups), bias, recipe, use_int8,
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, *ctx.options = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        groups, recipe, product_type = ctx.options
        found: tuple[Optional[Tensor], ...] = product_gradients(
            grad, x, weight, groups, recipe, product_type, ctx.needs_input_grad[:3]
        )
        if may_be_differentiated():
            found = tuple(
                None if part is None else applied(LastGradient, part, grad, x, weight)
                for part in found
            )
        return (*found, None, None, None)


class _Product(_CompiledProduct):
    """Quantizing and multiplying, for torch.autograd, torch.func and forward mode."""

    @staticmethod
    def jvp(
        ctx: Any, x_tangent: Optional[Tensor], weight_tangent: Optional[Tensor],
        bias_tangent: Optional[Tensor], *_: None,
    ) -> Tensor:
        x, weight = ctx.saved_tensors
        groups, recipe, _product_type = ctx.options
        total = None
        if x_tangent is not None:
            values = formula.weight_values(formula.weight_codes(weight.float(), recipe, groups))
            total = torch.nn.functional.linear(x_tangent, values)
        if weight_tangent is not None:
            inputs = formula.input_values(formula.input_codes(x, recipe), recipe)
            part = torch.nn.functional.linear(inputs, weight_tangent.float())
            total = part if total is None else total + part
        if bias_tangent is not None:
            part = bias_tangent.expand(*x.shape[:-1], -1)
            total = part if total is None else total + part
        assert total is not None
        return total


class LastGradient(torch.autograd.Function):
    """A gradient as it is, which refuses to be differentiated by what it was computed from."""

    generate_vmap_rule = True

    @staticmethod
    def forward(found: Tensor, *sources: Tensor) -> Tensor:
        return found.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
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
