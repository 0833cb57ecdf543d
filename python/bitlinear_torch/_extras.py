"""The packages that only some modules of this one need."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def import_problem(module: str, package: str, oldest: str, error: ImportError) -> ImportError:
    """What to raise where a module cannot import from a package: it is missing, or another one.

    Args:
        module: the module of this package.
        package: the package that it needs.
        oldest: the oldest release that has all that is imported.
        error: what the import raised.
    """
    is_missing = isinstance(error, ModuleNotFoundError) and error.name == package
    try:
        found = None if is_missing else version(package)
    except PackageNotFoundError:
        found = None
    if found is None:
        return ImportError(
            f"{module} needs {package} {oldest} or later: pip install '{package}>={oldest}'"
        )
    return ImportError(f"{module} found {package} {found}, expected {oldest} or later: {error}")
