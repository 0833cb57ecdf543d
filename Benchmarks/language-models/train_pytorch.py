"""Train a decoder language model with PyTorch on the CPU: the partner of the training in Swift.

    python train_pytorch.py --recipe b158 --threads 1
    python train_pytorch.py --recipe float --threads 2 --no-compile

The model is that of Sources/BitNN/Decoder: RMSNorm before attention and before a gated feed-forward
layer, grouped-query attention with rotary embeddings (element j turns with j + length / 2), SiLU
gates (--family llama), or squared ReLU and norms before the last projections (--family bitnet), and
Hugging Face's names of parameters. Recipes:

    float     nn.Linear
    b158      BitNet b1.58: int8 activations with a scale for each token, ternary weights with a
              scale for each matrix, gradients straight through both quantizers; the products, as in
              all such training in PyTorch, are of float32. Embedding and output layer stay float32.

By default it uses what is fastest here: torch.compile, which needs a C++ compiler, and on Linux an
allocator that keeps freed memory for the next step.

It trains on random tokens, or on the bytes of a file (--text). Prints medians over the steps after
a warm-up. To show that another program computes the same, --save-parameters and --save-gradients
write the initial parameters, and the tokens, loss and gradients of the first step;
--parameters and --check-gradients read such files. Those need the package safetensors.
"""

import argparse
import ctypes
import json
import math
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(Path(__file__).parents[1]))
from shared.programs import positive


def peak_memory_mib():
    """The largest resident size of this process so far, interpreter and libraries included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


IMPORTED_MIB = peak_memory_mib()
EPSILON, THETA, DEVIATION = 1e-5, 10_000.0, 0.02


# The quantizers. An autograd.Function with an identity gradient gives the gradients of the
# usual `x + (quantize(x) - x).detach()` without its two extra passes over the values.


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def backward(context, gradient):
        return gradient


class QuantizeTokens(StraightThrough):
    @staticmethod
    def forward(context, x):
        scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-5)
        return (x * scale).round_().clamp_(-128, 127).div_(scale)


class TernaryWeight(StraightThrough):
    @staticmethod
    def forward(context, w):
        scale = w.abs().mean().clamp_(min=1e-5)
        return (w / scale).round_().clamp_(-1, 1).mul_(scale)


class TernaryLinear(nn.Linear):
    """A layer whose input is quantized already, once for all layers that have the same input."""

    def forward(self, x):
        return F.linear(x, TernaryWeight.apply(self.weight))


# The model.


class Attention(nn.Module):
    def __init__(self, options, linear, quantize):
        super().__init__()
        self.heads, self.kv_heads = options.heads, options.kv_heads
        self.length, self.quantize = options.hidden // options.heads, quantize
        kv = options.kv_heads * self.length
        self.q_proj = linear(options.hidden, options.hidden, bias=False)
        self.k_proj = linear(options.hidden, kv, bias=False)
        self.v_proj = linear(options.hidden, kv, bias=False)
        self.o_proj = linear(options.hidden, options.hidden, bias=False)
        self.attn_sub_norm = sub_norm(options, options.hidden)

    def forward(self, x, cosines, sines):
        batch, positions, hidden = x.shape
        x = self.quantize(x)
        split = lambda y, heads: y.view(batch, positions, heads, self.length)
        q = rotary(split(self.q_proj(x), self.heads), cosines, sines)
        k = rotary(split(self.k_proj(x), self.kv_heads), cosines, sines)
        v = split(self.v_proj(x), self.kv_heads)
        attended = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True,
            enable_gqa=self.heads != self.kv_heads)
        attended = attended.transpose(1, 2).reshape(batch, positions, hidden)
        return self.o_proj(self.quantize(self.attn_sub_norm(attended)))


class FeedForward(nn.Module):
    def __init__(self, options, linear, quantize):
        super().__init__()
        self.squared, self.quantize = options.family == "bitnet", quantize
        self.gate_proj = linear(options.hidden, options.intermediate, bias=False)
        self.up_proj = linear(options.hidden, options.intermediate, bias=False)
        self.down_proj = linear(options.intermediate, options.hidden, bias=False)
        self.ffn_sub_norm = sub_norm(options, options.intermediate)

    def forward(self, x):
        x = self.quantize(x)
        gate = self.gate_proj(x)
        gate = F.relu(gate).square() if self.squared else F.silu(gate)
        return self.down_proj(self.quantize(self.ffn_sub_norm(gate * self.up_proj(x))))


class Block(nn.Module):
    def __init__(self, options, linear, quantize):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(options.hidden, EPSILON)
        self.self_attn = Attention(options, linear, quantize)
        self.post_attention_layernorm = nn.RMSNorm(options.hidden, EPSILON)
        self.mlp = FeedForward(options, linear, quantize)

    def forward(self, x, cosines, sines):
        x = x + self.self_attn(self.input_layernorm(x), cosines, sines)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, options):
        super().__init__()
        kinds = {"float": (nn.Linear, nn.Identity()), "b158": (TernaryLinear, QuantizeTokens.apply)}
        linear, quantize = kinds[options.recipe]
        self.embed_tokens = nn.Embedding(options.vocab_size, options.hidden)
        self.layers = nn.ModuleList(
            Block(options, linear, quantize) for _ in range(options.layers))
        self.norm = nn.RMSNorm(options.hidden, EPSILON)
        length = options.hidden // options.heads
        turns = THETA ** (-torch.arange(0, length, 2, dtype=torch.float64) / length)
        angles = torch.arange(options.context, dtype=torch.float64)[:, None, None] * turns
        self.register_buffer("cosines", angles.cos().float(), persistent=False)
        self.register_buffer("sines", angles.sin().float(), persistent=False)

    def forward(self, tokens):
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x, self.cosines, self.sines)
        return self.norm(x)


class Decoder(nn.Module):
    """From tokens [batch, context] and the tokens after them to the mean cross entropy."""

    def __init__(self, options):
        super().__init__()
        self.model = Trunk(options)
        self.lm_head = None
        if not options.tied:
            self.lm_head = nn.Linear(options.hidden, options.vocab_size, bias=False)
        residual = DEVIATION / math.sqrt(2 * options.layers)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                added = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=residual if added else DEVIATION)

    def forward(self, tokens, labels):
        head = self.model.embed_tokens if self.lm_head is None else self.lm_head
        logits = F.linear(self.model(tokens), head.weight)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def sub_norm(options, features):
    return nn.RMSNorm(features, EPSILON) if options.family == "bitnet" else nn.Identity()


def rotary(x, cosines, sines):
    """[batch, positions, heads, length] with the pairs (j, j + length / 2) turned."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosines - b * sines, b * cosines + a * sines], dim=-1)


# Training.


def batches(options):
    """Tokens [batch, context + 1] of one step after another."""
    generator = torch.Generator().manual_seed(options.seed)
    shape = options.batch_size, options.context + 1
    if options.text is None:
        while True:
            yield torch.randint(options.vocab_size, shape, generator=generator)
    content = read_bytes(options.text)
    if len(content) < shape[1]:
        sys.exit(f"{options.text}: found {len(content)} bytes, expected at least {shape[1]}")
    text = torch.frombuffer(content, dtype=torch.uint8)
    if max(content) >= options.vocab_size:
        sys.exit(f"{options.text}: found the byte {max(content)}, expected less than --vocab-size"
             f" {options.vocab_size}")
    while True:
        first = torch.randint(len(text) - shape[1] + 1, shape[:1], generator=generator)
        yield text[first[:, None] + torch.arange(shape[1])].long()


def make_optimizer(model, learning_rate):
    """AdamW whose update is one pass over each parameter; matrices decay, norms do not."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() == 2]
    norms = [parameter for parameter in model.parameters() if parameter.dim() != 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}],
        lr=learning_rate, betas=(0.9, 0.95), fused=True)


def backward(model, tokens):
    """The loss of one batch, whose gradients are then in the parameters."""
    loss = model(tokens[:, :-1], tokens[:, 1:])
    loss.backward()
    return loss.item()


def train(model, optimizer, data, steps):
    """Seconds, seconds of all cores together, and losses of steps."""
    seconds, cpu_seconds, losses = [], [], []
    for _ in range(steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        losses.append(backward(model, next(data)))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return seconds, cpu_seconds, losses


def keep_freed_memory():
    """Lets glibc keep the memory of large tensors for later ones. Otherwise it returns it to the
    system, which then clears every page once more in every step."""
    trim_threshold, mmap_max = -1, -4
    library = ctypes.CDLL(None)
    if not (library.mallopt(mmap_max, 0) and library.mallopt(trim_threshold, 2**31 - 1)):
        sys.exit("the allocator does not take --keep-memory")


# Files, to compare with another program.


def read_bytes(path):
    try:
        return bytearray(path.read_bytes())
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")


def read_tensors(path):
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(bytes(read_bytes(path)))
    except SafetensorError as error:
        sys.exit(f"{path}: {error}")


def write_tensors(path, tensors):
    from safetensors.torch import save

    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    try:
        path.write_bytes(content)
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")


def check_names_and_shapes(path, found, expected):
    if unlike := sorted(found.keys() ^ expected.keys()):
        sys.exit(f"{path}: {unlike[0]} is {'unknown' if unlike[0] in found else 'missing'}")
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            sys.exit(f"{path}: {name} has the shape {list(tensor.shape)}, expected"
                 f" {list(expected[name].shape)}")


def load_parameters(model, path):
    parameters = read_tensors(path)
    check_names_and_shapes(path, parameters, model.state_dict())
    model.load_state_dict(parameters)


def first_step(model, tokens):
    """The tokens, the loss and the gradients of a step without update, by name."""
    model.zero_grad(set_to_none=True)
    loss = backward(model, tokens)
    results = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return results | {"loss": torch.tensor(loss), "tokens": tokens.int()}


def worst_difference(found, expected):
    """(relative error, name) of the tensor that differs most, by Euclidean norms."""
    errors = []
    for name, tensor in expected.items():
        # In this order a NaN is the largest.
        error = (found[name].double() - tensor.double()).norm() / tensor.double().norm()
        errors.append((math.inf if error.isnan() else error.item(), name))
    return max(errors)


def check_gradients(model, options):
    """Compares loss and gradients with those in a file, for the tokens in it."""
    path = options.check_gradients
    expected = read_tensors(path)
    tokens = expected.get("tokens")
    shape = options.batch_size, options.context + 1
    if tokens is None or tokens.shape != shape or tokens.is_floating_point():
        sys.exit(f"{path}: no integer tensor tokens of the shape {list(shape)}")
    if tokens.min() < 0 or tokens.max() >= options.vocab_size:
        sys.exit(f"{path}: found a token that is not in 0..<{options.vocab_size}")
    found = first_step(model, tokens.long())
    check_names_and_shapes(path, expected, found)
    error, name = worst_difference(found, expected)
    print(f"largest relative difference: {error:.1e}, {name}", file=sys.stderr)
    # A value close to the middle between two codes may be rounded to the one or the other.
    limit = 1e-4 if options.recipe == "float" else 1e-2
    if error > limit:
        sys.exit(f"{path}: the gradients differ: {name} by {error:.1e} of its norm, at most"
             f" {limit} was expected")


# The command line.


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=["float", "b158"], required=True)
    parser.add_argument("--family", choices=["llama", "bitnet"], default="llama")
    parser.add_argument("--hidden", type=positive, default=256)
    parser.add_argument("--layers", type=positive, default=6)
    parser.add_argument("--heads", type=positive, default=4)
    parser.add_argument("--kv-heads", type=positive, help="default: as many as --heads")
    parser.add_argument("--intermediate", type=positive, default=768)
    parser.add_argument("--vocab-size", type=positive, default=4096)
    parser.add_argument("--tied", action="store_true", help="the output layer is the embedding")
    parser.add_argument("--context", type=positive, default=256)
    parser.add_argument("--batch-size", type=positive, default=8)
    parser.add_argument("--steps", type=positive, default=20, help="timed (default: %(default)s)")
    parser.add_argument("--warm-up", type=positive, default=3, help="steps that are not timed")
    parser.add_argument("--threads", type=positive, help="default: PyTorch's own choice")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True,
                        help="use torch.compile")
    parser.add_argument("--keep-memory", action=argparse.BooleanOptionalAction,
                        default=hasattr(ctypes.CDLL(None), "mallopt"),
                        help="keep freed memory for the next step (default: where glibc is)")
    parser.add_argument("--text", type=Path, help="train on the bytes of this file")
    parser.add_argument("--parameters", type=Path, help="initial parameters, a safetensors file")
    parser.add_argument("--save-parameters", type=Path)
    parser.add_argument("--save-gradients", type=Path)
    parser.add_argument("--check-gradients", type=Path)
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    options = parser.parse_args(arguments)
    options.kv_heads = options.kv_heads or options.heads
    if options.hidden % (2 * options.heads) or options.heads % options.kv_heads:
        parser.error(f"--hidden {options.hidden} is no multiple of twice --heads {options.heads},"
                     f" or these none of --kv-heads {options.kv_heads}")
    return options


def measure(options):
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.keep_memory:
        keep_freed_memory()
    torch.manual_seed(options.seed)
    model = Decoder(options)
    if options.parameters:
        load_parameters(model, options.parameters)
    if options.save_parameters:
        write_tensors(options.save_parameters, model.state_dict())
    data = batches(options)
    if options.compile:
        model.compile(fullgraph=True, dynamic=False)
    if options.save_gradients:
        write_tensors(options.save_gradients, first_step(model, next(data)))
    if options.check_gradients:
        check_gradients(model, options)
    optimizer = make_optimizer(model, options.learning_rate)
    train(model, optimizer, data, options.warm_up)
    seconds, cpu_seconds, losses = train(model, optimizer, data, options.steps)
    if not all(map(math.isfinite, losses)):
        sys.exit(f"the loss is {losses[-1]}")
    median = statistics.median(seconds)
    peak = peak_memory_mib()
    return {
        "recipe": options.recipe,
        "family": options.family,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cores_used": sum(cpu_seconds) / sum(seconds),
        "compile": options.compile,
        "keep_memory": options.keep_memory,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "step_seconds": seconds,
        "step_cpu_seconds": cpu_seconds,
        "median_step_milliseconds": 1e3 * median,
        "tokens_per_second": options.batch_size * options.context / median,
        "losses": losses,
        "peak_memory_mib": peak,
        "peak_memory_above_import_mib": peak - IMPORTED_MIB,
    }


def main():
    options = parse_arguments()
    result = measure(options)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['median_step_milliseconds']:.1f} ms a step,"
          f" {result['tokens_per_second']:,.0f} tokens/s,"
          f" peak memory {result['peak_memory_mib']:.0f} MiB,"
          f" {result['peak_memory_above_import_mib']:.0f} MiB of it since torch was imported;"
          f" {result['cores_used']:.2f} cores, last loss {result['losses'][-1]:.3f}")


if __name__ == "__main__":
    main()
