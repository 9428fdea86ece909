"""Association: which calibrations a group gets, the best by time first.

Candidates are found by the values that must be equal, then in the order of their distance in time; the whole
condition is always tried, so the result is that of trying every file (domain facts on OCA 4.2).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.create.oca.closures import NO, NOK, OK, BadExpression, Compiler, Level, Test, keys, terms
from engine.create.oca.frame import Frame
from engine.create.oca.model import Action, And, Association, Compare, Expr, Key, Literal, Problem
from engine.create.oca.organise import Group
from engine.create.oca.reading import Reading, TimeRule, Window
from engine.create.oca.values import Value, bucket, equal

SOURCES = ("calibFiles", "inputFiles", "rawFiles")


@dataclass(frozen=True, slots=True)
class Hit:
    """A file that a group gets. `delta_days`: its MJD-OBS minus the group's time, None where one is missing.

    `ok` is False when it lies outside what is wanted (plan range, tryBetween), yet within what is allowed.
    `source` is calibFiles, inputFiles, or rawFiles (an associated raw file, not for the SOF).
    """

    frame: Frame
    tag: str
    source: str
    delta_days: float | None
    ok: bool
    rule: Association


@dataclass(frozen=True, slots=True)
class Shortage:
    """An association that found less than it must: the AB is INCOMPLETE. `why` is for the operator."""

    rule: Association
    found: int
    why: str


@dataclass(frozen=True, slots=True)
class Associated:
    """What a group gets, in the order of the action (the order of the SOF), and what is missing."""

    hits: tuple[Hit, ...]
    shortages: tuple[Shortage, ...]

    @property
    def complete(self) -> bool:
        """True when nothing that must be there is missing."""
        return not self.shortages


class Pools:
    """The files to choose from: `calib` for calibFiles (real, static, virtual), `inputs` for inputFiles and rawFiles.

    Files are kept in the order of time and of names, whatever order they come in.
    """

    def __init__(self, calib: Iterable[Frame] = (), inputs: Iterable[Frame] = ()) -> None:
        self.calib = _Pool(calib)
        self.inputs = _Pool(inputs)

    def add(self, calib: Iterable[Frame] = (), inputs: Iterable[Frame] = ()) -> None:
        """More files, e.g. what the next cascade level may use; add many at once."""
        self.calib.add(calib)
        self.inputs.add(inputs)

    def of(self, source: str) -> _Pool:
        """The pool that a rule names behind `from`."""
        return self.calib if source == "calibFiles" else self.inputs


class _Pool:
    def __init__(self, files: Iterable[Frame]) -> None:
        self.files = sorted(files, key=lambda frame: frame.order)
        self._shelves: dict[Hashable, dict[Hashable, _Shelf]] = {}

    def add(self, files: Iterable[Frame]) -> None:
        more = list(files)
        if more:
            self.files = sorted([*self.files, *more], key=lambda frame: frame.order)
            self._shelves = {}

    def shelf(self, names: tuple[str, ...], wanted: tuple[Hashable, ...], fixed: int, tolerance: float) -> _Shelf:
        """The files whose keys have these values; the first `fixed` values are the same in every call."""
        if not names:
            return self._made((), "all", self.files, tolerance).get((), _NOTHING)
        first = self._made(names[:1], "one", self.files, tolerance).get(wanted[:1], _NOTHING)
        if len(names) == 1 or not first.files:
            return first
        base = wanted[:1] if fixed else ()
        return self._made(names, base, first.files if fixed else self.files, tolerance).get(wanted, _NOTHING)

    def _made(
        self, names: tuple[str, ...], base: Hashable, files: Sequence[Frame], tolerance: float
    ) -> dict[Hashable, _Shelf]:
        known = self._shelves.get((names, base, tolerance))
        if known is None:
            found: dict[Hashable, list[Frame]] = {}
            for file in files:
                values = tuple(bucket(file.values.get(name), tolerance) for name in names)
                if None not in values:
                    found.setdefault(values, []).append(file)
            known = self._shelves[names, base, tolerance] = {key: _Shelf(some) for key, some in found.items()}
        return known


class _Shelf:
    """Files in the order of time; those without MJD-OBS come last, the newest name first."""

    __slots__ = ("_dated", "_times", "_undated", "files")

    def __init__(self, files: Sequence[Frame]) -> None:
        self.files = files
        self._dated = [file for file in files if file.mjd is not None]
        self._times = [file.mjd for file in self._dated if file.mjd is not None]
        undated = [file for file in files if file.mjd is None]
        self._undated = sorted(undated, key=lambda file: (file.name, file.path), reverse=True)

    def nearest(self, time: float | None) -> Iterator[Frame]:
        """All files, the nearest in time first; the same distance: real before virtual, earlier, name."""
        if time is None:
            yield from sorted(self._dated, key=_rank)
        else:
            yield from self._outward(time)
        yield from self._undated

    def _outward(self, time: float) -> Iterator[Frame]:
        files, times = self._dated, self._times
        after = bisect_left(times, time)
        before = after - 1
        while before >= 0 or after < len(files):
            left = time - times[before] if before >= 0 else math.inf
            right = times[after] - time if after < len(files) else math.inf
            distance = min(left, right)
            same: list[Frame] = []
            while before >= 0 and time - times[before] == distance:
                same.append(files[before])
                before -= 1
            while after < len(files) and times[after] - time == distance:
                same.append(files[after])
                after += 1
            yield from sorted(same, key=_rank) if len(same) > 1 else same


_NOTHING = _Shelf(())


def _rank(file: Frame) -> tuple[bool, float, str, str]:
    return (file.virtual, *file.order)


class Seeker:
    """One association, ready to look for files."""

    def __init__(self, rule: Association, compiler: Compiler, reading: Reading) -> None:
        self.rule = rule
        self.time_rule: TimeRule = reading.time_rules.get(rule.tag, "CLOSEST")
        self.window: Window | None = reading.windows.get(rule.tag)
        extended = self.window.extended if self.window else None
        self._reach = max(map(abs, extended)) if extended else math.inf  # days; nothing beyond is a match
        self._tolerance = reading.tolerance
        self._test: Test = compiler.test(rule.where)
        self._level: Level | None = compiler.level(rule.where)
        apart = [term for term in terms(rule.where) if all(_of_primary(key) for key in keys(term))]
        self._switch: Test = compiler.test(And(tuple(apart)) if apart else None)
        fixed = {key.name: bucket(value, reading.tolerance) for key, value in _fixed(rule.where)}
        shared = {mine.name: theirs.name for mine, theirs in _shared(rule.where) if mine.name not in fixed}
        self._names = (*fixed, *shared)
        self._fixed = tuple(fixed.values())
        self._theirs = tuple(shared.values())

    def ranked(self, group: Group, pools: Pools) -> Iterator[tuple[Frame, float | None, bool]]:
        """Every file that fits, the best first, with its distance in days and whether it is OK."""
        primary = group.primary.values
        if not self._switch({}, primary):
            return
        later: list[tuple[Frame, float | None, bool]] = []
        for file in self._candidates(group, pools):
            level, delta = self.fit(group, file)
            if delta is not None and abs(delta) > self._reach:
                break
            if level == OK:
                yield file, delta, True
            elif level == NOK:
                later.append((file, delta, False))
        yield from later

    def fit(self, group: Group, file: Frame) -> tuple[int, float | None]:
        """How well a file fits a group (NO, NOK, OK), and its distance in days."""
        delta = None if file.mjd is None or group.mjd_mod is None else file.mjd - group.mjd_mod
        theirs = group.primary.values
        if not self._test(file.values, theirs) or not self.in_time_rule(group, file, delta):
            return NO, delta
        level = OK if self._level is None else self._level(file.values, theirs)
        return min(level, self.in_window(delta)), delta

    def in_time_rule(self, group: Group, file: Frame, delta: float | None) -> bool:
        """What the time rule says of a file; one without MJD-OBS is neither before nor after."""
        match self.time_rule:
            case "NEXT":
                return delta is None or delta >= 0
            case "PREVIOUS":
                return delta is None or delta <= 0
            case "ATTACHED":
                return equal(file.get("OBS.ID"), group.primary.get("OBS.ID"))
            case _:
                return True

    def in_window(self, delta: float | None) -> int:
        """What the validity window says of a distance in days: NO, NOK or OK."""
        if self.window is None:
            return OK
        if self.window.extended and not _inside(delta, self.window.extended):
            return NO
        return OK if self.window.plan is None or _inside(delta, self.window.plan) else NOK

    def of_kind(self, file: Frame) -> bool:
        """True for a file that has the values the rule tells outright, e.g. the category asked for."""
        pairs = zip(self._names, self._fixed, strict=False)
        return all(bucket(file.values.get(name), self._tolerance) == value for name, value in pairs)

    def _candidates(self, group: Group, pools: Pools) -> Iterator[Frame]:
        pool, primary = pools.of(self.rule.source), group.primary.values
        theirs = tuple(bucket(primary.get(name), self._tolerance) for name in self._theirs)
        if None in theirs:
            return
        shelf = pool.shelf(self._names, (*self._fixed, *theirs), len(self._fixed), self._tolerance)
        members = {member.path for member in group.members}
        for file in shelf.nearest(group.mjd_mod):
            if file.path not in members:
                yield file


class Associator:
    """The associations of every action, ready to run. Those that cannot run are left out and in `problems`."""

    def __init__(self, actions: Sequence[Action], compiler: Compiler) -> None:
        self.problems: list[Problem] = []
        self.keys: set[str] = {"OBS.ID", "EXPTIME"}
        self._seekers: dict[int, tuple[Seeker, ...]] = {}
        for action in actions:
            made: list[Seeker] = []
            for rule in action.associations:
                self.keys.update(key.name for key in keys(rule.where))
                try:
                    if rule.source not in SOURCES:
                        raise BadExpression("bad-source", f"nobody knows a source {rule.source}")
                    made.append(Seeker(rule, compiler, compiler.reading))
                except BadExpression as trouble:
                    self.problems.append(Problem("error", trouble.code, trouble.text, trouble.at or rule.at))
            self._seekers[id(action)] = tuple(made)

    def seekers(self, action: Action | None) -> tuple[Seeker, ...]:
        """The associations of an action in the order of its text."""
        return self._seekers.get(id(action), ())

    def associate(self, group: Group, pools: Pools) -> Associated:
        """What a group gets from the pools. Nothing is looked for where maxRet is 0; -1 takes all."""
        hits: list[Hit] = []
        shortages: list[Shortage] = []
        had: set[tuple[str, str, int]] = set()
        for seeker in self.seekers(group.action):
            rule, found = seeker.rule, 0
            if rule.max_ret == 0:
                continue
            for file, delta, ok in seeker.ranked(group, pools):
                found += 1
                if (known := (rule.tag, rule.source, id(file))) not in had:
                    had.add(known)
                    hits.append(Hit(file, rule.tag, rule.source, delta, ok, rule))
                if found == rule.max_ret:
                    break
            if found < rule.min_ret:
                shortages.append(Shortage(rule, found, _why(group, rule, found)))
        return Associated(tuple(hits), tuple(shortages))


def _why(group: Group, rule: Association, found: int) -> str:
    primary = group.primary
    asked = dict.fromkeys(key.name for key in keys(rule.where) if key.prefix == "inputFile")
    lacking = [name for name in asked if primary.get(name) is None]
    category = primary.get("DO.CATG") or primary.get("RAW.TYPE") or primary.name
    if lacking:
        return f"{', '.join(lacking)} missing in {category}"
    number = "none" if not found else f"only {found}"
    return f"{rule.tag}: {number} of {rule.min_ret} found"


def _inside(delta: float | None, span: tuple[float, float]) -> bool:
    return delta is not None and span[0] <= delta <= span[1]


def _of_primary(key: Key) -> bool:
    return key.prefix == "inputFile"


def _fixed(where: Expr | None) -> Iterator[tuple[Key, Value]]:
    """The keys of the candidate that must have a value told in the rule."""
    for term in terms(where):
        match term:
            case Compare("==", Key() as key, Literal(value)) | Compare("==", Literal(value), Key() as key):
                if not _of_primary(key):
                    yield key, value.rstrip(" ") if isinstance(value, str) else value


def _shared(where: Expr | None) -> Iterator[tuple[Key, Key]]:
    """The keys of the candidate that must have the value of a key of the primary: (candidate's, primary's)."""
    for term in terms(where):
        match term:
            case Compare("==", Key() as one, Key() as two) if _of_primary(one) != _of_primary(two):
                yield (two, one) if _of_primary(one) else (one, two)
