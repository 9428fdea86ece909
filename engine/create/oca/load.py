"""A rule file from the disk: an .oca file of a pipeline, a DFOS .h file with its includes, or a compiled .RLS.

There is no cache: the largest file known is read in less than 0.1 s.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from engine.create.oca.preprocess import expand
from engine.create.oca.read import read
from engine.create.oca.source import BadRules

if TYPE_CHECKING:
    from pathlib import Path

    from engine.create.oca.model import Rules

LARGEST = 64_000_000
_WHAT = "give a text file of rules: .oca, .h or .RLS, in UTF-8 or Latin-1"
_JAVA = b"\xac\xed"


def load(path: Path, *, below: Path | None = None) -> Rules:
    """The rules of `path`; its includes must lie `below` (default: the directory of the file).

    Raises BadRules when it cannot be read at all. Rules with mistakes are left out: `Rules.partial`.
    """
    return read(expand(path, text_of, below or path.parent), path.name)


def text_of(path: Path) -> str:
    """The text of one file: UTF-8, else Latin-1; line ends of any system. BadRules for what is no text."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe that nobody writes to would keep us for ever
            raise BadRules("cannot be read: it is no file", where=str(path), remedy=_WHAT)
        with path.open("rb") as handle:
            data = handle.read(LARGEST + 1)
    except OSError as trouble:
        said = f"cannot be read: {trouble.strerror}"
        raise BadRules(said, where=str(path), remedy="see that it is there and may be read") from None
    if data.startswith(_JAVA):
        raise BadRules(
            "these are compiled rules of Gasgano (Java objects), not text",
            where=str(path),
            remedy="use the .oca file beside it",
        )
    if b"\0" in data[:65536]:
        raise BadRules("this is a binary file, not rules", where=str(path), remedy=_WHAT)
    if len(data) > LARGEST:
        said = f"larger than {LARGEST // 1_000_000} MB: these are no rules"
        raise BadRules(said, where=str(path), remedy=_WHAT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
