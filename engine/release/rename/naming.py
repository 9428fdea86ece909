"""Final names of the products of one MODE and DATE, and back to PIPEFILE. Pure.

CALIBNAME `<II>_<TTTT>_<YYMMDD><V>_<PARAMS>.fits` (also GEN) and USERSCINAME
`<II>_S<PPP>_<OBS_ID>_<DATE_TIME>_<PARAMS>.fits` (product_codes). Version letters are given over the
whole pool (decision 8), so the names of a pool depend on its products only, not on the order in
which they came.

The final name is not written into the product: its bytes stay as the pipeline left them, PIPEFILE
leads back, the AB and the archive's catalogue hold the name, and ORIGFILE is the archive's
(Phase 3 rules: reserved, set or changed there).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from config.codes import Rename
from engine.core.product import Product
from engine.errors import MoveTrouble
from engine.release.rename.naming_tables import Fitting, Named, Table, Value, missing

__all__ = ["LONGEST", "Named", "Naming", "Value"]

LONGEST = 68  # characters of a FITS string value, so that ASSONi fits one card (Phase 3)
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d+))?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+\-]*")
_EXTENSION = re.compile(r"(\.fits\.fz|\.tfits|\.fits|\.hdr)$")


@dataclass(frozen=True, slots=True)
class Naming:
    """Final name by PIPEFILE, with the extension of the file on disk.

    Products in `kept` (PRO.CATG unknown, told in `unknown`) keep their name; with `conflicts` nothing may be renamed.
    """

    final: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass
class _Pool:
    final: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def keywords_needed(tables: Rename, mode: str) -> tuple[str, ...]:
    """The header keywords that names of this MODE are made of."""
    own = ["OBS.ID", "DATE-OBS"] if mode == "SCIENCE" else []
    return tuple(dict.fromkeys([*own, *Table(tables, mode).keywords()]))


def names(pool: Sequence[Named], tables: Rename, mode: str, date: str) -> Naming:
    """The final names of all products of one MODE (CALIB, SCIENCE, GEN) and DATE."""
    found, table = _Pool(), Table(tables, mode)
    _refuse_twins((item.product for item in pool), found)
    versions: dict[tuple[str, str], list[tuple[Named, Fitting]]] = defaultdict(list)
    for item in pool:
        fitting = table.fitting(item)
        if fitting is None:
            _unknown(item, found)
            continue
        try:
            params = table.params(item, fitting)
            if mode == "SCIENCE":
                found.final[item.product.pipefile] = _science_name(item, fitting, params, table)
            else:
                _refuse_raw(item, table)
                versions[fitting.code.code, params].append((item, fitting))
        except MoveTrouble as trouble:
            found.conflicts.append(str(trouble))
    day = date[2:].replace("-", "")
    for (code, params), group in versions.items():
        _versioned(group, f"{tables.instrument_code}_{code}_{day}", params, found)
    _refuse_collisions(found)
    return Naming(dict(found.final), tuple(found.unknown), tuple(found.conflicts), tuple(found.kept))


def plain_names(pool: Iterable[Product]) -> Naming:
    """Renaming switched off, or back: every product is called by its PIPEFILE."""
    found, pool = _Pool(), list(pool)
    _refuse_twins(pool, found)
    found.final.update({product.pipefile: plain_name(product) for product in pool})
    found.kept.extend(found.final)
    _refuse_collisions(found)
    return Naming(dict(found.final), (), tuple(found.conflicts))


def reverted(naming: Mapping[str, str]) -> dict[str, str]:
    """Back to PIPEFILE: PIPEFILE by final name."""
    return {final: pipefile for pipefile, final in naming.items()}


def plain_name(product: Product) -> str:
    """The PIPEFILE name of a product, as `.hdr` or `.fits.fz` when that is what stands on disk."""
    extension = extension_of(product.path)
    known = _EXTENSION.search(product.pipefile)
    if not known or (extension == ".fits" and known[1] in (".fits", ".tfits")):
        return product.pipefile
    return stem(product.pipefile) + extension


def stem(name: str) -> str:
    """A file name without `.fits`, `.fits.fz`, `.tfits` or `.hdr`: slimmed or packed, a product keeps its stem."""
    return _EXTENSION.sub("", name)


def extension_of(path: str) -> str:
    """The extension a final name gets: `.hdr` and `.fits.fz` as on disk, else `.fits` (also for `.tfits`)."""
    found = _EXTENSION.search(path)
    return found[1] if found and found[1] in (".hdr", ".fits.fz") else ".fits"


def version_letter(number: int) -> str:
    """A for 0, ... Z for 25, AA for 26, AB for 27 ... (decision 8)."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _versioned(group: list[tuple[Named, Fitting]], head: str, params: str, found: _Pool) -> None:
    ordered = sorted(group, key=lambda pair: (pair[0].product.mjd_obs, pair[0].product.pipefile))
    for number, (item, fitting) in enumerate(ordered):
        product = item.product
        if len(ordered) > 1 and fitting.code.versions and not product.mjd_obs > 0:  # not a number is not above 0
            found.conflicts.append(str(missing(item, "MJD-OBS", fitting.code.code)))
        letter = version_letter(number if fitting.code.versions else 0)
        name = "_".join(filter(None, (head + letter, params)))
        found.final[product.pipefile] = name + extension_of(product.path)


def _science_name(item: Named, fitting: Fitting, params: str, table: Table) -> str:
    product, code = item.product, fitting.code.code
    obs_id, stamp = item.keys.get("OBS.ID"), item.keys.get("DATE-OBS")
    for name, value in (("OBS.ID", obs_id), ("DATE-OBS", stamp)):
        if value is None or not str(value).strip():
            raise missing(item, name, code)
    match = _STAMP.fullmatch(str(stamp).strip())
    if not match:
        raise MoveTrouble(f"DATE-OBS '{stamp}' is no time stamp", where=product.pipefile)
    digits = table.tables.time_digits
    time = match[1] + (f".{(match[2] or '').ljust(digits, '0')[:digits]}" if digits else "")
    parts = (table.tables.instrument_code, code, table.safe(str(obs_id)), time, params)
    return "_".join(filter(None, parts)) + extension_of(product.path)


def _unknown(item: Named, found: _Pool) -> None:
    product = item.product
    of = f" (AB type {item.tag})" if item.tag else ""
    words = f"unknown PRO.CATG: no code for PRO.CATG {product.catg or 'nothing'}{of}, it keeps its name"
    found.unknown.append(f"{product.pipefile}: {words}")
    found.final[product.pipefile] = plain_name(product)
    found.kept.append(product.pipefile)


def _refuse_raw(item: Named, table: Table) -> None:
    prefix = table.tables.prefix
    if table.gen and prefix and item.product.pipefile.startswith(prefix):
        raise MoveTrouble(
            f"begins with {prefix} as raw files do, a general calibration must not",
            where=item.product.pipefile,
            remedy="give it a PIPEFILE of its own",
        )


def _refuse_twins(pool: Iterable[Product], found: _Pool) -> None:
    first: dict[str, str] = {}
    for product in pool:
        if not product.pipefile:
            found.conflicts.append(f"{product.path}: no PIPEFILE in its header")
        elif product.pipefile in first:
            found.conflicts.append(f"PIPEFILE {product.pipefile} twice: {first[product.pipefile]} and {product.path}")
        first.setdefault(product.pipefile, product.path)


def _refuse_collisions(found: _Pool) -> None:
    taken: dict[str, str] = {}
    kept = set(found.kept)
    for pipefile, final in found.final.items():
        bare = stem(final)
        if bare in taken:
            found.conflicts.append(f"{taken[bare]} and {pipefile} would both be called {final}")
        if len(final) > LONGEST and pipefile not in kept:
            found.conflicts.append(f"{pipefile}: {final} has {len(final)} characters, {LONGEST} are allowed")
        if not _NAME.fullmatch(final):
            found.conflicts.append(f"{pipefile!r}: {final!r} is not safe as a file name")
        taken.setdefault(bare, pipefile)
