"""The settings of the tests: what they need is listed, and not skipped where it must be there."""

import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def names(text):
    """The packages that requirements name, without versions."""
    return {re.match(r"[\w-]+", line)[0] for line in text if re.match(r"\w", line)}


def test_the_extra_names_the_packages_of_the_requirements():
    project = (TESTS.parent / "pyproject.toml").read_text()
    extra = re.search(r"^test = \[(.*?)\]$", project, re.DOTALL | re.MULTILINE)[1]
    listed = names((TESTS / "requirements.txt").read_text().splitlines())
    assert names(re.findall(r'"(.*?)"', extra)) == listed - {"torch"} != set()


def test_missing_packages_are_no_reason_to_skip_where_all_are_required(tmp_path):
    skip = "pytest.importorskip('no_such_package', reason='it is away')\n"
    (tmp_path / "test_module.py").write_text(f"import pytest\n{skip}")
    (tmp_path / "test_function.py").write_text(f"import pytest\ndef test():\n    {skip}")
    # The settings alone, not the tests beside them.
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())

    def run(required):
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
             "--continue-on-collection-errors", str(tmp_path)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "BITLINEAR_REQUIRE_ALL": required})
        return result.stdout

    assert "2 skipped" in (text := run("0")) and "it is away" in text
    assert "1 failed, 1 error" in (text := run("1"))
    assert text.count("no_such_package cannot be imported") >= 2 and "skipped" not in text
