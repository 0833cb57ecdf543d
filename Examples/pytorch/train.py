"""Train a network of BitLinear layers on Fashion-MNIST in PyTorch, and pack it.

    python Examples/pytorch/train.py --epochs 3 --out packed.safetensors

The file is one that the Swift command line reads: `bitlinear eval packed.safetensors`.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fashion_mnist
import torch
import torch.nn.functional as F
from bitlinear_torch import BitLinear, load_packed, pack_model, save_packed
from fashion_mnist import Split, Standardization
from torch import Tensor, nn

FEATURES = [784, 512, 512, 10]
# The recipe bitnet has one scale for the activations of a batch, so results depend on its size.
# This is the size that `bitlinear eval` uses, too.
BATCH = 128


class Classifier(nn.Module):
    """Linear layers with ReLU between them, named as `bitlinear eval` expects: layers.0, ..."""

    def __init__(self, features: list[int], recipe: str, groups: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            BitLinear(inputs, outputs, groups, recipe=recipe)
            for inputs, outputs in itertools.pairwise(features)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.layers
        x = first(x)
        for layer in others:
            x = layer(F.relu(x))
        return x


def train(
    model: nn.Module, data: Split, standardization: Standardization, epochs: int, rate: float
) -> None:
    """AdamW with a rate that falls to 0 as a cosine; a new random order in every epoch."""
    inputs, labels = standardization(data.images), data.labels.long()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    steps = epochs * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for epoch in range(epochs):
        start, losses = time.perf_counter(), []
        for batch in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs.index_select(0, batch)), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(
            f"Epoch {epoch + 1} of {epochs}: loss {sum(losses) / len(losses):.4f}, "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )


@torch.inference_mode()
def predictions(model: nn.Module, images: Tensor, standardization: Standardization) -> Tensor:
    """The class of every image."""
    model.eval()
    return torch.cat(
        [model(standardization(batch)).argmax(dim=1) for batch in images.split(BATCH)]
    )


def metadata(recipe: str, groups: int, standardization: Standardization) -> dict[str, str]:
    """What `bitlinear eval` needs to know of the network to build it again."""
    network = {"features": FEATURES, "recipe": recipe, "groups": groups}
    return {"bitlinear.network": json.dumps(network | standardization._asdict())}


def accuracy(found: Tensor, labels: Tensor) -> str:
    return f"{(found == labels).double().mean().item():.2%}"


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=("b158", "bitnet"), default="b158",
                        help="(default: %(default)s)")
    parser.add_argument("--groups", type=positive, default=1, metavar="N",
                        help="blocks of output features with a scale each; must divide"
                             " every layer's (default: %(default)s)")
    parser.add_argument("--epochs", type=positive, default=3, metavar="N",
                        help="(default: %(default)s)")
    parser.add_argument("--samples", type=positive, metavar="N",
                        help="learn from the first N images only")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="R",
                        help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--data", type=Path, default=fashion_mnist.DEFAULT, metavar="FOLDER",
                        help="the four IDX files (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("packed.safetensors"), metavar="FILE",
                        help="the packed model (default: %(default)s)")
    parser.add_argument("--predictions", type=Path, metavar="FILE",
                        help="write the packed model's class of every test image, one a line")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> bool:
    """Trains, packs, saves and tests; whether packed and latent weights gave the same answers."""
    for path in filter(None, (options.out, options.predictions)):
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: no such folder")
    torch.manual_seed(options.seed)
    model = Classifier(FEATURES, options.recipe, options.groups)
    learning, test = fashion_mnist.load(options.data)
    standardization = Standardization.of(learning.images)
    learning = Split(*(part[: options.samples] for part in learning))
    train(model, learning, standardization, options.epochs, options.learning_rate)

    packed = pack_model(copy.deepcopy(model))
    save_packed(packed, options.out,
                metadata=metadata(options.recipe, options.groups, standardization))

    # Tested is what the file holds, in a model that has never seen the trained weights.
    packed = load_packed(options.out, Classifier(FEATURES, options.recipe, options.groups))
    evaluate: Callable[[nn.Module], Tensor] = lambda model: predictions(
        model, test.images, standardization)
    latent_answers, packed_answers = evaluate(model), evaluate(packed)
    floats = 4 * sum(parameter.numel() for parameter in model.parameters())
    print(f"Latent weights: {accuracy(latent_answers, test.labels)} of test images, "
          f"{floats:,} bytes")
    print(f"Packed weights: {accuracy(packed_answers, test.labels)} of test images, "
          f"{options.out.stat().st_size:,} bytes in {options.out}")
    if options.predictions:
        options.predictions.write_text("".join(f"{answer}\n" for answer in packed_answers.tolist()))
    differing = int((latent_answers != packed_answers).sum())
    print(f"Test images with another answer when packed: {differing}")
    return differing == 0


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    try:
        same = run(options)
    except (OSError, ValueError) as error:
        sys.exit(f"train.py: {error}")
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main()
