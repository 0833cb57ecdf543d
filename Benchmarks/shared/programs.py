"""Running the programs that are compared."""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn


class ProgramFailed(Exception):
    """A program that could not be started or did not succeed; says which and why."""

    def __init__(self, command: list[str], reason: str):
        super().__init__(f"{' '.join(command)}\n  {reason}")
        self.reason = reason


def fail(message: object) -> NoReturn:
    sys.exit(f"compare: {message}")


def run(
    command: list[str], threads: int, environment: dict[str, str] | None = None
) -> list[str]:
    """The lines that a program prints. Warns if it used more cores than `threads`."""
    before, start = cpu_seconds_of_children(), time.perf_counter()
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | (environment or {}))
    except OSError as error:
        raise ProgramFailed(command, str(error.strerror)) from None
    wall, used = time.perf_counter() - start, cpu_seconds_of_children() - before
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["(nothing on stderr)"]
        raise ProgramFailed(command, f"exited with {result.returncode}: {lines[-1]}")
    # Neither side may win by using more cores than it was given.
    if used > 1.1 * threads * wall:
        print(f"compare: warning: {Path(command[0]).name} used {used / wall:.1f} cores"
              f" instead of {threads}", file=sys.stderr)
    return result.stdout.strip().splitlines()


def cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def our_binary(path: Path) -> Path:
    """Our command line as an absolute path, which is never a program found elsewhere."""
    path = path.resolve()
    if not os.access(path, os.X_OK) or path.is_dir():
        fail(f"{path}: no such program; build it with `swift build -c release`,"
             " or name it with --binary")
    return path


# Values of options.


def positive(text: str) -> int:
    """A positive integer."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def positives(text: str) -> list[int]:
    """Positive integers between commas, each once."""
    return list(dict.fromkeys(positive(part) for part in text.split(",")))
