"""A naming table made ready for many products: which code fits, and the setup values in its name. Pure.

Shape of the tables: product_codes pages, one PRO.CATG may have several codes and one code several
PRO.CATGs, so rules are tried in order and the first that fits wins.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass

from config.codes import THE_FIRST_THERE, THE_ONE_NOT_OPEN, Code, NameField, Rename
from engine.core.product import Product
from engine.errors import MoveTrouble

Value = str | int | float | bool | None
_FIELD = re.compile(r"\{([A-Za-z0-9 .\-_]+)(?::([^{}]*))?\}")
_UNSAFE = re.compile(r"[\s/,#*()\\'\"|;&$<>?!`\x00-\x1f\x7f-\U0010ffff]")
_OF_THE_AB = ("raw_type", "ab_type")


@dataclass(frozen=True, slots=True)
class Named:
    """A product with what its name is made of: the tag of its AB, and the header keywords the tables ask for.

    The extension of the final name is that of the file on disk (`product.path`).
    """

    product: Product
    tag: str
    keys: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Fitting:
    """The code that fits a product, and what {NAMES} in its PRO.CATG stand for."""

    code: Code
    captures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Rule:
    code: Code
    pattern: re.Pattern[str]
    when: tuple[tuple[str, re.Pattern[str]], ...]
    params: tuple[tuple[str | tuple[str, str], ...], ...]  # texts, and (name, format)


class Table:
    """The codes of one MODE, compiled."""

    def __init__(self, tables: Rename, mode: str) -> None:
        self.tables = tables
        self.gen = mode == "GEN"
        self._rules = [self._compiled(code) for code in tables.codes(mode)]
        self._by_catg: dict[str, list[tuple[_Rule, Mapping[str, str]]]] = {}
        self._params = {id(rule.code): rule.params for rule in self._rules}
        self._by = {
            name: [(_pattern(value), keys) for value, keys in field.keys_by.items()]
            for name, field in tables.fields.items()
        }

    def _compiled(self, code: Code) -> _Rule:
        params = self.tables.setups.get(code.setup, ()) if code.setup else code.params
        when = tuple((name, _pattern(pattern)) for name, pattern in code.when.items())
        return _Rule(code, catg_pattern(code.pro_catg, self.tables), when, tuple(_parts(param) for param in params))

    def keywords(self) -> tuple[str, ...]:
        """The header keywords that codes and setup values ask for."""
        found: dict[str, None] = {}
        fields: list[str] = []
        for rule in self._rules:
            parts = (part for param in rule.params for part in param)
            own = [name for name, _ in rule.when] + [part[0] for part in parts if not isinstance(part, str)]
            captured = set(rule.pattern.groupindex)
            fields += [name for name in own if name in self.tables.fields]
            found |= {name: None for name in own if name not in captured | {*self.tables.fields, *_OF_THE_AB}}
        for name in fields:  # grows: a field may be chosen by another field
            field = self.tables.fields[name]
            found |= dict.fromkeys((*field.keys, *(key for keys in field.keys_by.values() for key in keys)))
            if field.by in self.tables.fields and field.by not in fields:
                fields.append(field.by)
            elif "." in field.by:
                found[field.by] = None
        return tuple(found)

    def fitting(self, item: Named) -> Fitting | None:
        """The first code that fits; None when the PRO.CATG is unknown under these conditions."""
        catg = item.product.catg
        candidates = self._by_catg.get(catg)
        if candidates is None:
            matches = ((rule, rule.pattern.fullmatch(catg)) for rule in self._rules)
            candidates = [(rule, match.groupdict()) for rule, match in matches if match]
            self._by_catg[catg] = candidates
        for rule, captures in candidates:
            if all(pattern.fullmatch(text_of(item, captures, name)) for name, pattern in rule.when):
                return Fitting(rule.code, captures)
        return None

    def params(self, item: Named, fitting: Fitting) -> str:
        """The setup values of a product, joined by `_`. MoveTrouble names the file and what is missing or unfit."""
        texts = (_Filling(self, item, fitting).param(parts) for parts in self._params[id(fitting.code)])
        return "_".join(text for text in texts if text)

    def keys_of(self, name: str, field: NameField, chosen: str) -> tuple[str, ...] | None:
        """The keywords of a field for what chooses among them; None when nothing is said for it."""
        if not field.by:
            return field.keys
        return next((keys for pattern, keys in self._by[name] if pattern.fullmatch(chosen)), None)

    def safe(self, text: str) -> str:
        """A value as it may stand in a file name."""
        text = text.strip()
        text = self.tables.replace.get(text, text)
        for old, new in self.tables.characters.items():
            text = text.replace(old, new)
        return _UNSAFE.sub("", text)


@dataclass(frozen=True, slots=True)
class _Filling:
    """One product's values on their way into templates."""

    table: Table
    item: Named
    fitting: Fitting

    def param(self, parts: tuple[str | tuple[str, str], ...]) -> str:
        texts = [part if isinstance(part, str) else self._value(*part) for part in parts]
        left_out = [text is None for part, text in zip(parts, texts, strict=True) if not isinstance(part, str)]
        return "" if left_out and all(left_out) else "".join(text or "" for text in texts)

    def _value(self, name: str, form: str) -> str | None:
        """The text of a name in a template; None when it is lawfully left out."""
        tables = self.table.tables
        if name in self.fitting.captures:
            return self.fitting.captures[name]
        text = self._field(name, tables.fields[name]) if name in tables.fields else self._written([name], form)
        if text is None:
            return None
        safe = self.table.safe(text)
        if not safe:
            raise self._trouble(
                f"nothing of the value of {name} may stand in a file name",
                "complete the header, or add a replacement to the naming table",
            )
        return safe

    def _field(self, name: str, field: NameField) -> str | None:
        chosen = text_of(self.item, self.fitting.captures, field.by) if field.by else ""
        if field.by in self.table.tables.fields and field.by not in self.fitting.captures:
            chosen = self._field(field.by, self.table.tables.fields[field.by]) or ""
        keys = self.table.keys_of(name, field, chosen)
        if keys is None:
            raise self._trouble(f"{name}: nothing is said for {field.by} '{chosen}'", "complete the naming table")
        there = [key for key in keys if _there(self.item.keys.get(key))]
        if field.rule == THE_FIRST_THERE:
            keys = tuple(there[:1]) or keys[:1]
        elif field.rule == THE_ONE_NOT_OPEN:
            keys = self._not_open(there) if there else keys[:1]
        if not keys or (field.skip_if_empty and any(key not in there for key in keys)):
            return None
        return self._written(keys, field.format, field) or None

    def _not_open(self, keys: list[str]) -> tuple[str, ...]:
        closed = [key for key in keys if str(self.item.keys[key]).strip().upper() != "OPEN"]
        if len(closed) != 1:
            words = ", ".join(f"{key} = {self.item.keys[key]!r}" for key in keys)
            raise self._trouble(f"exactly one must not be OPEN: {words}", "see the header")
        return tuple(closed)

    def _written(self, keys: tuple[str, ...] | list[str], form: str, field: NameField | None = None) -> str:
        values = [self._number(key, field) for key in keys]
        if field and field.map:
            return "".join(self._mapped(key, value, field) for key, value in zip(keys, values, strict=True))
        if form:
            try:
                return form.format(*values) if field else format(values[0], form)
            except (ValueError, TypeError, IndexError, KeyError, AttributeError):
                said = ", ".join(f"{key} = {value!r}" for key, value in zip(keys, values, strict=True))
                code = self.fitting.code.code
                raise self._trouble(f"{said} cannot be written as '{form}'", f"correct the format of {code}") from None
        for key, value in zip(keys, values, strict=True):
            if isinstance(value, float):
                raise self._trouble(
                    f"{key} = {value!r} needs a format",
                    f"write {{{key}:.1f}} or the like in the params of code {self.fitting.code.code}",
                )
        return "".join(str(value) for value in values)

    def _number(self, key: str, field: NameField | None) -> Value:
        value = self.item.keys.get(key)
        if not _there(value):
            raise missing(self.item, key, self.fitting.code.code)
        if field and field.scale != 1.0:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self._trouble(f"{key} = {value!r} is no number", "see the header")
            return value * field.scale
        return value

    def _mapped(self, key: str, value: Value, field: NameField) -> str:
        text = plain(value)
        found = field.map.get(text)
        if found is None:
            found = next((new for old, new in field.map.items() if fnmatch.fnmatchcase(text, old)), None)
        if found is None:
            raise self._trouble(
                f"{key} = {text!r} is none of {', '.join(field.map)}", "add it to the map in the naming table"
            )
        return found

    def _trouble(self, what: str, remedy: str) -> MoveTrouble:
        return MoveTrouble(what, where=self.item.product.pipefile, remedy=remedy)


def missing(item: Named, key: str, code: str) -> MoveTrouble:
    """The trouble of a keyword that a name needs."""
    return MoveTrouble(
        f"keyword {key} is missing, code {code} needs it",
        where=item.product.pipefile,
        remedy="complete the header of the product, or take the keyword out of the naming table (rename in dfos.yaml)",
    )


def text_of(item: Named, captures: Mapping[str, str], name: str) -> str:
    """What a condition looks at: a capture, raw_type, ab_type, or a keyword's value; '' when it is not there."""
    if name in captures:
        return captures[name]
    if name == "ab_type":
        return item.tag
    return item.product.raw_type if name == "raw_type" else plain(item.keys.get(name))


def plain(value: Value) -> str:
    """A header value as text: T and F, no trailing blanks, '' when it is not there."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else str(value).strip()


def catg_pattern(text: str, tables: Rename) -> re.Pattern[str]:
    """PRO.CATG of a rule as a pattern; a {NAME} without captures.NAME takes letters and digits."""
    parts = re.split(r"\{(\w+)\}", text)
    for index in range(1, len(parts), 2):
        values = tables.captures.get(parts[index], ())
        parts[index] = f"(?P<{parts[index]}>{'|'.join(map(re.escape, values)) or '[A-Z0-9]+'})"
    parts[::2] = map(re.escape, parts[::2])
    return re.compile("".join(parts))


def _there(value: Value) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(part.strip()) for part in text.split("|")))


def _parts(template: str) -> tuple[str | tuple[str, str], ...]:
    parts: list[str | tuple[str, str]] = []
    end = 0
    for match in _FIELD.finditer(template):
        if match.start() > end:
            parts.append(template[end : match.start()])
        parts.append((match[1], match[2] or ""))
        end = match.end()
    return (*parts, template[end:]) if end < len(template) else tuple(parts)
