"""How long `bitlinear inspect` takes to list a large file, and how much memory.

    measure.py [--rounds N] [--binary PATH] [--folder FOLDER]

Makes the files of generate.py in a temporary folder (or uses those of FOLDER), runs the whole
program on each in turn for several rounds, and prints medians as a Markdown table. `bitlinear
--version` is what starting the program alone takes.

The peak memory that Linux tells of a program starts at that of the program that started it, so
this one stays small, without NumPy.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "shared"))
import machine  # noqa: E402
import programs  # noqa: E402


def run(command: list[str]) -> tuple[float, float]:
    """Milliseconds and peak memory in MiB of a program, from its start to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        programs.fail(f"{' '.join(command)} exited with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds * 1e3, usage.ru_maxrss * unit / (1 << 20)


def measure(binary: Path, folder: Path, rounds: int) -> None:
    commands = {"bitlinear --version": [str(binary), "--version"]}
    for kind in ("safetensors", "gguf"):
        for option in ([], ["--json"]):
            path = str(folder / f"many.{kind}")
            commands[" ".join(["inspect", *option, f"many.{kind}"])] = [
                str(binary), "inspect", *option, path]
    found = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            found[name].append(run(command))
    print(f"{machine.cpu_model()}; {machine.our_version(binary)}; medians of {rounds} rounds\n")
    print("| command | ms | ms, least to most | peak MiB |\n|---|---:|---:|---:|")
    for name, runs in found.items():
        # The first round brings program and files into the system's cache.
        times, memory = zip(*runs[1:])
        print(f"| `{name}` | {statistics.median(times):.1f}"
              f" | {min(times):.1f} to {max(times):.1f} | {statistics.median(memory):.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=programs.positive, default=11)
    parser.add_argument("--binary", type=Path, default=Path(".build/release/bitlinear"))
    parser.add_argument("--folder", type=Path, help="has many.safetensors and many.gguf already")
    options = parser.parse_args()
    binary = programs.our_binary(options.binary)
    if options.folder:
        measure(binary, options.folder, options.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        generator = Path(__file__).resolve().parent / "generate.py"
        subprocess.run([sys.executable, str(generator), folder], check=True)
        measure(binary, Path(folder), options.rounds)


if __name__ == "__main__":
    main()
