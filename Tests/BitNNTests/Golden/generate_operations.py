"""Golden numbers from PyTorch for the plain operations of BitNN and for an attention block.

How to run, in this folder:

    pip install torch==2.13.0
    python generate_operations.py        # writes operations.json and attention.json

What it writes (every tensor is {"shape": [...], "data": [...]}, row-major):

operations.json
    operations    for each operation its inputs, its output, an upstream gradient, and the
                  gradients of the inputs
    losses        cross entropy with ignored labels, smoothing, and a divisor of one's own
attention.json    a causal attention block with rotary embedding and 4 heads on 2 key/value heads:
                  parameters, input, output, an upstream gradient, and all gradients

All inputs are float32 values; the results are computed in float64 by autograd.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F


def tensor(values):
    """A tensor as JSON, with twelve digits: more than a float32 has."""
    data = values.detach().double().flatten().tolist()
    return {"shape": list(values.shape), "data": [float(f"{value:.12g}") for value in data]}


class Numbers:
    """Random float32 values, as float64, with few digits so that the file stays small."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape):
        values = torch.randn(shape, generator=self.generator)
        return (values * 256).round().div(256).double()

    def positive(self, *shape):
        """Values in [0.5, 2]."""
        values = torch.rand(shape, generator=self.generator) * 1.5 + 0.5
        return (values * 256).round().div(256).double()


def rotate(x, cosines, sines):
    """x [..., positions, heads, length], tables [positions, half]; pairs lie half apart."""
    half = cosines.shape[1]
    cosines, sines = cosines[:, None, :], sines[:, None, :]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat((a * cosines - b * sines, b * cosines + a * sines, rest), dim=-1)


def tables(positions, half):
    angles = torch.arange(positions)[:, None] * 100.0 ** (-torch.arange(half) / half)
    return angles.cos().float().double(), angles.sin().float().double()


def causal(scores):
    queries, keys = scores.shape[-2:]
    hidden = torch.ones(queries, keys).triu(keys - queries + 1).bool()
    return scores.masked_fill(hidden, -math.inf).softmax(-1)


def operation_cases():
    n, p = Numbers(1).normal, Numbers(2).positive
    mask = torch.zeros(3, 5).double()
    mask[0, 2:] = mask[1, :1] = -math.inf
    mask[2] = torch.tensor([0.5, -1, 0, 2, -math.inf])
    cosines, sines = tables(4, 2)
    picked = torch.tensor([2, 0, 2, 3])
    # Name, function, inputs of which gradients are taken, inputs that are constants.
    return [
        ("matmul", torch.matmul, [n(2, 3, 4), n(2, 4, 5)], []),
        ("matmul_transposed_a", lambda a, b: a.mT @ b, [n(2, 4, 3), n(2, 4, 5)], []),
        ("matmul_transposed_b", lambda a, b: a @ b.mT, [n(2, 3, 4), n(2, 5, 4)], []),
        ("matmul_transposed_both", lambda a, b: a.mT @ b.mT, [n(2, 4, 3), n(2, 5, 4)], []),
        ("matmul_shared_heads", torch.matmul, [n(2, 2, 3, 3, 4), n(2, 2, 1, 4, 5)], []),
        ("matmul_shared_heads_transposed", lambda a, b: a @ b.mT, [n(2, 3, 4), n(3, 1, 5, 4)], []),
        ("matmul_one_matrix", torch.matmul, [n(2, 3, 4), n(4, 5)], []),
        ("matmul_one_matrix_transposed", lambda a, b: a @ b.mT, [n(2, 3, 4), n(5, 4)], []),
        ("matmul_one_left_matrix", lambda a, b: a.mT @ b, [n(4, 3), n(2, 4, 5)], []),
        ("transposed", lambda x: x.permute(2, 0, 3, 1), [n(2, 3, 4, 2)], []),
        ("transposed_heads", lambda x: x.permute(0, 2, 1, 3), [n(2, 3, 4, 2)], []),
        ("transposed_all", lambda x: x.permute(2, 1, 0), [n(2, 3, 4)], []),
        ("swapped_axes", lambda x: x.swapaxes(-1, 0), [n(2, 3, 4)], []),
        ("softmax", lambda x: x.softmax(-1), [n(2, 3, 7)], []),
        ("softmax_causal", causal, [n(2, 3, 5)], []),
        ("softmax_additive", lambda x, m: (x + m).softmax(-1), [n(2, 3, 5)], [mask]),
        ("sum_first", lambda x: x.sum(0), [n(3, 2, 4)], []),
        ("sum_middle", lambda x: x.sum(1), [n(2, 3, 4)], []),
        ("sum_last_kept", lambda x: x.sum(-1, keepdim=True), [n(2, 3, 4)], []),
        ("sum_first_and_last", lambda x: x.sum((0, 2)), [n(2, 3, 4)], []),
        ("mean_last_kept", lambda x: x.mean(-1, keepdim=True), [n(2, 3, 4)], []),
        ("mean_middle_axes", lambda x: x.mean((1, 2)), [n(2, 3, 4, 2)], []),
        ("mean_all", lambda x: x.mean(), [n(2, 3, 4)], []),
        ("broadcast", lambda x: x.expand(2, 3, 4, 2), [n(3, 1, 2)], []),
        ("concatenated", lambda a, b: torch.cat((a, b, a), 1), [n(2, 1, 3), n(2, 2, 3)], []),
        ("concatenated_last", lambda a, b: torch.cat((a, b), -1), [n(2, 1, 3), n(2, 1, 2)], []),
        ("sliced", lambda x: x[:, 1:3], [n(2, 4, 3)], []),
        ("sliced_last", lambda x: x[..., :2], [n(2, 2, 3)], []),
        ("split", lambda x: x.chunk(3, -1)[2] * x.chunk(3, -1)[0], [n(2, 6)], []),
        ("gathered", lambda x: x[:, picked], [n(2, 5, 3)], []),
        ("add", torch.add, [n(2, 3, 4), n(3, 1)], []),
        ("subtract", torch.sub, [n(4), n(2, 3, 4)], []),
        ("multiply", torch.mul, [n(2, 1, 4), n(3, 1)], []),
        ("divide", torch.div, [n(2, 3, 1), p(2, 3, 4)], []),
        ("numbers", lambda x: 2 - (0.5 * x + 1 - x / 4) + 3 / x - 1, [p(2, 3)], []),
        ("negative", torch.neg, [n(2, 3)], []),
        ("accumulated", lambda a, b: a + b - 2 * b, [n(2, 3), n(3)], []),
        ("square_root", torch.sqrt, [p(2, 3)], []),
        ("exp", torch.exp, [n(2, 3)], []),
        ("log", torch.log, [p(2, 3)], []),
        ("rotary", rotate, [n(2, 4, 3, 6)], [cosines, sines]),
    ]


def operation(name, function, inputs, constants, numbers):
    inputs = [values.clone().requires_grad_() for values in inputs]
    output = function(*inputs, *constants)
    upstream = numbers.normal(*output.shape)
    gradients = torch.autograd.grad(output, inputs, upstream)
    return {
        "name": name,
        "inputs": [tensor(values) for values in inputs],
        # JSON has no infinity: what is hidden has a mask of -1e30, which float32 holds as well.
        "constants": [tensor(values.clamp(min=-1e30)) for values in constants],
        "output": tensor(output),
        "upstream": tensor(upstream),
        "gradients": [tensor(values) for values in gradients],
    }


def loss(name, logits, labels, smoothing=0.0, ignored=None, divisor=None):
    logits = logits.clone().requires_grad_()
    value = F.cross_entropy(
        logits, labels, label_smoothing=smoothing, reduction="mean" if divisor is None else "sum",
        ignore_index=-100 if ignored is None else ignored)
    value = value / (divisor or 1)
    (gradient,) = torch.autograd.grad(value, logits)
    return {
        "name": name, "logits": tensor(logits), "labels": labels.tolist(),
        "smoothing": smoothing, "ignored": ignored, "divisor": divisor,
        "value": value.item(), "gradient": tensor(gradient),
    }


def losses():
    normal = Numbers(3).normal
    labels = torch.tensor([3, -100, 0, 6, -100])
    inside = torch.tensor([3, 1, 0, 6, 1])
    return [
        loss("ignored", normal(5, 7), labels, ignored=-100),
        loss("ignored class", normal(5, 7), inside, ignored=1),
        loss("ignored, smoothed", normal(5, 7), labels, smoothing=0.1, ignored=-100),
        loss("divisor", normal(5, 7), inside, divisor=12),
        loss("ignored, divisor", normal(5, 7), labels, ignored=-100, divisor=12),
    ]


def attention():
    """Llama's attention, written out."""
    batch, positions, width, heads, groups, length = 2, 5, 12, 4, 2, 4
    numbers = Numbers(4)
    parameters = {
        "queries": numbers.normal(heads * length, width) / 2,
        "keys": numbers.normal(groups * length, width) / 2,
        "values": numbers.normal(groups * length, width) / 2,
        "output": numbers.normal(width, heads * length) / 2,
    }
    x = numbers.normal(batch, positions, width)
    cosines, sines = tables(positions, length // 2)
    inputs = [values.requires_grad_() for values in [*parameters.values(), x]]
    q = rotate((x @ parameters["queries"].T).view(batch, positions, heads, length), cosines, sines)
    k = rotate((x @ parameters["keys"].T).view(batch, positions, groups, length), cosines, sines)
    v = (x @ parameters["values"].T).view(batch, positions, groups, length)
    q, k, v = (values.transpose(1, 2) for values in (q, k, v))
    attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    output = attended.transpose(1, 2).reshape(batch, positions, -1) @ parameters["output"].T
    upstream = numbers.normal(*output.shape)
    gradients = torch.autograd.grad(output, inputs, upstream)
    return {
        "parameters": {f"{name}.weight": tensor(values) for name, values in parameters.items()},
        "input": tensor(x),
        "cosines": tensor(cosines),
        "sines": tensor(sines),
        "output": tensor(output),
        "upstream": tensor(upstream),
        "gradients": {
            f"{name}.weight": tensor(gradient) for name, gradient in zip(parameters, gradients)
        },
        "input_gradient": tensor(gradients[-1]),
    }


def write(name, contents):
    text = json.dumps(contents, separators=(",", ":"), allow_nan=False)
    Path(__file__).with_name(name).write_text(text + "\n")


if __name__ == "__main__":
    numbers = Numbers(5)
    cases = [operation(*case, numbers) for case in operation_cases()]
    write("operations.json", {"operations": cases, "losses": losses()})
    write("attention.json", attention())
