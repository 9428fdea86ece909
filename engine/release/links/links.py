"""Links in HTML files that move (moveProducts 2.15) or go to the web server (2.18). Pure.

Only the values of links change, every other byte stays, whatever the encoding. Links to other hosts, and what is
no link to a file (`mailto:`, `javascript:`, `data:`, `#fragment`), stay as they are.
"""

from __future__ import annotations

import os.path
import posixpath
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import quote, unquote

from engine.release.links.markup import BASE, Change, Slot, base_of, filled, slots

NOT_EXPORTED = "#not-exported"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_BLANKS = "".join(map(chr, range(33)))
_UNSEEN = dict.fromkeys(map(ord, "\t\n\r"))
_SAFE = "/:@!$&*+=~"  # and not ' ( ) , ; which mean something in styles and srcset
_LONGEST, _LONGEST_NAME = 4096, 255  # bytes of a path and of a name; longer ones exist nowhere


@dataclass(frozen=True, slots=True)
class Relinked:
    """The HTML with its new links, and the links that lead nowhere, as they were written."""

    html: bytes
    dead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """The file a link names: absolute path ('' when no file can be called so), and how the link is written.

    `before` is what stands before the path (`file://`, or nothing), `rest` its query and fragment.
    """

    path: str
    relative: bool
    before: str
    slash: bool
    rest: str

    def written(self, path: str, base: str) -> str:
        """A link of the same form to another path, seen from the directory `base`."""
        text = _relative(path, base) if self.relative else quote(os.fsencode(path), safe=_SAFE)
        if self.slash and not text.endswith("/"):
            text += "/"
        return self.before + text + self.rest


def relinked(
    html: bytes, *, old: PurePath, new: PurePath, moved: Mapping[str, str], exists: Callable[[str], bool]
) -> Relinked:
    """The HTML file `old` as it must read at `new`.

    `moved` gives the new absolute path of every file that moves, by its old one; `exists` tells of files that stay.
    Relative links stay relative, absolute ones absolute. A link that only resolves from the new place stays; one
    that resolves from neither stays too and is among `dead`.
    """
    moved = {**moved, str(old): str(new)}
    landed = frozenset(moved.values())
    page = _Page(html)
    base_old, base_new = page.bases(str(old.parent), str(new.parent))
    dead: list[str] = []

    def change(url: str) -> str:
        target = target_of(url, base_old)
        if target is None:
            return url
        later = target_of(url, base_new)
        for path in (moved.get(target.path, target.path), later.path if later else ""):
            if path and (path in landed or exists(path)):
                well = later is not None and later.path == path and not _looks_remote(url)
                return url if well else target.written(path, base_new or "/")
        dead.append(url)
        return url

    def rebased(url: str) -> str:
        target = target_of(url, str(old.parent))
        if target is None or not target.path or not target.relative:
            return url
        return target.written(target.path, str(new.parent))

    return Relinked(page.changed(change, rebased), tuple(dict.fromkeys(dead)))


def exported(html: bytes, *, place: str, remote: Mapping[str, str]) -> Relinked:
    """The HTML file that stands at `place` as the web server gets it.

    `remote` gives the path on the server of every exported file, this one included, by its absolute local path.
    Links to exported files become relative ones; links to files that are not exported become `#not-exported`
    and are among `dead`, so that no link leads nowhere and none tells a local path.
    """
    page = _Page(html)
    base, _ = page.bases(posixpath.dirname(place), "")
    here = posixpath.dirname("/" + remote[place].lstrip("/"))
    dead: list[str] = []

    def change(url: str) -> str:
        if _elsewhere(url):
            dead.append(url)
            return NOT_EXPORTED
        target = target_of(url, base)
        if target is None:
            return url
        path = remote.get(target.path) if target.path and not target.slash else None
        if path is None:
            dead.append(url)
            return NOT_EXPORTED
        return _relative("/" + path.lstrip("/"), here) + target.rest

    def rebased(url: str) -> str:
        return "./" if _elsewhere(url) or target_of(url, posixpath.dirname(place)) is not None else url

    return Relinked(page.changed(change, rebased), tuple(dict.fromkeys(dead)))


def target_of(url: str, base: str | None) -> Target | None:
    """The file a link names, relative names seen from the directory `base`; None when it names none.

    Without a `base` (pages that call a web server their base) only `file:` links name files. A colon does not make
    a scheme of a name with points before it: `r.MUSE.2014-10-22T23:57:32_0000.png` is a file, as tools have always
    written it, though browsers want `./` before it.
    """
    text = url.strip(_BLANKS).translate(_UNSEEN)
    scheme = _SCHEME.match(text)
    before = ""
    if scheme and "." not in scheme[1]:
        if scheme[1].lower() != "file":
            return None
        before, text = text[: scheme.end()], text[scheme.end() :]
        if text.startswith("//"):
            host, root, path = text[2:].partition("/")
            if host.lower() not in ("", "localhost"):
                return None
            before, text = f"{before}//{host}", root + path
    elif base is None or text.startswith("//"):
        return None
    if not text or text[0] in "?#":
        return None
    cut = min((at for at in (text.find("?"), text.find("#")) if at >= 0), default=len(text))
    path, rest = unquote(text[:cut], errors="surrogateescape"), text[cut:]
    absolute = path if path.startswith("/") else f"{base or ''}/{path}"
    slash = path.endswith(("/", "/.", "/..")) or path in (".", "..")
    return Target(_normal(absolute), not path.startswith("/"), before, slash, rest)


def _looks_remote(url: str) -> bool:
    """True where browsers take the beginning of a file's name for a scheme."""
    scheme = _SCHEME.match(url.strip(_BLANKS))
    return scheme is not None and "." in scheme[1]


def _elsewhere(url: str) -> bool:
    """True for `file://host/...`: a path of our network."""
    text = url.strip(_BLANKS).translate(_UNSEEN)
    return text[:7].lower() == "file://" and target_of(url, "/") is None


def _normal(path: str) -> str:
    """An absolute path without dots and double slashes; '' when no file can be called so."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return ""
    if b"\0" in data or len(data) > _LONGEST or any(len(name) > _LONGEST_NAME for name in data.split(b"/")):
        return ""
    return "/" + posixpath.normpath(path).lstrip("/")


def _relative(path: str, base: str) -> str:
    text = quote(posixpath.relpath(path, base).encode("utf-8", "surrogateescape"), safe=_SAFE)
    return f"./{text}" if ":" in text.partition("/")[0] else text


class _Page:
    """An HTML file being edited."""

    def __init__(self, html: bytes) -> None:
        self._codec, self._errors, self._head, self._tail = "utf-8", "surrogateescape", b"", b""
        for mark, codec in ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
            if html.startswith(mark):
                self._codec, self._errors = codec, "surrogatepass"
                end = len(html) - len(html) % 2
                self._head, html, self._tail = html[:2], html[2:end], html[end:]
        self._text = html.decode(self._codec, self._errors)
        self._slots = slots(self._text)
        self._base = base_of(self._slots)

    def bases(self, old: str, new: str) -> tuple[str | None, str | None]:
        """The directories that relative links are seen from, before and after; None: from a web server.

        A `<base>` keeps naming the directory it named.
        """
        if self._base is None:
            return old, new
        base = target_of(self._base.value, old)
        if base is None:
            text = self._base.value.strip(_BLANKS)
            here = not text or text[0] in "?#"
            return (old, new) if here else (None, None)
        folder = base.path if base.slash else posixpath.dirname(base.path)
        return (folder, folder) if base.path else (None, None)

    def changed(self, change: Change, rebased: Change) -> bytes:
        """The file with every link passed through `change`, and its base through `rebased`."""

        def which(slot: Slot) -> Change:
            return rebased if slot.kind == BASE else change

        text = filled(self._text, self._slots, which)
        return self._head + text.encode(self._codec, self._errors) + self._tail
