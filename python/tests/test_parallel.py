"""Layers and models that are spread over 2 and 4 processes, on gloo; see parallel_checks.py."""

import datetime
import os
import sys
import time
import traceback
import warnings

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(), reason="PyTorch is without gloo"
)

# In this order, and by how many processes.
CHECKS = {
    "column_wise": (2, 4), "row_wise": (2, 4), "layouts": (2, 4), "odd_inputs": (2,),
    "packed": (2, 4), "compiled": (2,), "errors": (2,), "limits": (2,), "data_parallel": (2,),
    "tensor_parallel_training": (2,), "pytorch_styles": (2,), "pipeline": (2,), "files": (2, 4),
    "file_errors": (2,), "wrapped_files": (2,), "two_dimensions": (4,),
}
# So that nothing waits for ever: of a collective operation, and of each check in seconds, which is
# longer, so that an operation that waits says where. Both are many times what a check takes, for
# machines that are busy with something else.
WAIT, EACH = datetime.timedelta(seconds=120), 300


def work(rank, processes, names, folder):
    """Runs checks in one of the processes; what goes wrong is written to files."""
    # One name for the network of this machine alone, whatever else it has.
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    import parallel_checks

    store = dist.FileStore(f"{folder}/store", processes)
    store.set_timeout(WAIT)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=processes, timeout=WAIT)
    for name in names:
        text = ""
        try:
            getattr(parallel_checks, f"check_{name}")()
        except BaseException:
            text = traceback.format_exc()
        with open(f"{folder}/{name}-{rank}", "w") as file:
            file.write(text)
        store.set(f"{name}-{rank}", text or "done")
        texts = [store.get(f"{name}-{other}") for other in range(processes)]
        if any(text != b"done" for text in texts):
            # The others are somewhere else by now: no further check could be believed.
            os._exit(1)
    dist.destroy_process_group()


@pytest.fixture(scope="module", params=[2, 4])
def results(request, tmp_path_factory):
    """What went wrong, by check; of a check that did not run, that."""
    processes = request.param
    names = [name for name, counts in CHECKS.items() if processes in counts]
    folder = tmp_path_factory.mktemp("processes")
    # One process imports PyTorch for all. Names that it cannot find, such as parallel_checks in
    # this folder, it passes over without a word.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([
        "bitlinear_torch.parallel", "torch.distributed.checkpoint", "torch.distributed.fsdp",
        "torch.distributed.pipelining"])
    workers = [
        context.Process(target=work, args=(rank, processes, names, str(folder)), daemon=True)
        for rank in range(processes)
    ]
    for worker in workers:
        worker.start()
    done, end = 0, time.monotonic() + EACH
    while any(worker.is_alive() for worker in workers) and time.monotonic() < end:
        time.sleep(0.1)
        count = sum((folder / f"{name}-{rank}").exists() for name in names
                    for rank in range(processes))
        if count > done:
            done, end = count, time.monotonic() + EACH
    why = []
    for worker in workers:
        if worker.is_alive():
            worker.kill()
            why.append(f"was killed after {EACH} s")
        else:
            why.append(f"ended with status {worker.exitcode}")
        worker.join()
    found = {}
    for name in names:
        files = [folder / f"{name}-{rank}" for rank in range(processes)]
        found[name] = [
            file.read_text() if file.exists() else f"process {rank} {why[rank]} before this ended"
            for rank, file in enumerate(files)
        ]
    return found


def test_without_processes():
    from bitlinear_torch.parallel import save_packed_sharded

    with pytest.raises(RuntimeError, match="found no process group, expected"):
        save_packed_sharded(torch.nn.Sequential(), "never")


@pytest.mark.parametrize("name", CHECKS)
def test_processes(results, name):
    if name not in results:
        pytest.skip("with another number of processes")
    assert results[name] == [""] * len(results[name]), "\n".join(results[name])
