"""Settings of the tests."""

import sys

import pytest
import torch
from hypothesis import settings

# No time limit: tests never depend on timing. No folder of found failures: they are printed.
settings.register_profile("project", deadline=None, database=None, print_blob=True)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def fresh_compiler():
    """Graphs of one test must not fill the compiler's cache for the next."""
    yield
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
