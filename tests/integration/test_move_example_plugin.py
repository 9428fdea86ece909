"""pgi_moveProducts: inert until configured, put up for reading by an explicit step, and nothing is ever lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.cli.main import run
from engine.atomic import fs
from engine.context import Context
from engine.errors import PluginTrouble
from engine.pgi import SpecialPlugin
from engine.pgis import pgi_moveProducts
from tests.moving import account, called
from tests.released import MOVE, NIGHT, bias, biases, picture, processed

POOL = ("-m", "CALIB", "-d", NIGHT)


def _with_plugin(tmp_path: Path, **options: str) -> Context:
    move: dict[str, Any] = {**MOVE.model_dump(mode="json"), "special_plugin": pgi_moveProducts.NAME}
    return account(tmp_path, move=move, plugins={"options": {pgi_moveProducts.NAME: options}})


def _files(place: Path) -> dict[str, str]:
    return {path.name: fs.sha256(path) for path in sorted(place.rglob("*.fits*"))} if place.is_dir() else {}


def test_it_fits_its_slot() -> None:
    assert isinstance(pgi_moveProducts, SpecialPlugin)


@pytest.mark.row(7, 83)
def test_unless_it_is_configured_it_does_nothing(tmp_path: Path) -> None:
    context = account(tmp_path)
    biases(context)
    assert called(context, *POOL) == 0
    assert list(context.tree.tmp.iterdir()) == [] and not (context.tree.root / "install").exists()


@pytest.mark.row(83)
@pytest.mark.parametrize(
    ("catgs", "count"), [("MASTER_BIAS", 3), ("MASTER_FLAT", 0), ("MASTER_FLAT MASTER_BIAS", 3), ("ALL", 3)]
)
def test_it_copies_what_it_is_told_and_all_of_it_moves(catgs: str, count: int, tmp_path: Path) -> None:
    context = _with_plugin(tmp_path, pro_catg=catgs)
    biases(context)
    before = _files(context.tree.product)
    assert called(context, *POOL) == 0
    copies = _files(context.tree.tmp / pgi_moveProducts.NAME)
    assert len(copies) == count and copies.items() <= before.items()
    assert len(_files(context.tree.cal / NIGHT)) == 3
    assert set(before.values()) <= set(_files(context.tree.root).values()), "nothing is lost"


@pytest.mark.row(83)
def test_a_later_solution_stands_beside_the_earlier_copy(tmp_path: Path) -> None:
    context = _with_plugin(tmp_path, pro_catg="ALL", workspace=str(tmp_path / "analysis"))
    processed(context, bias(0))
    assert called(context, *POOL) == 0
    processed(context, bias(0), OBJECT="made anew")
    assert called(context, *POOL) == 0
    place = tmp_path / "analysis" / "CALIB" / NIGHT
    name = f"{bias(0).root}_0000.fits"
    assert sorted(path.name for path in place.iterdir()) == [name, f"{name}.2"]
    assert b"made anew" in (place / f"{name}.2").read_bytes() and b"made anew" not in (place / name).read_bytes()


@pytest.mark.row(83)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "not told what to copy"),
        ({"pro_catg": "ALL", "workspace": "here"}, "no absolute directory"),
        ({"pro_catg": "ALL", "workspace": f"$DFS_PRODUCT/BIAS/{NIGHT}"}, "where the products are"),
        ({"pro_catg": "ALL", "workspace": "/proc/nowhere"}, "cannot be written"),
    ],
)
def test_what_it_cannot_do_stops_the_move(
    options: dict[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = _with_plugin(tmp_path, **options)
    biases(context)
    before = picture(context.tree.product)
    assert called(context, *POOL) == 17
    told = capsys.readouterr().err
    assert words in told and pgi_moveProducts.NAME in told
    assert picture(context.tree.product) == before and _files(context.tree.cal / NIGHT) == {}


def test_an_interrupted_copy_is_made_whole_by_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "products" / "r.x_0000.fits"
    path.parent.mkdir()
    path.write_bytes(b"x" * 10_000)
    options = {"pro_catg": "ALL", "workspace": str(tmp_path / "work")}

    def full(verb: str, name: str) -> None:
        if verb == "fsync":
            raise OSError(28, "No space left on device")

    with fs.probed(full), pytest.raises(PluginTrouble, match="No space left"):
        pgi_moveProducts.keep("CALIB", NIGHT, (str(path),), options)
    assert _files(tmp_path / "work").keys() <= {f".{path.name}.dfos~"}
    assert pgi_moveProducts.keep("CALIB", NIGHT, (str(path),), options) == ()
    place = tmp_path / "work" / "CALIB" / NIGHT
    assert [one.name for one in place.iterdir()] == [path.name]
    assert (place / path.name).read_bytes() == path.read_bytes()


# --- to be looked at before it is used ----------------------------------------------------------


@pytest.mark.row(7)
def test_it_is_put_up_for_reading_by_an_explicit_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    root = str(context.tree.root)
    call = ["install-plugin", pgi_moveProducts.NAME, "--root", root]
    assert run("config", call) == 0
    path = context.tree.root / "install" / "moveProducts" / f"{pgi_moveProducts.NAME}.py"
    assert path.read_bytes() == Path(pgi_moveProducts.__file__).read_bytes()
    assert "move.special_plugin: pgi_moveProducts" in capsys.readouterr().out
    biases(context)
    assert called(context, *POOL, "--dry-run") == 0
    assert "SPECIAL_PLUGIN is NONE" in capsys.readouterr().out, "it is not in use"
    assert run("config", call) == 0, "again is fine"
    path.write_text("my own notes")
    assert run("config", call) == 15
    assert path.read_text() == "my own notes"


@pytest.mark.row(7)
def test_other_names_and_an_account_without_the_directory_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path)
    root = str(context.tree.root)
    assert run("config", ["install-plugin", "pgi_preTPL", "--root", root]) == 2
    assert "there is one: pgi_moveProducts" in capsys.readouterr().err
    rc = context.tree.root / ".dfosrc"
    rc.write_text("".join(line for line in rc.read_text().splitlines(keepends=True) if "INSTALL" not in line))
    assert run("config", ["install-plugin", pgi_moveProducts.NAME, "--root", root]) == 2
    assert "DFO_INSTALL_DIR is not set" in capsys.readouterr().err
