"""renameProducts: final names from header keywords, and back to PIPEFILE. Pure.

CALIBNAME `<II>_<TTTT>_<YYMMDD><V>_<PARAMS>.fits` and USERSCINAME
`<II>_S<PPP>_<OBS_ID>_<DATE_TIME>_<PARAMS>.fits` (product_codes). Codes and setup keywords are the
tables of `settings.rename`. Version letters are given over the whole pool (decision 8), so the
names of a pool depend on its products only, not on the order in which they came.

The final name is not written into the product: its bytes stay as the pipeline left them, PIPEFILE
leads back, the AB and the archive's catalogue hold the name, and ORIGFILE is the archive's
(Phase 3 rules: reserved, set or changed there).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from config.schema import Code, Rename
from engine.core.product import Product
from engine.errors import MoveTrouble

LONGEST = 68  # characters of a FITS string value, so that ASSONi fits one card (Phase 3)
Value = str | int | float | bool | None
_FIELD = re.compile(r"\{([A-Z0-9 .\-_]+)(?::([^{}]*))?\}")
_UNSAFE = re.compile(r"[\s/,#*()\\'\"|;&$<>?!`\x00-\x1f\x7f-\U0010ffff]")
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d+))?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+\-]*")


@dataclass(frozen=True, slots=True)
class Named:
    """A product with what its name is made of: the tag of its AB, and the header keywords the tables ask for."""

    product: Product
    tag: str
    keys: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Naming:
    """Final name by PIPEFILE. `unknown` products keep their name; with `conflicts` nothing may be renamed."""

    final: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass
class _Pool:
    final: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def keywords_needed(tables: Rename, mode: str) -> tuple[str, ...]:
    """The header keywords that names of this MODE are made of."""
    fields = [name for code in _codes(tables, mode) for param in code.params for name, _ in _FIELD.findall(param)]
    own = ["OBS.ID", "DATE-OBS"] if mode == "SCIENCE" else []
    return tuple(dict.fromkeys([*own, *fields]))


def names(pool: Sequence[Named], tables: Rename, mode: str, date: str) -> Naming:
    """The final names of all products of one MODE and DATE."""
    found = _Pool()
    _refuse_twins(pool, found)
    versions: dict[tuple[str, str], list[Product]] = defaultdict(list)
    for item in pool:
        product = item.product
        code = _code_of(item, _codes(tables, mode))
        if code is None:
            found.unknown.append(f"{product.pipefile}: no code for PRO.CATG {product.catg}, it keeps its name")
            found.final[product.pipefile] = product.pipefile
            continue
        try:
            params = _params(item, code, tables)
            if mode == "CALIB":
                versions[code.code, params].append(product)
            else:
                found.final[product.pipefile] = _science_name(item, code, params, tables)
        except MoveTrouble as trouble:
            found.conflicts.append(str(trouble))
    for (code_name, params), products in versions.items():
        ordered = sorted(products, key=lambda product: (product.mjd_obs, product.pipefile))
        for number, product in enumerate(ordered):
            day = date[2:].replace("-", "")
            head = f"{tables.instrument_code}_{code_name}_{day}{version_letter(number)}"
            found.final[product.pipefile] = "_".join(filter(None, (head, params))) + ".fits"
    _refuse_collisions(found)
    return Naming(dict(found.final), tuple(found.unknown), tuple(found.conflicts))


def plain_names(pool: Iterable[Product]) -> Naming:
    """Renaming switched off: every product is called by its PIPEFILE."""
    found = _Pool()
    items = [Named(product, "", {}) for product in pool]
    _refuse_twins(items, found)
    found.final.update({item.product.pipefile: item.product.pipefile for item in items})
    return Naming(dict(found.final), (), tuple(found.conflicts))


def reverted(naming: Mapping[str, str]) -> dict[str, str]:
    """Back to PIPEFILE: PIPEFILE by final name."""
    return {final: pipefile for pipefile, final in naming.items()}


def version_letter(number: int) -> str:
    """A for 0, ... Z for 25, AA for 26, AB for 27 ... (decision 8)."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _codes(tables: Rename, mode: str) -> tuple[Code, ...]:
    return tables.calib if mode == "CALIB" else tables.science


def _code_of(item: Named, codes: Iterable[Code]) -> Code | None:
    for code in codes:
        if code.pro_catg == item.product.catg and code.kind in ("", item.tag):
            return code
    return None


def _params(item: Named, code: Code, tables: Rename) -> str:
    parts = [_filled(item, param, tables, code) for param in code.params]
    for param, part in zip(code.params, parts, strict=True):
        if not part:
            raise MoveTrouble(
                f"nothing of the value of {param} may stand in a file name",
                where=item.product.pipefile,
                remedy="complete the header, or add a replacement to the naming table",
            )
    return "_".join(parts)


def _filled(item: Named, template: str, tables: Rename, code: Code) -> str:
    def fill(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        value = item.keys.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise _no_key(item, name, code)
        if form:
            try:
                return _safe(format(value, form), tables)
            except (ValueError, TypeError):
                raise MoveTrouble(
                    f"{name} = {value!r} cannot be written as '{form}'",
                    where=item.product.pipefile,
                    remedy=f"correct the format of code {code.code}",
                ) from None
        if isinstance(value, float):
            raise MoveTrouble(
                f"{name} = {value!r} needs a format",
                where=item.product.pipefile,
                remedy=f"write {{{name}:.1f}} or the like in the params of code {code.code}",
            )
        return _safe(str(value), tables)

    return _FIELD.sub(fill, template)


def _safe(text: str, tables: Rename) -> str:
    text = text.strip()
    return _UNSAFE.sub("", tables.replace.get(text, text))


def _science_name(item: Named, code: Code, params: str, tables: Rename) -> str:
    obs_id, stamp = item.keys.get("OBS.ID"), item.keys.get("DATE-OBS")
    for name, value in (("OBS.ID", obs_id), ("DATE-OBS", stamp)):
        if value is None or not str(value).strip():
            raise _no_key(item, name, code)
    match = _STAMP.fullmatch(str(stamp).strip())
    if not match:
        raise MoveTrouble(f"DATE-OBS '{stamp}' is no time stamp", where=item.product.pipefile)
    time = f"{match[1]}.{(match[2] or '').ljust(3, '0')[:3]}"
    parts = (tables.instrument_code, code.code, _safe(str(obs_id), tables), time, params)
    return "_".join(filter(None, parts)) + ".fits"


def _no_key(item: Named, name: str, code: Code) -> MoveTrouble:
    return MoveTrouble(
        f"keyword {name} is missing, code {code.code} needs it",
        where=item.product.pipefile,
        remedy="complete the header (hotfly -f), or take the keyword out of the naming table",
    )


def _refuse_twins(pool: Iterable[Named], found: _Pool) -> None:
    first: dict[str, str] = {}
    for item in pool:
        product = item.product
        if not product.pipefile:
            found.conflicts.append(f"{product.path}: no PIPEFILE in its header")
        elif product.pipefile in first:
            found.conflicts.append(f"PIPEFILE {product.pipefile} twice: {first[product.pipefile]} and {product.path}")
        first.setdefault(product.pipefile, product.path)


def _refuse_collisions(found: _Pool) -> None:
    taken: dict[str, str] = {}
    for pipefile, final in found.final.items():
        if final in taken:
            found.conflicts.append(f"{taken[final]} and {pipefile} would both be called {final}")
        if len(final) > LONGEST:
            found.conflicts.append(f"{pipefile}: {final} has {len(final)} characters, {LONGEST} are allowed")
        if not _NAME.fullmatch(final):
            found.conflicts.append(f"{pipefile}: {final!r} is not safe as a file name")
        taken.setdefault(final, pipefile)
