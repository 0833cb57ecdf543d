"""Settings of the tests."""

import importlib
import os
import sys
from types import ModuleType

import pytest
import torch
from hypothesis import settings

# No time limit: tests never depend on timing. No folder of found failures: they are printed.
settings.register_profile("project", deadline=None, database=None, print_blob=True)
settings.load_profile("project")


def imported(name: str, **_: object) -> ModuleType:
    """In the place of pytest.importorskip, which would hide that a package is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.fail(
            f"{name} cannot be imported ({error}), expected all packages of "
            "tests/requirements.txt, because BITLINEAR_REQUIRE_ALL is 1", pytrace=False)


# scripts/test says this, which has installed them all.
if os.environ.get("BITLINEAR_REQUIRE_ALL") == "1":
    pytest.importorskip = imported


@pytest.fixture(autouse=True)
def fresh_compiler():
    """Graphs of one test must not fill the compiler's cache for the next."""
    yield
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
