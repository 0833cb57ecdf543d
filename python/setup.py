"""Builds the Swift library and puts it into the package; all else is in pyproject.toml."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
LIBRARY = "libbitlinear.dylib" if sys.platform == "darwin" else "libbitlinear.so"


def build_library(folder: Path) -> None:
    """Builds the Swift library into a folder, without the header that comes with it."""
    script = HERE.parent / "scripts" / "build-library"
    if not (HERE.parent / "Package.swift").is_file() or not script.is_file():
        raise SystemExit(
            f"bitlinear_torch is built from the Swift package that surrounds it, but there is no "
            f"Package.swift in {HERE.parent}. Install it from a copy of the whole repository: "
            "pip install ./python"
        )
    if shutil.which("swift") is None:
        raise SystemExit(
            "bitlinear_torch is computed by a Swift library, and there is no swift to build it "
            "with. Install a Swift toolchain, 6.2 or later, from https://www.swift.org/install/, "
            "and see that swift is in PATH."
        )
    with tempfile.TemporaryDirectory() as built:
        result = subprocess.run([str(script), built], check=False)
        if result.returncode:
            raise SystemExit(
                f"{script} ended with status {result.returncode}; see its errors above"
            )
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(built) / LIBRARY, folder)


class BuildWithLibrary(build_py):
    """Copies the package, then builds the library into it; beside the sources if editable."""

    def run(self) -> None:
        super().run()
        root = HERE if self.editable_mode else Path(self.build_lib)
        build_library((root / "bitlinear_torch").resolve())


class AnyPython(bdist_wheel):
    """A wheel for every Python, but one platform: the library knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class Binary(Distribution):
    """A package that depends on the platform."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": AnyPython},
    distclass=Binary,
)
