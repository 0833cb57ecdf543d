"""The three examples of the reference documentation, with only their import line changed."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
EXAMPLES = [
    text for text in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    if "torch.Size([128, 20])" in text
]


def test_all_are_there():
    assert len(EXAMPLES) == 3
    assert "BitLinear(10, 20, groups=2)" in EXAMPLES[1]
    assert "class MyModel(nn.Module)" in EXAMPLES[2]


@pytest.mark.parametrize("text", EXAMPLES)
def test_example(text, capsys):
    exec(compile(text, "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out == "torch.Size([128, 20])\n"
