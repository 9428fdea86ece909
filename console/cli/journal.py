"""`dfos journal`: what was moved, renamed, undone, and what was cut; `--recover` finishes that."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from screens.release.released import Run

OPEN = 5  # exit code while something is cut


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos journal", "What was moved, renamed, undone; what was cut, and what finishing it will do.")
    made.add_argument("number", nargs="?", type=int, metavar="NUMBER", help="the steps of this run, in words")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """List the runs, or the steps of one. Exit 5 while a run is cut; with --recover that is finished first."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.recover:
        return _recover(tree, given)
    if given.number is not None:
        return _steps(tree, given.number, given.json)
    from console.views.journal import runs

    found = runs(tree)
    if given.json:
        print(json.dumps([asdict(run) for run in found], indent=1))
    else:
        words.say([line for run in found for line in _lines(run)] or ["nothing was moved yet"])
    return OPEN if any(_cut(run) for run in found) else 0


def _cut(run: Run) -> bool:
    return not run.sealed and not run.busy


def _lines(run: Run) -> list[str]:
    state = "done" if run.sealed else "under way" if run.busy else "CUT"
    steps = f"{run.of} steps" if run.sealed else f"{run.done} of {run.of} steps"
    head = f"{run.number:>5}  {run.kind:<8} {run.mode} {run.date}  {run.begun}  {state:<9} {steps}  {run.who}"
    return [f"{head}  {run.summary}", *(f"         {line}" for line in run.words[1:])]


def _steps(tree: DfoTree, number: int, as_json: bool) -> int:
    from console.views.journal import step_lines, steps

    if as_json:
        found = [{"done": done, "phase": phase, "words": said} for done, phase, said in steps(tree, number)]
        print(json.dumps(found, indent=1))
    else:
        words.say(step_lines(tree, number))
    return 0


def _recover(tree: DfoTree, given: argparse.Namespace) -> int:
    """Say what finishing will do, then do it."""
    from console.link.running import carry_out
    from console.views.journal import runs
    from engine.errors import UsageTrouble
    from engine.stores.orders import Order

    cut = [run for run in runs(tree) if _cut(run) and given.number in (None, run.number)]
    if not cut:
        if given.number is not None:
            raise UsageTrouble(f"run {given.number} is not cut", remedy="dfos journal lists the runs")
        words.say(["nothing was cut"])
        return 0
    if not given.json:
        words.say([line for run in cut for line in _lines(run)])
    pools = dict.fromkeys((run.mode, run.date) for run in cut)
    return carry_out(tree, [Order(mode, date, tool="recover") for mode, date in pools], given)
