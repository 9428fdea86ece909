"""Self-checks of a naming table, made when it is loaded: what would only show in the middle of a rename."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from config.codes import Code, NameField, Rename
from config.legacy import nearest

Where = Callable[[tuple[str | int, ...]], str]
_FIRST = {"calib": ("MP", "CALIBNAME"), "science": ("S", "USERSCINAME"), "gen": ("G", "GEN")}
_NAME = re.compile(r"\{([A-Za-z0-9 .\-_]+)(?::([^{}]*))?\}")
_KEYWORD = re.compile(r"[A-Z0-9_-]+(\.[A-Z0-9_-]+)+")
_SLOT = re.compile(r"\{(?::[^{}]*)?\}")
_CAPTURE = re.compile(r"\{(\w+)\}")
# FITS keywords without a hierarchy that products have
_PLAIN = {
    "ARCFILE",
    "DATE-OBS",
    "EXPTIME",
    "EXTNAME",
    "INSTRUME",
    "MJD-OBS",
    "OBJECT",
    "ORIGFILE",
    "PIPEFILE",
    "TELESCOP",
}
_OF_THE_AB = {"raw_type", "ab_type"}


def naming_troubles(tables: Rename, where: Where) -> Iterator[str]:
    """Every contradiction as a sentence beginning with `file:line`."""
    if any((tables.calib, tables.science, tables.gen)) and not re.fullmatch(r"[A-Z0-9]{2}", tables.instrument_code):
        place = where(("rename", "instrument_code"))
        yield f"{place}: rename.instrument_code: '{tables.instrument_code}' is not two capital letters or digits"
    for name, field in tables.fields.items():
        for what in _field(name, field, tables):
            yield f"{where(('rename', 'fields', name))}: rename.fields.{name}: {what}"
    for name in tables.captures:
        if not name.isidentifier():
            yield f"{where(('rename', 'captures', name))}: rename.captures: '{name}' cannot be a name"
    for name, text in tables.characters.items():
        if len(name) != 1 or not re.fullmatch(r"[A-Za-z0-9_.+\-]*", text):
            place = where(("rename", "characters", name))
            yield f"{place}: rename.characters: '{name}' to '{text}': expected one character, and what a name may hold"
    for scheme in _FIRST:
        yield from _codes(scheme, tables, where)


def _codes(scheme: str, tables: Rename, where: Where) -> Iterator[str]:
    letters, called = _FIRST[scheme]
    owner: dict[str, Code] = {}
    open_: dict[str, int] = {}
    for index, row in enumerate(getattr(tables, scheme)):
        place = f"{where(('rename', scheme, index))}: rename.{scheme}"
        first = owner.setdefault(row.code, row)
        if first.pro_catg != row.pro_catg and not (first.shared and row.shared):
            yield (
                f"{place}: code {row.code} stands for {first.pro_catg} and {row.pro_catg};"
                " codes are unique within the instrument (shared: yes in both allows it)"
            )
        if row.code[0] not in letters:
            yield f"{place}: code {row.code}: {called} codes begin with {' or '.join(letters)}"
        if row.pro_catg in open_:
            yield f"{place}: code {row.code} is never reached, item {open_[row.pro_catg]} takes every {row.pro_catg}"
        elif not row.when:
            open_[row.pro_catg] = index
        yield from (f"{place}: code {row.code}: {what}" for what in _code(row, tables))


def _code(row: Code, tables: Rename) -> Iterator[str]:
    captures = set(_CAPTURE.findall(row.pro_catg))
    if (
        re.sub(r"\{[A-Za-z_]\w*\}", "", row.pro_catg).strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        or not row.pro_catg
    ):
        yield f"PRO.CATG '{row.pro_catg}' is no category with {{NAMES}}"
    if row.setup and row.params:
        yield "setup and params: give one of them"
    if row.setup and row.setup not in tables.setups:
        yield f"there is no setup '{row.setup}'{nearest(row.setup, list(tables.setups))}"
    for name in row.when:
        if name not in captures | _OF_THE_AB and not _keyword(name):
            yield f"when: '{name}' is no header keyword, capture, raw_type or ab_type"
    for param in tables.setups.get(row.setup, ()) if row.setup else row.params:
        if "{" in _NAME.sub("", param) or "}" in _NAME.sub("", param):
            yield f"'{param}' is not text with {{NAMES}}"
        for name, form in _NAME.findall(param):
            yield from _used(name, form, captures, tables)


def _used(name: str, form: str, captures: set[str], tables: Rename) -> Iterator[str]:
    if name in tables.fields:
        by = tables.fields[name].by
        if by and by not in captures | _OF_THE_AB | set(tables.fields) and not _keyword(by):
            yield f"{{{name}}} is chosen by '{by}', which its PRO.CATG does not give"
        if form:
            yield f"{{{name}:{form}}}: the format belongs to the field"
    elif name in captures:
        if form:
            yield f"{{{name}:{form}}}: a capture has no format"
    elif not _keyword(name):
        hint = nearest(name, [*captures, *tables.fields])
        yield f"{{{name}}} is no header keyword, capture or field{hint}"
    elif form and not any(_writes(f"{{:{form}}}", [sample]) for sample in (1, 1.5, "x")):
        yield f"{{{name}:{form}}} is no format"


def _field(name: str, field: NameField, tables: Rename) -> Iterator[str]:
    keys = [key for group in (field.keys, *field.keys_by.values()) for key in group]
    if bool(field.by) != bool(field.keys_by) or bool(field.by) == bool(field.keys):
        yield "give keys, or by and keys_by"
    for key in keys:
        if not _keyword(key):
            yield f"'{key}' is no header keyword"
    if field.by == name or (field.by in tables.fields and tables.fields[field.by].by in tables.fields):
        yield f"is chosen by '{field.by}', which is chosen by a field itself"
    if field.map and field.format:
        yield "map and format: give one of them"
    if not field.format:
        return
    counts = {len(group) for group in (field.keys, *field.keys_by.values()) if group}
    wanted = {1} if field.rule != "all" else counts
    slots, rest = len(_SLOT.findall(field.format)), _SLOT.sub("", field.format)
    if "{" in rest or "}" in rest:
        yield f"format '{field.format}' is not text with slots like {{:.0f}}"
    elif not any(_writes(field.format, [sample] * slots) for sample in (1, 1.5, "x")) or wanted - {slots}:
        yield f"format '{field.format}' does not fit {' or '.join(map(str, sorted(wanted)))} values"


def _writes(form: str, values: list[object]) -> bool:
    try:
        form.format(*values)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError):
        return False
    return True


def _keyword(name: str) -> bool:
    return bool(_KEYWORD.fullmatch(name)) or name in _PLAIN
