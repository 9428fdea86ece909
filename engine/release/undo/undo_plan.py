"""What undoing a transaction will do, as data, and as journal steps. Pure.

Undo is another plan (ADR 11): the net effect of the transaction turned round, checked against what stands now,
and carried out through the journal like any other. What the transaction wrote goes to the trash, what it moved goes
back, what it retired comes out of the trash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine.atomic import trash
from engine.atomic.journal import Step, Transaction
from engine.atomic.shifts import shifts
from engine.release import manifest
from engine.release.manifest import UNREAD, Entry
from engine.release.undo.ledger import Ledger, Line, Text

UNDOES = "undoes"  # in the data of the first step: the number of the transaction that is undone
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Back:
    """A file that goes back from `source` to `target`; size in bytes, SHA-256 (`-`: not known)."""

    source: str
    target: str
    what: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Now:
    """What stands under a name: bytes, SHA-256 ('' when not read), whether it is a regular file."""

    size: int
    sha256: str = ""
    regular: bool = True


@dataclass(frozen=True)
class UndoPlan:
    """Everything undoing the last transaction of a MODE and DATE will do. With `refusals` it may not be executed.

    `transaction` is its label ('' when there is nothing to undo), `number`, `summary`, `begun` and `who` as the
    journal has them. `back`: files that go back; `away`: what it wrote, (path, bytes, SHA-256), which goes to the
    trash; `texts`: earlier texts, written again; `lines_out` and `lines_in`: lines of DFO_STATUS and the job files;
    `directories` are made, `folders` removed if empty; `abs` become accepted. `notes` stop nothing.

    Of a run of createAB: `taken` are the ABs that go, `again` (name and PROCESS_STATUS) those that get their earlier
    text back; `remedies` say what to do about refusals.
    """

    mode: str
    date: str
    transaction: str = ""
    number: int = 0
    summary: str = ""
    begun: str = ""
    who: str = ""
    back: tuple[Back, ...] = ()
    away: tuple[tuple[str, int, str], ...] = ()
    texts: tuple[Text, ...] = ()
    lines_out: tuple[Line, ...] = ()
    lines_in: tuple[Line, ...] = ()
    directories: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    abs: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""
    taken: tuple[str, ...] = ()
    again: tuple[tuple[str, str], ...] = ()
    remedies: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """True when there is nothing to undo."""
        return not self.transaction

    @property
    def products(self) -> tuple[Back, ...]:
        """The products that go back to where they were."""
        return tuple(item for item in self.back if item.what == "product")

    @property
    def size(self) -> int:
        """Bytes that go back."""
        return sum(item.size for item in self.back)

    @cached_property
    def digest(self) -> str:
        """The same for the same plan of the same tree: SHA-256, hex."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def describe(self) -> list[str]:
        """The plan in lines: what is in the way first, then every file, line and directory."""
        lines = [f"REFUSED  {text}" for text in self.refusals]
        lines += [f"note     {text}" for text in self.notes]
        lines += [f"back     {item.target}  (from {item.source})" for item in self.back]
        lines += [f"as before {text.path}" for text in self.texts]
        lines += [f"trash    {path}  (written by {self.transaction})" for path, _, _ in self.away]
        lines += [f"take out {line.line}  ({Path(line.path).name})" for line in self.lines_out]
        lines += [f"put in   {line.line}  ({Path(line.path).name})" for line in self.lines_in]
        lines += [f"accepted {name}" for name in self.abs]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return asdict(self)


def names_of(ledger: Ledger) -> tuple[set[str], set[str]]:
    """The names that must hold what the transaction left there, and those that must be free."""
    return {now for _, now in ledger.moved} | set(ledger.fresh), {
        *(path for path, _ in ledger.moved),
        *(text.path for text in ledger.lost),
    }


def undo_plan(
    tree: DfoTree,
    transaction: Transaction,
    ledger: Ledger,
    entries: Mapping[str, Entry],
    stands: Mapping[str, Now],
    archived: Mapping[str, str],
    queued: frozenset[Line] | None = None,
    renamed: Mapping[str, str] | None = None,
    spoken: frozenset[str] = frozenset(),
) -> UndoPlan:
    """The plan to undo `transaction`.

    `entries` are those of its manifest by the path after it, `stands` what stands now under the names of `names_of`
    (missing: nothing), `archived` the state of ingestion by name. `queued` are those of the lines it added that
    are still there (None: all); `renamed` says of files that stand under another name what became of them. What stands
    under the names in `spoken` was compared by somebody else.
    """
    checks = _Checks(tree, entries, stands, renamed or {})
    for _, source in ledger.moved:
        checks.whole(source)
    for path in ledger.fresh:
        if path not in spoken:
            checks.whole(path, ledger.texts.get(path))
    leaving, wanted = names_of(ledger)
    checks.free(sorted(wanted - leaving), dict(ledger.moved))
    checks.not_archived(archived)
    refusals = [
        *(f"{text}: a step that cannot be turned round" for text in ledger.unknown),
        *(f"{tree.shorten(Path(path))}: nobody knows what stood there before" for path in ledger.gone),
        *checks.refusals(),
    ]
    back = tuple(
        Back(source, target, _what(target, entries.get(source)), stands.get(source, Now(0)).size, checks.sha(source))
        for target, source in ledger.moved
    )
    return UndoPlan(
        mode=transaction.mode,
        date=transaction.date,
        transaction=transaction.label,
        number=transaction.number,
        summary=transaction.summary,
        begun=transaction.begun,
        who=transaction.who,
        back=back,
        away=tuple(
            (path, now.size, now.sha256 or UNREAD if path in ledger.virtual else checks.sha(path, ledger.texts))
            for path in ledger.fresh
            for now in [stands.get(path, Now(0))]
        ),
        texts=tuple(ledger.lost),
        lines_out=tuple(reversed(ledger.added)),
        lines_in=tuple(reversed(ledger.dropped)),
        directories=tuple(dict.fromkeys([*ledger.removed, *(str(Path(path).parent) for path in sorted(wanted))])),
        folders=tuple(sorted(dict.fromkeys(ledger.made), key=lambda path: (-path.count("/"), path))),
        abs=tuple(sorted(ledger.abs)),
        refusals=tuple(refusals),
        notes=tuple(_notes(ledger, queued)),
        kind=transaction.kind,
    )


def _what(target: str, entry: Entry | None) -> str:
    if entry is not None and entry.what != "retired":
        return entry.what
    if target.endswith((".fits", ".fits.fz", ".tfits")):
        return "product"
    return "ab" if target.endswith(".ab") else "file"


def _notes(ledger: Ledger, queued: frozenset[Line] | None) -> Iterator[str]:
    for line in ledger.added:
        if Path(line.path).name == "JOBS_EXPORT" and queued is not None and line not in queued:
            yield f"it was exported ({line.line}): the web server still holds its files until the next export"


class _Checks:
    """What keeps a transaction from being undone, gathered by kind: one sentence each, with a count."""

    def __init__(
        self, tree: DfoTree, entries: Mapping[str, Entry], stands: Mapping[str, Now], renamed: Mapping[str, str]
    ) -> None:
        self._renamed = renamed
        self._tree = tree
        self._entries = entries
        self._stands = stands
        self._found: dict[str, list[str]] = {}

    def _add(self, why: str, path: str) -> None:
        self._found.setdefault(why, []).append(self._tree.shorten(Path(path)))

    def whole(self, path: str, text: str | None = None) -> None:
        """What stands under a name must be what the transaction left there."""
        now, entry = self._stands.get(path), self._entries.get(path)
        if now is None:
            self._missing(path)
            return
        size, sha = (entry.size, entry.sha256) if entry else (0, UNREAD)
        if text is not None:
            content = text.encode("utf-8", "surrogateescape")
            size, sha = len(content), hashlib.sha256(content).hexdigest()
        unknown = sha == UNREAD and not size  # retired without being looked at
        if not unknown and (now.size != size or (not now.regular and sha != UNREAD)):
            self._add("it is not what was left there (other size)", path)
        elif sha != UNREAD and now.sha256 and now.sha256 != sha:
            self._add("it is not what was left there (other content)", path)

    def _missing(self, path: str) -> None:
        header = path.removesuffix(".fits") + ".hdr"
        if Path(path).is_relative_to(self._tree.trash):
            self._add("no longer in the trash", path)
        elif path.endswith(".fits") and header in self._stands:
            self._add("cleaned up, only its header is left (.hdr)", path)
        else:
            self._add(self._renamed.get(path, "gone"), path)

    def free(self, paths: Iterable[str], sources: Mapping[str, str]) -> None:
        """Nothing else may stand where a file goes back to; the very same content may."""
        for path in paths:
            there, coming = self._stands.get(path), self._stands.get(sources.get(path, ""))
            same = there is not None and coming is not None and there.sha256 and there.sha256 == coming.sha256
            if there is not None and not same:
                self._add("the old name is taken", path)

    def not_archived(self, archived: Mapping[str, str]) -> None:
        """What the archive has, or may have, stays where it is."""
        for name, state in archived.items():
            self._found.setdefault(
                "the archive has it" if state == "INGESTED" else "the archive may have it (ingestion under way)", []
            ).append(name)

    def refusals(self) -> list[str]:
        """One sentence for each kind of trouble: how many, what, and the first few names."""
        lines = []
        for why, paths in self._found.items():
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            lines.append(f"{why}: {', '.join(paths[:_SHOWN])}{more}")
        return lines

    def sha(self, path: str, texts: Mapping[str, str] | None = None) -> str:
        """SHA-256 of what stands there as far as it is known."""
        if texts and path in texts:
            return hashlib.sha256(texts[path].encode("utf-8", "surrogateescape")).hexdigest()
        return self._entries[path].sha256 if path in self._entries else UNREAD


# --- as journal steps -------------------------------------------------------------------------


def undo_steps(plan: UndoPlan, tree: DfoTree, transaction: Transaction, trash_days: int) -> Iterator[Step]:
    """All steps of an undo. The queue first, so that nothing is ingested meanwhile; ABs last, behind their products."""
    data: dict[str, object] = {"path": str(tree.lst), UNDOES: plan.number}
    yield Step("begin", "make_dir", data, f"undo {plan.transaction}")
    for line in plan.lines_out:
        taken = {"path": line.path, "line": line.line, "remove": line.made}
        yield Step("take lines out", "drop_line", taken, f"take out: {line.line}")
    for folder in plan.directories:
        yield Step("make directories", "make_dir", {"path": folder}, f"make {folder}")
    last_day = trash.until(transaction.begun, trash_days)
    why = f"written by {plan.transaction}, which was undone"
    retired = [(Path(path), why, size) for path, size, _ in plan.away]
    yield from trash.preparing(tree, transaction, retired, last_day)
    phase = f"what {plan.transaction} wrote to the trash"
    gone = {tree.ab / name for name in plan.taken}
    event = {"event": "AbGone", "ab": "{old}", "reason": f"{plan.transaction} was undone"}
    yield from trash.away(tree, transaction, [path for path, _, _ in retired if path in gone], phase, event)
    yield from trash.away(tree, transaction, [path for path, _, _ in retired if path not in gone], phase)
    yield from _back(plan, tree)
    for text in plan.texts:
        written: dict[str, object] = {"path": text.path, "text": text.text, "mode": text.mode}
        yield Step("write texts as they were", "write", written, f"write {Path(text.path).name} as it was")
    for line in plan.lines_in:
        yield Step("put lines in", "add_line", {"path": line.path, "line": line.line}, f"put in: {line.line}")
    for folder in plan.folders:
        yield Step("remove directories", "remove_dir", {"path": folder}, f"remove {folder}")
    yield manifest.manifest_step(tree, transaction, _entries(plan, tree, transaction))


def _back(plan: UndoPlan, tree: DfoTree) -> Iterator[Step]:
    """Files return; where old and new names cross, they are taken aside first."""
    sources = {item.source for item in plan.back}
    crossing = {item.target for item in plan.back} & sources
    aside = [item for item in plan.back if item.source in crossing]
    hidden = {item.source: Path(item.target).with_name(f".{Path(item.target).name}.pool~") for item in aside}
    yield from shifts("take names aside that change", ((Path(p), h) for p, h in hidden.items()), "take aside")
    abs_ = [item for item in plan.back if Path(item.target).parent == tree.ab]
    others = [item for item in plan.back if Path(item.target).parent != tree.ab]
    pairs = ((hidden.get(item.source, Path(item.source)), Path(item.target)) for item in others)
    yield from shifts("put files back", pairs, "put back")
    states = dict.fromkeys(plan.abs, "ACCEPTED") | {name: "FAILED" for name, state in plan.again if state == "FAILED"}
    event = {"event": "AbChanged", "ab": "{new}", "reason": f"{plan.transaction} was undone"}
    for state in ("ACCEPTED", "FAILED", ""):
        mine = (item for item in abs_ if states.get(Path(item.target).name, "") == state)
        fields = {**event, "state": state} if state else None
        yield from shifts("put ABs back", ((Path(item.source), Path(item.target)) for item in mine), "put back", fields)


def _entries(plan: UndoPlan, tree: DfoTree, transaction: Transaction) -> Iterator[Entry]:
    for item in plan.back:
        yield Entry(item.sha256, item.size, item.what, item.source, item.target)
    for text in plan.texts:
        yield manifest.of_text(text.text, _what(text.path, None), text.path)
    for path, size, sha in plan.away:
        place = trash.place_of(tree, transaction.begun, transaction.label, Path(path))
        yield Entry(sha, size, "retired", path, str(place))
