"""Builds the Swift library and the command line into the package; all else is in pyproject.toml."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

# Comes with setuptools, which has no other name for it.
from distutils.command.build_scripts import build_scripts  # isort: skip

HERE = Path(__file__).resolve().parent
LIBRARY = "libbitlinear.dylib" if sys.platform == "darwin" else "libbitlinear.so"
COMMAND = "bitlinear"


def build(script: str, file: str, folder: Path) -> None:
    """Builds a file by a script of the repository into a folder, without what comes with it."""
    path = HERE.parent / "scripts" / script
    if not (HERE.parent / "Package.swift").is_file() or not path.is_file():
        raise SystemExit(
            f"bitlinear_torch is built from the Swift package that surrounds it, but there is no "
            f"Package.swift in {HERE.parent}. Install it from a copy of the whole repository: "
            "pip install ./python"
        )
    if shutil.which("swift") is None:
        raise SystemExit(
            "bitlinear_torch is computed by a Swift library, and there is no swift to build it "
            "with. Install a Swift toolchain, 6.3 or later, from https://www.swift.org/install/, "
            "and see that swift is in PATH."
        )
    with tempfile.TemporaryDirectory() as built:
        result = subprocess.run([str(path), built], check=False)
        if result.returncode:
            raise SystemExit(
                f"{path} ended with status {result.returncode}; see its errors above"
            )
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(built) / file, folder)


class BuildWithLibrary(build_py):
    """Copies the package, then builds the library into it; beside the sources if editable."""

    def run(self) -> None:
        if not self.editable_mode:
            # Modules that the package no longer has may be left from an earlier build.
            shutil.rmtree(Path(self.build_lib) / "bitlinear_torch", ignore_errors=True)
        super().run()
        root = HERE if self.editable_mode else Path(self.build_lib)
        build("build-library", LIBRARY, (root / "bitlinear_torch").resolve())


class BuildCommand(build_scripts):
    """Builds the command line, a program and no script, to be installed where scripts are."""

    def get_source_files(self) -> list[str]:
        return []

    def run(self) -> None:
        build("build-command", COMMAND, Path(self.build_dir).resolve())


class AnyPython(bdist_wheel):
    """A wheel for every Python, but one platform: the library knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class NoSourceArchive(sdist):
    """Refuses to make an archive that nobody could install."""

    def run(self) -> None:
        raise SystemExit(
            "bitlinear_torch has no source archive: it is built from the Swift package that "
            "surrounds it, which such an archive lacks. Build a wheel by scripts/build-wheel, or "
            "install from a copy of the whole repository: pip install ./python"
        )


class Binary(Distribution):
    """A package that depends on the platform."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    cmdclass={
        "build_py": BuildWithLibrary,
        "build_scripts": BuildCommand,
        "bdist_wheel": AnyPython,
        "sdist": NoSourceArchive,
    },
    scripts=[COMMAND],
    distclass=Binary,
)
