"""What a rename will do, decided before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine.atomic.journal import Step, Transaction
from engine.atomic.shifts import shifts
from engine.release.rename.look import GEN, Directory, status_of
from engine.release.rename.naming import Naming, plain_name
from engine.release.rename.rn_files import MODE_BITS, NAME, rn_files_text, same_script

STATUS_KEPT = 5000  # entries of DFO_STATUS (finishNight)
NO_STATUS = "2099-99-99"  # the pre-imaging placeholder writes no status (decision 10)


@dataclass(frozen=True, slots=True)
class Change:
    """A product that gets another name."""

    pipefile: str
    old: str
    new: str


@dataclass(frozen=True)
class RenamePlan:
    """Everything one rename will do in `place`. With `conflicts` it may not be carried out.

    `same` products bear their name already, for `nameless` ones none can be made (`conflicts` say why); `kept` ones
    (name, why) are left alone. `script` is the text of rn_files, '' when it stands there already.
    """

    mode: str
    date: str
    place: str
    back: bool = False
    only_script: bool = False
    changes: tuple[Change, ...] = ()
    same: int = 0
    nameless: int = 0
    kept: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    script: str = ""
    status: str = ""
    status_gone: tuple[str, ...] = ()
    stamps: tuple[tuple[str, int, int], ...] = ()

    @property
    def empty(self) -> bool:
        """True when there is nothing to do."""
        return not (self.script or (self.changes and not self.only_script))

    def describe(self) -> list[str]:
        """The plan in lines: present name and new name, what is left alone and why, what is in the way."""
        width = max((len(change.old) for change in self.changes), default=0)
        lines = [f"{change.old:<{width}}  {change.new}" for change in self.changes]
        lines += [f"keeps its name  {name}  ({why})" for name, why in self.kept]
        lines += [f"note  {text}" for text in self.notes]
        lines += [f"CONFLICT  {text}" for text in self.conflicts]
        counts = f"{len(self.changes)} to rename, {self.same} bear their name already"
        if self.nameless:
            counts += f", {self.nameless} get none"
        if self.conflicts:
            counts += f"; {len(self.conflicts)} CONFLICT{'S' * (len(self.conflicts) != 1)}: nothing is renamed"
        return [*lines, f"{self.place}: {counts}"]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return asdict(self)


def rename_plan(
    seen: Directory,
    naming: Naming,
    *,
    utc: str,
    back: bool = False,
    only_script: bool = False,
    withheld: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> RenamePlan:
    """The plan that gives the products of `seen` the names of `naming`.

    `withheld` PIPEFILEs keep the name they have; `only_script` writes rn_files and renames nothing; `utc` dates it.
    """
    left = {pipefile: "withheld by the SPECIAL_PLUGIN" for pipefile in withheld}
    left |= {pipefile: "unknown PRO.CATG" for pipefile in naming.kept}
    sound = [item for item in seen.products if not item.problem]
    conflicts = [f"{seen.place / item.name}: {item.problem}" for item in seen.products if item.problem]
    conflicts += naming.conflicts
    changes, kept, pairs, same, nameless = [], [], [], 0, len(seen.products) - len(sound)
    for item in sound:
        product = item.named.product
        why, new = left.get(product.pipefile), naming.final.get(product.pipefile)
        if why:
            kept.append((item.name, why))
            continue
        if new is None:
            nameless += 1
            continue
        pairs.append((new, item.name) if back else (plain_name(product), new))
        if new == item.name:
            same += 1
        else:
            changes.append(Change(product.pipefile, item.name, new))
    conflicts += _occupied(seen, changes, naming.conflicts)
    if only_script:
        pairs = [(change.old, change.new) for change in changes]
        conflicts += _chained(changes)
    script = rn_files_text(sorted(pairs), seen.mode, seen.date, utc) if pairs and (changes or not back) else ""
    counted = seen.mode != GEN and seen.date != NO_STATUS and bool(changes) and not only_script
    return RenamePlan(
        seen.mode,
        seen.date,
        str(seen.place),
        back,
        only_script,
        tuple(changes),
        same,
        nameless,
        tuple(kept),
        (*naming.unknown, *notes),
        tuple(conflicts),
        "" if same_script(script, seen.script) else script,
        status_of(seen.mode) if counted and not back else "",
        seen.statuses if counted and back else (),
        tuple((str(seen.place / item.name), *seen.names[item.name]) for item in sound),
    )


def steps(plan: RenamePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    """The plan as journal steps: rn_files, names aside where they are swapped, new names, status."""
    place = Path(plan.place)
    if plan.script:
        data = {"path": str(place / NAME), "text": plan.script, "mode": MODE_BITS}
        yield Step("write rn_files", "write", data, f"write {place / NAME}")
    if plan.only_script:
        return
    wanted = {change.new for change in plan.changes}
    aside = [change for change in plan.changes if change.old in wanted]
    moves = [(place / change.old, place / hidden(change.new)) for change in aside]
    yield from shifts("take names aside", moves, "take aside, its name changes:")
    straight = [change for change in plan.changes if change.old not in wanted]
    moves = [(place / change.old, place / change.new) for change in straight]
    moves += [(place / hidden(change.new), place / change.new) for change in aside]
    yield from shifts("give names", moves, "rename to")
    status_file = str(tree.mon / "DFO_STATUS")
    for line in plan.status_gone:
        yield Step("write the status", "drop_line", {"path": status_file, "line": line}, f"take back: {line}")
    if plan.status:
        line = f"{plan.status} {plan.date} {{utc}} {transaction.who}"
        event = {"event": "StatusWritten", "status": plan.status, "date": plan.date}
        data = {"path": status_file, "line": line, "keep": STATUS_KEPT}
        yield Step("write the status", "add_line", data, f"status {plan.status}", event)


def hidden(name: str) -> str:
    """The name under which a product waits while names are swapped."""
    return f".{name}.pool~"


def _occupied(seen: Directory, changes: Iterable[Change], told: Iterable[str]) -> Iterator[str]:
    """New names that are taken by something that does not make way; `told` collisions are not told again."""
    changes, told = list(changes), list(told)
    leaving = {change.old for change in changes}
    taken: dict[str, str] = {}
    for change in changes:
        if any(f"PIPEFILE {change.pipefile} twice" in text for text in told):
            continue
        if change.new in seen.names and change.new not in leaving:
            yield f"{change.old}: {seen.place / change.new} is taken"
        if hidden(change.new) in seen.names:
            yield f"{change.old}: {seen.place / hidden(change.new)} is in the way, look what it is"
        collides = f"would both be called {change.new}"
        if change.new in taken and not any(collides in text for text in told):
            yield f"{taken[change.new]} and {change.old} would both be called {change.new}"
        taken[change.new] = change.old


def _chained(changes: Iterable[Change]) -> Iterator[str]:
    """A script that can be run again cannot give a name on from one product to another."""
    changes = list(changes)
    owners: Mapping[str, str] = {change.old: change.pipefile for change in changes}
    for change in changes:
        if change.new in owners:
            words = f"{change.new} belongs to {owners[change.new]} now; a script cannot swap names"
            yield f"{change.old}: {words}, go back first (--back) or rename without --only-script"
