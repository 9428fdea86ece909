"""Plugins (PGI): one protocol per hook, named after its configuration key. Nothing is loaded here.

A plugin gets frozen input and answers with a proposal; the `checked_...` functions say whether the engine
may carry it out (PluginTrouble otherwise). Hooks and purposes: phoenix_instances_MUSE_DEEP, table of
plugins; shapes are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename
from typing import Protocol, TypeVar, runtime_checkable

from engine.core.ab import AB, parse
from engine.core.cascade import Kind
from engine.errors import BadAb, PluginTrouble

T = TypeVar("T")
Products = tuple[tuple[str, str], ...]  # (product name, PRO.CATG), in the order of the recipe


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something an HDR_PGI found: the AB it is about, and one sentence."""

    ab: str
    what: str


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a POST_PLUGIN proposes: what nobody needs any more, and lines for the AB monitor.

    `retire` are products of this AB, `spent` files that it has read: products of other ABs, by name. Those are retired
    once every AB that reads them is done.
    """

    retire: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    spent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QcSeen:
    """What processQC has found of an AB: scores as (name, value, mark), files it made, and lines of the pipeline log.

    `log` are its ERROR and WARNING lines, oldest first; `flag` is QCFLAG.
    """

    scores: tuple[tuple[str, str, str], ...] = ()
    files: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    flag: str = ""


HeaderValue = str | int | float | bool | None
KeyTable = Mapping[str, Mapping[str, HeaderValue]]  # PIPEFILE: keyword: value (None: not in the header)


@dataclass(frozen=True, slots=True)
class NameReview:
    """What a SPECIAL_PLUGIN of renameProducts says: PIPEFILEs that keep their name, notes, and what stops it all."""

    withheld: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


@runtime_checkable
class AbPgi(Protocol):
    """AB_PGI: edits and completes the ABs of a pool after they were obtained."""

    def propose(self, abs: tuple[AB, ...]) -> tuple[AB, ...]:
        """All ABs of the pool as they shall be."""
        ...


@runtime_checkable
class HdrPgi(Protocol):
    """HDR_PGI: checks headers and master calibrations; `missing` are paths that could not be had."""

    def check(self, abs: tuple[AB, ...], missing: tuple[str, ...]) -> tuple[Complaint, ...]:
        """What is wrong, by AB."""
        ...


@runtime_checkable
class JobPgi(Protocol):
    """JOB_PGI: the job plan, visible before anything starts."""

    def plan(self, abs: tuple[AB, ...], kinds: tuple[Kind, ...], streams: int) -> tuple[str, ...]:
        """Ordered steps of parallel streams, one line each; every AB stands in it once."""
        ...


@runtime_checkable
class CertifPgi(Protocol):
    """CERTIF_PGI: which ABs a person has to review."""

    def review(self, abs: tuple[AB, ...]) -> tuple[str, ...]:
        """Names of the ABs to be reviewed, in order."""
        ...


@runtime_checkable
class SpecialPlugin(Protocol):
    """SPECIAL_PLUGIN of moveProducts: takes products away before they move (step 2.7)."""

    def keep(self, mode: str, date: str, files: tuple[str, ...], options: Mapping[str, str]) -> tuple[str, ...]:
        """Those of `files` (absolute paths of the products that would move) that are withheld."""
        ...


@runtime_checkable
class PrePlugin(Protocol):
    """PRE_PLUGIN of processAB: before the recipe."""

    def prepare(self, ab: AB) -> AB:
        """The AB with its inputs in another order or other recipe parameters."""
        ...


@runtime_checkable
class PostPlugin(Protocol):
    """POST_PLUGIN of processAB: after the recipe."""

    def after(self, ab: AB, products: Products) -> Aftermath:
        """What may go, and what is worth a line."""
        ...


@runtime_checkable
class FinalPlugin(Protocol):
    """FINAL_PLUGIN of processAB: the last hook of an AB."""

    def finish(self, ab: AB, products: Products, options: Mapping[str, str]) -> Mapping[str, str]:
        """New PRO.CATG by product name; products not named keep theirs."""
        ...


@runtime_checkable
class CoverPgi(Protocol):
    """PGI_COVER of processQC: lines for the coversheet of an AB."""

    def cover(self, ab: AB, products: Products) -> tuple[str, ...]:
        """The lines."""
        ...


@runtime_checkable
class QcFinalPlugin(Protocol):
    """FINAL_PLUGIN of processQC: the last hook of an AB's QC."""

    def concluded(self, ab: AB, seen: QcSeen) -> tuple[str, ...]:
        """Lines for the last column of the AB monitor."""
        ...


@runtime_checkable
class CleanupPlugin(Protocol):
    """CLEANUP_PLUGIN: files that must stay FITS when a date is slimmed down to headers."""

    def spare(self, mode: str, date: str, files: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `files` that stay."""
        ...


@runtime_checkable
class MonitorPlugin(Protocol):
    """START_MONITOR_PLUGIN and END_MONITOR_PLUGIN of processAB: told, cannot change anything."""

    def notify(self, ab: AB) -> None:
        """Processing of `ab` begins or has ended."""
        ...


@runtime_checkable
class RenamePrePlugin(Protocol):
    """PRE_PLUGIN of renameProducts: may change key values before names are made."""

    def amend_keys(self, mode: str, date: str, keys: KeyTable) -> KeyTable:
        """The same table with other values; what is not named keeps its value. Headers are not touched."""
        ...


@runtime_checkable
class RenameSpecialPlugin(Protocol):
    """SPECIAL_PLUGIN of renameProducts: sees the names before anything is renamed."""

    def judge_names(self, mode: str, date: str, names: Mapping[str, str], messages: tuple[str, ...]) -> NameReview:
        """What to say about `names` (final name by PIPEFILE) and the `messages` of the tool."""
        ...


PROTOCOLS: Mapping[str, type] = {
    "AB_PGI": AbPgi,
    "HDR_PGI": HdrPgi,
    "JOB_PGI": JobPgi,
    "CERTIF_PGI": CertifPgi,
    "PRE_PLUGIN": PrePlugin,
    "POST_PLUGIN": PostPlugin,
    "FINAL_PLUGIN": FinalPlugin,
    "PGI_COVER": CoverPgi,
    "QC_FINAL_PLUGIN": QcFinalPlugin,
    "SPECIAL_PLUGIN": SpecialPlugin,
    "CLEANUP_PLUGIN": CleanupPlugin,
    "RENAME_PRE_PLUGIN": RenamePrePlugin,
    "RENAME_SPECIAL_PLUGIN": RenameSpecialPlugin,
    "START_MONITOR_PLUGIN": MonitorPlugin,
    "END_MONITOR_PLUGIN": MonitorPlugin,
}


def checked_abs(plugin: str, given: Sequence[AB], proposed: object) -> tuple[AB, ...]:
    """The proposal of an AB_PGI: ABs that can be read back, each name and product once, not fewer than none."""
    abs_ = _tuple_of(AB, plugin, proposed)
    if given and not abs_:
        raise PluginTrouble(f"{plugin} left none of {len(given)} ABs", remedy="see why it drops them all")
    for ab in abs_:
        try:
            parse(ab.render(), ab.where)
        except BadAb as trouble:
            raise PluginTrouble(f"{plugin} proposes an AB that cannot be read: {trouble}") from trouble
    _once(plugin, "AB", (ab.name for ab in abs_))
    _once(plugin, "product", (product.name for ab in abs_ for product in ab.products))
    return abs_


def checked_prepared(plugin: str, given: AB, proposed: object) -> AB:
    """The proposal of a PRE_PLUGIN: only the order of SOF_CONTENT and MCALIB, and RECIPE_PARAM, may differ."""
    if not isinstance(proposed, AB):
        raise PluginTrouble(f"{plugin} answers with {type(proposed).__name__}, not with an AB", where=given.name)
    for key in ("SOF_CONTENT", "MCALIB"):
        if Counter(given.values(key)) != Counter(proposed.values(key)):
            raise PluginTrouble(
                f"{plugin} changes which {key} lines there are", where=given.name, remedy="it may only re-order them"
            )
    free = {"SOF_CONTENT", "MCALIB", "RECIPE_PARAM", ""}
    before = [(line.key, line.value) for line in given.lines if line.key not in free]
    after = [(line.key, line.value) for line in proposed.lines if line.key not in free]
    if before != after:
        changed = sorted({key for key, _ in set(before) ^ set(after)}) or ["the order of the qualifiers"]
        raise PluginTrouble(
            f"{plugin} changes {', '.join(changed)}",
            where=given.name,
            remedy="before the recipe only the order of inputs and RECIPE_PARAM may change",
        )
    return proposed


def checked_catgs(plugin: str, ab: AB, products: Products, proposed: object) -> dict[str, str]:
    """The proposal of a FINAL_PLUGIN: products of this AB, each with a PRO.CATG that can be a header value."""
    if not isinstance(proposed, Mapping):
        raise PluginTrouble(f"{plugin} answers with {type(proposed).__name__}, not with a mapping", where=ab.name)
    names = {name for name, _ in products}
    for name, catg in proposed.items():
        if name not in names:
            raise PluginTrouble(f"{plugin} names '{name}', which is no product of this AB", where=ab.name)
        if not isinstance(catg, str) or not catg.replace("_", "").isalnum() or not catg.isascii() or len(catg) > 60:
            raise PluginTrouble(f"{plugin} proposes '{catg}' as PRO.CATG of {name}", where=ab.name)
    return dict(proposed)


def checked_lines(plugin: str, proposed: object) -> tuple[str, ...]:
    """The lines of a PGI_COVER or QC_FINAL_PLUGIN, without what a terminal or a page would obey."""
    lines = _tuple_of(str, plugin, proposed)
    return tuple("".join(char if char.isprintable() else " " for char in line)[:500] for line in lines[:200])


def checked_aftermath(plugin: str, ab: AB, products: Products, proposed: object) -> Aftermath:
    """The proposal of a POST_PLUGIN: to retire are products of this AB, spent are files that it has read."""
    if not isinstance(proposed, Aftermath):
        raise PluginTrouble(f"{plugin} answers with {type(proposed).__name__}, not with an Aftermath", where=ab.name)
    own = {name for name, _ in products}
    read = {basename(entry.path) for entry in ab.sof}
    retire, spent = _tuple_of(str, plugin, proposed.retire), _tuple_of(str, plugin, proposed.spent)
    for name in retire:
        if name not in own:
            raise PluginTrouble(f"{plugin} names '{name}', which is no product of this AB", where=ab.name)
    for name in spent:
        if name not in read:
            raise PluginTrouble(f"{plugin} names '{name}', which this AB has not read", where=ab.name)
    notes = (" ".join("".join(c if c.isprintable() else " " for c in note).split()) for note in proposed.notes)
    _tuple_of(str, plugin, proposed.notes)
    return Aftermath(tuple(dict.fromkeys(retire)), tuple(note[:200] for note in notes), tuple(dict.fromkeys(spent)))


def checked_complaints(plugin: str, abs_: Sequence[AB], proposed: object) -> tuple[Complaint, ...]:
    """The answer of an HDR_PGI: complaints about ABs that it was shown."""
    complaints = _tuple_of(Complaint, plugin, proposed)
    names = {ab.name for ab in abs_}
    for complaint in complaints:
        if complaint.ab not in names:
            raise PluginTrouble(f"{plugin} complains of '{complaint.ab}', which it was not shown")
    return complaints


def checked_withheld(plugin: str, files: Sequence[str], proposed: object) -> tuple[str, ...]:
    """The proposal of a SPECIAL_PLUGIN or CLEANUP_PLUGIN: some of the files it was shown, in their order."""
    names = set(_tuple_of(str, plugin, proposed))
    strange = sorted(names - set(files))
    if strange:
        raise PluginTrouble(f"{plugin} names '{strange[0]}', which it was not shown")
    return tuple(name for name in files if name in names)


def checked_keys(plugin: str, given: KeyTable, proposed: object) -> dict[str, dict[str, HeaderValue]]:
    """The proposal of a PRE_PLUGIN of renameProducts, merged into what it was shown: no other files or keywords."""
    if not isinstance(proposed, Mapping):
        raise PluginTrouble(f"{plugin} answers with {type(proposed).__name__}, not with a mapping")
    merged = {file: dict(values) for file, values in given.items()}
    for file, values in proposed.items():
        if file not in merged:
            raise PluginTrouble(f"{plugin} names '{file}', which it was not shown")
        if not isinstance(values, Mapping):
            raise PluginTrouble(f"{plugin} answers with {type(values).__name__} for {file}, not with a mapping")
        for key, value in values.items():
            if key not in merged[file]:
                raise PluginTrouble(f"{plugin} sets '{key}' of {file}, which no name asks for")
            if value is not None and not isinstance(value, str | int | float | bool):
                raise PluginTrouble(f"{plugin} sets {key} of {file} to a {type(value).__name__}")
            merged[file][key] = value
    return merged


def checked_review(plugin: str, files: Sequence[str], proposed: object) -> NameReview:
    """The answer of a SPECIAL_PLUGIN of renameProducts: withheld files are some of those it was shown."""
    if not isinstance(proposed, NameReview):
        raise PluginTrouble(f"{plugin} answers with {type(proposed).__name__}, not with a NameReview")
    withheld = checked_withheld(plugin, files, proposed.withheld)
    notes = _tuple_of(str, plugin, proposed.notes)
    return NameReview(withheld, notes, _tuple_of(str, plugin, proposed.complaints))


def checked_plan(plugin: str, abs_: Sequence[AB], proposed: object) -> tuple[str, ...]:
    """The proposal of a JOB_PGI: plain lines in which every AB stands exactly once."""
    lines = _tuple_of(str, plugin, proposed)
    seen = Counter(word for line in lines for word in line.split() if word.endswith(".ab"))
    for ab in abs_:
        if seen[ab.name] != 1:
            times = "does not stand" if not seen[ab.name] else f"stands {seen[ab.name]} times"
            raise PluginTrouble(f"{ab.name} {times} in the job plan of {plugin}")
    strange = set(seen) - {ab.name for ab in abs_}
    if strange:
        raise PluginTrouble(f"the job plan of {plugin} names {min(strange)}, which is not of this pool")
    return lines


def _tuple_of(kind: type[T], plugin: str, proposed: object) -> tuple[T, ...]:
    if not isinstance(proposed, tuple) or not all(isinstance(item, kind) for item in proposed):
        raise PluginTrouble(f"{plugin} answers with {type(proposed).__name__}, expected a tuple of {kind.__name__}")
    return proposed


def _once(plugin: str, what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise PluginTrouble(f"{plugin} proposes {what} {name} {count} times", remedy="names are unique in a pool")
