"""What createAB looks at: rules, headers, calibrations, the ABs there are. Reads only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from config.create import Create
from config.schema import Settings
from config.tree import DfoTree
from engine.core.ab import AB
from engine.core.dates import date_label, mode_label
from engine.create.createab import plan as planning
from engine.create.createab.build import Built, Material, built
from engine.create.createab.filter_raw import Filtered, filtered
from engine.create.createab.night import Night, read_night
from engine.create.createab.plan import CreatePlan, Standing, decided
from engine.create.createab.pools import real, virtual
from engine.create.createab.predict import Table, table_of
from engine.create.createab.rules_file import rules_of
from engine.create.oca.reading import Reading, Window
from engine.create.oca.ruleset import RuleSet
from engine.errors import BadAb
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from engine.stores.database import connect


@dataclass(frozen=True)
class Looked:
    """The plan and what it was made from: raw frames (their headers go into the virtual calibrations), and ABs."""

    plan: CreatePlan
    night: Night
    standing: Standing


def looked(tree: DfoTree, settings: Settings, mode: str, date: str) -> Looked:
    """What createAB would do now. Reads only.

    UsageTrouble when there are no headers or no rules; BadRules when the rules cannot be read at all.
    """
    mode_label(mode), date_label(date)
    create = settings.create
    rules, path = rules_of(settings, tree)
    ruleset = RuleSet(rules, reading_of(create))
    table = table_of(settings.instrument, tree.config)
    night = read_night(tree, date, ruleset.keys, create.mandatory)
    mcal = real(tree, create, night.frames, date, ruleset.keys)
    vcal = virtual(tree, create, night.frames, mode, date, ruleset.keys, mcal.frames)
    there = standing(tree, mode, date)
    material = Material(
        mode,
        date,
        night.frames,
        tuple(mcal.frames),
        tuple(vcal.frames),
        there.taken(),
        there.settled(mode, date),
        frozenset(create.second_step),
        closed=not create.not_yet,
    )
    made = built(rules, ruleset, table, material)
    pools = (f"calibrations: {len(mcal.frames)} real, {len(vcal.frames)} virtual",)
    bad = tuple(f"calibration {one.name}: {one.why}" for one in (*mcal.troubles, *vcal.troubles))
    notes = (*pools, *made.notes, *night.notes, *bad, *vcal.notes)
    return Looked(_plan(tree, settings, mode, date, made, there, night, (ruleset, path), table, notes), night, there)


def scanned(tree: DfoTree, settings: Settings, date: str) -> Filtered:
    """filterRaw's report on a DATE. Reads only; UsageTrouble and BadRules as `looked`."""
    date_label(date)
    rules, _ = rules_of(settings, tree)
    ruleset = RuleSet(rules, reading_of(settings.create))
    night = read_night(tree, date, ruleset.keys, settings.create.mandatory)
    for frame in night.frames:
        ruleset.classify(frame)
    groups = ruleset.organise(night.frames).groups
    return filtered(date, night.frames, groups, night.troubles, settings.create.unwanted)


def _plan(
    tree: DfoTree,
    settings: Settings,
    mode: str,
    date: str,
    made: Built,
    there: Standing,
    night: Night,
    source: tuple[RuleSet, Path],
    table: Table,
    notes: tuple[str, ...],
) -> CreatePlan:
    ruleset, path = source
    create = settings.create
    decisions = tuple(decided(made.proposals, there, create, settings.instrument))
    wanted = {one.name for one in made.proposals}
    old = _lines(AbStore(tree).ab_list(mode, date))
    lines = planning.listing(decisions, there, mode, date, old)
    strangers = [name for name, ab in there.abs.items() if (ab.mode, ab.date) == (mode, date) and name not in wanted]
    problems = [str(problem.at) + f": {problem.text}" for problem in ruleset.problems if problem.level == "error"]
    return CreatePlan(
        mode,
        date,
        tree.shorten(path),
        table.file or "no table of recipes, product blocks of the rules only",
        decisions,
        tuple(strangers),
        tuple(lines),
        tuple(old),
        filtered(date, night.frames, made.groups, night.troubles, create.unwanted),
        notes,
        tuple(problems),
    )


def standing(tree: DfoTree, mode: str, date: str) -> Standing:
    """The ABs of $DFO_AB_DIR, those of MODE and DATE that were moved, and files that are no ABs."""
    abs_: dict[str, AB] = {}
    bad: dict[str, str] = {}
    moved: dict[str, str] = {}
    gone: dict[str, AB] = {}
    for path in _abs(tree.ab):
        try:
            abs_[path.name] = read(path)
        except BadAb as trouble:
            bad[path.name] = trouble.what
    for path in _abs(tree.log / date):
        try:
            ab = read(path)
        except BadAb:
            moved[path.name] = ""
        else:
            if ab.mode == mode:
                moved[path.name] = ab.get("ACTION")
                gone[path.name] = ab
    return Standing(abs_, moved, bad, _running(tree), gone)


def _running(tree: DfoTree) -> frozenset[str]:
    """ABs whose last attempt is open, by the journal."""
    if not tree.journal.exists():
        return frozenset()
    db = connect(tree.journal, readonly=True)
    try:
        return frozenset(attempt.ab for attempt in Attempts(db, readonly=True).open())
    except sqlite3.OperationalError:  # nothing was ever processed here
        return frozenset()
    finally:
        db.close()


def reading_of(create: Create) -> Reading:
    """How the rules are read: time rules, validity windows and arms of the configuration."""
    windows = {}
    for catg, validity in create.validity.items():
        plan, extended = (_pair(pair) for pair in (validity.plan, validity.extended))
        windows[catg] = Window(plan, extended)
    time_rules = {catg: one.rule for catg, one in create.validity.items()}
    return Reading(arms=create.arms, time_rules=time_rules, windows=windows)


def _pair(pair: tuple[float, ...]) -> tuple[float, float] | None:
    return (pair[0], pair[1]) if pair else None


def _abs(place: Path) -> list[Path]:
    return sorted(path for path in place.glob("*.ab") if not path.name.startswith(".")) if place.is_dir() else []


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
