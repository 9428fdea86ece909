"""What createAB will do: which ABs are new, made again, kept, moved or refused, and why. Pure.

The identity of an AB is its name with the tag, and the action. One that is SUCCESSFUL is never written over, one that
an operator edited stays, a FAILED one is made again whatever its siblings are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.create import Create
from engine.core.ab import AB
from engine.create.createab.ab_text import edited, log_of, table_of, text_of
from engine.create.createab.filter_raw import Filtered
from engine.create.createab.night import Trouble
from engine.create.createab.proposal import Proposal

NEW, AGAIN, KEPT, MOVED, REFUSED = "new", "again", "kept", "moved", "refused"


@dataclass(frozen=True, slots=True)
class Standing:
    """The ABs there are: those at work by name, names that were moved already, and files that are no AB with why.

    `running`: ABs whose last attempt has not ended. `gone`: the ABs that were moved, as far as they can be read.
    """

    abs: Mapping[str, AB]
    moved: Mapping[str, str]  # name -> action
    bad: Mapping[str, str]
    running: frozenset[str] = frozenset()
    gone: Mapping[str, AB] = field(default_factory=dict)

    def taken(self) -> dict[str, str]:
        """The action of every AB by name; '' where the AB does not say."""
        found = {name: "" for name in self.bad}
        found |= {name: ab.get("ACTION") for name, ab in self.abs.items()}
        return {**self.moved, **found}

    def settled(self, mode: str, date: str) -> dict[str, AB]:
        """The ABs of a MODE and DATE that are never made again: moved, SUCCESSFUL, running, edited by hand."""
        pool = {name: ab for name, ab in self.abs.items() if (ab.mode, ab.date) == (mode, date)}
        return {**self.gone, **{name: ab for name, ab in pool.items() if self.stays(ab)}}

    def stays(self, ab: AB) -> bool:
        """True for an AB at work that is not made again."""
        return ab.status == "SUCCESSFUL" or ab.name in self.running or edited(ab)


@dataclass(frozen=True)
class Decision:
    """What becomes of one AB: new, again, kept, moved or refused; `why` in words; its text where it is written.

    `late`: raw files that should be in it, in words; '' where there are none, or an operator left them out.
    """

    what: str
    why: str
    made: Proposal
    text: str = ""
    late: str = ""

    @property
    def written(self) -> bool:
        """True when the AB is written."""
        return self.what in (NEW, AGAIN)


@dataclass(frozen=True)
class CreatePlan:
    """What createAB does with a MODE and DATE.

    `rules` and `table` name the files that were used. `strangers`: ABs at work that the rules do not want any more;
    they stay. `listing`: lines of the AB_list, `old` those that stand there. `added`: ABs of the AB_PGI that no rule
    makes. `troubles`: headers that make no AB.
    """

    mode: str
    date: str
    rules: str
    table: str
    decisions: tuple[Decision, ...]
    strangers: tuple[str, ...]
    listing: tuple[str, ...]
    old: tuple[str, ...]
    filtered: Filtered
    notes: tuple[str, ...]
    questions: tuple[str, ...] = ()  # problems of the rules, which must be confirmed
    added: tuple[AB, ...] = ()

    def of(self, *whats: str) -> list[Decision]:
        """The decisions of some kinds, in order."""
        return [one for one in self.decisions if one.what in whats]

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Headers that cannot be used."""
        return self.filtered.troubles

    @property
    def written(self) -> list[Decision]:
        """The ABs that are written."""
        return self.of(NEW, AGAIN)

    @property
    def empty(self) -> bool:
        """True when nothing will be written."""
        return not self.written and not self.added and self.listing == self.old

    @property
    def warnings(self) -> list[str]:
        """What an operator should know of: no finding."""
        told = [f"{name} no longer follows from the rules: left as it is" for name in self.strangers]
        for one in self.decisions:
            if one.written and one.made.group.unfinished:
                told.append(f"{one.made.name}: the template was not finished, {one.made.group.unfinished}")
            elif one.what == KEPT and one.made.late and not one.late:
                told.append(f"{one.made.name}: {one.why}, without {', '.join(raw.name for raw in one.made.late)}")
        return told

    @property
    def findings(self) -> list[str]:
        """What an operator must look at: exit 1."""
        found = [f"{one.name}: {one.kind}: {one.why}" for one in self.troubles]
        found += [f"{one.made.name}: {one.late}" for one in self.decisions if one.late]
        return [*found, *(f"{one.made.name}: {one.why}" for one in self.of(REFUSED))]

    @property
    def text(self) -> str:
        """One line for the operator."""
        counts = Counter(one.what for one in self.decisions)
        words = ", ".join(f"{counts[what]} {what}" for what in (NEW, AGAIN, KEPT, MOVED, REFUSED) if counts[what])
        short = sum(not one.made.complete for one in self.written)
        parts = [words or "no ABs"]
        parts += [f"{len(self.added)} added by AB_PGI"] if self.added else []
        parts += [f"{short} INCOMPLETE"] if short else []
        parts += [f"{len(self.findings)} findings, first: {self.findings[0]}"] if self.findings else []
        return "; ".join(parts)

    def describe(self) -> list[str]:
        """The plan as a table, then what is noteworthy."""
        lines = [f"rules: {self.rules}", f"products: {self.table}"]
        width = max((len(one.made.name) for one in self.decisions), default=0)
        lines += [_row(one, width) for one in self.decisions]
        return [*lines, *self.warnings, *self.filtered.describe(), *self.notes, *self.questions]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return {
            "mode": self.mode,
            "date": self.date,
            "rules": self.rules,
            "table": self.table,
            "abs": [_entry(one) for one in self.decisions],
            "strangers": list(self.strangers),
            "warnings": self.warnings,
            "list": list(self.listing),
            "filter": self.filtered.to_dict(),
            "notes": list(self.notes),
            "questions": list(self.questions),
        }


def decided(proposals: Iterable[Proposal], standing: Standing, create: Create, instrument: str) -> Iterator[Decision]:
    """What becomes of each AB that the rules want."""
    for made in proposals:
        text = text_of(made, create, instrument)
        what, why = _fate(made, text, standing)
        yield Decision(what, why, made, text if what in (NEW, AGAIN) else "", _late(made, what, standing))


def _late(made: Proposal, what: str, standing: Standing) -> str:
    """That files came too late for an AB that is done."""
    name = made.name
    ab = standing.gone.get(name) if what == MOVED else standing.abs.get(name)
    if not made.late or what not in (KEPT, MOVED) or ab is None or edited(ab) or ab.status != "SUCCESSFUL":
        return ""
    more = f" and {len(made.late) - 1} more" if len(made.late) > 1 else ""
    are, it = ("are", "them") if more else ("is", "it")
    count = len(ab.raws)
    return (
        f"{what if what == MOVED else ab.status} with {count} file{'' if count == 1 else 's'},"
        f" {count + len(made.late)} now: {made.late[0].name}{more} {are} not in it (add {it} to the AB and call"
        f" processAB -a {name} --force, or take the AB away and call createAB again)"
    )


def _fate(made: Proposal, text: str, standing: Standing) -> tuple[str, str]:
    name = made.name
    if name in standing.bad:
        return REFUSED, f"a file of this name stands in $DFO_AB_DIR and is no AB: {standing.bad[name]}"
    ab = standing.abs.get(name)
    if ab is None:
        return (MOVED, "processed and moved") if name in standing.moved else (NEW, "")
    if (ab.mode, ab.date) != (made.mode, made.date):
        return REFUSED, f"an AB of this name belongs to {ab.mode} {ab.date}"
    if ab.status == "SUCCESSFUL":
        return KEPT, "SUCCESSFUL"
    if name in standing.running:
        return KEPT, f"{ab.status}, its recipe may be running"
    if edited(ab):
        return KEPT, f"{ab.status}, edited by hand or made by another tool"
    if ab.status == "FAILED":
        return AGAIN, "FAILED"
    if ab.render().decode("utf-8", "surrogateescape") == text:
        return KEPT, "CREATED, nothing has changed"
    return AGAIN, "its files or calibrations have changed"


def listing(decisions: Sequence[Decision], standing: Standing, mode: str, date: str, old: Sequence[str]) -> list[str]:
    """The AB_list in the order of processing. `old` are the lines as they stand.

    Lines of ABs that the rules do not want any more, and of files that are no ABs just now, stay before all that
    followed them: those may wait for them.
    """
    there = {line.split()[0]: line for line in old if line.split()}
    lines = []
    names = set()
    for one in decisions:
        names.add(one.made.name)
        if one.what == REFUSED and (one.made.name not in standing.bad or one.made.name not in there):
            continue
        setup = ",".join(f"{key.replace('.', '_')}={_word(value)}" for key, value in one.made.group.match) or "-"
        fresh = " ".join((one.made.name, one.made.raw_type, setup, one.made.group.event or "-"))
        lines.append(fresh if one.written else there.get(one.made.name, fresh))
    pool = {name for name, ab in standing.abs.items() if (ab.mode, ab.date) == (mode, date)}
    pool |= {*standing.moved, *standing.bad}
    places = {line.split()[0]: number for number, line in enumerate(lines)}
    before: dict[int, list[str]] = {}
    first = len(lines)
    for name in reversed(there):
        first = min(first, places.get(name, first))
        if name not in names and name in pool:
            before.setdefault(first, []).insert(0, there[name])
    return [line for number, own in enumerate([*lines, ""]) for line in (*before.get(number, ()), own) if line]


def files(plan: CreatePlan, create: Create) -> Iterator[tuple[str, str]]:
    """The files that go into $DFO_AB_DIR, name and text: AB, association log and ATAB of each."""
    for one in plan.written:
        yield one.made.name, one.text
        yield f"{one.made.stem}.alog", log_of(one.made, create)
        yield f"{one.made.stem}.atab", table_of(one.made)
    for ab in plan.added:
        yield ab.name, ab.render().decode("utf-8", "surrogateescape")


def _word(value: object) -> str:
    return "" if value is None else "_".join(str(value).split()).replace(",", "_")


def _row(one: Decision, width: int) -> str:
    made = one.made
    state = "" if made.complete else f"  INCOMPLETE: {', '.join(short.rule.tag for short in made.found.shortages)}"
    return f"{one.what:<8} {made.level}  {made.name:<{width}}  {made.action}  {one.why}{state}".rstrip()


def _entry(one: Decision) -> dict[str, Any]:
    made = one.made
    return {
        "name": made.name,
        "action": made.action,
        "what": one.what,
        "why": one.why,
        "level": made.level,
        "complete": made.complete,
        "missing": [
            {"tag": short.rule.tag, "found": short.found, "wanted": short.rule.min_ret, "why": short.why}
            for short in made.found.shortages
        ],
        "text": one.text,
    }
