"""Where the links of an HTML text stand, and new ones put in their places. Pure.

Tags are found as browsers find them (the tokenizer of the HTML standard, section 13.2.5), in time linear in
the text also for hostile markup: the parser of the standard library takes minutes for 100 kB of `<a `. Comments,
scripts and the text of titles hold no links; an unclosed tag is none. Characters that belong to no link are kept.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.entities import html5

URL, BASE, SET, STYLE, REFRESH = "url", "base", "srcset", "style", "refresh"
_EVERYWHERE = {
    **dict.fromkeys(
        ("href", "src", "action", "formaction", "cite", "poster", "background", "longdesc", "xlink:href"), URL
    ),
    **dict.fromkeys(("codebase", "manifest", "lowsrc", "dynsrc", "usemap", "classid"), URL),
    "srcset": SET,
    "imagesrcset": SET,
    "style": STYLE,
}
_RAW = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed"})
_NAME = re.compile(r"[A-Za-z][^\t\n\f\r />]*+")
_GAP = re.compile(r"[\t\n\f\r /]*+")
_SPACE = re.compile(r"[\t\n\f\r ]*+")
_ATTRIBUTE = re.compile(r"=?[^\t\n\f\r />=]*+")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]*+")
_COMMENT_END = re.compile(r"--!?>")
_ENTITY = re.compile(r"&(?:#\d+;?|#[xX][\da-fA-F]+;?|[A-Za-z][A-Za-z0-9]*+;?)=?")
_STRING = r"""(?:"([^"\\\n]*+)"|'([^'\\\n]*+)'"""
_CSS = re.compile(rf"""url\(\s*+{_STRING}|([^\s"'()\\]++))|@import\s++{_STRING})""", re.IGNORECASE)
_SRCSET = re.compile(r"[\s,]*+(\S++)")
_REFRESH = re.compile(r"""\s*+[\d.]*+\s*+[;,]?\s*+url\s*+=\s*+(?:"([^"]*+)|'([^']*+)|(\S[^"']*+))""", re.IGNORECASE)

Change = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Slot:
    """One value that holds links: text[start:end] as written, `value` as meant.

    `kind` says how the links lie in it; `quote` is what stands around it: a quote, '' for nothing, '<' for the
    text of a style element.
    """

    start: int
    end: int
    value: str
    kind: str
    quote: str

    def changed(self, change: Change) -> str | None:
        """The value as it is to be written, every link passed through `change`; None when none of them changes."""
        new = _THROUGH[self.kind](self.value, change)
        return None if new == self.value else _escaped(new, self.quote)


def slots(text: str) -> list[Slot]:
    """All values of an HTML text that may hold links, in order."""
    return list(_slots(text))


def base_of(found: list[Slot]) -> Slot | None:
    """The `<base href>` that counts: the first one."""
    return next((slot for slot in found if slot.kind == BASE), None)


def filled(text: str, found: list[Slot], change: Callable[[Slot], Change]) -> str:
    """The text with every link passed through `change(its slot)`; all other characters as they were."""
    parts: list[str] = []
    at = 0
    for slot in found:
        new = slot.changed(change(slot))
        if new is not None:
            parts += (text[at : slot.start], new)
            at = slot.end
    return "".join((*parts, text[at:]))


# --- tags ---------------------------------------------------------------------------------


def _slots(text: str) -> Iterator[Slot]:
    at = text.find("<")
    while at >= 0:
        following = text[at + 1 : at + 2]
        if following.isascii() and following.isalpha():
            name, found, at = _start_tag(text, at + 1)
            yield from found
            if name in _RAW and at < len(text):
                end = _raw_end(text, name, at)
                if name == "style":
                    yield Slot(at, end, text[at:end], STYLE, "<")
                at = end
            elif name == "plaintext":
                return
        elif following == "/" and text[at + 2 : at + 3].isascii() and text[at + 2 : at + 3].isalpha():
            at = _start_tag(text, at + 2)[2]
        elif text.startswith("<!--", at):
            at = _comment_end(text, at + 4)
        elif following in ("!", "?", "/"):
            at = text.find(">", at)
            if at < 0:
                return
        else:
            at += 1
        at = text.find("<", at)


def _comment_end(text: str, at: int) -> int:
    if text.startswith((">", "->"), at):
        return at
    found = _COMMENT_END.search(text, at)
    return found.end() if found else len(text)


def _raw_end(text: str, name: str, at: int) -> int:
    found = re.compile(rf"</{name}[\t\n\f\r />]", re.IGNORECASE).search(text, at)
    return found.start() if found else len(text)


def _start_tag(text: str, at: int) -> tuple[str, list[Slot], int]:
    """Name, slots and end of the tag whose name begins at `at`; nothing where the text ends within it."""
    matched = _NAME.match(text, at)
    name, at = (matched[0].lower(), matched.end()) if matched else ("", at)
    found: list[Slot] = []
    refresh: list[Slot] = []
    while True:
        at = _end(_GAP, text, at)
        if at >= len(text):
            return "", [], at
        if text[at] == ">":
            return name, sorted(found + refresh, key=lambda slot: slot.start), at + 1
        start, at = at, _end(_ATTRIBUTE, text, at)
        attribute = text[start:at].lower()
        after = _end(_SPACE, text, at)
        if text[after : after + 1] != "=":
            continue
        at = _end(_SPACE, text, after + 1)
        quote = text[at : at + 1] if text[at : at + 1] in ("'", '"') else ""
        start = at + len(quote)
        at = text.find(quote, start) if quote else _end(_UNQUOTED, text, at)
        if at < 0:
            return "", [], len(text)
        kind = _kind(name, attribute)
        if kind:
            found.append(Slot(start, at, _meant(text[start:at]), kind, quote))
        at += len(quote)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    matched = pattern.match(text, at)
    return matched.end() if matched else at


def _kind(tag: str, attribute: str) -> str:
    if tag == "base" and attribute == "href":
        return BASE
    if tag == "meta" and attribute == "content":
        return REFRESH
    if attribute == "data" and tag == "object":
        return URL
    return _EVERYWHERE.get(attribute, "")


# --- values -------------------------------------------------------------------------------


def _meant(raw: str) -> str:
    """The value of an attribute: character references resolved as they are in attributes."""
    return _ENTITY.sub(_character, raw) if "&" in raw else raw


def _character(match: re.Match[str]) -> str:
    raw = match[0]
    if raw.startswith("&#") or raw.endswith(";"):
        return html.unescape(raw)
    return raw if raw.endswith("=") else html5.get(raw[1:], raw)


def _escaped(value: str, quote: str) -> str:
    if quote == "<":
        return value
    value = value.replace("&", "&amp;")
    if quote:
        return value.replace(quote, "&quot;" if quote == '"' else "&#39;")
    return re.sub(r"[\t\n\f\r \"'<>=`]", lambda found: f"&#{ord(found[0])};", value)


def _whole(value: str, change: Change) -> str:
    return change(value)


def _style(value: str, change: Change) -> str:
    parts: list[str] = []
    at = 0
    for found in _CSS.finditer(value):
        group = found.lastindex or 0
        parts += (value[at : found.start(group)], change(found[group]))
        at = found.end(group)
    return "".join((*parts, value[at:]))


def _refresh(value: str, change: Change) -> str:
    found = _REFRESH.match(value)
    if not found:
        return value
    group = found.lastindex or 0
    return value[: found.start(group)] + change(found[group]) + value[found.end(group) :]


def _srcset(value: str, change: Change) -> str:
    parts: list[str] = []
    at = 0
    while found := _SRCSET.match(value, at):
        url = found[1].rstrip(",")
        end = found.start(1) + len(url)
        parts += (value[at : found.start(1)], change(url))
        at = found.end() if found[1] != url else _descriptors_end(value, found.end())
        parts.append(value[end:at])
    return "".join((*parts, value[at:]))


def _descriptors_end(value: str, at: int) -> int:
    comma = value.find(",", at)
    return comma + 1 if comma >= 0 else len(value)


_THROUGH: dict[str, Callable[[str, Change], str]] = {
    URL: _whole,
    BASE: _whole,
    SET: _srcset,
    STYLE: _style,
    REFRESH: _refresh,
}
