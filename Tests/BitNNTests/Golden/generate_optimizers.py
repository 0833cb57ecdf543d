"""Golden numbers from PyTorch for the optimizers, losses and layers of BitNN.

How to run, in this folder:

    pip install torch==2.13.0
    python generate_optimizers.py        # writes optimizers.json

What it writes (every tensor is {"shape": [...], "data": [...]}, row-major; every number is the
shortest decimal that gives the same double, so a float32 comes back exactly):

    adamw.ternary, adamw.float, sgd.momentum, sgd.nesterov
                  ten full-batch steps of a small network in float32, see `training_case`
    clip          clip_grad_norm_ on the first gradients of the ternary network, once where
                  it scales them and once where it leaves them alone
    losses        value and gradient of each loss, computed in float64
    layers        output and gradients of each layer, computed in float64
    embedding     output and gradient of a table look-up, computed in float64

All inputs are float32 values, also where the results are computed in float64.

A rounding or a ReLU turns a tiny difference into a large one when its argument lies next to a
step. The seed of the ternary network is therefore one for which no argument comes near a step in
all ten passes ("smallest_margin", asserted below), so that any sound float32 program takes the
same decisions. "float32_error" says how far PyTorch's own float32 run is from the same run in
float64; it is the scale for a test's tolerance.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

STEPS = 10
IN_FEATURES, HIDDEN_FEATURES, OUT_FEATURES, BATCH = 12, 8, 5, 16
# The seed below 400 with the widest margin, and that margin rounded down.
TERNARY_SEED = 127
FLOAT_SEED = 1
MARGIN = 1e-3


def tensor(values):
    """A tensor as JSON."""
    return {"shape": list(values.shape), "data": values.detach().double().flatten().tolist()}


def tensors(named):
    return {name: tensor(values) for name, values in named}


class TernaryLinear(nn.Linear):
    """The b1.58 layer: RMSNorm without weight, int8 tokens, ternary weights, STE, bias."""

    smallest_margin = math.inf

    def note_margin(self, distances):
        self.smallest_margin = min(self.smallest_margin, distances.min().item())

    def quantize_tokens(self, x):
        scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
        scaled = x * scale
        self.note_margin((scaled - scaled.floor() - 0.5).abs())
        return scaled.round().clamp(-128, 127) / scale

    def quantize_weight(self, w):
        scale = w.abs().mean().clamp(min=1e-5)
        scaled = w / scale
        self.note_margin((scaled.abs() - 0.5).abs())
        return scaled.round().clamp(-1, 1) * scale

    def forward(self, x):
        x = F.rms_norm(x, (self.in_features,), eps=1e-5)
        x = x + (self.quantize_tokens(x) - x).detach()
        w = self.weight + (self.quantize_weight(self.weight) - self.weight).detach()
        return F.linear(x, w, self.bias)


class Network(nn.Module):
    """first -> activation -> second."""

    def __init__(self, kind):
        super().__init__()
        layer = {"ternary": TernaryLinear, "float": nn.Linear}[kind]
        self.kind = kind
        self.first = layer(IN_FEATURES, HIDDEN_FEATURES)
        self.second = layer(HIDDEN_FEATURES, OUT_FEATURES)
        self.smallest_margin = math.inf

    def forward(self, x):
        hidden = self.first(x)
        if self.kind == "float":
            return self.second(F.gelu(hidden))
        y = self.second(F.relu(hidden))
        margins = (hidden.abs().min().item(), self.first.smallest_margin)
        self.smallest_margin = min(self.smallest_margin, *margins, self.second.smallest_margin)
        return y


def make_network(kind, seed, dtype):
    """The same initial parameters, inputs and labels for a seed, whatever the type."""
    torch.manual_seed(seed)
    network = Network(kind)
    inputs = torch.randn(BATCH, IN_FEATURES)
    labels = torch.randint(0, OUT_FEATURES, (BATCH,))
    return network.to(dtype), inputs.to(dtype), labels


def copy_of(named):
    return {name: values.detach().clone() for name, values in named}


def train(kind, seed, make_optimizer, dtype):
    """STEPS steps; the losses, and copies of parameters and gradients on the way."""
    network, inputs, labels = make_network(kind, seed, dtype)
    optimizer = make_optimizer(network.parameters())
    initial = copy_of(network.named_parameters())
    run = {"inputs": inputs, "labels": labels, "losses": [], "initial": initial}
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        logits = network(inputs)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        run["losses"].append(loss.item())
        if step == 1:
            run["first_logits"] = logits.detach()
            run["first_gradients"] = copy_of((n, p.grad) for n, p in network.named_parameters())
        optimizer.step()
        if step in (1, STEPS):
            run[f"after_step_{step}"] = copy_of(network.named_parameters())
    run["smallest_margin"] = network.smallest_margin
    return run


def largest_difference(a, b):
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)


def training_case(kind, seed, optimizer):
    """One training run in float32, with its distance from the same run in float64."""
    name, options = optimizer
    make_optimizer = lambda parameters: getattr(torch.optim, name)(parameters, **options)
    run = train(kind, seed, make_optimizer, torch.float32)
    exact = train(kind, seed, make_optimizer, torch.float64)
    states = ("first_gradients", "after_step_1", f"after_step_{STEPS}")
    error = {state: largest_difference(run[state], exact[state]) for state in states}
    error["losses"] = max(abs(a - b) for a, b in zip(run["losses"], exact["losses"]))
    # A parameter without a gradient would leave its optimizer state untested.
    assert all((g != 0).any() for g in run["first_gradients"].values())
    assert max(error.values()) < 2e-6, error
    case = {
        "optimizer": {"name": name} | options,
        "inputs": tensor(run["inputs"]),
        "labels": run["labels"].tolist(),
        "initial": tensors(run["initial"].items()),
        "losses": run["losses"],
        "first_logits": tensor(run["first_logits"]),
    }
    case |= {state: tensors(run[state].items()) for state in states}
    case["float32_error"] = error
    if kind == "ternary":
        assert run["smallest_margin"] > MARGIN, run["smallest_margin"]
        case["smallest_margin"] = run["smallest_margin"]
    return case


def clip_case(max_norm):
    """clip_grad_norm_ scales by min(1, max_norm / (norm + 1e-6))."""
    network, inputs, labels = make_network("ternary", TERNARY_SEED, torch.float32)
    F.cross_entropy(network(inputs), labels).backward()
    gradients = copy_of((n, p.grad) for n, p in network.named_parameters())
    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm).item()
    return {
        "max_norm": max_norm,
        "gradients": tensors(gradients.items()),
        "total_norm": norm,
        "clipped": tensors((n, p.grad) for n, p in network.named_parameters()),
    }


def random(*shape, scale=1.0, offset=0.0):
    """Normal random numbers, rounded to float32 before they become doubles."""
    return (torch.randn(*shape) * scale + offset).double()


def loss_case(name, prediction, target, loss, **options):
    prediction = prediction.clone().requires_grad_()
    value = loss(prediction, target, **options)
    value.backward()
    return {
        "name": name,
        "options": options,
        "prediction": tensor(prediction),
        "target": target.tolist() if target.dtype == torch.int64 else tensor(target),
        "value": value.item(),
        "gradient": tensor(prediction.grad),
    }


def loss_cases():
    torch.manual_seed(2)
    logits = random(6, 5, scale=2)
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    # Logits whose exponentials overflow a float32.
    logits[5] = torch.tensor([120.0, -90.0, 0.0, 118.5, 1.0])
    return [
        loss_case("cross_entropy", logits, labels, F.cross_entropy, label_smoothing=0.0),
        loss_case("cross_entropy", logits, labels, F.cross_entropy, label_smoothing=0.1),
        loss_case("mse", random(4, 3), random(4, 3), F.mse_loss),
    ]


def layer_case(name, function, x, parameters=(), **options):
    """Output and gradients of function(x, *parameters) for a random upstream gradient."""
    x = x.clone().requires_grad_()
    parameters = {key: values.clone().requires_grad_() for key, values in parameters}
    y = function(x, *parameters.values())
    y.backward(upstream := random(*y.shape))
    return {
        "name": name,
        "options": options,
        "input": tensor(x),
        "parameters": tensors(parameters.items()),
        "upstream": tensor(upstream),
        "output": tensor(y),
        "gradients": tensors((k, v.grad) for k, v in [("input", x), *parameters.items()]),
    }


def layer_cases():
    torch.manual_seed(3)
    features, eps, groups = 12, 1e-5, 3
    # Not centred and of unlike size in every row, so that mean and scale matter.
    x = random(4, features, scale=torch.tensor([[1.0], [0.25], [4.0], [1.0]]), offset=0.5)
    weight = ("weight", random(features, scale=0.3, offset=1.0))
    bias = ("bias", random(features, scale=0.3))
    layer_norm = lambda x, w, b: F.layer_norm(x, (features,), w, b, eps)
    rms_norm = lambda x, w: F.rms_norm(x, (features,), w, eps)
    group_norm = lambda x, w, b: F.group_norm(x, groups, w, b, eps)
    cases = [layer_case("layer_norm", layer_norm, x, [weight, bias], eps=eps)]
    cases += [layer_case("rms_norm", rms_norm, x, [weight], eps=eps)]
    cases += [layer_case("group_norm", group_norm, x, [weight, bias], eps=eps, groups=groups)]
    z = random(4, features, scale=2)
    # Zero, both tails, and arguments at which exp or tanh overflows when written carelessly.
    z[0, :7] = torch.tensor([0.0, 6.0, -6.0, 20.0, -20.0, 100.0, -100.0])
    activations = {
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "silu": F.silu,
        "relu_squared": lambda x: F.relu(x).square(),
    }
    return cases + [layer_case(name, function, z) for name, function in activations.items()]


def embedding_case():
    """Some rows are looked up more than once, some never: their gradients add up, or are zero."""
    torch.manual_seed(4)
    weight = random(7, 4).requires_grad_()
    indices = torch.tensor([[3, 0, 3, 6, 1], [1, 3, 5, 0, 3]])
    y = F.embedding(indices, weight)
    y.backward(upstream := random(*y.shape))
    return {
        "weight": tensor(weight),
        "indices": {"shape": list(indices.shape), "data": indices.flatten().tolist()},
        "upstream": tensor(upstream),
        "output": tensor(y),
        "gradient": tensor(weight.grad),
    }


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    adamw = ("AdamW", {"lr": 0.01, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1})
    sgd = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
    golden = {
        "generator": Path(__file__).name,
        "torch": torch.__version__,
        "adamw": {
            "ternary": training_case("ternary", TERNARY_SEED, adamw),
            "float": training_case("float", FLOAT_SEED, adamw),
        },
        "sgd": {
            "momentum": training_case("float", FLOAT_SEED, ("SGD", sgd | {"nesterov": False})),
            "nesterov": training_case("float", FLOAT_SEED, ("SGD", sgd | {"nesterov": True})),
        },
        "clip": [clip_case(0.5), clip_case(100.0)],
        "losses": loss_cases(),
        "layers": layer_cases(),
        "embedding": embedding_case(),
    }
    assert golden["clip"][0]["total_norm"] > 0.5
    text = json.dumps(golden, separators=(",", ":"), allow_nan=False)
    Path(__file__).with_name("optimizers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
