"""What stands where before a move: the ABs of a MODE and DATE, their products, logs and plots, the final directory.

Reads only. The snapshot is frozen; the plan is made from nothing else.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from posixpath import basename

from config.tree import DfoTree
from engine.context import Context
from engine.core.ab import AB
from engine.core.product import Product, is_product, stem_of
from engine.errors import BadAb, MoveTrouble
from engine.release.certify import Judged, judged, would_be
from engine.release.links.links import relinked
from engine.release.rename.rename_products import Named, Value, keywords_needed
from engine.release.rename.rn_files import NAME
from engine.release.standing import READY, Standing, scope_of, standings
from engine.release.update.follow import earlier
from engine.release.update.survey import calibrations_of
from engine.release.update.update_ab import product_names
from engine.stores.abs import AbStore, read
from engine.stores.verdicts import ACCEPTED, Verdict
from engine.transfer.ingest.states import INGESTED, IngestStates

_PIPEFILE = re.compile(r"(?P<root>r\..+)_\d{4}\.fits")
_LARGEST_PAGE = 10_000_000  # bytes; no scoring log comes near
_CERTIFIED = re.compile(r"(\S+) by (.*?) at (\S+)(?: with \S+)?")


@dataclass(frozen=True, slots=True)
class Found:
    """A FITS file: the product, the keywords its name needs, its place in time, what is wrong with it.

    `named` is what its name is made of where the PRE_PLUGIN of renameProducts has amended that.
    """

    product: Product
    keys: Mapping[str, Value]
    mtime_ns: int
    problem: str = ""
    named: Named | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """Another file of an AB (log, scores, plot); `ab` is '' when it belongs to none. Size in bytes."""

    path: str
    ab: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Snapshot:
    """The tree of one MODE and DATE as it stood. Paths absolute, times of the file system in ns.

    `only`: it was restricted to this AB and what it was made from ('': the whole pool); `others` counts
    the ABs of the pool outside. `final`: names in the final directory with their sizes in bytes, -1 for a
    directory. `stamps`: path, size and time of every AB file, also of those that moved earlier, and of pages that
    stay. `far`: directories with products on another filesystem than the final directory. `pages`: HTML of ABs by
    path, `links`: what they link to that is there. `needed`: by PRO.CATG an AB that still needs a file of it.
    `archived`: names in the final directory that the archive has confirmed. `earlier`: by AB that uses names products
    bore earlier, those they bear now, and the paths of calibrations. `directories`: raw types that have a
    product directory for this date. `script`: bytes of rn_files, which is none of `final`; -1 where there is none.
    `judged`: by reviewed AB the question its verdict was given on, and the ABs whose products that is about.
    `by_score`: ABs without a verdict that would be accepted by their score.
    """

    tree: DfoTree
    mode: str
    date: str
    only: str
    abs: tuple[AB, ...]
    logged: tuple[AB, ...]
    standings: Mapping[str, Standing]
    products: tuple[Found, ...]
    pool: tuple[Found, ...]
    final: Mapping[str, int]
    extras: tuple[Extra, ...]
    logs_there: Mapping[str, int]
    plots_there: Mapping[str, int]
    parents: Mapping[str, str]
    vcal: Mapping[str, int]
    stamps: tuple[tuple[str, int, int], ...] = ()
    far: tuple[str, ...] = ()
    pages: Mapping[str, bytes] = field(default_factory=dict)
    links: frozenset[str] = frozenset()
    needed: Mapping[str, str] = field(default_factory=dict)
    archived: frozenset[str] = frozenset()
    earlier: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = field(default_factory=dict)
    script: int = -1
    others: int = 0
    directories: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()
    judged: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    by_score: tuple[str, ...] = ()


async def survey(
    context: Context, mode: str, date: str, only: str = "", scores: Mapping[str, str] | None = None
) -> Snapshot:
    """Look at everything a move of MODE and DATE concerns; `only` restricts it to one AB and what it was made from.

    With `scores` (digests by AB) the ABs that would be accepted by score count as accepted now.
    """
    store = AbStore(context.tree)
    known_abs = await asyncio.to_thread(store.load)
    pool = [ab for ab in known_abs if (ab.mode, ab.date) == (mode, date)]
    try:
        heads = await judged(context, pool)
    except OSError as trouble:
        raise _unreadable(trouble) from trouble
    scored = {} if scores is None else _would_be(context, pool, heads, only, scores)
    known = {name: one.verdict for name, one in heads.items() if one.verdict} | scored
    where = standings(pool, context.settings, known, {name: one.anew for name, one in heads.items() if one.anew})
    refused = tuple(f"{bad.where}: {bad.why}" for bad in store.refused)
    try:
        seen = await asyncio.to_thread(_look, context, (mode, date, only), pool, where, refused)
    except OSError as trouble:
        raise _unreadable(trouble) from trouble
    needed = {calib.catg: ab.name for ab in known_abs if ab.status == "CREATED" for calib in ab.calibs}
    states = IngestStates(context.db, mode, date).items()
    confirmed = {name for name, item in states.items() if item.state == INGESTED}
    slimmed = {name for name in seen.final if name.endswith(".hdr")}
    return replace(
        seen,
        needed=needed,
        archived=frozenset(confirmed | slimmed),
        judged={name: (one.about.question, tuple(ab.name for ab in one.covers)) for name, one in heads.items()},
        by_score=tuple(scored),
    )


def _would_be(
    context: Context, pool: list[AB], heads: Mapping[str, Judged], only: str, scores: Mapping[str, str]
) -> dict[str, Verdict]:
    scope = scope_of(pool, only)
    return would_be(context, [one for name, one in heads.items() if name in scope], scores)


def _unreadable(trouble: OSError) -> MoveTrouble:
    return MoveTrouble(f"cannot be read: {trouble.strerror}", where=str(trouble.filename), remedy="nothing was moved")


def _look(
    context: Context,
    what: tuple[str, str, str],
    pool: list[AB],
    where: Mapping[str, Standing],
    refused: tuple[str, ...],
) -> Snapshot:
    mode, date, only = what
    tree, settings = context.tree, context.settings
    wanted = ("PIPEFILE", "PRO.CATG", "MJD-OBS", *keywords_needed(settings.rename, mode))
    logged = tuple(_logged(tree, mode, date))
    owners = _Owners([*pool, *logged], [kind.tag for kind in settings.kinds.values()])
    final = tree.final(mode) / date
    for place in (final, tree.log / date, tree.plt / date, tree.job, tree.lst, tree.trash):
        if os.path.lexists(place) and not place.is_dir():
            raise MoveTrouble(
                "a file stands where a directory is needed", where=str(place), remedy="nothing was moved; take it away"
            )
    home = device_of(final)
    raw_types = dict.fromkeys([*(ab.raw_type for ab in pool), *(row.raw_type for row in settings.move.raw_types)])
    products: list[Found] = []
    far: list[str] = []
    directories: list[str] = []
    logs = [*_extras(tree.dfs_log, owners), *_extras(tree.ab, owners)]
    extras = [extra for extra in logs if extra.ab and not extra.path.endswith(".ab")]
    for raw_type in raw_types:
        place = tree.product / raw_type / date
        if place.is_dir():
            directories.append(raw_type)
        products += [_found(path, wanted, raw_type, owners) for path in _files(place) if _is_fits(path)]
        extras += _extras(place, owners)
        if place.is_dir() and device_of(place) != home:
            far.append(str(place))
    before = {ab.name: Standing(READY, "moved earlier", ab.name, _signed(ab)) for ab in logged}
    scope = scope_of(pool, only) | (frozenset() if only else {*before, ""})
    standing = [*_there(tree, date), *(extra.path for extra in extras if extra.ab not in scope)]
    extras = [extra for extra in extras if extra.ab in scope]
    pages, links = _pages([*(extra.path for extra in extras), *standing])
    rewritten = [*(tree.log / date / ab.name for ab in logged), *(Path(path) for path in standing if path in pages)]
    there = tuple(_found(path, wanted, "", owners) for path in _pool(final))
    names, _ = product_names((Path(found.product.path).name, found.product.pipefile) for found in there)
    files = [*((ab, tree.log / date / ab.name) for ab in logged), *((ab, tree.ab / ab.name) for ab in pool)]
    return Snapshot(
        tree=tree,
        mode=mode,
        date=date,
        only=only,
        abs=tuple(ab for ab in pool if ab.name in scope),
        logged=logged,
        standings={**before, **where},
        products=tuple(item for item in products if item.product.ab in scope),
        pool=there,
        final=_sizes(final),
        extras=tuple(extras),
        logs_there=_sizes(tree.log / date),
        plots_there=_sizes(tree.plt / date),
        parents=calibrations_of(tree, [*pool, *logged]) if settings.update.checks(mode) else {},
        vcal={str(path): path.lstat().st_size for path in [*_files(tree.vcal), *_files(tree.vcal / date)]},
        stamps=tuple(_stamp(path) for path in [*(tree.ab / ab.name for ab in pool if ab.name in scope), *rewritten]),
        directories=frozenset(directories),
        far=tuple(far),
        pages=pages,
        links=links,
        script=(final / NAME).lstat().st_size if os.path.lexists(final / NAME) else -1,
        earlier=earlier(tree, names, mode, date, files),
        others=sum(ab.name not in scope for ab in pool),
        refused=refused,
    )


def device_of(place: Path) -> int:
    """The filesystem a directory stands on, or will stand on."""
    return ground_of(place).stat().st_dev


def ground_of(place: Path) -> Path:
    """The directory itself, or the nearest one above it that is there already."""
    while not place.exists():
        place = place.parent
    return place


def changed(stamps: Iterable[tuple[str, int, int]]) -> list[str]:
    """The files that are no longer as they were surveyed."""
    return [stamp[0] for stamp in stamps if _stamp(Path(stamp[0])) != stamp]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.lstat()
    except OSError:
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns


class _Owners:
    """Which AB a file belongs to: by FURTHER line, else by the longest stem its name begins with."""

    def __init__(self, abs_: Sequence[AB], tags: Iterable[str]) -> None:
        self._further = {basename(name): ab.name for ab in abs_ for name in ab.further}
        self._stems = {stem: ab.name for ab in abs_ for stem in (ab.root, ab.name.removesuffix(".ab"))}
        self._raw_types = {ab.name: ab.raw_type for ab in abs_}
        self._tags = {tag for tag in tags if tag}

    def raw_type_of(self, ab: str) -> str:
        return self._raw_types.get(ab, "")

    def of_root(self, root: str) -> str:
        return self._stems.get(root, "")

    def of(self, name: str) -> str:
        if name in self._further:
            return self._further[name]
        for cut in range(len(name), 0, -1):
            owner = self._stems.get(name[:cut])
            if owner:
                return owner if self._fits(name[cut:]) else ""
        return ""

    def _fits(self, rest: str) -> bool:
        """A rest that begins with the tag of another AB is that AB's."""
        if rest[:1] not in ("", ".", "_"):
            return False
        return not (rest.startswith("_") and re.split(r"[._]", rest[1:], maxsplit=1)[0] in self._tags)


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if not path.name.startswith(".") and not path.is_dir())


def _pool(final: Path) -> list[Path]:
    """The products in the final directory; one that was slimmed stands as its header."""
    files = [path for path in _files(final) if is_product(path.name)]
    whole = {stem_of(path.name) for path in files if not path.name.endswith(".hdr")}
    return [path for path in files if not path.name.endswith(".hdr") or stem_of(path.name) not in whole]


def _sizes(place: Path) -> dict[str, int]:
    if not place.is_dir():
        return {}
    found = (path for path in sorted(place.iterdir()) if path.name != NAME)
    return {path.name: -1 if path.is_dir() else path.lstat().st_size for path in found}


def _there(tree: DfoTree, date: str) -> list[str]:
    """The pages that moved earlier: they may show products that get another name now."""
    return [str(path) for folder in (tree.log / date, tree.plt / date) for path in _files(folder)]


def _pages(paths: Iterable[str]) -> tuple[dict[str, bytes], frozenset[str]]:
    """The HTML pages among `paths`, and the files they link to that are there."""
    pages: dict[str, bytes] = {}
    links: set[str] = set()

    def there(path: str) -> bool:
        if os.path.lexists(path):
            links.add(path)
            return True
        return False

    for text in paths:
        path = Path(text)
        if path.suffix.lower() in (".html", ".htm") and path.is_file() and not path.is_symlink():
            if path.stat().st_size > _LARGEST_PAGE:
                continue  # the plan says so
            pages[text] = path.read_bytes()
            relinked(pages[text], old=path, new=path, moved={}, exists=there)
    return pages, frozenset(links)


def _is_fits(path: Path) -> bool:
    return path.name.endswith((".fits", ".fits.fz", ".tfits"))


def _found(path: Path, wanted: Sequence[str], raw_type: str, owners: _Owners) -> Found:
    from engine.release.rename.look import read_keys

    status = path.lstat()
    keys, problem = read_keys(path, status, wanted)
    pipefile, mjd = str(keys.get("PIPEFILE") or ""), keys.get("MJD-OBS")
    if not problem and raw_type and pipefile != path.name:
        problem = f"its header says PIPEFILE {pipefile}"
    match = _PIPEFILE.fullmatch(path.name if raw_type else pipefile)
    owner = owners.of_root(match["root"]) if match else ""
    product = Product(
        path=str(path),
        pipefile=pipefile,
        catg=str(keys.get("PRO.CATG") or ""),
        ab=owner,
        raw_type=raw_type or owners.raw_type_of(owner),
        size=status.st_size,
        mjd_obs=float(mjd) if isinstance(mjd, (int, float)) else 0.0,
    )
    return Found(product, keys, status.st_mtime_ns, problem)


def _extras(place: Path, owners: _Owners) -> list[Extra]:
    found = []
    for path in _files(place):
        if not _is_fits(path):
            status = path.lstat()
            found.append(Extra(str(path), owners.of(path.name), status.st_size, status.st_mtime_ns))
    return found


def _logged(tree: DfoTree, mode: str, date: str) -> Iterable[AB]:
    """ABs that moved earlier; one that cannot be read any more is left alone."""
    for path in _files(tree.log / date):
        if path.name.endswith(".ab"):
            try:
                ab = read(path)
            except BadAb:
                continue
            if (ab.mode, ab.date) == (mode, date):
                yield ab


def _signed(ab: AB) -> Verdict:
    match = _CERTIFIED.fullmatch(ab.get("CERTIFIED"))
    words = match.groups() if match else (ACCEPTED, "", "")
    return Verdict(words[0], " ".join(ab.values("COMMENT")), words[1], words[2])
