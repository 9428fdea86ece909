"""An account without kinds: all that releases works, and every recipe is a kind of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config.load import load, profiles
from console.cli.main import run
from engine.context import Context
from engine.events import Notice
from engine.process.run.streams import Streams
from engine.stores.attempts import Attempts
from tests.builders import make_ab, make_context, record
from tests.fakes import PaperJob
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


@pytest.mark.row(214)
@pytest.mark.parametrize(("drs_type", "most"), [("CON", 3), ("INT", 1), ("CPL", 1)])
async def test_without_kinds_every_recipe_is_one_and_drs_type_says_how_many_run(
    drs_type: str, most: int, tmp_path: Path
) -> None:
    abs_ = [make_ab(f"MUSE.2014-10-22T0{n}:00:00.000", RECIPE=f"recipe_{n % 2}", DRS_TYPE=drs_type) for n in range(6)]
    abs_ = [abs_[place] for place in (4, 1, 5, 0, 3, 2)]
    context, job = make_context(tmp_path, kinds={}), PaperJob()
    events = record(context)
    outcome = await Streams(context, abs_, job, Attempts(context.db)).run()
    assert len(outcome.done) == 6 and job.most[""] == most
    if drs_type == "CPL":
        assert job.started == [ab.name for ab in abs_]
    assert not [event for event in events if isinstance(event, Notice)]


MONTHLY = {
    "GIRAFFE_STACK": "GIRAFFE",
    "HAWKI_R": "HAWKI",
    "KMOS_R": "KMOS",
    "UVES_STACK": "UVES",
    "XSHOOT_R2": "XSHOOTER",
}
NAMELESS = {"AMBER", "NACO", "VIMOS", "VISIR"}  # no page of naming tables is known


@pytest.mark.parametrize("name", sorted(set(profiles(None)) - {"MUSE_DEEP"}))
def test_a_shipped_profile_is_all_an_account_needs(name: str, tmp_path: Path) -> None:
    (tmp_path / "dfos.yaml").write_text(f"profile: {name}\n")
    settings = load(tmp_path).settings
    instrument = MONTHLY.get(name, name)
    table = "" if name in NAMELESS else instrument
    profile = "phoenix" if name in MONTHLY else "dfos"
    assert (settings.instrument, settings.rename.table, settings.update.profile) == (instrument, table, profile)
    assert settings.kinds == {} and bool(settings.rename.calib) == bool(table)
