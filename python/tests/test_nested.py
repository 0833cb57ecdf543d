"""Nested tensors, jagged and strided: the rows of their parts."""

import pytest
import torch

from bitlinear_torch import BitLinear, absmax_quantize

LENGTHS = (3, 1, 5)
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def parts(requires_grad=False):
    return [torch.randn(length, 16).requires_grad_(requires_grad) for length in LENGTHS]


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_values_and_gradients(layout, backend, is_packed):
    layer = BitLinear(16, 8, recipe="b158", backend=backend)
    function = layer.pack() if is_packed else layer
    leaves, others = parts(True), parts(True)
    for leaf, other in zip(leaves, others):
        other.data.copy_(leaf.detach())
    nested = torch.nested.as_nested_tensor(leaves, layout=layout)
    y = function(nested)
    assert y.is_nested and y.layout is layout
    found, expected = y.unbind(), [function(part) for part in others]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    sum(part.square().sum() for part in found).backward()
    sum(part.square().sum() for part in expected).backward()
    for leaf, other in zip(leaves, others):
        torch.testing.assert_close(leaf.grad, other.grad)


def test_one_scale_is_that_of_all_rows():
    layer = BitLinear(16, 8)
    nested = torch.nested.as_nested_tensor(parts(), layout=torch.jagged)
    assert torch.equal(layer(nested).values(), layer(nested.values()))


def test_jagged_outputs_go_on():
    layer = BitLinear(16, 16, recipe="b158")
    nested = torch.nested.as_nested_tensor(parts(), layout=torch.jagged)
    # Only tensors of the same offsets can be added.
    y = nested + layer(nested)
    assert torch.equal(y.values(), nested.values() + layer(nested.values()))
    assert torch.nested.to_padded_tensor(layer(nested), 0.0).shape == (3, 5, 16)


def test_jagged_with_holes():
    values = torch.randn(10, 16)
    offsets, lengths = torch.tensor([0, 4, 7, 10]), torch.tensor([2, 3, 1])
    nested = torch.nested.nested_tensor_from_jagged(values, offsets, lengths)
    layer = BitLinear(16, 8, recipe="b158")
    for one, other in zip(layer(nested).unbind(), nested.unbind(), strict=True):
        assert torch.equal(one, layer(other))


def test_other_types():
    layer = BitLinear(16, 8, recipe="b158")
    nested = torch.nested.as_nested_tensor(parts(), layout=torch.jagged).half()
    assert layer(nested).dtype is torch.float16


def test_what_does_not_fit():
    layer = BitLinear(16, 8)
    for function in (layer, layer.pack()):
        wide = torch.nested.as_nested_tensor([torch.randn(2, 17)], layout=torch.jagged)
        with pytest.raises(ValueError, match="17 features in the last dimension, expected 16"):
            function(wide)
        with pytest.raises(ValueError, match=r"a part \[2, 17\], expected \[..., 16\]"):
            function(torch.nested.as_nested_tensor([torch.randn(2, 16), torch.randn(2, 17)]))
        columns = torch.nested.as_nested_tensor(
            [torch.randn(16, length) for length in LENGTHS], layout=torch.jagged)
        with pytest.raises(ValueError, match="nested tensor"):
            function(columns)
    for layout in (torch.jagged, torch.strided):
        with pytest.raises(TypeError, match="nested tensor, expected a plain one"):
            absmax_quantize(torch.nested.as_nested_tensor(parts(), layout=layout))


@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_mkldnn"])
def test_other_layouts_are_refused(layout):
    x = getattr(torch.randn(3, 16), layout)()
    layer = BitLinear(16, 8)
    for function in (layer, layer.pack(), absmax_quantize):
        with pytest.raises(TypeError, match="expected a dense one"):
            function(x)
