"""An account whose ABs are processed elsewhere: no kinds, and all that releases works."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config.load import load, profiles
from console.cli.main import run
from engine.context import Context
from tests.builders import make_ab
from tests.moving import account, called
from tests.released import NIGHT, biases

POOL = ("-m", "CALIB", "-d", NIGHT)


def bare(root: Path, **more: object) -> Context:
    """An account whose dfos.yaml has no kinds."""
    context = account(root, certification={"mode": "auto_all"})
    path = context.tree.config / "dfos.yaml"
    settings = yaml.safe_load(path.read_text())
    del settings["kinds"]
    path.write_text(yaml.safe_dump({**settings, **more}))
    return context


@pytest.mark.parametrize("kinds", [{}, {"kinds": {}}])
def test_moving_renaming_and_updating_need_no_kinds(kinds: dict[str, object], tmp_path: Path) -> None:
    context = bare(tmp_path, **kinds)
    abs_ = biases(context)
    (context.tree.mon / f"AB_list_CALIB_{NIGHT}").write_text("".join(f"{ab.name} BIAS\n" for ab in abs_))
    root = ("--root", str(context.tree.root))
    assert called(context, *POOL) == 0
    assert len(list((context.tree.cal / NIGHT).glob("MU_MBIA*.fits"))) == 3
    for command in (["renameProducts", "--back"], ["renameProducts"], ["updateAB"], ["ingestProducts"], ["verify"]):
        pool = ["-m", "CALIB", NIGHT] if command == ["verify"] else list(POOL)
        assert run(command[0], [*root, *pool, *command[1:]]) == 0, command


def test_processing_without_kinds_says_which_recipes_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = bare(tmp_path)
    from engine.stores.abs import AbStore

    AbStore(context.tree).write(make_ab())
    ab = make_ab()
    words = ["--root", str(context.tree.root), "-d", ab.date, "-m", ab.mode, "-P", "--auto"]
    assert run("phoenix", words) == 2
    said = capsys.readouterr().err
    assert "kinds is empty" in said and ab.recipe in said and "dfos.yaml" in said and "add each recipe to kinds" in said


@pytest.mark.parametrize("name", sorted(set(profiles(None)) - {"MUSE_DEEP"}))
def test_a_shipped_profile_is_all_an_account_needs(name: str, tmp_path: Path) -> None:
    (tmp_path / "dfos.yaml").write_text(f"profile: {name}\n")
    settings = load(tmp_path).settings
    assert (settings.instrument, settings.rename.table, settings.update.profile) == (name, name, "dfos")
    assert settings.kinds == {} and settings.rename.calib
