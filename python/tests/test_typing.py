"""Types, as mypy sees them: within the package, and from a program that uses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
PROGRAM = """
from pathlib import Path
from typing import Union

from torch import Tensor, nn
from typing_extensions import assert_type

import bitlinear_torch
from bitlinear_torch import (
    BitLinear, PackedBitLinear, absmax_quantize, load_metadata, load_packed, pack_model,
    replace_linear, save_packed,
)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer: nn.Module = nn.Linear(8, 4)


def use(path: Path, x: Tensor) -> None:
    assert_type(bitlinear_torch.__version__, str)
    assert_type(BitLinear(8, 4, recipe="b158").pack(), PackedBitLinear)
    model = Model()
    assert_type(replace_linear(model, filter=lambda name, linear: name != "head"), Model)
    assert_type(pack_model(model), Model)
    save_packed(model, path)
    assert_type(load_packed(path, model), Model)
    assert_type(load_packed(path), dict[str, Union[PackedBitLinear, Tensor]])
    assert_type(load_metadata(path), dict[str, str])
    bitlinear_torch.set_threads(2)
    assert_type(bitlinear_torch.get_threads(), int)
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs mypy over files; says what it found. PyTorch is read once for all runs."""
    pytest.importorskip("mypy")
    cache = tmp_path_factory.mktemp("mypy")

    def run(*arguments):
        result = subprocess.run(
            [sys.executable, "-m", "mypy", "--config-file", str(PACKAGE / "pyproject.toml"),
             f"--cache-dir={cache}", *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=cache,
            # The package as it is here, and not one that may be installed.
            env={**os.environ, "MYPYPATH": str(PACKAGE)})
        assert result.returncode in (0, 1), result.stdout + result.stderr
        return result.stdout

    return run


@pytest.fixture
def errors(mypy, tmp_path):
    """The errors in a program, without those of the package, by line."""
    def find(text):
        program = tmp_path / "program.py"
        program.write_text(text)
        found = mypy(program).splitlines()
        return [line.partition("program.py:")[2] for line in found if "program.py:" in line]

    return find


def test_package(mypy):
    found = mypy()
    assert found.startswith("Success"), found


def test_program(errors):
    assert errors(PROGRAM) == []


def test_wrong_program(errors):
    found = errors(
        "from bitlinear_torch import BitLinear, replace_linear\n"
        "replace_linear(3)\n"
        "BitLinear('8', 4)\n")
    assert [line[:8] for line in found] == ["2: error", "3: error"], found
