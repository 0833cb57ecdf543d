"""Trains one small model three ways in several processes, and compares each with one process.

    torchrun --standalone --nproc-per-node 4 train.py --out FOLDER

The ways are data parallel (DDP), sharded (FSDP2) and tensor parallel. Each trained model is packed
into one file, to which every process writes what it owns, and the file is loaded and compared.
"""

import argparse
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import parallelize_module
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from bitlinear_torch import BitLinear, load_packed
from bitlinear_torch.parallel import BitColwiseParallel, BitRowwiseParallel, save_packed_sharded

# The steps whose losses are compared. Sums are rounded in another order in several processes, which
# now and then changes a code, and with each step such a difference makes more of them.
COMPARED = 20
CONTEXT, FEATURES, HIDDEN, GROUPS = 16, 32, 256, 4


class Model(nn.Module):
    """The next byte of a text from those before it."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(128, FEATURES)
        # As many groups as processes, or a multiple: column-wise, nothing is shared.
        self.up = BitLinear(CONTEXT * FEATURES, HIDDEN, GROUPS, bias=True, recipe="b158")
        self.down = BitLinear(HIDDEN, HIDDEN, bias=True, recipe="b158")
        self.head = nn.Linear(HIDDEN, 128)

    def forward(self, text):
        x = self.embedding(text).flatten(1)
        return self.head(self.down(torch.relu(self.up(x))))


def build():
    """The model as all processes begin with it."""
    torch.manual_seed(0)
    return Model()


def data_parallel(model):
    """The same model in each process, and a part of each batch."""
    return DistributedDataParallel(model)


def sharded(model):
    """A part of each parameter in each process, and a part of each batch."""
    for module in (model.up, model.down, model):
        fully_shard(module)
    return model


def tensor_parallel(model):
    """A part of each BitLinear in each process, and the whole batch."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    return parallelize_module(
        model, mesh, {"up": BitColwiseParallel(), "down": BitRowwiseParallel()}
    )


WAYS = {"DDP": data_parallel, "FSDP2": sharded, "tensor parallel": tensor_parallel}


def text():
    """This file: contexts ``[bytes, CONTEXT]`` and the bytes after them."""
    source = torch.tensor(list(Path(__file__).read_bytes()))
    return source[:-1].unfold(0, CONTEXT, 1), source[CONTEXT:]


def batches(steps):
    """Contexts and next bytes, the same batches in all processes."""
    contexts, following = text()
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        picked = torch.randint(len(contexts), (128,), generator=generator)
        yield contexts[picked], following[picked]


def train(model, steps, has_share):
    """The losses; with a share, of this process's part of each batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for context, following in batches(steps):
        if has_share:
            context, following = (
                part.chunk(dist.get_world_size())[dist.get_rank()] for part in (context, following)
            )
        loss = cross_entropy(model(context), following)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    total = torch.stack(losses)
    if has_share:
        dist.all_reduce(total)
        total /= dist.get_world_size()
    return total


def say(*words):
    """Prints once for all processes."""
    if dist.get_rank() == 0:
        print(*words, flush=True)


def differences(found, expected):
    """How far two tensors are apart, element by element."""
    found, expected = (
        each.full_tensor() if isinstance(each, DTensor) else each for each in (found, expected)
    )
    return (found - expected).detach().abs()


def difference(found, expected):
    """The largest difference of two tensors."""
    return float(differences(found, expected).max())


def mean_difference(found, expected):
    """The mean difference of two tensors."""
    return float(differences(found, expected).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("output"), help="folder for the files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    options.out.mkdir(parents=True, exist_ok=True)
    contexts, _ = text()

    alone = build()
    expected = train(alone, options.steps, has_share=False)
    say(f"one process: loss {expected[0]:.4f} to {expected[-1]:.4f}")
    for name, spread in WAYS.items():
        model = spread(build())
        losses = train(model, options.steps, has_share=name != "tensor parallel")
        apart = difference(losses[:COMPARED], expected[:COMPARED])
        say(
            f"{name} in {dist.get_world_size()}: loss {losses[-1]:.4f}; in the first "
            f"{len(losses[:COMPARED])} steps at most {apart:.1e} from that of one process"
        )
        assert apart < 0.01, f"{name}: losses differ by {apart}"

        path = options.out / f"{name.replace(' ', '-')}-{dist.get_world_size()}.safetensors"
        own = model.module if name == "DDP" else model
        report = save_packed_sharded(own, path, {"trained": name})
        say(f"  {path}: {report}")
        with torch.no_grad():
            loaded, trained = load_packed(path, Model())(contexts), model(contexts)
        apart, most = mean_difference(loaded, trained), difference(loaded, trained)
        say(f"  loaded in one process, its outputs are {apart:.1e} apart, at most {most:.1e}")
        # The mean, because the norm of a row-wise layer is summed in another order, and a code that
        # changes for that moves all outputs of one context by a step.
        assert apart < 1e-4, f"{name}: outputs differ by {apart}"
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
