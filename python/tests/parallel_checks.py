"""What several processes do together; each function runs in all of them. See test_parallel.py."""

import copy
import importlib.util
import inspect
import io
import os
import pickle
import tempfile
import warnings

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as checkpoint
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel, RowwiseParallel, parallelize_module,
)
from torch.nn.parallel import DistributedDataParallel

from bitlinear_torch import (
    BitLinear, PackedBitLinear, Recipe, load_metadata, load_packed, pack_model, save_packed,
    set_strength,
)
from bitlinear_torch._mesh import gathered
from bitlinear_torch.parallel import BitColwiseParallel, BitRowwiseParallel, save_packed_sharded

LAYERS = {
    "b158": {"recipe": "b158"},
    "no norm": {"recipe": "b158", "norm": None, "bias": True, "groups": 4},
    "bitnet": {},
    "three groups": {"groups": 3, "bias": True},
    "learned norm": {"recipe": "b158", "learn_norm": True, "bias": True},
    "norm groups": {"norm": "group", "norm_groups": 8, "learn_norm": True},
    "one norm group": {"norm": "layer", "per_token": True},
    "median": {"recipe": Recipe(weight_scale="median"), "groups": 3},
    "threshold": {"recipe": Recipe(weight_scale="threshold")},
    "12 bits": {"recipe": Recipe(activation_bits=12)},
    "formula": {"recipe": "b158", "backend": "torch"},
}


class Block(nn.Module):
    """A model with something of each kind."""

    def __init__(self, groups=4, **options):
        super().__init__()
        self.embedding = nn.Embedding(10, 32)
        self.up = BitLinear(32, 48, groups, bias=True, recipe="b158", learn_norm=True, **options)
        self.down = BitLinear(48, 32, bias=True, recipe="b158", **options)
        self.norm = nn.LayerNorm(32)

    def forward(self, tokens):
        x = self.embedding(tokens)
        return self.norm(x + self.down(torch.relu(self.up(x))))


# PyTorch's checkpoints and pipelines send objects, which needs NumPy.
HAS_NUMPY = importlib.util.find_spec("numpy") is not None
# PyTorch 2.6 cannot compute with FSDP2 on a CPU.
HAS_FSDP2 = hasattr(torch.cpu.Stream, "record_event")
STYLES = {"up": BitColwiseParallel, "down": BitRowwiseParallel}


def block(**options):
    torch.manual_seed(3)
    return Block(**options)


def line(processes=None):
    return init_device_mesh("cpu", (processes or dist.get_world_size(),))


def own(tensor, dim=-1):
    return tensor.chunk(dist.get_world_size(), dim)[dist.get_rank()]


def whole(tensor):
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def near(found, expected):
    torch.testing.assert_close(whole(found), whole(expected), rtol=1e-5, atol=2e-6)


def same(found, expected):
    torch.testing.assert_close(whole(found), whole(expected), rtol=0, atol=0)


def gradients_of(model):
    return {name: whole(parameter.grad) for name, parameter in model.named_parameters()}


def layer_of(style, options, features=(32, 48), **layouts):
    """A layer, and the same one in parts."""
    torch.manual_seed(1)
    reference = BitLinear(*features, **options)
    if reference.norm is not None:
        nn.init.uniform_(reference.norm.weight, 0.5, 2)
    parts = nn.Sequential(copy.deepcopy(reference))
    parallelize_module(parts, line(), {"0": style(**layouts)})
    return reference, parts


def tokens_of(features=32, shape=(2, 5)):
    torch.manual_seed(2)
    return torch.randn(*shape, features, requires_grad=True)


def folder():
    """A new folder, the same for all."""
    return gathered(tempfile.mkdtemp() if dist.get_rank() == 0 else None)[0]


def raises(kind, words, action):
    try:
        action()
    except kind as error:
        assert words in str(error), str(error)
    else:
        raise AssertionError(f"nothing was raised, expected: {words}")


# ---- Layers --------------------------------------------------------------------------------------


def check_column_wise():
    """Outputs and gradients of the weight have the bits of the unsplit layer."""
    for options in LAYERS.values():
        reference, parts = layer_of(BitColwiseParallel, options)
        x, mine = tokens_of(), tokens_of()
        y = reference(x)
        found = parts(mine)
        same(found, own(y))
        grad = torch.randn_like(y)
        y.backward(grad)
        found.backward(own(grad))
        near(mine.grad, x.grad)
        expected = gradients_of(reference)
        for name, gradient in gradients_of(parts[0]).items():
            near(gradient, expected[name])
        same(parts[0].weight.grad, expected["weight"])
        assert isinstance(parts[0].weight, DTensor) and parts[0].weight.placements == (Shard(0),)
        same(parts[0].quantized_weight(), reference.quantized_weight())
    for groups in (1, 4):
        options = {"activation_block": 32, "groups": groups, "bias": True}
        reference, parts = layer_of(BitColwiseParallel, options, (80, 48))
        x = tokens_of(80)
        same(parts(x), own(reference(x)))
        same(pack_model(parts)(x), own(reference(x)))


def check_row_wise():
    for name, options in LAYERS.items():
        reference, parts = layer_of(BitRowwiseParallel, options)
        x, mine = tokens_of(), own(tokens_of()).detach().requires_grad_()
        y = reference(x)
        found = parts(mine)
        (same if reference.recipe.norm is None else near)(found, y)
        grad = torch.randn_like(y)
        y.backward(grad)
        found.backward(grad)
        near(mine.grad, own(x.grad))
        expected = gradients_of(reference)
        for key, gradient in gradients_of(parts[0]).items():
            near(gradient, expected[key])
        assert parts[0].weight.placements == (Shard(1),), name
        same(parts[0].quantized_weight(), reference.quantized_weight())


def check_layouts():
    """Sequence parallelism, DTensors in and out, and parts of different lengths."""
    for style, at in ((BitColwiseParallel, Shard(1)), (BitRowwiseParallel, Replicate())):
        for output in (Shard(1), Shard(-1), Replicate()):
            reference, parts = layer_of(
                style, {"bias": True, "per_token": True, "groups": 4}, input_layouts=at,
                output_layouts=output,
            )
            length = 2 * dist.get_world_size()
            x = tokens_of(shape=(2, length))
            plain = own(x.detach(), 1) if isinstance(at, Shard) else x.detach()
            plain = plain.clone().requires_grad_()
            y, found = reference(x), parts(plain)
            is_shard = isinstance(output, Shard)
            same(found, own(y, output.dim) if is_shard else y)
            grad = torch.randn_like(y)
            y.backward(grad)
            found.backward(own(grad, output.dim) if is_shard else grad)
            near(plain.grad, own(x.grad, 1) if isinstance(at, Shard) else x.grad)
            for name, gradient in gradients_of(parts[0]).items():
                near(gradient, reference.get_parameter(name).grad)
    for style in (BitColwiseParallel, BitRowwiseParallel):
        # 30 features for 4 processes are 8, 8, 8 and 6.
        reference, parts = layer_of(
            style, {"recipe": "b158", "bias": True}, (30, 30), use_local_output=False,
            output_layouts=Replicate(),
        )
        x = tokens_of(30)
        at = Shard(2) if style is BitRowwiseParallel else Replicate()
        mine = torch.distributed.tensor.distribute_tensor(x.detach(), line(), [at])
        mine.requires_grad_()
        y, found = reference(x), parts(mine)
        assert isinstance(found, DTensor) and found.placements == (Replicate(),)
        near(found, y)
        y.square().sum().backward()
        found.square().sum().backward()
        near(mine.grad, x.grad)
        near(parts[0].weight.grad, reference.weight.grad)


def check_odd_inputs():
    """NaN and infinite rows, zeros, no rows; bfloat16, autocast and float64; strength."""
    for style in (BitColwiseParallel, BitRowwiseParallel):
        for options in ({}, {"per_token": True}):
            reference, parts = layer_of(style, options)
            x = tokens_of().detach()
            # Columns that only the last and only the first process has.
            x[0, 0, 31], x[0, 1, 0], x[1, 2] = torch.nan, torch.inf, 0
            part = own if style is BitRowwiseParallel else lambda x: x
            expect = own if style is BitColwiseParallel else lambda y: y
            torch.testing.assert_close(
                parts(part(x)), expect(reference(x)), rtol=0, atol=0, equal_nan=True)
            empty = torch.empty(0, 32)
            assert parts(part(empty)).shape == expect(reference(empty)).shape
            for dtype in (torch.bfloat16, torch.float64):
                found = parts(part(x[1].to(dtype)))
                assert found.dtype is dtype
                same(found, expect(reference(x[1].to(dtype))))
            with torch.autocast("cpu", torch.bfloat16):
                found, expected = parts(part(x[1])), reference(x[1])
            assert found.dtype is torch.bfloat16
            same(found, expect(expected))
            for layer in (reference, parts):
                set_strength(layer, 0.5)
            near(parts(part(x[1])), expect(reference(x[1])))
            raises(ValueError, "strength 0.5", parts[0].pack)
        # As the last of unequal parts, which as plain tensors do not say so.
        _, sequence = layer_of(style, {}, input_layouts=Shard(1))
        raises(ValueError, "found parts of 4 to 5 elements in dimension 1",
               lambda: sequence(torch.zeros(2, 5 - dist.get_rank(), 32)))
        wrong = torch.zeros(3, 5)
        raises(ValueError, "found an input of 5 features", lambda: parts(wrong))


def check_compiled():
    """torch.compile takes models with such layers."""
    tokens, _ = batch()
    parts = parallelize_module(block(), line(), {name: kind() for name, kind in STYLES.items()})
    for model in (parts, pack_model(copy.deepcopy(parts))):
        torch._dynamo.reset()
        same(torch.compile(model, backend="eager")(tokens), model(tokens))


def check_packed():
    """Packed whole and then spread, and spread and then packed."""
    for style in (BitColwiseParallel, BitRowwiseParallel):
        for name, options in LAYERS.items():
            if name in ("three groups", "median") and style is BitColwiseParallel:
                continue
            reference, parts = layer_of(style, options)
            whole_input = tokens_of()
            y = reference(whole_input)
            grad = torch.randn_like(y)
            y.backward(grad)
            y, wanted = y.detach(), whole_input.grad
            first = nn.Sequential(reference.pack())
            parallelize_module(first, line(), {"0": style()})
            second = pack_model(parts)
            x = tokens_of().detach()
            x = own(x) if style is BitRowwiseParallel else x
            expected = own(y) if style is BitColwiseParallel else y
            is_exact = style is BitColwiseParallel or reference.recipe.norm is None
            for packed in (first, second):
                assert isinstance(packed[0], PackedBitLinear) and packed[0].groups == (
                    reference.groups)
                mine = x.clone().requires_grad_()
                found = packed(mine)
                (same if is_exact else near)(found, expected)
                found.backward(own(grad) if style is BitColwiseParallel else grad)
                near(mine.grad, own(wanted) if style is BitRowwiseParallel else wanted)
                state = {key: whole(value) for key, value in packed[0].state_dict().items()}
                for key, value in reference.pack().state_dict().items():
                    same(state[key], value)
                same(packed[0].dequantized_weight(), reference.pack().dequantized_weight())
            second.load_state_dict(first.state_dict())
            raises(ValueError, "save_packed_sharded", lambda: save_packed(second, "never"))


def check_errors():
    mesh, processes = line(), dist.get_world_size()

    def apply(layer, style, on=None):
        return parallelize_module(nn.Sequential(layer), on or mesh, {"0": style()})

    raises(TypeError, "found a Linear, expected a BitLinear",
           lambda: apply(nn.Linear(8, 8), BitColwiseParallel))
    raises(ValueError, f"found 1 output features for {processes} processes",
           lambda: apply(BitLinear(8, 1), BitColwiseParallel))
    raises(ValueError, "found activation_block 32 in a row-wise layer",
           lambda: apply(BitLinear(64, 8, activation_block=32), BitRowwiseParallel))
    raises(ValueError, f"found 3 groups for {processes} processes",
           lambda: apply(BitLinear(12, 12, 3).pack(), BitColwiseParallel))
    raises(ValueError, f"found 20 input features for {processes} processes, expected a multiple",
           lambda: apply(BitLinear(20, 12, 3).pack(), BitRowwiseParallel))
    raises(ValueError, "first parallelize_module, then fully_shard",
           lambda: apply(fully_shard(BitLinear(8, 8)), BitColwiseParallel))
    raises(ValueError, "expected a whole one",
           lambda: apply(apply(BitLinear(8, 8), BitColwiseParallel)[0], BitColwiseParallel))
    raises(ValueError, "expected Shard or Replicate", lambda: BitRowwiseParallel(input_layouts=1))
    raises(ValueError, "save_packed_sharded", fully_shard(BitLinear(8, 8)).pack)
    raises(ValueError, "save_packed_sharded",
           lambda: save_packed(fully_shard(nn.Sequential(nn.Linear(8, 8))), "never"))


def check_limits():
    """What no layer in parts can do is refused in words: never wrong, never PyTorch's internals."""
    processes = dist.get_world_size()
    for style in (BitColwiseParallel, BitRowwiseParallel):
        for options in ({"groups": processes}, {"groups": 1}, {"recipe": "b158", "norm": None}):
            reference, parts = layer_of(style, options)
            for layer in (parts, pack_model(copy.deepcopy(parts))):
                x = tokens_of().detach()
                x = (own(x) if style is BitRowwiseParallel else x).clone().requires_grad_()
                _check_derivatives(layer, x)
                _check_transforms(layer, x)
            for action in (lambda: torch.save(parts, io.BytesIO()), lambda: pickle.dumps(parts)):
                raises(NotImplementedError, "expected a layer of one process", action)
            same(copy.copy(parts[0]).weight, parts[0].weight)


def _check_derivatives(layer, x):
    """create_graph=True gives the same gradient; the derivative of that is refused."""
    x.grad = None
    layer(x).square().sum().backward()
    (found,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    same(found, x.grad)
    raises(NotImplementedError, "first derivatives only", found.square().sum().backward)


def _check_transforms(layer, x):
    def loss(x):
        return layer(x).sum()

    def batched():
        y = layer(x)
        torch.autograd.grad(y, x, torch.ones(2, *y.shape), is_grads_batched=True)

    for action in (lambda: torch.func.grad(loss)(x), lambda: torch.vmap(layer)(x.detach()),
                   lambda: torch.func.jvp(layer, (x.detach(),), (x.detach(),))):
        raises(NotImplementedError, "inside a transform of torch.func", action)
    raises(NotImplementedError, "found a batch of gradients", batched)
    if "reason" in inspect.signature(torch.compiler.disable).parameters:
        torch._dynamo.reset()
        whole_graph = torch.compile(layer, backend="eager", fullgraph=True)
        raises(Exception, "which a graph cannot hold", lambda: whole_graph(x.detach()))


# ---- Training ------------------------------------------------------------------------------------


def train(model, tokens, targets):
    """The model after three steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    # PyTorch clips plain parameters and DTensors apart.
    layers = [module for module in model.modules() if isinstance(module, BitLinear)]
    clipped = [parameter for layer in layers for parameter in layer.parameters()]
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(tokens), targets).backward()
        nn.utils.clip_grad_norm_(clipped, 0.05)
        optimizer.step()
    return model


def batch():
    torch.manual_seed(7)
    return torch.randint(10, (4, 6)), torch.randn(4, 6, 32)


def close_models(found, expected):
    state = {name.removeprefix("module."): whole(value)
             for name, value in found.state_dict().items()}
    for name, value in expected.state_dict().items():
        # Three steps of AdamW make rounding errors of gradients larger.
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-4, msg=name)


def check_data_parallel():
    """DDP and FSDP2 with a part of the batch in each process are one process with all of it."""
    tokens, targets = batch()
    expected = train(block(), tokens, targets)
    mine = own(tokens, 0), own(targets, 0)
    close_models(train(DistributedDataParallel(block()), *mine), expected)
    if not HAS_FSDP2:
        return
    sharded = block()
    for module in (sharded.up, sharded.down, sharded):
        fully_shard(module)
    close_models(train(sharded, *mine), expected)


def check_tensor_parallel_training():
    """parallelize_module with AdamW, clip_grad_norm_, and a distributed checkpoint."""
    tokens, targets = batch()
    expected = train(block(), tokens, targets)
    parts = parallelize_module(block(), line(), {name: kind() for name, kind in STYLES.items()})
    train(parts, tokens, targets)
    close_models(parts, expected)
    if not HAS_NUMPY:
        return
    place = folder()
    checkpoint.save({"model": parts.state_dict()}, checkpoint_id=place)
    other = Block()
    parallelize_module(other, line(), {name: kind() for name, kind in STYLES.items()})
    state = {"model": other.state_dict()}
    checkpoint.load(state, checkpoint_id=place)
    other.load_state_dict(state["model"])
    same(other.up.weight, parts.up.weight)
    same(other(tokens), parts(tokens))
    # Another number of processes, or none, reads it as well.
    state = {"model": block().state_dict()}
    checkpoint.load(state, checkpoint_id=place, no_dist=True)
    same(state["model"]["down.weight"], parts.down.weight)


def two_dimensional():
    """A model of FSDP2 over tensor parallelism, and its mesh."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    parts = parallelize_module(block(), mesh["tp"], {name: kind() for name, kind in STYLES.items()})
    for module in (parts.up, parts.down, parts):
        fully_shard(module, mesh=mesh["dp"])
    return parts, mesh


def check_two_dimensions():
    tokens, targets = batch()
    expected = train(block(), tokens, targets)
    parts, mesh = two_dimensional()
    if HAS_FSDP2:
        row = mesh["dp"].get_local_rank()
        train(parts, tokens.chunk(2)[row], targets.chunk(2)[row])
        close_models(parts, expected)
    check_file(parts, expected)
    # Replicas of shards.
    parts = block()
    for module in (parts.up, parts.down, parts):
        fully_shard(module, mesh=mesh)
    check_file(parts, block())


def check_pytorch_styles():
    """PyTorch's own styles give the unsplit layer too, where DTensor knows the operations."""
    if torch.__version__ < (2, 13):
        return
    for style in (ColwiseParallel, RowwiseParallel):
        for options in ({"recipe": "b158"}, {"bias": True}, {"norm": "layer"}):
            reference, parts = layer_of(style, options)
            is_column = style is ColwiseParallel
            x = tokens_of()
            mine = (x if is_column else own(x)).detach().clone().requires_grad_()
            y, found = reference(x), parts(mine)
            near(found, own(y) if is_column else y)
            y.sum().backward()
            found.sum().backward()
            near(mine.grad, x.grad if is_column else own(x.grad))
            near(parts[0].weight.grad, reference.weight.grad)


def check_pipeline():
    """Stages of BitLinear layers under a schedule of PyTorch."""
    if not HAS_NUMPY:
        return
    rank, processes = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(5)
    layers = [BitLinear(16, 16, recipe="b158", bias=True) for _ in range(processes)]
    expected = nn.Sequential(*copy.deepcopy(layers))
    stage = PipelineStage(layers[rank], rank, processes, torch.device("cpu"))
    schedule = ScheduleGPipe(stage, 2, loss_fn=nn.functional.mse_loss)
    x, target, losses = torch.randn(4, 16), torch.randn(4, 16), []
    if rank == 0:
        schedule.step(x)
    elif rank == processes - 1:
        schedule.step(target=target, losses=losses)
    else:
        schedule.step()
    parts = zip(x.chunk(2), target.chunk(2))
    loss = sum(nn.functional.mse_loss(expected(a), b) for a, b in parts) / 2
    loss.backward()
    near(layers[rank].weight.grad, expected[rank].weight.grad)
    if rank == processes - 1:
        near(sum(losses) / 2, loss)
    # Each process has a layer of its own.
    mine = nn.ModuleDict({str(rank): layers[rank]})
    check_file(mine, nn.ModuleDict({str(at): layer for at, layer in enumerate(expected)}))


# ---- Files ---------------------------------------------------------------------------------------


def check_file(parts, expected):
    """The file of parts is, byte for byte, that of the whole model ``expected`` of like values."""
    place = folder()
    for name, parameter in expected.named_parameters():
        # As trained in parts, so that nothing is left to rounding.
        if name in dict(parts.named_parameters()):
            parameter.data.copy_(whole(parts.state_dict()[name]))
    path = f"{place}/parts.safetensors"
    report = save_packed_sharded(parts, path, {"words": "of a model"})
    model = pack_model(copy.deepcopy(expected))
    other = f"{place}/whole-{dist.get_rank()}.safetensors"
    assert save_packed(model, other, {"words": "of a model"}).packed == report.packed
    with open(path, "rb") as found, open(other, "rb") as wanted:
        assert found.read() == wanted.read()
    assert report.byte_count == os.path.getsize(path)
    assert load_metadata(path)["words"] == "of a model"
    dist.barrier()
    assert [name for name in os.listdir(place) if "partial" in name] == []
    return path


def check_files():
    """Of FSDP2 with uneven rows, of tensor parallelism, of replicas, and of packed parts."""
    for options in ({}, {"activation_bits": 4}, {"groups": 1}):
        parts = block(**options)
        for module in (parts.up, parts.down, parts):
            fully_shard(module)
        check_file(parts, block(**options))
    odd = {"out_features": 13, "bias": True, "recipe": "bitnet", "norm": "group", "norm_groups": 2}
    torch.manual_seed(4)
    uneven = nn.Sequential(BitLinear(10, **odd), BitLinear(13, 3, groups=3))
    expected = copy.deepcopy(uneven)
    check_file(fully_shard(uneven), expected)
    check_file(copy.deepcopy(expected), expected)
    styles = {name: kind() for name, kind in STYLES.items()}
    parts = parallelize_module(block(), line(), styles)
    path = check_file(parts, block())
    loaded = load_packed(path, block())
    tokens, _ = batch()
    before = parts(tokens)
    same(loaded(tokens), pack_model(block())(tokens))
    parallelize_module(loaded, line(), styles)
    near(loaded(tokens), before)
    again = f"{folder()}/again.safetensors"
    save_packed_sharded(loaded, again)
    save_packed_sharded(pack_model(parts), again)
    same(load_packed(again)["down"].weight, load_packed(path)["down"].weight)


def check_file_errors():
    """One process fails: all raise, and there is no file."""
    place = folder()
    flat = FullyShardedDataParallel(
        nn.Sequential(BitLinear(8, 8)), device_id=torch.device("cpu"), use_orig_params=True)
    raises(ValueError, "use fully_shard", lambda: save_packed_sharded(flat, f"{place}/a"))
    model = nn.Sequential(BitLinear(16, 8))
    parts = copy.deepcopy(model)
    if dist.get_rank() == 1:
        parts[0].strength = 0.5
    kind = ValueError if dist.get_rank() == 1 else RuntimeError
    raises(kind, "strength 0.5", lambda: save_packed_sharded(parts, f"{place}/a.safetensors"))
    with torch.no_grad():
        model[0].weight[7, 15] = torch.nan
    raises((ValueError, RuntimeError), "expected finite weights",
           lambda: save_packed_sharded(fully_shard(model), f"{place}/a.safetensors"))
    raises((FileNotFoundError, RuntimeError), "No such file",
           lambda: save_packed_sharded(nn.Sequential(BitLinear(4, 4)), f"{place}/no/a"))
    other = nn.Sequential(BitLinear(16, 8 + dist.get_rank()))
    raises(ValueError, "expected", lambda: save_packed_sharded(other, f"{place}/a.safetensors"))
    raises(ValueError, "no name in a file",
           lambda: save_packed_sharded(BitLinear(4, 4), f"{place}/a.safetensors"))
    _check_disagreements(place)
    dist.barrier()
    assert os.listdir(place) == []
    _check_replacing(folder())


def _check_disagreements(place):
    """Nothing of what differs between processes, or is not there, leaves another one waiting."""
    rank, path = dist.get_rank(), f"{place}/a.safetensors"
    plain = nn.Sequential(BitLinear(8, 8))
    for layers in ((BitLinear(8, 8, groups=1 + rank),),
                   (BitLinear(8, 8, recipe=Recipe(weight_scale=("mean", "median")[rank])),)):
        model = fully_shard(nn.Sequential(*layers))
        raises(ValueError, "as in process 0", lambda: save_packed_sharded(model, path))
    with torch.device("meta" if rank == 1 else "cpu"):
        buffers = nn.Module()
        buffers.register_buffer("other", torch.zeros(2))
    model = nn.Sequential(fully_shard(nn.Sequential(BitLinear(8, 8))), buffers)
    raises((ValueError, RuntimeError), "found 1.other on meta",
           lambda: save_packed_sharded(model, path))
    odd = nn.Sequential(BitLinear(8, 8), nn.Module())
    for value in (torch.eye(3).to_sparse(), torch.zeros(2, dtype=torch.complex64)):
        odd[1].register_buffer("odd", value)
        raises(ValueError, "found 1.odd of", lambda: save_packed_sharded(odd, path))
    # The second process has forgotten a layer that it has a part of, and then all have.
    parts = fully_shard(nn.Sequential(BitLinear(8, 8), BitLinear(8, 8)))
    if rank == 1:
        del parts[1]
    raises(ValueError, "layer 1: found none in process 1", lambda: save_packed_sharded(parts, path))
    half = nn.Sequential(BitLinear(8, 8), nn.Linear(4, 4))
    fully_shard(half[1])
    if rank == 1:
        del half[1]
    raises(ValueError, "1.weight: found parts of 8 elements together, expected 16",
           lambda: save_packed_sharded(half, path))
    raises(ValueError, "as in process 0", lambda: save_packed_sharded(plain, f"{path}{rank}"))
    raises(ValueError, "null character", lambda: save_packed_sharded(plain, "a\0b"))
    raises(OSError, "found a folder", lambda: save_packed_sharded(plain, place))
    raises(ValueError, "expected another name",
           lambda: save_packed_sharded(plain, path, {"bitlinear.layers": "mine"}))


def _check_replacing(place):
    """The file that a link leads to is replaced, with its permissions; no layer is a warning."""
    path, link = f"{place}/file", f"{place}/link"
    if dist.get_rank() == 0:
        with open(path, "w"):
            os.chmod(path, 0o640)
        os.symlink("file", link)
    dist.barrier()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        save_packed_sharded(nn.Sequential(nn.Linear(4, 4)), link)
    assert ["wrote no packed layer" in str(each.message) for each in caught] == [True]
    assert os.path.islink(link) and os.stat(path).st_mode & 0o777 == 0o640
    assert list(load_packed(path)) == ["0.bias", "0.weight"]


def check_wrapped_files():
    """Activation checkpoints and torch.compile around layers change no name in a file."""
    model = block()
    model.up = checkpoint_wrapper(model.up)
    model.down = fully_shard(checkpoint_wrapper(model.down))
    model = torch.compile(model, backend="eager")
    path = f"{folder()}/file"
    assert save_packed_sharded(model, path).packed == ("up", "down")
    tokens, _ = batch()
    same(load_packed(path, block())(tokens), pack_model(block())(tokens))
