"""Time `bitlinear train` against PyTorch on Fashion-MNIST and print a Markdown table.

    swift build -c release
    python Benchmarks/training/compare.py --epochs 10

Every round runs both programs for every recipe and thread count, one right after the other and
in alternating order, so that both see the same machine. See Benchmarks/README.md.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from shared.machine import cpu_model, first_line, our_version
from shared.programs import ProgramFailed, fail, our_binary, positive, positives, run

SCRIPT = Path(__file__).with_name("pytorch_fashion_mnist.py")
RECIPES = ("float", "b158", "bitnet")
BATCH_SIZE, LEARNING_RATE, SEED = 128, 1e-3, 0


# Running the two programs. Each gives a dictionary with the keys of its JSON line.


def report_of(command, threads, environment=None):
    """The JSON object on the last stdout line of a program."""
    try:
        lines = run(command, threads, environment)
    except ProgramFailed as error:
        fail(error)
    try:
        report = json.loads(lines[-1])
        report["median"] = statistics.median(report["epoch_seconds"])
        report["test_accuracy"], report["peak_memory_mib"]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        fail(f"{' '.join(command)}\n  its last line is not the expected JSON object: {error!r}")
    return report


def run_ours(options, recipe, threads):
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(options.binary), "train", "--layers", "512,512", "--recipe", recipe,
            "--epochs", str(options.epochs), "--batch-size", str(BATCH_SIZE),
            "--learning-rate", str(LEARNING_RATE), "--seed", str(SEED),
            "--out", str(Path(folder) / "model"), "--json",
        ]
        if options.data:
            command += ["--data", str(options.data)]
        return report_of(command, threads, {"BITLINEAR_THREADS": str(threads)})


def run_pytorch(options, recipe, threads):
    command = [
        options.python, str(SCRIPT), "--recipe", recipe, "--epochs", str(options.epochs),
        "--batch-size", str(BATCH_SIZE), "--learning-rate", str(LEARNING_RATE),
        "--seed", str(SEED), "--threads", str(threads),
    ]
    if options.data:
        command += ["--data", str(options.data)]
    if options.compile:
        command.append("--compile")
    return report_of(command, threads)


# What the numbers were measured on.


def torch_version(python):
    version = first_line([python, "-c", "import torch; print(torch.__version__)"])
    if version is None:
        fail(f"{python} cannot import torch; run this in an environment that has it"
             " (pip install torch numpy), or name one with --python")
    return version


def header(options):
    torch = f"PyTorch {torch_version(options.python)}" + (" compiled" if options.compile else "")
    rounds = f"{options.rounds} round{'s' if options.rounds > 1 else ''}"
    epochs = f"{options.epochs} epoch{'s' if options.epochs > 1 else ''}"
    return (f"{cpu_model()}, {os.cpu_count()} cores; {platform.system()} {platform.release()};"
            f" {our_version(options.binary)}; {torch}; {rounds} of {epochs}.")


# The table.


def row(recipe, threads, pairs):
    """One line of the table from [(our report, PyTorch's report)], a pair for each round."""
    ours, theirs = zip(*pairs)
    median = lambda reports, key: statistics.median(report[key] for report in reports)
    ratio = statistics.median(b["median"] / a["median"] for a, b in pairs)
    accuracy = f"{median(ours, 'test_accuracy'):.2%}"
    if all(report.get("packed_test_accuracy") is not None for report in ours):
        accuracy += f" (packed {median(ours, 'packed_test_accuracy'):.2%})"
    cells = [
        recipe, str(threads),
        f"{median(ours, 'median'):.2f}", f"{median(theirs, 'median'):.2f}", f"{ratio:.2f}",
        f"{median(ours, 'peak_memory_mib'):.0f} / {median(theirs, 'peak_memory_mib'):.0f} MiB",
        f"{accuracy} / {median(theirs, 'test_accuracy'):.2%}",
    ]
    return f"| {' | '.join(cells)} |"


def table(measured):
    columns = [
        "recipe", "threads", "ours s/epoch", "PyTorch s/epoch", "PyTorch / ours",
        "peak memory ours / PyTorch", "test accuracy ours / PyTorch",
    ]
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    return "\n".join(lines + [row(*key, pairs) for key, pairs in measured.items()])


# The command line.


def recipes(text):
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in RECIPES]:
        raise argparse.ArgumentTypeError(
            f"no recipe {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    return chosen


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=Path(".build/release/bitlinear"),
                        help="our command line (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable,
                        help="a Python with torch (default: the one that runs this)")
    parser.add_argument("--epochs", type=positive, default=5)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--threads", type=positives, default=[1, 2],
                        help="thread counts (default: 1,2)")
    parser.add_argument("--recipes", type=recipes, default=list(RECIPES),
                        help=f"(default: {','.join(RECIPES)})")
    parser.add_argument("--data", type=Path, help="folder of the data set, for both programs")
    parser.add_argument("--compile", action="store_true", help="PyTorch with torch.compile")
    return parser.parse_args()


def main():
    options = parse_arguments()
    options.binary = our_binary(options.binary)
    title = header(options)
    programs = {"ours": run_ours, "PyTorch": run_pytorch}
    measured = {(recipe, threads): [] for recipe in options.recipes for threads in options.threads}
    for turn in range(options.rounds):
        for recipe, threads in measured:
            reports = {}
            for name in list(programs)[:: 1 if turn % 2 == 0 else -1]:
                reports[name] = programs[name](options, recipe, threads)
                print(f"round {turn + 1}, {recipe}, {threads} threads, {name}:"
                      f" {reports[name]['median']:.2f} s/epoch", file=sys.stderr)
            measured[recipe, threads].append((reports["ours"], reports["PyTorch"]))
    print(title, table(measured), sep="\n\n")


if __name__ == "__main__":
    main()
