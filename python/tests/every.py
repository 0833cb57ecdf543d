"""A model of many layers for graphs and exporters."""

import torch
from torch import nn

from bitlinear_torch import BitLinear


class Every(nn.Module):
    """A layer of each kind and its packed form, of the same input."""

    def __init__(self, kinds, backend):
        super().__init__()
        layers = [BitLinear(64, 8, backend=backend, **options) for options in kinds]
        self.layers = nn.ModuleList([*layers, *(layer.pack() for layer in layers)])

    def forward(self, x):
        return torch.stack([layer(x) for layer in self.layers])
