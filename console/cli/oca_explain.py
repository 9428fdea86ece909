"""`dfos oca explain`: which rules a file meets, which calibrations its groups get, and why not the others."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cli import words

if TYPE_CHECKING:
    from engine.create.oca.associate import Pools
    from engine.create.oca.explain import Choice, Ran, Term, Tried
    from engine.create.oca.frame import Frame
    from engine.create.oca.organise import Group
    from engine.create.oca.ruleset import RuleSet

_WIDTH = 80
_FEW = 5  # refused candidates of an association that are shown without --all
_SUFFIXES = (".fits", ".fits.fz", ".tfits", ".hdr")


def add(made: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    made.add_argument("--rules", metavar="FILE", type=Path, help="explain: rules to use instead of the account's")
    made.add_argument("-d", dest="date", metavar="DATE", help="explain: with the raw files and calibrations of a DATE")
    made.add_argument("--raw", metavar="DIR", type=Path, action="append", default=[], help="explain: other raw files")
    made.add_argument("--pool", metavar="DIR", type=Path, action="append", default=[], help="explain: calibrations")
    made.add_argument(
        "--all", action="store_true", help="check: every finding; explain: false rules too, every candidate"
    )
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="explain: override a setting")


def explain(given: argparse.Namespace) -> int:
    """Print everything the rules say of a file. BadFits, BadRules, UsageTrouble."""
    ruleset, frame, groups, pools = _of_date(given) if given.date else _of_files(given)
    found = told(ruleset, frame, groups, pools, everything=given.all)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        words.say(list(_lines(found, everything=given.all)))
    return 0


def _of_files(given: argparse.Namespace) -> tuple[RuleSet, Frame, list[Group], Pools]:
    """The file by itself, or among the files of --raw, with the calibrations of --pool."""
    from engine.create.oca.associate import Pools

    ruleset = _ruleset(given)
    path = Path(given.file)
    frame = _frame(path, ruleset)
    known = {path.resolve()}
    raws = [frame, *_frames(given.raw, ruleset, known)]
    calibs = list(_frames(given.pool, ruleset, known))
    return ruleset, frame, list(ruleset.organise(raws).groups), Pools(calibs, raws)


def _of_date(given: argparse.Namespace) -> tuple[RuleSet, Frame, list[Group], Pools]:
    """A raw file of a DATE in what createAB would make of it now."""
    import os

    from console.account import open_settings
    from engine.create.createab.build import Material, built
    from engine.create.createab.night import read_night
    from engine.create.createab.pools import real, virtual
    from engine.create.createab.predict import table_of
    from engine.create.createab.proposal import mode_of
    from engine.create.createab.survey import standing
    from engine.create.oca.frame import bare_name
    from engine.errors import UsageTrouble

    tree, date = words.tree(given.root), given.date
    settings = open_settings(tree, os.environ, given.set).settings
    create, ruleset = settings.create, _ruleset(given)
    night = read_night(tree, date, ruleset.keys, create.mandatory)
    name = bare_name(given.file)
    frame = next((one for one in night.frames if one.name == name), None)
    if frame is None:
        raise UsageTrouble(f"{name} is no usable raw file of {date}", remedy=f"look at filterRaw -d {date}")
    ruleset.classify(frame)
    mode = mode_of(frame)
    mcal = tuple(real(tree, create, night.frames, date, ruleset.keys).frames)
    vcal = tuple(virtual(tree, create, night.frames, mode, date, ruleset.keys, mcal).frames)
    taken, second = standing(tree, mode, date).taken(), frozenset(create.second_step)
    material = Material(mode, date, night.frames, mcal, vcal, taken, second_step=second, closed=not create.not_yet)
    made = built(ruleset.rules, ruleset, table_of(settings.instrument, tree.config), material)
    groups = [one.group for one in made.proposals if any(raw is frame for raw in one.raws)]
    return ruleset, frame, groups, made.pools


def _ruleset(given: argparse.Namespace) -> RuleSet:
    from engine.create.oca.load import load
    from engine.create.oca.ruleset import RuleSet

    if given.rules:
        return RuleSet(load(given.rules, below=given.below))
    import os

    from console.account import open_settings
    from engine.create.createab.rules_file import rules_of
    from engine.create.createab.survey import reading_of

    tree = words.tree(given.root)
    settings = open_settings(tree, os.environ, given.set).settings
    return RuleSet(rules_of(settings, tree)[0], reading_of(settings.create))


def _frame(path: Path, ruleset: RuleSet) -> Frame:
    from engine.create.oca.frame import Frame
    from engine.headers.quick import Wanted, quick

    frame = Frame(str(path), quick(str(path), Wanted.of(ruleset.keys)).values)
    ruleset.classify(frame)
    return frame


def _frames(places: Iterable[Path], ruleset: RuleSet, known: set[Path]) -> Iterator[Frame]:
    """The files of some directories; those that are no headers are left out, each is taken once."""
    from engine.errors import BadFits, UsageTrouble

    for place in places:
        if not place.is_dir():
            raise UsageTrouble("there is no such directory", where=str(place))
        for path in sorted(place.iterdir()):
            if path.name.endswith(_SUFFIXES) and path.is_file() and path.resolve() not in known:
                known.add(path.resolve())
                try:
                    yield _frame(path, ruleset)
                except BadFits:
                    continue


def told(ruleset: RuleSet, frame: Frame, groups: list[Group], pools: Pools, *, everything: bool) -> dict[str, Any]:
    """All that can be said, as plain data; true rules only unless `everything`."""
    from engine.create.oca.explain import association, classification, nearest, organisation

    ran = classification(ruleset, frame)
    tried = organisation(ruleset, frame, groups)
    known = any(one.true for one in ran)
    return {
        "file": frame.path,
        "rules": ruleset.rules.name,
        "partial": ruleset.partial,
        "tag": ruleset.tag(frame),
        "tried": len(ran),
        "classification": [_rule(one) for one in ran if one.true or everything],
        "groups": [
            {**_group(group), "associations": [_association(one) for one in association(ruleset, group, pools)]}
            for group in groups
        ],
        "nearest_classification": [] if known else [_near(one) for one in nearest(ran)],
        "nearest_group": [_near(one) for one in nearest(tried)] if known and not groups else [],
        "in_no_group": [_failed(one) for one in tried if one.group is None and (everything or one.near)],
    }


def _rule(ran: Ran) -> dict[str, Any]:
    sets = [
        {"key": one.key, "value": one.value, "before": one.before, "overwritten": one.key in ran.overwritten}
        for one in ran.settings
    ]
    return {"at": str(ran.rule.at), "true": ran.true, "sets": sets, "terms": [_term(term) for term in ran.terms]}


def _near(one: Ran | Tried) -> dict[str, Any]:
    """A rule that the file all but fits: how many of its terms hold, and those that do not."""
    failed = [_term(term) for term in one.terms if term.result != "true"]
    return {"at": str(one.rule.at), "terms": len(one.terms), "failed": failed}


def _term(term: Term) -> dict[str, Any]:
    return {"text": term.text, "result": term.result, "values": dict(term.values)}


def _group(group: Group) -> dict[str, Any]:
    return {
        "action": group.rule.action,
        "at": str(group.rule.at),
        "event": group.event,
        "tag": group.tag,
        "recipe": group.action.recipe if group.action else "",
        "primary": group.primary.name,
        "members": [member.name for member in group.members],
        "match": dict(group.match),
        "mjd_obs_mod": group.mjd_mod,
    }


def _failed(tried: Tried) -> dict[str, Any]:
    return {"action": tried.rule.action, "at": str(tried.rule.at), "terms": [_term(term) for term in tried.terms]}


def _association(choice: Choice) -> dict[str, Any]:
    rule, window = choice.seeker.rule, choice.seeker.window
    return {
        "tag": rule.tag,
        "at": str(rule.at),
        "from": rule.source,
        "min_ret": rule.min_ret,
        "max_ret": rule.max_ret,
        "time_rule": choice.seeker.time_rule,
        "plan": window.plan if window else None,
        "extended": window.extended if window else None,
        "off": choice.off,
        "chosen": [
            {"file": hit.frame.path, "days": hit.delta_days, "ok": hit.ok, "virtual": hit.frame.virtual}
            for hit in choice.hits
        ],
        "refused": [
            {"file": one.frame.path, "days": one.delta_days, "kind": one.kind, "why": one.why} for one in choice.refused
        ],
        "of_another_kind": choice.elsewhere,
        "missing": choice.shortage.why if choice.shortage else "",
    }


def _lines(found: dict[str, Any], *, everything: bool) -> Iterator[str]:
    """The same as a table of 80 columns."""
    yield from _said(f"{found['file']}: {found['tag'] or 'UNCLASSIFIED'}", 0)
    if found["partial"]:
        yield f"{found['rules']} has errors: rules were left out (dfos oca check)"
    true = sum(rule["true"] for rule in found["classification"])
    yield f"classification: {true} of {found['tried']} rules are true"
    for rule in found["classification"]:
        yield from _said(f"{rule['at']}{'' if rule['true'] else ' false'}", 2)
        for one in rule["sets"]:
            before = "" if one["before"] is None else f" (was {one['before']!r})"
            yield from _said(f"{one['key']} = {one['value']!r}{before}{', overwritten later' * one['overwritten']}", 4)
        if everything:
            yield from _terms(rule["terms"])
    if not true and not everything:
        yield from _nearest_lines("classification", found["nearest_classification"])
    for group in found["groups"]:
        yield from _group_lines(group, everything=everything)
    if not found["groups"]:
        yield "in no group"
    for rule in found["in_no_group"]:
        met = all(term["result"] == "true" for term in rule["terms"])
        why = "this file fits; not its last file, its number, or its night" if met else "does not fit"
        yield from _said(f"not {rule['action']} ({rule['at']}): {why}", 2)
        yield from _terms(rule["terms"]) if everything else ()
    if true and not found["groups"] and not found["in_no_group"]:
        yield from _nearest_lines("organisation", found["nearest_group"])


def _nearest_lines(kind: str, nearest: list[dict[str, Any]]) -> Iterator[str]:
    """The rules that are all but met, each with the terms that fail."""
    if not nearest:
        yield f"no {kind} rule comes near: is this a file of this instrument? --all shows every rule"
        return
    yield f"the nearest {kind} rules, and what fails in them (--all shows every rule):"
    for rule in nearest:
        holds = rule["terms"] - len(rule["failed"])
        yield from _said(f"{rule['at']}: {holds} of {rule['terms']} terms hold", 2)
        yield from _terms(rule["failed"])


def _terms(terms: list[dict[str, Any]]) -> Iterator[str]:
    for term in terms:
        values = ", ".join(
            f"{key} {'missing' if value is None else repr(value)}" for key, value in term["values"].items()
        )
        yield from _said(f"{term['result']:<7} {term['text']}" + (f"  [{values}]" if values else ""), 6)


def _group_lines(group: dict[str, Any], *, everything: bool) -> Iterator[str]:
    kind = " ".join(filter(None, (group["event"], group["tag"])))
    yield from _said(f"{group['action']} ({group['at']}): recipe {group['recipe'] or 'none'}, {kind}", 0)
    count = len(group["members"])
    yield from _said(f"{count} file{'s' * (count > 1)}, the first is {group['primary']}", 2)
    for one in group["associations"]:
        most = "any number" if one["max_ret"] < 0 else one["max_ret"]
        yield from _said(f"{one['tag']} ({one['at']}): {one['min_ret']} to {most} {one['from']}, {one['time_rule']}", 2)
        if one["off"]:
            yield from _said(f"switched off: {one['off']}", 4)
        for hit in one["chosen"]:
            more = "" if hit["ok"] else ", NOK: outside the plan range"
            yield from _said(f"+ {hit['file']} {_days(hit['days'])}{', virtual' * hit['virtual']}{more}", 4)
        shown = one["refused"] if everything else one["refused"][:_FEW]
        for refused in shown:
            yield from _said(f"- {refused['file']} {_days(refused['days'])}: {refused['why']}", 4)
        if len(shown) < len(one["refused"]):
            yield f"    - and {len(one['refused']) - len(shown)} more (--all)"
        if not one["off"] and not one["chosen"] and not one["refused"]:
            yield f"    nothing of this kind among {one['of_another_kind']} files"
        if one["missing"]:
            yield from _said(f"MISSING: {one['missing']}", 4)


def _days(days: float | None) -> str:
    return "no MJD-OBS" if days is None else f"{days:+.3f} d"


def _said(text: str, margin: int) -> list[str]:
    """A text in lines of 80 columns, each behind its margin."""
    blank = " " * margin
    return textwrap.wrap(text, _WIDTH, initial_indent=blank, subsequent_indent=f"{blank}  ") or [blank]
