"""Train an MLP on Fashion-MNIST with PyTorch: the partner that `bitlinear train` is timed against.

    python pytorch_fashion_mnist.py --recipe b158 --epochs 10 --threads 1

The network is 784-512-512-10 with ReLU between. Recipes:

    float     nn.Linear
    b158      BitNet b1.58: RMSNorm without weight, int8 activations with a scale for each token,
              ternary weights
    bitnet    BitNet: int8 activations with one scale for the batch, sign of the centred weights

Quantized layers keep float32 latent weights and pass gradients straight through both quantizers,
as every training of such networks in PyTorch does: the matrix products are float32.

The last line on stdout is a JSON object. Progress goes to stderr.
"""

import argparse
import gzip
import json
import math
import resource
import statistics
import struct
import sys
import time
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

FEATURES, HIDDEN, CLASSES = 784, 512, 10


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


class QuantizeTensor(StraightThrough):
    @staticmethod
    def forward(context, x):
        # The bound keeps an all-zero batch zero.
        scale = 127 / x.abs().max().clamp_(min=1e-30)
        return (x * scale).round_().clamp_(-127, 127).div_(scale)


class TernaryWeight(StraightThrough):
    @staticmethod
    def forward(context, w):
        scale = w.abs().mean().clamp_(min=1e-5)
        return (w / scale).round_().clamp_(-1, 1).mul_(scale)


class SignWeight(StraightThrough):
    @staticmethod
    def forward(context, w):
        # A weight equal to the mean counts as negative. Writing the comparison as 0 or 1 into
        # floats and scaling that is exact, and many times as fast as torch.where on a CPU.
        scale = w.abs().mean()
        above = torch.gt(w, w.mean(), out=torch.empty_like(w))
        return above.mul_(2 * scale).sub_(scale)


class B158Linear(nn.Linear):
    def forward(self, x):
        x = QuantizeTokens.apply(F.rms_norm(x, (self.in_features,), eps=1e-5))
        return F.linear(x, TernaryWeight.apply(self.weight), self.bias)


class BitNetLinear(nn.Linear):
    def forward(self, x):
        return F.linear(QuantizeTensor.apply(x), SignWeight.apply(self.weight), self.bias)


# nn.Linear starts from the Kaiming uniform distribution with a = sqrt(5), and so do the others.
LAYERS = {"float": nn.Linear, "b158": B158Linear, "bitnet": BitNetLinear}


def make_model(recipe, bias):
    layer = LAYERS[recipe]
    return nn.Sequential(
        layer(FEATURES, HIDDEN, bias=bias),
        nn.ReLU(),
        layer(HIDDEN, HIDDEN, bias=bias),
        nn.ReLU(),
        layer(HIDDEN, CLASSES, bias=bias),
    )


# The data set.


def read_idx(path, rank):
    """The bytes of a gzip-compressed IDX file as a tensor of `rank` axes."""
    try:
        with gzip.open(path) as file:
            content = bytearray(file.read())
    except FileNotFoundError:
        sys.exit(f"{path}: no such file; give the folder of the data set with --data")
    except (OSError, EOFError, zlib.error) as error:
        sys.exit(f"{path}: {error}")
    header = 4 + 4 * rank
    if len(content) < header or content[:4] != bytes([0, 0, 8, rank]):
        sys.exit(f"{path}: not an IDX file of bytes with {rank} axes")
    shape = struct.unpack(f">{rank}I", content[4:header])
    if len(content) - header != math.prod(shape) or not all(shape):
        sys.exit(f"{path}: found {len(content) - header} bytes of data for shape {shape}")
    return torch.frombuffer(content, dtype=torch.uint8, offset=header).reshape(shape)


def load_split(folder, prefix):
    """Pixels [count, 784] and labels [count], both as bytes."""
    pixels = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", rank=3).flatten(1)
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", rank=1)
    if pixels.shape != (len(labels), FEATURES) or labels.max() >= CLASSES:
        sys.exit(f"{folder}: the {prefix} files are not {FEATURES} pixels and a label below"
                 f" {CLASSES} for each image")
    return pixels, labels


def load_data(folder):
    """((images, labels) for training, the same for the test), normalised alike.

    Mean and deviation are those of all training pixels, from their histogram: no rounding, and no
    second copy of the images.
    """
    pixels, labels = load_split(folder, "train")
    counts = torch.bincount(pixels.flatten(), minlength=256).double()
    values = torch.arange(256).double()
    mean = (counts * values).sum() / counts.sum()
    deviation = ((counts * (values - mean).square()).sum() / counts.sum()).sqrt()
    normalise = lambda pixels: pixels.float().sub_(mean.item()).div_(deviation.item())
    train = normalise(pixels), labels.long()
    del pixels
    pixels, labels = load_split(folder, "t10k")
    return train, (normalise(pixels), labels.long())


# Training.


def train_epoch(model, optimizer, images, labels, batch_size, learning_rates):
    """One epoch in a new random order; the last batch is smaller if they do not come out even."""
    model.train()
    for batch in torch.randperm(len(images)).split(batch_size):
        for group in optimizer.param_groups:
            group["lr"] = next(learning_rates)
        optimizer.zero_grad(set_to_none=True)
        # index_select copies rows; images[batch] would go element by element.
        x, y = images.index_select(0, batch), labels.index_select(0, batch)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


@torch.inference_mode()
def accuracy(model, images, labels, batch_size):
    """The fraction of right answers. The bitnet recipe has a scale for each batch, so its batches
    are of the size that it was trained with."""
    model.eval()
    right = 0
    for x, y in zip(images.split(batch_size), labels.split(batch_size)):
        right += (model(x).argmax(dim=1) == y).sum().item()
    return right / len(images)


def cosine(peak, steps):
    """The learning rate of each step: from `peak` to (after the last step) 0."""
    for step in range(steps):
        yield 0.5 * peak * (1 + math.cos(math.pi * step / steps))


def peak_memory_mib():
    """The largest resident size of this process, interpreter and libraries included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=LAYERS, required=True)
    parser.add_argument("--epochs", type=positive, default=10)
    parser.add_argument("--threads", type=positive, help="default: PyTorch's own choice")
    parser.add_argument("--batch-size", type=positive, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bias", action="store_true", help="give every layer a bias")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"),
                        help="folder of the four IDX .gz files (default: %(default)s)")
    return parser.parse_args()


def main():
    options = parse_arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    (images, labels), test = load_data(options.data)
    model = make_model(options.recipe, options.bias)
    # The fused update is one pass over the parameters, and faster here than foreach.
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay,
        fused=True)
    # One graph for each of the two batch sizes; it takes its time in the first epoch, which the
    # median leaves out from three epochs on. The test runs the model as it is.
    trained = torch.compile(model, fullgraph=True, dynamic=False) if options.compile else model
    steps = options.epochs * math.ceil(len(images) / options.batch_size)
    learning_rates = cosine(options.learning_rate, steps)
    seconds = []
    for epoch in range(options.epochs):
        start = time.perf_counter()
        train_epoch(trained, optimizer, images, labels, options.batch_size, learning_rates)
        seconds.append(time.perf_counter() - start)
        print(f"epoch {epoch + 1}: {seconds[-1]:.2f} s", file=sys.stderr)
    print(json.dumps({
        "recipe": options.recipe,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "compile": options.compile,
        "epoch_seconds": seconds,
        "median_epoch_seconds": statistics.median(seconds),
        "test_accuracy": accuracy(model, *test, options.batch_size),
        "peak_memory_mib": peak_memory_mib(),
    }))


if __name__ == "__main__":
    main()
