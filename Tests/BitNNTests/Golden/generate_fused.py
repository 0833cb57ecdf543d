"""Golden numbers from PyTorch for causal attention, the loss of an output layer, and gates.

How to run, in this folder:

    pip install torch==2.13.0
    python generate_fused.py             # writes fused.json

What it writes (every tensor is {"shape": [...], "data": [...]}, row-major):

    attention   queries, keys and values [batch, positions, heads, length], 4 heads on 2, with the
                usual scale and with another one: output, an upstream gradient, all gradients
    losses      hidden states, an output layer and labels, some of them ignored, and with some
                losses a teacher's hidden states and output layer: the loss and its gradients
    gates       f(gate) * up for silu and squared ReLU, with gates far from zero: output, an
                upstream gradient, both gradients

All inputs are float32 values; the results are computed in float64 by autograd.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from generate_operations import Numbers, tensor


def attention(scale, numbers):
    batch, positions, heads, groups, length = 2, 5, 4, 2, 6
    q = numbers.normal(batch, positions, heads, length).requires_grad_()
    k, v = (numbers.normal(batch, positions, groups, length).requires_grad_() for _ in range(2))
    output = F.scaled_dot_product_attention(
        *(x.transpose(1, 2) for x in (q, k, v)), is_causal=True, enable_gqa=True, scale=scale)
    output = output.transpose(1, 2)
    upstream = numbers.normal(*output.shape)
    gradients = torch.autograd.grad(output, (q, k, v), upstream)
    return {
        "scale": scale, "queries": tensor(q), "keys": tensor(k), "values": tensor(v),
        "output": tensor(output), "upstream": tensor(upstream),
        "gradients": [tensor(gradient) for gradient in gradients],
    }


def loss(name, numbers, labels, divisor=None, share=None, temperature=1.0):
    features, vocabulary, rows = 4, 9, len(labels)
    hidden = numbers.normal(rows, features).requires_grad_()
    weight = numbers.normal(vocabulary, features).requires_grad_()
    labels = torch.tensor(labels)
    counted = labels != -100
    logits = hidden @ weight.T
    value = F.cross_entropy(logits, labels, reduction="sum")
    case = {"name": name, "labels": labels.tolist(), "divisor": divisor}
    if share is not None:
        teacher_hidden, teacher_weight = numbers.normal(rows, 3), numbers.normal(vocabulary, 3)
        target = (teacher_hidden @ teacher_weight.T / temperature).softmax(-1)
        divergence = F.kl_div(
            (logits / temperature).log_softmax(-1)[counted], target[counted], reduction="sum")
        value = (1 - share) * value + share * temperature**2 * divergence
        case |= {
            "share": share, "temperature": temperature,
            "teacher_hidden": tensor(teacher_hidden), "teacher_weight": tensor(teacher_weight)}
    value = value / (divisor or counted.sum())
    gradients = torch.autograd.grad(value, (hidden, weight))
    return case | {
        "hidden": tensor(hidden), "weight": tensor(weight), "value": value.item(),
        "gradients": [tensor(gradient) for gradient in gradients],
    }


def gate(name, function, numbers):
    x = numbers.normal(3, 8)
    x[0] = torch.tensor([-100, -87.5, -20, -3, 0, 3, 20, 100])
    x.requires_grad_()
    up = numbers.normal(3, 8).requires_grad_()
    output = function(x) * up
    upstream = numbers.normal(*output.shape)
    gradients = torch.autograd.grad(output, (x, up), upstream)
    return {
        "name": name, "gate": tensor(x), "up": tensor(up), "output": tensor(output),
        "upstream": tensor(upstream), "gradients": [tensor(gradient) for gradient in gradients],
    }


if __name__ == "__main__":
    numbers = Numbers(6)
    labels = [3, -100, 0, 8, -100, 5, 5]
    contents = {
        "attention": [attention(scale, numbers) for scale in (None, 0.75)],
        "losses": [
            loss("all rows", numbers, [1, 0, 8, 5]),
            loss("ignored", numbers, labels),
            loss("divisor", numbers, labels, divisor=12),
            loss("teacher", numbers, labels, share=0.25),
            loss("warm teacher", numbers, labels, share=0.5, temperature=2.0),
            loss("teacher alone, divisor", numbers, labels, 12, share=1.0, temperature=0.5),
        ],
        "gates": [
            gate("silu", F.silu, numbers),
            gate("squaredReLU", lambda x: F.relu(x) ** 2, numbers),
        ],
    }
    text = json.dumps(contents, separators=(",", ":"), allow_nan=False)
    Path(__file__).with_name("fused.json").write_text(text + "\n")
