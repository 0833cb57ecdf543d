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
