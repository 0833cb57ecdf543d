"""What the layer computes, as plain PyTorch with x + (q(x) - x).detach().

Codes come from float32, as the papers' implementations compute them; all else is float64, so that
the formula is the more exact side of a comparison.
"""

import torch
import torch.nn.functional as F


def absmax(x, bits, per_token, epsilon, block=None):
    """Dequantized float64 values of float32 activations, and how near to a tie a code was."""
    if block is not None:
        parts = [absmax(part, bits, True, epsilon) for part in x.split(block, dim=-1)]
        return torch.cat([values for values, _ in parts], dim=-1), min(tie for _, tie in parts)
    levels = 2.0 ** (bits - 1) - 1
    largest = x.abs().amax(dim=-1, keepdim=True) if per_token else x.abs().max()
    largest = largest.clamp(min=epsilon)
    scale = torch.where(largest > 0, levels / largest, torch.zeros_like(largest))
    scaled = x * scale
    codes = scaled.round().clamp(-levels, levels)
    tie = ((scaled - scaled.floor()) - 0.5).abs().min().item()
    inverse = torch.where(scale > 0, 1 / scale.double(), torch.zeros_like(scale).double())
    return codes.double() * inverse, tie


def quantize_weight(weight, groups, ternary):
    """Dequantized float64 weights."""
    blocks = weight.float().reshape(groups, -1)
    absolute_mean = blocks.double().abs().mean(dim=1, keepdim=True)
    if ternary:
        scale = absolute_mean.clamp(min=1e-5).float()
        codes = (blocks * (1 / scale)).round().clamp(-1, 1)
    else:
        scale = absolute_mean.float()
        mean = blocks.double().mean(dim=1, keepdim=True).float()
        codes = torch.where(blocks > mean, 1.0, -1.0)
    return (codes.double() * scale.double()).reshape(weight.shape)


def normalize(x, kind, groups, eps):
    """The norm of the input, without learned parameters."""
    if kind is None:
        return x
    if kind == "rms":
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    if kind == "layer":
        return F.layer_norm(x, x.shape[-1:], eps=eps)
    return F.group_norm(x.reshape(-1, x.shape[-1]), groups, eps=eps).reshape(x.shape)


def straight_through(value, quantized):
    """The quantized value with the gradient of the value."""
    return value + (quantized - value).detach()


def bit_linear(
    x, weight, bias=None, *, groups=1, recipe="bitnet", activation_bits=8, per_token=None,
    activation_block=None, norm="default", norm_eps=1e-5,
):
    """Output of a layer for float64 arguments of float32 values.

    Returns the output, the least distance of a code to a tie, and the quantized input and weight.
    """
    ternary = recipe == "b158"
    per_token = ternary if per_token is None else per_token
    norm = ("rms" if ternary else None) if norm == "default" else norm
    x = normalize(x, norm, groups, norm_eps)
    dequantized, tie = absmax(
        x.detach().float(), activation_bits, per_token, 1e-5 if ternary else 0.0,
        activation_block)
    x = straight_through(x, dequantized)
    weight = straight_through(weight, quantize_weight(weight.detach(), groups, ternary))
    return F.linear(x, weight, bias), tie, x.detach(), weight.detach()


def deviation(x, kind, groups, eps):
    """The least number that a norm divides by."""
    parts = x.detach().reshape(-1, x.shape[-1])
    if kind is None:
        return 1.0
    if kind == "group":
        parts = parts.reshape(parts.shape[0] * groups, -1)
    if kind != "rms":
        parts = parts - parts.mean(-1, keepdim=True)
    return (parts.square().mean(-1) + eps).sqrt().min().item()


def sums_of_magnitudes(x, weight, bias, upstream):
    """The largest of output and gradients (x, weight, bias), had no two terms opposite signs."""
    x, weight, upstream = (
        part.abs().reshape(-1, part.shape[-1]) for part in (x, weight, upstream))
    y = F.linear(x, weight, None if bias is None else bias.abs())
    return [
        part.max().item() for part in (y, upstream @ weight, upstream.t() @ x, upstream.sum(0))]


def relative_error(found, expected, magnitude=0.0):
    """The largest difference, in parts of the largest expected magnitude.

    Where terms cancel but for a hundredth of their ``magnitude``, in parts of that hundredth.
    """
    if expected.numel() == 0:
        return 0.0
    scale = max(expected.abs().max().item(), 0.01 * magnitude)
    difference = (found.double() - expected.double()).abs().max().item()
    return difference / scale if scale > 0 else difference
