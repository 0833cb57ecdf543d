#!/usr/bin/env python3
"""Converting and quantizing checkpoints beside copying them: time and peak memory.

    compare.py [--binary PATH] [--gib 2] [--rounds 3] [--folder DIR] [--only NAME ...]

Generates a packed BitNet model and the same model in BF16, then runs every command and `cp` of its
input in turn, `--rounds` times, and prints medians. `cp` is followed by `sync` of the copy, because
a conversion, too, ends when the file is on the device. A program that takes more memory than twice
the largest tensor and 100 MiB makes it end with an error. Needs numpy, see ../inference.

The peak memory that Linux tells of a program starts at that of the program that started it, so this
one stays small: generate.py, with numpy, is a process of its own.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
import machine
import programs

# Name, input, output, command and its options.
CASES = [
    ("hf to bitlinear", "packed", "b.safetensors", ["convert", "--outtype", "bitlinear"]),
    ("hf to tq2_0", "packed", "tq2.gguf", ["convert", "--outtype", "tq2_0"]),
    ("hf to tq1_0", "packed", "tq1.gguf", ["convert", "--outtype", "tq1_0"]),
    ("hf to i2_s", "packed", "i2s.gguf", ["convert", "--outtype", "i2_s"]),
    ("bitlinear to hf", "b.safetensors", "x.safetensors", ["convert", "--outtype", "hf"]),
    ("tq2_0 to hf", "tq2.gguf", "x.safetensors", ["convert", "--outtype", "hf"]),
    ("tq1_0 to hf", "tq1.gguf", "x.safetensors", ["convert", "--outtype", "hf"]),
    ("i2_s to hf", "i2s.gguf", "x.safetensors", ["convert", "--outtype", "hf"]),
    ("i2_s to tq2_0", "i2s.gguf", "x.gguf", ["convert", "--outtype", "tq2_0"]),
    ("i2_s to q2_0", "i2s.gguf", "q2.gguf", ["convert", "--outtype", "q2_0"]),
    ("q2_0 to tq2_0", "q2.gguf", "x.gguf", ["convert", "--outtype", "tq2_0"]),
    ("i2_s to hf, verified", "i2s.gguf", "x.safetensors",
     ["convert", "--verify", "--outtype", "hf"]),
    ("bf16 to hf", "floats", "x.safetensors", ["quantize", "--recipe", "b158"]),
    ("bf16 to i2_s", "floats", "x.gguf", ["quantize", "--recipe", "b158", "--outtype", "i2_s"]),
    ("bf16 to q1_0", "floats", "q1.gguf", ["quantize", "--recipe", "bitnet", "--outtype", "q1_0"]),
    ("q1_0 to bitlinear", "q1.gguf", "x.safetensors", ["convert"]),
]


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of a program."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise programs.ProgramFailed(command, message.decode().strip())
    return seconds, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def generated(folder: Path, gib: float) -> float:
    """Makes the checkpoints, and gives the MiB that a program may take for them."""
    program = Path(__file__).resolve().parent / "generate.py"
    subprocess.run([sys.executable, str(program), str(folder), "--gib", str(gib)], check=True)
    largest = 0
    for name in ("packed", "floats"):
        with (folder / name / "model.safetensors").open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        offsets = (entry["data_offsets"] for entry in header.values())
        largest = max(largest, *(end - start for start, end in offsets))
    # The embedding, which is as large in every other format.
    return 2 * largest / 2**20 + 100


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> float:
    """Seconds of `cp` and bringing the copy to the device."""
    start = time.perf_counter()
    if source.is_dir():
        source = source / "model.safetensors"
    subprocess.run(["cp", str(source), str(target)], check=True)
    subprocess.run(["sync", str(target)], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=Path(".build/release/bitlinear"))
    parser.add_argument("--gib", type=float, default=2, help="size of the packed model; the other"
                        " one has the same")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary folder if"
                        " not told")
    parser.add_argument("--only", nargs="*", help="names of cases")
    options = parser.parse_args()
    if not options.binary.exists():
        programs.fail(f"no {options.binary}: swift build -c release --product bitlinear")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        memory_limit = generated(folder, options.gib)
        print(f"{machine.cpu_model()}, {machine.our_version(options.binary)},"
              f" {options.gib:g} GiB of weights, median of {options.rounds}\n")
        print(f"{'':22} {'cp, s':>7} {'ours, s':>8} {'cp/ours':>8} {'in, GB/s':>9}"
              f" {'peak, MiB':>10}")
        for case, source, target, command in CASES:
            source, target = folder / source, folder / target
            if not source.exists() or options.only and case not in options.only:
                continue
            command = [str(options.binary), command[0], str(source), "-o", str(target),
                       *command[1:]]
            copies, times, peaks = [], [], []
            for _ in range(options.rounds):
                remove(folder / "copy")
                copies.append(copy(source, folder / "copy"))
                remove(folder / "copy")
                remove(target)
                seconds, peak = run(command)
                times.append(seconds)
                peaks.append(peak)
            file = source / "model.safetensors" if source.is_dir() else source
            ours, theirs = statistics.median(times), statistics.median(copies)
            print(f"{case:22} {theirs:7.2f} {ours:8.2f} {theirs / ours:8.2f}"
                  f" {file.stat().st_size / ours / 1e9:9.2f} {max(peaks):10.0f}", flush=True)
            if max(peaks) > memory_limit:
                programs.fail(f"{case}: {max(peaks):.0f} MiB, expected {memory_limit:.0f} at most")
            if target.name.startswith("x."):
                remove(target)


if __name__ == "__main__":
    try:
        main()
    except programs.ProgramFailed as error:
        programs.fail(error)
