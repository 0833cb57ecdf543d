"""What numbers were measured on, for the titles of tables."""

import platform
import re
import subprocess
from pathlib import Path


def first_line(command: list[str]) -> str | None:
    """The first line that a program prints, or None."""
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    lines = result.stdout.strip().splitlines()
    return lines[0] if result.returncode == 0 and lines else None


def cpu_model() -> str:
    try:
        match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        match = None
    if match:
        return match[1].strip()
    return first_line(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.machine()


def our_version(binary: Path) -> str:
    """The name, version and commit of our command line."""
    commit = first_line(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"])
    version = first_line([str(binary), "--version"])
    return " ".join(["bitlinear"] + [part for part in (version, commit) if part])
