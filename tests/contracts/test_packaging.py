"""What `pip install .` carries: every module and every data file, and commands that exist."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("config", "engine", "screens", "console")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def test_every_data_file_is_carried(repository: Path, project: dict[str, Any]) -> None:
    data = project["tool"]["setuptools"]["package-data"]
    carried = {path for package, globs in data.items() for glob in globs for path in (repository / package).glob(glob)}
    there = {
        path
        for package in PACKAGES
        for path in (repository / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert there and there <= carried, sorted(str(path) for path in there - carried)


def test_every_folder_with_modules_is_a_package(repository: Path) -> None:
    for package in PACKAGES:
        for path in (repository / package).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), path


def test_every_command_exists(project: dict[str, Any]) -> None:
    for target in project["project"]["scripts"].values():
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name))


def test_what_the_readme_promises(repository: Path, project: dict[str, Any]) -> None:
    assert project["project"]["name"] == "dfos-console"
    assert "BSD 3-Clause" in (repository / "LICENSE").read_text()
    makefile = (repository / "Makefile").read_text()
    for target in ("demo", "test", "check", "bench", "picture"):
        assert f"\n{target}:" in makefile
    assert "make test" in (repository / ".ci" / "run").read_text()
