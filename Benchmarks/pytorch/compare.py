"""Time the layers of bitlinear_torch against plain PyTorch, in one process and with its threads.

    pip install ./python
    python Benchmarks/pytorch/compare.py

Each case is timed in rounds, ours and PyTorch's in turn. Prints Markdown tables. See
Benchmarks/README.md.
"""

import argparse
import gc
import json
import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import bitlinear_torch
import torch
from cases import KINDS, Call, Case, Wrong, cases
from shared.machine import cpu_model
from shared.programs import fail, positive, positives

# A sample is at least as many calls as take this long, in seconds.
SAMPLE = 0.03


def calls_for(call: Call) -> int:
    """How many calls make a sample. The first calls, with their allocations, are not timed."""
    call()
    start = time.perf_counter()
    call()
    return max(1, round(SAMPLE / max(time.perf_counter() - start, 1e-7)))


def sample(call: Call, count: int) -> tuple[float, float]:
    """Seconds of one call, and the cores that were busy."""
    cpu, start = time.process_time(), time.perf_counter()
    for _ in range(count):
        call()
    wall = time.perf_counter() - start
    return wall / count, (time.process_time() - cpu) / wall


def measure(case: Case, rounds: int) -> dict[str, object]:
    """The seconds of a call of ours and of PyTorch's, by round."""
    torch.set_num_threads(case.threads)
    calls = case.make()
    counts = [calls_for(call) for call in calls]
    seconds: tuple[list[float], list[float]] = ([], [])
    cores: tuple[list[float], list[float]] = ([], [])
    for round in range(rounds):
        for side in (0, 1) if round % 2 == 0 else (1, 0):
            taken, busy = sample(calls[side], counts[side])
            seconds[side].append(taken)
            cores[side].append(busy)
    # Neither side may win by using more cores than it was given.
    for name, used in zip(("bitlinear_torch", "PyTorch"), map(statistics.median, cores)):
        if used > 1.1 * case.threads:
            print(f"compare: warning: {name} used {used:.1f} cores instead of {case.threads}",
                  file=sys.stderr)
    return {
        "kind": case.kind, "shape": case.shape, "tokens": case.tokens, "threads": case.threads,
        "ours": seconds[0], "torch": seconds[1],
    }


def ratio(result: dict[str, list[float]]) -> float:
    """The median over the rounds of PyTorch's time divided by ours."""
    return statistics.median(b / a for a, b in zip(result["ours"], result["torch"]))


def table(results: list[dict[str, object]]) -> str:
    columns = ["out x in", "tokens", "threads", "ours us", "PyTorch us", "PyTorch / ours"]
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    for result in results:
        times = [f"{statistics.median(result[side]) * 1e6:,.0f}" for side in ("ours", "torch")]
        cells = [result["shape"], str(result["tokens"]), str(result["threads"]), *times,
                 f"{ratio(result):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


# The command line.


def shapes(text: str) -> list[str]:
    """Layers as OUTxIN between commas."""
    parts = list(dict.fromkeys(text.split(",")))
    if wrong := [part for part in parts if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", part)]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no layer as 2560x6912")
    return parts


def kinds(text: str) -> list[str]:
    parts = list(dict.fromkeys(text.split(",")))
    if wrong := [part for part in parts if part not in KINDS]:
        raise argparse.ArgumentTypeError(f"no {wrong[0]!r}; there are {', '.join(KINDS)}")
    return parts


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", type=kinds, default=list(KINDS), metavar="NAME,...",
                        help=f"(default: {','.join(KINDS)})")
    parser.add_argument("--shapes", type=shapes, metavar="OxI,...",
                        default=shapes("2560x2560,6912x2560,2560x6912"),
                        help="layers as OUTxIN (default: 2560x2560,6912x2560,2560x6912)")
    parser.add_argument("--tokens", type=positives, default=[1, 32, 512], metavar="N,...",
                        help="rows of the input of packed layers (default: 1,32,512)")
    parser.add_argument("--training-tokens", type=positives, default=[128, 512], metavar="N,...",
                        help="rows of the input in training (default: 128,512)")
    parser.add_argument("--threads", type=positives, default=[1, 2], metavar="N,...",
                        help="numbers of threads (default: 1,2)")
    parser.add_argument("--mode", choices=("stream", "hot"), default="stream",
                        help="whether weights of packed layers and of F.linear come from memory"
                             " or from the caches (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=9, metavar="N",
                        help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="also write every sample to a file")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    if options.json and not options.json.parent.is_dir():
        fail(f"{options.json}: no such folder")
    results = []
    for case in cases(options.kinds, options.shapes, options.tokens, options.training_tokens,
                      options.threads, options.mode == "stream"):
        try:
            result = measure(case, options.rounds)
        except Wrong as error:
            fail(error)
        results.append(result)
        print(f"{case.kind} {case.shape}, {case.tokens} tokens, {case.threads} threads:"
              f" {ratio(result):.2f}", file=sys.stderr)
        gc.collect()
    print(f"Microseconds, {options.mode}, median of {options.rounds} rounds. {cpu_model()},"
          f" {os.cpu_count()} cores; {platform.system()} {platform.release()};"
          f" bitlinear_torch {bitlinear_torch.__version__}; PyTorch {torch.__version__}.")
    for kind in options.kinds:
        print(f"\n{KINDS[kind]}:\n",
              table([result for result in results if result["kind"] == kind]), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
