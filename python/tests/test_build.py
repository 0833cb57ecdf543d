"""What building the package says where it cannot be built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77")
PACKAGE = Path(__file__).resolve().parents[1]


def build(folder, **environment):
    result = subprocess.run(
        [sys.executable, "setup.py", "-q", "build"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **environment}, check=False)
    assert result.returncode != 0
    return result.stderr


@pytest.fixture
def folder(tmp_path):
    """The package without what surrounds it."""
    return shutil.copytree(
        PACKAGE, tmp_path / "python",
        ignore=shutil.ignore_patterns("build", "tests", "*.egg-info", "*.so", "*.dylib"))


def test_without_the_swift_package(folder):
    assert f"no Package.swift in {folder.parent}" in build(folder)


def test_without_swift(folder):
    (folder.parent / "Package.swift").touch()
    (folder.parent / "scripts").mkdir()
    (folder.parent / "scripts" / "build-library").touch()
    assert "Install a Swift toolchain" in build(folder, PATH=str(folder))


@pytest.mark.parametrize("status", [0, 1])
def test_scripts_leave_nothing_in_the_temporary_folder(status, tmp_path):
    tools, temporary = tmp_path / "tools", tmp_path / "temporary"
    tools.mkdir()
    temporary.mkdir()
    # The tools that build, of which the last to run ends as it is told to.
    for name, body in {
        "swift": "echo built", "clang": "true",
        "swiftc": f'[ -n "$(ls "$TMPDIR")" ] || exit 3; echo linked; exit {status}',
        "uname": "echo Linux",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    result = subprocess.run(
        [str(PACKAGE.parent / "scripts" / "build-library"), str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(temporary)})
    assert (result.returncode, result.stdout.split()[-1]) == (status, "linked"), result.stderr
    assert not list(temporary.iterdir())
