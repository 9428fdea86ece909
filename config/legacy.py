"""The classic `config.moveProducts` and `config.createAB`, read as they are. Standard library only to read.

Lines are `KEY value | value | value`; `|`, tabs and blanks all separate, `#` starts a comment
(AB_structure). Keys and sections as on the moveProducts page.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.errors import ConfigTrouble

LIMIT = 1_000_000  # bytes
_MODES = ("CALIB", "SCIENCE")
_SAVES = ("ALL", "NONE", "SELECT")
_FORMATS = ("gif", "png", "jpg")
# config.createAB: key -> field of `create` and kind; N_MCAL_LIST, MANDATORY are names of ours (the list is lost)
_CREATE = {
    "CONF_VERSION": ("conf_version", "word"),
    "DRS_TYPE": ("drs_type", "drs"),
    "N_MCAL_LIST": ("mcal_days", "number"),
    "N_VCAL_LIST": ("vcal_days", "number"),
    "GEN_CALDIR": ("gen_dir", "word"),
    "PROD_STEP2": ("second_step", "list"),
    "MANDATORY": ("mandatory", "list"),
    "RAW_MINNUM": ("unwanted", "minnum"),
}
_SEPARATORS = re.compile(r"[\s|]+")


@dataclass(frozen=True, slots=True)
class Classic:
    """A section (`move`; `update` and `create` of config.createAB) as plain data, its lines, what was left out."""

    move: dict[str, Any]
    lines: Mapping[str, int]  # dotted key below `move`, e.g. 'rename.CALIB' -> line
    notices: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    name: str
    move: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def wrong(self, line: int, text: str) -> None:
        self.problems.append(f"{self.name}:{line}: {text}")

    def choose(self, line: int, what: str, word: str, legal: tuple[str, ...]) -> str | None:
        if word in legal:
            return word
        folded = [entry for entry in legal if entry.casefold() == word.casefold()]
        self.wrong(line, f"{what} '{word}' is none of {', '.join(legal)}{nearest(word, folded or legal)}")
        return None


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """'; did you mean X?' for the nearest known spelling, or ''."""
    folded = {entry.casefold(): entry for entry in reversed(known)}
    found = difflib.get_close_matches(word.casefold(), list(folded), 1, 0.6)
    return f"; did you mean '{folded[found[0]]}'?" if found else ""


def read_move_products(data: bytes, name: str) -> Classic:
    """The `move` section in a config.moveProducts; ConfigTrouble lists every bad line as `name:line`."""
    reading = _Reading(name)
    for number, line in enumerate(_text(data, name).splitlines(), 1):
        words = [word for word in _SEPARATORS.split(line.partition("#")[0]) if word]
        if words:
            _line(words, number, reading)
    _consistent(reading)
    if reading.problems:
        raise ConfigTrouble(*reading.problems)
    return Classic(reading.move, reading.lines, tuple(reading.notices))


def read_create_ab(data: bytes, name: str) -> Classic:
    """NOCHECK of a config.createAB as `nocheck` (`read_create` reads its other keys); ConfigTrouble with `name:line`.

    The key is hidden and its values are lost: alone, or YES and NO, are inferred.
    """
    reading = _Reading(name)
    for number, line in enumerate(_text(data, name).splitlines(), 1):
        words = [word for word in _SEPARATORS.split(line.partition("#")[0]) if word]
        key = words[0].upper() if words else ""
        if key == "VCAL_REMOVE":
            _vcal_remove(words[1:], number, reading)
        elif key == "NOCHECK":
            flag = reading.choose(number, "NOCHECK", words[1].upper() if len(words) > 1 else "YES", ("YES", "NO"))
            if flag and _once("nocheck", number, reading):
                reading.move["nocheck"] = flag == "YES"
    if reading.problems:
        raise ConfigTrouble(*reading.problems)
    return Classic(reading.move, reading.lines, tuple(reading.notices))


def read_create(data: bytes, name: str) -> Classic:
    """The `create` section in a config.createAB; ConfigTrouble with `name:line` for values that make no sense.

    The full list of its keys is lost: unknown ones are told and left out. NOCHECK is the section `update`'s.
    """
    reading = _Reading(name)
    for number, line in enumerate(_text(data, name).splitlines(), 1):
        words = [word for word in _SEPARATORS.split(line.partition("#")[0]) if word]
        key = words[0].upper() if words else ""
        if key in _CREATE:
            _create_line(key, words[1:], number, reading)
        elif key and key not in ("NOCHECK", "VCAL_REMOVE"):
            reading.notices.append(f"{name}:{number}: '{words[0]}' is not known of config.createAB: left out")
    if reading.problems:
        raise ConfigTrouble(*reading.problems)
    return Classic(reading.move, reading.lines, tuple(reading.notices))


def _create_line(key: str, values: list[str], number: int, reading: _Reading) -> None:
    field_name, kind = _CREATE[key]
    if len(values) != (2 if kind == "minnum" else 1):
        wanted = "<RAW_TYPE> <number>" if kind == "minnum" else "<value>"
        reading.wrong(number, f"{key} has {len(values)} values; expected: {key} {wanted}")
        return
    value: Any = values[-1]
    if kind in ("number", "minnum"):
        if not re.fullmatch(r"\d{1,4}", value):
            reading.wrong(number, f"{key} '{value}' is not a number")
            return
        value = int(value)
    elif kind == "drs":
        value = reading.choose(number, key, value, ("CPL", "CON", "INT"))
    if kind == "minnum":
        value = {"raw_type": values[0], "raw_minnum": value}
    if kind in ("list", "minnum"):
        reading.move.setdefault(field_name, []).append(value)
        reading.lines.setdefault(field_name, number)
    elif value is not None and _once(field_name, number, reading):
        reading.move[field_name] = value


def to_yaml(move: Mapping[str, Any], source: str) -> str:
    """The YAML text that says the same as a classic file; `source` is named in the heading."""
    import yaml

    body = yaml.safe_dump({"move": dict(move)}, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return f"# moveProducts, from {source}\n{body}"


def _text(data: bytes, name: str) -> str:
    if len(data) > LIMIT:
        raise ConfigTrouble(f"{name}:1: longer than {LIMIT} bytes; this is not a configuration file")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise ConfigTrouble(f"{name}:{line}: binary data; restore the file from its source")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as trouble:
        line = data[: trouble.start].count(b"\n") + 1
        raise ConfigTrouble(f"{name}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _line(words: list[str], number: int, reading: _Reading) -> None:
    key, values = words[0].upper(), words[1:]
    if words[0].casefold() in (*_FORMATS, "ps"):  # a bare `gif | YES` row of the graphics table
        key, values = "FORMAT", words
    reader, layout = _KEYS.get(key, (None, ""))
    if reader is None:
        known = ", ".join(_KEYS)
        reading.wrong(number, f"unknown key '{words[0]}'{nearest(words[0], list(_KEYS))} (known: {known})")
    elif layout != _ANY and len(values) != layout.count("<"):
        reading.wrong(number, f"{key} has {len(values)} values; expected: {key} {layout}")
    else:
        reader(values, number, reading)


def _once(key: str, number: int, reading: _Reading) -> bool:
    if key in reading.lines:
        reading.wrong(number, f"'{key}' stands already in line {reading.lines[key]}; remove one of the two")
        return False
    reading.lines[key] = number
    return True


def _tool_mode(values: list[str], number: int, reading: _Reading) -> None:
    word = reading.choose(number, "TOOL_MODE", values[0], ("INTER", "AUTO"))
    if word and _once("tool_mode", number, reading):
        reading.move["tool_mode"] = word


def _special_plugin(values: list[str], number: int, reading: _Reading) -> None:
    if _once("special_plugin", number, reading):
        reading.move["special_plugin"] = values[0]


def _raw_type(values: list[str], number: int, reading: _Reading) -> None:
    mode = reading.choose(number, "MODE", values[1], _MODES)
    save = reading.choose(number, "SAVE_MODE", values[2], _SAVES)
    rows = reading.move.setdefault("raw_types", [])
    if any((row["raw_type"], row["mode"]) == (values[0], mode) for row in rows):
        reading.wrong(number, f"RAW_TYPE '{values[0]}' of {mode} stands there twice; remove one of the two")
    elif mode and save:
        rows.append({"raw_type": values[0], "mode": mode, "save": save})
        reading.lines.setdefault("raw_types", number)


def _delete(values: list[str], number: int, reading: _Reading) -> None:
    row = {"raw_type": values[0], "catg": values[1]}
    rows = reading.move.setdefault("delete", [])
    if row in rows:
        reading.notices.append(f"{reading.name}:{number}: DELETE {' '.join(values)} stands there twice")
        return
    rows.append(row)
    reading.lines.setdefault("delete", number)
    reading.lines[f"delete.{len(rows) - 1}"] = number


def _graphics(values: list[str], number: int, reading: _Reading) -> None:
    if values[0].casefold().lstrip(".") == "ps":
        reading.wrong(number, "FORMAT 'ps' is not supported (moveProducts section 4.1); use gif, png or jpg")
        return
    extension = reading.choose(number, "FORMAT", values[0].casefold().lstrip("."), _FORMATS)
    flag = reading.choose(number, "SAVE_FLAG", values[1].upper(), ("YES", "NO"))
    rows = reading.move.setdefault("graphics", [])
    if any(row["format"] == extension for row in rows):
        reading.wrong(number, f"FORMAT '{extension}' stands there twice; remove one of the two")
    elif extension and flag:
        rows.append({"format": extension, "save": flag == "YES"})
        reading.lines.setdefault("graphics", number)


def _rename(values: list[str], number: int, reading: _Reading) -> None:
    mode = reading.choose(number, "MODE", values[0], _MODES)
    flag = reading.choose(number, "RENAME", values[1].upper(), ("YES", "NO"))
    if mode and flag and _once(f"rename.{mode}", number, reading):
        reading.move.setdefault("rename", {})[mode] = flag == "YES"


def _cdb_ingest(values: list[str], number: int, reading: _Reading) -> None:
    # only the pre-imaging page names it, always with NO; ingestion is a line in JOBS_INGEST today
    reading.notices.append(f"{reading.name}:{number}: CDB_INGEST {' '.join(values)} is obsolete: left out")


def _vcal_remove(values: list[str], number: int, reading: _Reading) -> None:
    # since the virtual calibrations take care of themselves (moveProducts page): real ones go, others stay
    reading.notices.append(
        f"{reading.name}:{number}: {' '.join(['VCAL_REMOVE', *values])} is deprecated and has no effect:"
        " virtual calibrations go when they became real, others stay; remove the line"
    )


def _consistent(reading: _Reading) -> None:
    if "raw_types" in reading.move:  # the file is a whole: without DELETE lines nothing is dropped
        reading.move.setdefault("delete", [])
    saves: dict[str, set[str]] = {}
    for row in reading.move.get("raw_types", ()):
        saves.setdefault(row["raw_type"], set()).add(row["save"])
    for index, row in enumerate(reading.move.get("delete", ())):
        where = f"{reading.name}:{reading.lines[f'delete.{index}']}"
        if row["raw_type"] not in saves:
            hint = nearest(row["raw_type"], list(saves))
            reading.notices.append(f"{where}: DELETE of RAW_TYPE '{row['raw_type']}', which section 2 lacks{hint}")
        elif "SELECT" not in saves[row["raw_type"]]:
            modes = "/".join(sorted(saves[row["raw_type"]]))
            reading.notices.append(f"{where}: DELETE has no effect, SAVE_MODE of '{row['raw_type']}' is {modes}")


_ANY = "..."
_KEYS: dict[str, tuple[Callable[[list[str], int, _Reading], None], str]] = {
    "TOOL_MODE": (_tool_mode, "<INTER or AUTO>"),
    "SPECIAL_PLUGIN": (_special_plugin, "<name or NONE>"),
    "RAW_TYPE": (_raw_type, "<raw type> | <CALIB or SCIENCE> | <ALL, NONE or SELECT>"),
    "DELETE": (_delete, "<raw type> | <PRO.CATG or ALL>"),
    "FORMAT": (_graphics, "<gif, png or jpg> | <YES or NO>"),
    "GRAPHICS": (_graphics, "<gif, png or jpg> | <YES or NO>"),  # the page does not name the key of these rows
    "RENAME": (_rename, "<CALIB or SCIENCE> | <YES or NO>"),
    "CDB_INGEST": (_cdb_ingest, "<CALIB or SCIENCE> | <NO>"),
    "VCAL_REMOVE": (_vcal_remove, _ANY),
}
