"""Training a language model by bitlinear beside train_pytorch.py: tokens a second and peak memory.

    python3 compare_training.py BITLINEAR TEXT [--threads 1,2] [--rounds 3] [--steps 12]

BITLINEAR is a release build of the command line and TEXT a file of some hundred kilobytes. Both programs
train the same decoder (6 layers of 256, 4,096 tokens, 8 windows of 256) in turn; medians over the rounds.
The time of a step of bitlinear is the difference of two runs of which one is longer. Runs with the
Python that has PyTorch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOKENS = 8 * 256


def run_ours(binary, text, tokenizer, recipe, threads, steps, folder):
    """The seconds of a run of some steps, and its peak memory in MiB."""
    command = [
        binary, "train-lm", "--data", text, "--tokenizer", tokenizer, "--max-seq-length", "256",
        "--batch-size", "8", "--num-layers", "6", "--intermediate-size", "768", "--recipe", recipe,
        "--iters", str(steps), "--steps-per-eval", "0", "--validation-share", "0",
        "--sample-tokens", "0", "--save-every", "0", "--steps-per-report", "1000000", "--json",
        "--out", folder,
    ]
    start = time.monotonic()
    result = subprocess.run(
        command, check=True, capture_output=True, text=True,
        env={**os.environ, "BITLINEAR_THREADS": str(threads)})
    seconds = time.monotonic() - start
    return seconds, json.loads(result.stdout.splitlines()[-1])["peak_memory_mib"]


def measure_ours(binary, text, tokenizer, recipe, threads, steps):
    with tempfile.TemporaryDirectory() as folder:
        short, _ = run_ours(binary, text, tokenizer, recipe, threads, 2, f"{folder}/short")
        long, memory = run_ours(binary, text, tokenizer, recipe, threads, steps + 2, f"{folder}/long")
    return TOKENS * steps / (long - short), memory


def measure_torch(recipe, threads, steps, options):
    script = Path(__file__).with_name("train_pytorch.py")
    result = subprocess.run(
        [sys.executable, script, "--json", "--recipe", recipe, "--threads", str(threads),
         "--steps", str(steps), *options], check=True, capture_output=True, text=True)
    values = json.loads(result.stdout.splitlines()[-1])
    return values["tokens_per_second"], values["peak_memory_mib"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("text")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as tokenizer:
        subprocess.run(
            [arguments.binary, "tokenize", "--train", arguments.text, "--vocab-size", "4096",
             "--out", tokenizer], check=True, stdout=subprocess.DEVNULL)
        for threads in map(int, arguments.threads.split(",")):
            for recipe in ("b158", "float"):
                programs = {
                    "bitlinear": lambda: measure_ours(
                        arguments.binary, arguments.text, tokenizer, recipe, threads,
                        arguments.steps),
                    "PyTorch": lambda: measure_torch(
                        recipe, threads, arguments.steps, ["--no-compile"]),
                    "PyTorch, compiled": lambda: measure_torch(
                        recipe, threads, arguments.steps, []),
                }
                rounds = {name: [] for name in programs}
                for _ in range(arguments.rounds):
                    for name, program in programs.items():
                        rounds[name].append(program())
                ours = statistics.median(speed for speed, _ in rounds["bitlinear"])
                memory = statistics.median(peak for _, peak in rounds["bitlinear"])
                for name, values in rounds.items():
                    speed = statistics.median(value for value, _ in values)
                    peak = statistics.median(value for _, value in values)
                    print(
                        f"{recipe:6} {threads} threads  {name:18} {speed:8.0f} tokens/s "
                        f"{peak:6.0f} MiB   ours: {ours / speed:5.2f} x, {memory / peak:5.2f} of it",
                        flush=True)


if __name__ == "__main__":
    main()
