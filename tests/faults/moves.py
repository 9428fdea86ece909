"""Moves to be cut: accounts ready to be moved, and how."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.schema import Saved
from console.plugins.shell_pgi import ShellPgi
from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.core.product import MOVE as MOVE_FATE
from engine.release.move.move_products import MovePlan, SpecialPlugin, move
from tests.builders import PSEUDO, make_ab, make_tree
from tests.faults.power import PowerCut
from tests.released import MOVE, NIGHT, bias, biases, dpc_of, keen, processed, release_context, target

OTHER = "MUSE.2014-10-25T01:00:00.000"
KEEP = {"move__recreate": "keep"}
RECREATE = {"move__recreate": "recreate", "move__recreate__sure": "yes"}
PAGE = """<html><body><a href="{root}.log">log</a> <a href='{products}/{root}_0000.fits'>product</a>
<img src="{products}/{root}_0000.png"><a href="http://www.eso.org/">away</a></body></html>
"""


@dataclass(frozen=True)
class Scenario:
    """A MODE and DATE ready to be moved, how the operator answers, what is configured; `far`: products elsewhere."""

    mode: str
    date: str
    prepare: Callable[[Context], None]
    answers: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    plugin: SpecialPlugin | None = None
    far: bool = False


def _calib(context: Context) -> None:
    biases(context)


def _calib_again(context: Context) -> None:
    """Two biases moved before; one joins between them (letters shift), one is made anew."""
    processed(context, bias(0))
    processed(context, bias(20))
    asyncio.run(move(context, "CALIB", NIGHT))
    processed(context, bias(10, "MASTER_BIAS", "BIAS_RESIDUALS"))
    processed(context, bias(0), OBJECT="made anew")


def _science(context: Context) -> None:
    target(context, exposures=1)


def _science_again(context: Context) -> None:
    """A target moved before; its combination is made anew and that of another target joins."""
    combined = dpc_of(target(context, exposures=1))
    asyncio.run(move(context, "SCIENCE", PSEUDO))
    processed(context, combined, OBJECT="made anew")
    processed(context, make_ab(OTHER, "combine", products=("DATACUBE_FINAL", "IMAGE_FOV"), target="M83"))


def _two_types(context: Context) -> None:
    """Biases and darks of one night."""
    processed(context, bias(0))
    processed(
        context,
        make_ab(
            "MUSE.2014-10-22T22:30:00.000", "bias", mode="CALIB", date=NIGHT, products=("MASTER_DARK",), RAW_TYPE="DARK"
        ),
    )


def _pages(context: Context) -> None:
    """Scoring pages that link to what moves; one of them moved before and is made anew."""
    first = processed(context, bias(0))
    _page(context, first.root)
    asyncio.run(move(context, "CALIB", NIGHT))
    again, fresh = processed(context, bias(0), OBJECT="made anew"), processed(context, bias(10))
    for root in (again.root, fresh.root):
        _page(context, root)


def _page(context: Context, root: str) -> None:
    products = context.tree.product / "BIAS" / NIGHT
    (context.tree.dfs_log / f"{root}.html").write_text(PAGE.format(root=root, products=products))
    (context.tree.dfs_log / f"{root}_latest.log").symlink_to(f"{root}.log")


def _scripted(context: Context) -> None:
    """As `calib`, with an executable plugin."""
    biases(context)
    script = context.tree.bin / "pgi_takes_away"
    script.write_text(
        '#!/bin/sh\nfor file in "$DFS_PRODUCT"/BIAS/$DATE/*T22:10*.fits; do\n'
        'head -c 80 "$file" | grep -q SIMPLE && rm "$file"\ndone\n'
    )
    script.chmod(0o755)


def _only_deleted(context: Context) -> None:
    processed(context, bias(0, "BIAS_RESIDUALS"))


def _one(context: Context) -> None:
    processed(context, bias(0))


async def asks_a_script(plan: MovePlan) -> Mapping[str, str]:
    """A SPECIAL_PLUGIN that is an executable: what it removes of the links it is shown is withheld."""
    tree = make_tree(Path(plan.final_dir).parents[2])
    script = tree.bin / "pgi_takes_away"
    files = tuple(fate.product.path for fate in plan.of(MOVE_FATE))
    withheld = await asyncio.to_thread(ShellPgi(script, tree, 20).keep, plan.mode, plan.date, files, {})
    return {Path(path).name: "removed by the plugin" for path in withheld}


async def takes_away(plan: MovePlan) -> Mapping[str, str]:
    """A SPECIAL_PLUGIN that removes the product of 22:10 itself."""
    for product in (fate.product for fate in plan.of(MOVE_FATE)):
        if "T22:10" in product.pipefile:
            Path(product.path).unlink()  # noqa: ASYNC240
    return {}


PLAIN = MOVE.model_copy(update={"rename": {"CALIB": False, "SCIENCE": False}})
DARKS = MOVE.model_copy(
    update={"raw_types": (*MOVE.raw_types, Saved(raw_type="DARK", mode="CALIB", save="ALL"))},
)
PLUGIN = MOVE.model_copy(update={"special_plugin": "pgi_takes_away"})

SCENARIOS = {
    "calib": Scenario("CALIB", NIGHT, _calib, {}),
    "calib-keep": Scenario("CALIB", NIGHT, _calib_again, KEEP),
    "calib-recreate": Scenario("CALIB", NIGHT, _calib_again, RECREATE),
    "science": Scenario("SCIENCE", PSEUDO, _science, {}),
    "science-keep": Scenario("SCIENCE", PSEUDO, _science_again, KEEP),
    "science-recreate": Scenario("SCIENCE", PSEUDO, _science_again, RECREATE),
}
MORE = {
    "calib-plugin": Scenario("CALIB", NIGHT, _scripted, KEEP, {"move": PLUGIN}, asks_a_script),
    "calib-two-types": Scenario("CALIB", NIGHT, _two_types, {}, {"move": DARKS}),
    "calib-pages": Scenario("CALIB", NIGHT, _pages, KEEP),
    "calib-unnamed": Scenario("CALIB", NIGHT, _calib_again, KEEP, {"move": PLAIN}),
    "calib-deleted": Scenario("CALIB", NIGHT, _only_deleted, {}),
    "calib-far": Scenario("CALIB", NIGHT, _one, {}, far=True),
}
TAKES_AWAY = Scenario("CALIB", NIGHT, _calib, KEEP, {"move": PLUGIN}, takes_away)
TITLES = {
    "calib": "moveProducts CALIB, first move, with virtual calibrations, leftovers and a category that is deleted",
    "calib-keep": "moveProducts CALIB into a date that exists, kept",
    "calib-recreate": "moveProducts CALIB into a date that exists, recreated",
    "science": "moveProducts SCIENCE, first move",
    "science-keep": "moveProducts SCIENCE into a date that exists, kept",
    "science-recreate": "moveProducts SCIENCE into a date that exists, recreated",
    "calib-plugin": "moveProducts CALIB, SPECIAL_PLUGIN (an executable) takes a product away",
    "calib-two-types": "moveProducts CALIB, two raw types",
    "calib-pages": "moveProducts CALIB, scoring pages whose links are edited, symbolic links among the logs",
    "calib-unnamed": "moveProducts CALIB without renaming, into a date that exists",
    "calib-deleted": "moveProducts CALIB, products that are only deleted",
    "calib-far": "moveProducts CALIB across filesystems",
}


def context_of(root: Path, scenario: Scenario, far: Path | None = None) -> Context:
    """The account at `root`; the final directory at `far` where the scenario wants it on another filesystem."""
    given = dict(scenario.settings)
    if scenario.far and far is not None:
        tree = make_tree(root)
        far.mkdir(parents=True, exist_ok=True)
        given["tree"] = replace(tree, cal=far, variables={**tree.variables, "DFO_CAL_DIR": str(far)})
    return release_context(root, keen(**scenario.answers), **given)


def moved(root: Path, scenario: Scenario, probe: fs.Probe, far: Path | None = None) -> bool:
    """Move with the probe; True when it got to its end, False when the power was cut."""
    context = context_of(root, scenario, far)
    try:
        with fs.probed(probe):
            asyncio.run(move(context, scenario.mode, scenario.date, plugin=scenario.plugin))
    except PowerCut:
        return False
    finally:
        context.db.close()
    return True


def recovered(root: Path, scenario: Scenario, probe: fs.Probe, far: Path | None = None) -> None:
    """What the next start does: finish what was cut, then move what had not begun."""
    context = context_of(root, scenario, far)
    try:
        with fs.probed(probe):
            asyncio.run(recover(context))
            asyncio.run(move(context, scenario.mode, scenario.date, plugin=scenario.plugin))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()


def contents(*roots: Path, all_of_it: bool = False) -> set[bytes]:
    """What every file holds that nobody may lose: products, logs, plots, ABs, pages; wherever it stands."""
    lists = ("ENGINE",) if all_of_it else ("ENGINE", "lst", "job", "config")
    kept: set[bytes] = set()
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in lists]
            for name in files:
                path = Path(folder, name)
                if ".sqlite" not in name and name != "DFO_STATUS" and path.is_file() and not path.is_symlink():
                    kept.add(path.read_bytes())
    return kept
