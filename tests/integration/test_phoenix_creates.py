"""phoenix -C without a source branch: createAB makes the ABs, the AB_PGI completes them before they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.schema import Plugins as Slots
from engine import events as ev
from engine.context import Context
from engine.core.ab import AB, parse
from engine.create.createab.ab_text import edited
from engine.create.obtain import Pgis
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from engine.workflows.phoenix import carry_out
from engine.workflows.under_way import Ended, Plugins
from tests.integration.test_create_ab import DATE, MJD, abs_of, account, night, simple


class Completes:
    """An AB_PGI: a parameter for every flat, one more AB, and whatever it is told to leave out."""

    def __init__(self, *left: str) -> None:
        self.left = left
        self.seen: list[tuple[str, ...]] = []

    def propose(self, abs: tuple[AB, ...]) -> tuple[AB, ...]:
        self.seen.append(tuple(ab.raw_type for ab in abs))
        mine = [self._with(ab) if ab.raw_type == "FLAT" else ab for ab in abs if ab.raw_type not in self.left]
        name = f"{abs[0].root.removeprefix('r.').removesuffix('_tpl')}_stk.ab"
        if name in {ab.name for ab in abs}:
            return tuple(mine)
        text = f"AB_NAME {name}\nRAW_TYPE STACK\nRECIPE own_stack\nDATE {DATE}\nBATCH_ID CALIB_{DATE}\n"
        text += f"PROCESS_STATUS CREATED\nPROD_ROOT_NAME r.{name[:-3]}\nSOF_CONTENT $DFO_RAW_DIR/x.fits STACK\n"
        return (*mine, parse(text.encode(), name))

    def _with(self, ab: AB) -> AB:
        return ab.with_values("RECIPE_PARAM", ["--own=1"])


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A standard account: rules, headers of one night, no source branch."""
    made = account(tmp_path)
    made = replace(made, settings=made.settings.model_copy(update={"plugins": Slots(AB_PGI="completes")}))
    simple(made)
    return made


async def create(context: Context, pgi: Any = None, *, date: str = DATE) -> Ended:
    order = Order("CALIB", date, "C")
    return await carry_out(context, order, Plugins(Pgis(ab_pgi=pgi)), "none", True, lambda _: None)


def transactions(context: Context) -> int:
    return int(context.db.execute("SELECT count(*) FROM transactions").fetchone()[0])


@pytest.mark.row(138)
async def test_part_1_makes_the_abs_and_the_job_files_once(context: Context) -> None:
    ended = await create(context)
    assert (ended.exit_code, ended.text) == (0, f"CALIB {DATE}: 2 ABs created, 0 kept; nothing was executed")
    job = (context.tree.job / f"execAB_CALIB_{DATE}").read_text().splitlines()
    assert [line for line in job if line[0] != "#"] == [f"processAB -a {ab.name}" for ab in abs_of(context)]
    before = transactions(context)
    ended = await create(context)
    assert ended.text.endswith("0 ABs created, 2 kept; nothing was executed") and transactions(context) == before


async def test_an_ab_pgi_completes_what_create_ab_proposes(context: Context) -> None:
    pgi = Completes()
    assert (await create(context, pgi)).exit_code == 0
    found = {ab.raw_type: ab for ab in abs_of(context)}
    assert set(found) == {"BIAS", "FLAT", "STACK"} and found["FLAT"].values("RECIPE_PARAM") == ("--own=1",)
    assert not any(edited(ab) for ab in found.values()), "as the plugin made it, it was not edited by hand"
    before = transactions(context)
    texts = {path.name: path.read_bytes() for path in context.tree.ab.iterdir()}
    assert (await create(context, pgi)).exit_code == 0
    assert pgi.seen[-1] == ("BIAS", "FLAT", "STACK") and transactions(context) == before
    assert {path.name: path.read_bytes() for path in context.tree.ab.iterdir()} == texts
    listed = AbStore(context.tree).ab_list("CALIB", DATE).read_text().splitlines()
    assert [line.split()[1] for line in listed] == ["BIAS", "FLAT", "STACK"]


async def test_what_an_ab_pgi_completed_is_made_again_when_its_files_change(context: Context) -> None:
    pgi = Completes()
    await create(context, pgi)
    night(context).template(MJD + 0.3, 2, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    failed = next(ab for ab in abs_of(context) if ab.raw_type == "FLAT").with_value("PROCESS_STATUS", "FAILED")
    AbStore(context.tree).write(failed)
    await create(context, pgi)
    flat = next(ab for ab in abs_of(context) if ab.raw_type == "FLAT")
    assert flat.status == "CREATED" and flat.values("RECIPE_PARAM") == ("--own=1",)
    by_hand = flat.with_values("RECIPE_PARAM", ["--mine=2"])
    AbStore(context.tree).write(by_hand)
    await create(context, pgi)
    assert next(ab for ab in abs_of(context) if ab.raw_type == "FLAT").values("RECIPE_PARAM") == ("--mine=2",)


async def test_an_ab_that_the_ab_pgi_leaves_out_is_not_written(context: Context) -> None:
    for _ in range(2):
        assert (await create(context, Completes("FLAT"))).exit_code == 0
        assert {ab.raw_type for ab in abs_of(context)} == {"BIAS", "STACK"}
    assert len(list((context.tree.vcal / DATE).iterdir())) == 1  # no virtual flat that nobody makes


async def test_without_headers_the_abs_that_stand_there_are_enough(context: Context) -> None:
    await create(context)
    for path in (Path(context.tree.variables["DFO_HDR_DIR"]) / DATE).iterdir():
        path.unlink()
    told: list[ev.Event] = []
    context.bus.subscribe(lambda stamped: told.append(stamped.event))
    assert (await create(context)).exit_code == 0 and len(abs_of(context)) == 2
    assert any(isinstance(event, ev.Notice) and "no headers" in event.text for event in told)
    ended = await create(context, date="2014-07-13")
    assert ended.exit_code == 2 and "no headers of 2014-07-13" in ended.text


async def test_a_header_that_cannot_be_read_is_told_and_the_others_go_on(context: Context) -> None:
    (Path(context.tree.variables["DFO_HDR_DIR"]) / DATE / "MUSE.2014-07-12T05:00:00.000.hdr").write_text("rubbish")
    ended = await create(context)
    assert ended.exit_code == 1 and "1 findings" in ended.text and len(abs_of(context)) == 2


async def test_an_instance_by_run_makes_no_abs_of_a_date(context: Context) -> None:
    by_run = replace(context, settings=context.settings.model_copy(update={"pool": "run"}))
    assert (await create(by_run)).exit_code == 0 and abs_of(context) == []
