"""The golden values that the Swift tests use too, computed by PyTorch and transformers."""

import json
from pathlib import Path

import torch

_TESTS = Path(__file__).resolve().parents[2] / "Tests"


def load(path):
    """A file of golden values."""
    return json.loads((_TESTS / path).read_text())


def tensor(value):
    """A tensor of golden values, or None."""
    if value is None:
        return None
    if isinstance(value, list):
        return torch.tensor(value, dtype=torch.float32)
    return torch.tensor(value["data"], dtype=torch.float32).reshape(value["shape"])
