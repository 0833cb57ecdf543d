"""Writing one file of a model of which each process has parts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional

import torch.distributed as dist
from torch import nn

from . import _file_layout as file_layout
from ._file_checks import Path, check_metadata, without_layers
from ._file_layout import Piece, Target
from ._mesh import gathered
from ._sharded_contents import Contents, Facts, agreed_facts
from ._warnings import BitLinearWarning
from .files import SaveReport


def save_packed_sharded(
    model: nn.Module, path: Path, metadata: Optional[Mapping[str, str]] = None
) -> SaveReport:
    """Packs a model that is spread over processes into one file, without gathering it in one.

    Each process packs the rows that it owns, with scales of whole groups, and writes them to their
    place in the file, which must be in a folder that all processes share. The file is that of
    :func:`pack_model` and :func:`save_packed` of the whole model; :func:`load_packed` and the Swift
    command line read it. It appears whole or not at all; one of that name is replaced. A warning
    says so if no layer is packed. All processes of the default group must call this, and the model
    stays as it is.

    Each process may have a part of each layer (``fully_shard``, ``parallelize_module``, both), the
    same layers (DistributedDataParallel: pass its ``module``), or layers of its own (a pipeline,
    with the names of the whole model).

    Args:
        model: a module with :class:`BitLinear` layers, which are packed, or
            :class:`PackedBitLinear` layers.
        path: the file, the same for all.
        metadata: words about the model, kept in the file, those of the first process.

    Returns:
        What was written, the same in all processes.

    Raises:
        ValueError: a layer cannot be packed; a file cannot hold a tensor; the parts of the
            processes are not together the whole of each tensor, or their layers differ; or
            metadata is not text.
        OSError: some process cannot write the file.
        RuntimeError: another process failed, and the error says which and why; or there is no
            process group.
    """
    if not dist.is_available() or not dist.is_initialized():
        raise RuntimeError(
            "found no process group, expected torch.distributed.init_process_group before "
            "save_packed_sharded; save_packed writes the model of one process"
        )
    # Whatever can fail in one process comes first: then no other waits for it in a collective.
    own = Contents()
    plans: list[_Plan] = _agreed(lambda: _planned(own, model, path, metadata))
    facts = agreed_facts([plan.facts for plan in plans])
    for rank, plan in enumerate(plans):
        if plan.path != plans[0].path:
            raise ValueError(
                f"found path {plan.path!r} in process {rank}, expected {plans[0].path!r} as in "
                "process 0"
            )
    own.fill_layers()
    earlier = [plan.facts.places for plan in plans[: dist.get_rank()]]
    # Where several processes have the same part, the first of them writes it.
    pieces = {
        name: Piece(own.values[name], place[0]) for name, place in own.facts.places.items()
        if all(places.get(name) != place for places in earlier)
    }
    header, offsets, length = file_layout.header(facts.infos, facts.words, plans[0].metadata)
    target, is_first = plans[0].target, dist.get_rank() == 0
    try:
        _agreed(lambda: file_layout.create(target, header, length) if is_first else None)
        _agreed(lambda: file_layout.write(target.temporary, pieces, facts.infos, offsets))
        _agreed(lambda: file_layout.rename(target) if is_first else None)
    finally:
        if is_first and os.path.exists(target.temporary):
            os.unlink(target.temporary)
    if not facts.words:
        warnings.warn(
            f"save_packed_sharded wrote no packed layer to {os.fspath(path)}; replace_linear makes "
            "BitLinear layers, which it packs", BitLinearWarning, stacklevel=2,
        )
    others = tuple(without_layers(facts.infos, facts.words))
    return SaveReport(tuple(facts.words), others, (), length)


class _Plan(NamedTuple):
    """What one process tells the others before anything is written."""

    facts: Facts
    metadata: dict[str, str]
    path: str
    target: Target


def _planned(
    contents: Contents, model: nn.Module, path: Path, metadata: Optional[Mapping[str, str]]
) -> _Plan:
    words, target = check_metadata(metadata), file_layout.target_of(path)
    contents.add_model(model)
    return _Plan(contents.facts, words, os.fsdecode(path), target)


def _agreed(action: Callable[[], Any]) -> list[Any]:
    """What an action gives in each process, in their order; if it fails in one, all raise."""
    told, failure = None, None
    try:
        told = action()
    except Exception as error:
        failure = error
    found = gathered((told, None if failure is None else str(failure)))
    if failure is not None:
        raise failure
    for rank, (_, text) in enumerate(found):
        if text is not None:
            raise RuntimeError(f"process {rank} failed: {text}")
    return [told for told, _ in found]
