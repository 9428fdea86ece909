"""Organisation: which files of a night belong together, and what is to be done with them.

The events of the on-line pipeline are read from files on disk: SIG.FRAME is every file, SIG.TEMPLATE the
files of one template, `LF.` the last file of it (domain facts on OCA 4.1). One file may be in several groups.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.create.oca.closures import BadExpression, Compiler, Test, keys, place, terms
from engine.create.oca.frame import Frame
from engine.create.oca.model import Action, And, Compare, Expr, Key, Literal, Organise, Problem
from engine.create.oca.values import Value, group_value, number

_EVENTS = {"FRAME": "frame", "TEMPLATE": "template"}
_LONGEST = 1e7  # seconds; an EXPTIME beyond is none
_NAMED = 3  # files that a note names


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Files that make one AB.

    `members` go by MJD-OBS, then name; `primary` is the first. `action` is None where the rules name one that they
    do not have. `match` are the keys of `group by` with the primary's values. `mjd` is the primary's MJD-OBS,
    `mjd_mod` the middle of its exposure (MJD-OBS_MOD, the time for time matching), in days; None without MJD-OBS.
    `unfinished` says how far a template came that was not finished, '' for all others.
    """

    primary: Frame
    members: tuple[Frame, ...]
    rule: Organise
    action: Action | None
    event: str
    tag: str
    match: tuple[tuple[str, Value | None], ...]
    mjd: float | None
    mjd_mod: float | None
    unfinished: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it this AB and no other: name of the primary, tag, action."""
        return (self.primary.name, self.tag, self.rule.action)

    def of(self, members: Sequence[Frame]) -> Group:
        """The group with some of its members only, at least one, in their order."""
        primary = members[0]
        match = tuple((name, primary.get(name)) for name, _ in self.match)
        mjd, middle = primary.mjd, _middle(primary)
        return replace(self, primary=primary, members=tuple(members), match=match, mjd=mjd, mjd_mod=middle)


@dataclass(frozen=True, slots=True)
class Organised:
    """The groups in the order of the rules, then of time; `notes` says what was left out or looks odd."""

    groups: tuple[Group, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Template:
    """The files of one template in order; a file that belongs to none is one by itself."""

    files: tuple[Frame, ...]
    last: Frame
    finished: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    said: Organise
    event: str  # frame, template or '' without a SIG term
    single: bool  # every file is a group of its own
    on_file: Test  # terms on the file alone
    on_pair: Test  # terms on the file and the last file together
    on_last: Test  # terms on the last file alone
    any_file: bool  # no term asks anything of the file itself
    tags: tuple[str, ...]  # keys of which a file that is known has one

    @property
    def names(self) -> tuple[str, str]:
        """AB_EVENT and name tag."""
        if self.said.event:
            return self.said.event, self.said.tag
        event, tag = ("SINGLE", "") if self.single else ("TPL_A", "tpl") if self.event else ("GROUP", "")
        return event, self.said.tag or tag

    def takes(self, file: Frame) -> bool:
        """True when the terms on the file alone hold; with no such term, when it is no stranger."""
        if self.any_file and not self.single:
            return self.knows(file)
        return self.on_file(file.values, file.values)

    def knows(self, file: Frame) -> bool:
        """True for a file that classification said something about, or that has a category of its own."""
        return bool(file.overlay) or any(file.get(key) is not None for key in self.tags)

    def holds(self, files: Iterable[Frame], last: Frame) -> tuple[Frame, ...]:
        """The files that stay, once it is known which file is the last."""
        if not self.on_last(last.values, last.values):
            return ()
        return tuple(file for file in files if self.on_pair(file.values, last.values))


class Organiser:
    """The organisation rules of a rule set, ready to run. Rules that cannot run are left out and in `problems`."""

    def __init__(self, rules: Sequence[Organise], actions: Sequence[Action], compiler: Compiler) -> None:
        self._reading = compiler.reading
        self._actions: dict[str, Action] = {}
        for action in actions:
            self._actions.setdefault(action.name, action)
        self.problems: list[Problem] = []
        self.keys: set[str] = {*self._reading.template, *self._reading.arms, "TPL.EXPNO", "TPL.NEXP", "EXPTIME"}
        made: list[_Rule] = []
        for rule in rules:
            try:
                made.append(self._made(rule, compiler))
            except BadExpression as trouble:
                self.problems.append(Problem("error", trouble.code, trouble.text, trouble.at or rule.at))
            self.keys.update(rule.group_by, (key.name for key in keys(rule.where) if key.prefix != "SIG"))
        self._rules = tuple(made)

    def organise(self, frames: Sequence[Frame], *, closed: bool = True) -> Organised:
        """Form the groups. While the night is not `closed`, what may still grow makes no group yet."""
        files = sorted(frames, key=lambda frame: frame.order)
        templates = self._templates(files)
        ended = {id(file): one.finished for one in templates for file in one.files}
        notes: dict[str, None] = {}
        groups: dict[tuple[str, str, str], Group] = {}
        for rule in self._rules:
            at = f"{rule.said.action} ({rule.said.at})"
            for members in self._divided(rule, files, templates, notes):
                finished = rule.single or all(ended[id(file)] for file in members)
                whole = bool(rule.event or "TPL.START" in rule.said.group_by)  # a template, no more and no less
                if len(members) < rule.said.min_ret:
                    few = f"{len(members)} of at least {rule.said.min_ret} files"
                    notes[f"{at}: {few}, no AB: {_named(members)}"] = None
                elif closed or (finished and (rule.single or whole)):
                    unfinished = _progress(members) if whole and not finished else ""
                    self._add(self._group(rule, members, unfinished), groups, notes)
                else:
                    notes[f"{at}: more files may come: {_named(members)}"] = None
        return Organised(_unclashed(groups.values(), notes), tuple(notes))

    def _made(self, rule: Organise, compiler: Compiler) -> _Rule:
        event, on_last, on_file, on_pair = "", list[Expr](), list[Expr](), list[Expr]()
        for term in terms(rule.where):
            prefixes = {key.prefix for key in keys(term)}
            if "SIG" in prefixes:
                told = _EVENTS.get(_event(term))
                if told is None:
                    raise BadExpression(
                        "bad-event",
                        "only SIG.FRAME == 1 and SIG.TEMPLATE == 1 are events, each joined to other terms by 'and'",
                        place(term),
                    )
                if event not in ("", told):
                    raise BadExpression("bad-event", "a rule has one event", place(term))
                event = told
            elif "LF" in prefixes:
                (on_last if prefixes == {"LF"} else on_pair).append(term)
            else:
                on_file.append(term)
        by_file = not set(rule.group_by).isdisjoint(self._reading.single)
        single = event == "frame" or by_file or not (event or rule.group_by)
        alone, pair, last = (_joined(some, compiler) for some in (on_file, on_pair, on_last))
        return _Rule(rule, event, single, alone, pair, last, not (on_file or on_pair), self._reading.tags)

    def _templates(self, files: Sequence[Frame]) -> tuple[_Template, ...]:
        found: dict[Hashable, dict[Hashable, list[Frame]]] = {}
        start, names = self._reading.template[:1], self._reading.template
        for file in files:
            alone = any(file.get(key) is None for key in start)
            whole = id(file) if alone else tuple(group_value(file.get(name)) for name in names)
            arm = tuple(group_value(file.get(name)) for name in self._reading.arms)
            found.setdefault(whole, {}).setdefault(arm, []).append(file)
        made = [_Template(tuple(arm), *_end(arm, [*arms.values()])) for arms in found.values() for arm in arms.values()]
        return tuple(sorted(made, key=lambda one: one.files[0].order))

    def _divided(
        self, rule: _Rule, files: Sequence[Frame], templates: Sequence[_Template], notes: dict[str, None]
    ) -> Iterable[tuple[Frame, ...]]:
        """The files of each group of a rule, before anything is said about its size."""
        if rule.any_file and not rule.single and (strangers := [file for file in files if not rule.knows(file)]):
            notes[f"no classification rule knows {_named(strangers)}"] = None
        if rule.event == "template":
            for one in templates:
                if kept := rule.holds((file for file in one.files if rule.takes(file)), one.last):
                    yield from self._keyed(rule, kept, notes)
            return
        fitting = [file for file in files if rule.takes(file)]
        groups = ((file,) for file in fitting) if rule.single else self._keyed(rule, fitting, notes)
        for members in groups:
            if kept := rule.holds(members, max(members, key=_lateness)):
                yield kept

    def _keyed(self, rule: _Rule, files: Sequence[Frame], notes: dict[str, None]) -> Iterable[tuple[Frame, ...]]:
        """Divide files by the values of the keys of `group by`."""
        names = rule.said.group_by
        if not names:
            return [tuple(files)]
        missing: dict[str, list[Frame]] = {}
        found: dict[Hashable, list[Frame]] = {}
        for file in files:
            values = [file.values.get(name) for name in names]
            key: Hashable = tuple(group_value(value) for value in values)
            for name in (name for name, value in zip(names, values, strict=True) if value is None):
                missing.setdefault(name, []).append(file)
                if name in self._reading.alone:
                    key = id(file)
            if rule.single:
                key = id(file)
            found.setdefault(key, []).append(file)
        for name, lacking in missing.items():
            notes[f"{rule.said.action} ({rule.said.at}): {name} is missing in {_named(lacking)}"] = None
        return [tuple(members) for members in found.values()]

    def _group(self, rule: _Rule, members: tuple[Frame, ...], unfinished: str) -> Group:
        primary, said = members[0], rule.said
        event, tag = rule.names
        match = tuple((name, primary.get(name)) for name in said.group_by)
        action = self._actions.get(said.action)
        return Group(primary, members, said, action, event, tag, match, primary.mjd, _middle(primary), unfinished)

    def _add(self, group: Group, groups: dict[tuple[str, str, str], Group], notes: dict[str, None]) -> None:
        if group.action is None:
            notes[f"there is no action {group.rule.action} ({group.rule.at})"] = None
        known = groups.setdefault(group.identity, group)
        if known is not group and known.members != group.members:
            rules = f"{known.rule.at} and {group.rule.at}"
            notes[f"{group.primary.name}: {rules} make the same AB of different files; the first counts"] = None


def _middle(frame: Frame) -> float | None:
    """MJD of the middle of an exposure."""
    exposure = number(frame.get("EXPTIME")) or 0
    half = exposure / 2 / 86400 if abs(exposure) < _LONGEST else 0
    return None if frame.mjd is None else frame.mjd + half


def _event(term: Expr) -> str:
    match term:
        case Compare("==", Key("SIG", name), Literal(1)) | Compare("==", Literal(1), Key("SIG", name)):
            return name
    return ""


def _joined(expressions: Sequence[Expr], compiler: Compiler) -> Test:
    return compiler.test(And(tuple(expressions)) if len(expressions) > 1 else next(iter(expressions), None))


def _lateness(file: Frame) -> tuple[float, float, str, str]:
    expno = number(file.get("TPL.EXPNO"))
    mjd = -math.inf if file.mjd is None else file.mjd
    return (mjd, -math.inf if expno is None else expno, file.name, file.path)


def _progress(members: Sequence[Frame]) -> str:
    """How far the template came whose last exposure is among the members; the last one of them speaks for all."""
    last = next((file for file in reversed(members) if not _is_finished(file)), members[-1])
    return f"{last.get('TPL.EXPNO')} of {last.get('TPL.NEXP')} exposures"


def _end(arm: Sequence[Frame], arms: Sequence[Sequence[Frame]]) -> tuple[Frame, bool]:
    """The last file of one arm of a template, and whether no more will come.

    Arms that observe side by side count their exposures each for itself (VIMOS), or together: then no number is there
    twice, and the last of them all says whether the template is finished (UVES).
    """
    last = max(arm, key=_lateness)
    files = [file for files in arms for file in files]
    numbers = [number(file.get("TPL.EXPNO")) for file in files]
    if _is_finished(last) or len(arms) == 1 or len(set(numbers)) < len(numbers):
        return last, _is_finished(last)
    return last, _is_finished(max(files, key=_lateness))


def _is_finished(last: Frame) -> bool:
    done, of = number(last.get("TPL.EXPNO")), number(last.get("TPL.NEXP"))
    return done is None or of is None or done >= of


def _named(files: Sequence[Frame]) -> str:
    names = ", ".join(file.name for file in files[:_NAMED])
    return f"{names} and {len(files) - _NAMED} more" if len(files) > _NAMED else names


def _unclashed(groups: Iterable[Group], notes: dict[str, None]) -> tuple[Group, ...]:
    """Give a tag of its own to every later group that would have the name of an earlier one."""
    made: list[Group] = []
    taken: dict[tuple[str, str], Group] = {}
    for group in groups:
        tag, count = group.tag, 1
        while (group.primary.name, tag) in taken:
            count += 1
            tag = f"{group.tag}_{count}" if group.tag else str(count)
        if tag != group.tag:
            first = taken[(group.primary.name, group.tag)]
            both = f"{first.rule.action} and {group.rule.action}"
            notes[f"{both} make an AB of the same name from {group.primary.name}; the later one is tagged {tag}"] = None
            group = replace(group, tag=tag)
        taken[(group.primary.name, tag)] = group
        made.append(group)
    return tuple(made)
