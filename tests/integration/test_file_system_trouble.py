"""What stands in the way on the disk is told with its path and what to do, whichever tool meets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from console.cli.main import run
from engine.context import Context
from engine.workflows.phoenix import _unforeseen
from tests.moving import account, called
from tests.released import NIGHT, biases

POOL = ("-m", "CALIB", "-d", NIGHT)


def place_of(context: Context, name: str) -> Path:
    tree = context.tree
    return {
        "final": tree.cal / NIGHT,
        "logs": tree.log / NIGHT,
        "plots": tree.plt / NIGHT,
        "jobs": tree.job,
        "status": tree.lst,
        "vcal": tree.vcal,
        "trash": tree.trash,
        "products": tree.product / "BIAS",
        "manifest": tree.mon / "ENGINE" / "MANIFEST",
    }[name]


def blocked(context: Context, name: str) -> Path:
    """A plain file stands where the directory `name` should be."""
    place = place_of(context, name)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("in the way")
    return place


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize("name", ["final", "logs", "plots", "jobs", "status", "trash"])
def test_a_move_names_the_file_that_stands_for_a_directory_before_anything_begins(
    name: str, options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path)
    biases(context)
    place = blocked(context, name)
    assert called(context, *POOL, *options) == 15
    said = capsys.readouterr().err
    assert f"{place}: a file stands where a directory is needed (" in said and "take it away" in said
    place.unlink()
    place.mkdir()
    assert called(context, *POOL) == 0


@pytest.mark.parametrize("tool", ["renameProducts", "updateAB", "moveProducts"])
@pytest.mark.parametrize("name", ["final", "logs", "plots", "jobs", "status", "vcal", "trash", "products", "manifest"])
def test_nothing_that_stands_in_the_way_is_a_fault_of_ours(
    tool: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path)
    abs_ = biases(context)
    (context.tree.mon / f"AB_list_CALIB_{NIGHT}").write_text("".join(f"{ab.name} BIAS\n" for ab in abs_))
    if tool != "moveProducts":
        assert called(context, *POOL) == 0
    place = blocked(context, name)
    run(tool, ["--root", str(context.tree.root), *POOL])
    said = capsys.readouterr().err
    assert "internal error" not in said and "Traceback" not in said
    assert place.read_text() == "in the way"


def test_an_error_of_the_file_system_has_its_path_and_a_remedy() -> None:
    told = _unforeseen(ExceptionGroup("x", [PermissionError(13, "Permission denied", "/data/x")]))
    assert told == "/data/x: Permission denied (give this user the right to it, then call again)"
    assert _unforeseen(OSError(28, "No space left on device", b"/d")).startswith(
        "/d: No space left on device (the disk"
    )
    assert "internal error: OSError: odd" in _unforeseen(OSError("odd"))
    assert "internal error: KeyError: 'x'; please report it" in _unforeseen(KeyError("x"))
