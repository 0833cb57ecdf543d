"""What there is to install: a wheel, and no source archive."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77")
PACKAGE = Path(__file__).resolve().parents[1]


def test_no_source_archive(tmp_path):
    # As pip and build do it.
    result = subprocess.run(
        [sys.executable, "-c",
         f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"],
        cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "bitlinear_torch has no source archive" in result.stderr
    assert "scripts/build-wheel" in result.stderr
    assert not list(tmp_path.iterdir())
