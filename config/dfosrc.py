"""`.dfosrc` and its overlay `.dfosrc_<instr>`: read, never executed. Standard library only.

Understood: `export A=b`, `A=b; export A`, `setenv A b`, `unset A`, quotes, comments, continued
lines, and `$A` / `${A}` of HOME, USER, DFOS_ROOT (where the file is) and what was set before.
Everything else a shell could do is left out and reported with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LIMIT = 1_000_000  # bytes; a longer file is not a .dfosrc
_ASSIGN = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
_OURS = re.compile(r"DFO_|DFS_|TMP_DIR$|THIS_IS_PHOENIX$")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)")
_OPEN = frozenset({"if", "case", "for", "while", "until", "foreach", "switch", "select", "then", "{"})
_CLOSE = frozenset({"fi", "esac", "done", "endif", "end", "endsw", "}"})


@dataclass(frozen=True, slots=True)
class DfosRc:
    """What the files say: variables, where each was set (`file:line`), what was left out, what is wrong.

    `refused` are variables that stand there with a value that cannot be read, and why.
    """

    variables: Mapping[str, str]
    origins: Mapping[str, str]
    notices: tuple[str, ...]
    problems: tuple[str, ...]
    refused: Mapping[str, str]


@dataclass(slots=True)
class _Reading:
    values: dict[str, str]
    origins: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # variable -> where and why it has no value


@dataclass(slots=True)
class _Word:
    text: str = ""
    trouble: str = ""
    quoted: bool = False


class _Unreadable(Exception):
    """A line that cannot be split into words."""


def read_dfosrc(files: Iterable[Path], base: Mapping[str, str]) -> DfosRc:
    """The variables of `files`, later ones override; all problems in one go, never an exception for content.

    `base` are variables known from the start (HOME, USER, DFOS_ROOT); they are not part of the answer
    unless a file sets them. An unreadable file is a problem with its name.
    """
    reading = _Reading(dict(base))
    for path in files:
        text = _text(path, reading)
        if text is not None:
            _read(text, str(path), reading)
    variables = {name: reading.values[name] for name in reading.origins}
    return DfosRc(
        variables, dict(reading.origins), tuple(reading.notices), tuple(reading.problems), dict(reading.refused)
    )


def _text(path: Path, reading: _Reading) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as trouble:
        reading.problems.append(f"{path}: cannot be read: {trouble.strerror}")
        return None
    if len(data) > LIMIT:
        reading.problems.append(f"{path}: longer than {LIMIT} bytes; this is not a .dfosrc")
        return None
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        reading.problems.append(f"{path}:{line}: binary data; restore the file from its source")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = data[: trouble.start].count(b"\n") + 1
        reading.problems.append(f"{path}:{line}: not UTF-8 text; save the file as UTF-8")
        return None


def _read(text: str, name: str, reading: _Reading) -> None:
    depth, opened, heredoc = 0, 0, ""
    for number, line in _lines(text):
        where = f"{name}:{number}"
        if heredoc:
            heredoc = "" if line.strip() == heredoc else heredoc
            continue
        try:
            commands, plain = _commands(line, reading)
        except _Unreadable as trouble:
            if not depth:
                reading.problems.append(f"{where}: {trouble}")
            continue
        if not plain and (found := _HEREDOC.search(line)):
            heredoc = found[1]
        change, logic = _nesting(commands, line, depth)
        if depth or logic:
            if not depth:
                opened = number
                word = line.split()[0]
                reading.notices.append(f"{where}: '{word} ...' is shell logic: left out up to its end")
            depth = max(0, depth + change)
        elif commands and not plain:
            reading.notices.append(f"{where}: '{_short(line)}' is shell logic: left out")
        else:
            for words in commands:
                _apply(words, where, line, reading)
    if depth:
        reading.problems.append(f"{name}:{opened}: what begins here is never closed; everything below it was left out")
    if heredoc:
        reading.problems.append(f"{name}: the text up to '{heredoc}' is never closed")


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """Logical lines with the number of their first physical one."""
    held, first = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        first = first or number
        if line.endswith("\\") and not line.endswith("\\\\") and not line.lstrip().startswith("#"):
            held += line[:-1]
            continue
        yield first, held + line
        held, first = "", 0
    if held:
        yield first, held


def _nesting(commands: list[list[_Word]], line: str, depth: int) -> tuple[int, bool]:
    """How much deeper in shell logic the next line is, and whether this line has any."""
    change, logic = 0, False
    csh = re.search(r"\bif\s*\(", line) is not None
    for words in commands:
        first = "" if words[0].quoted else words[0].text
        if first == "else" and len(words) > 1 and words[1].text == "if" and not csh:
            first = "if"
        if first in _CLOSE:
            change, logic = change - 1, True
        elif first == "if" and csh:
            # `if (...) then` opens a block in csh; `if (...) command` is one line
            change, logic = change + line.split("#")[0].rstrip().endswith("then"), True
        elif first == "then":
            change, logic = change + (not depth and not logic), True
        elif first in _OPEN or (words[-1].text == "{" and not words[-1].quoted):
            change, logic = change + 1, True
    return change, logic


def _apply(words: list[_Word], where: str, line: str, reading: _Reading) -> None:
    verb, rest = words[0].text, words[1:]
    if verb == "setenv" and rest and _NAME.fullmatch(rest[0].text):
        if len(rest) > 2:
            reading.problems.append(f"{where}: setenv {rest[0].text} has {len(rest) - 1} values; put quotes around it")
        else:
            value = rest[1] if len(rest) == 2 else _Word()
            _set(rest[0].text, value.text, value.trouble, where, reading)
        return
    if verb in ("unset", "unsetenv"):
        for word in rest:
            reading.values.pop(word.text, None)
            reading.origins.pop(word.text, None)
        return
    exporting = verb in ("export", "readonly", "declare", "typeset")
    targets = [word for word in rest if not word.text.startswith("-")] if exporting else words
    assigns = [_ASSIGN.fullmatch(word.text) for word in targets]
    if all(assigns) or (exporting and all(a or _NAME.fullmatch(w.text) for a, w in zip(assigns, targets, strict=True))):
        for found, word in zip(assigns, targets, strict=True):
            if found:
                _set(found[1], found[2], word.trouble, where, reading)
        return
    why = "is not followed" if verb in ("source", ".") else "sets no variable: left out"
    reading.notices.append(f"{where}: '{_short(line)}' {why}")


def _set(name: str, value: str, trouble: str, where: str, reading: _Reading) -> None:
    if any(ord(char) < 32 for char in value):
        trouble = trouble or "the value holds control characters"
    if not trouble:
        reading.values[name] = value
        reading.origins[name] = where
        reading.refused.pop(name, None)
        return
    reading.values.pop(name, None)
    reading.origins.pop(name, None)
    reading.refused[name] = f"{where}: {trouble}"
    if _OURS.match(name):
        reading.problems.append(f"{where}: {name}: {trouble}; write the value out")
    else:
        reading.notices.append(f"{where}: {name} left out: {trouble}")


def _commands(line: str, reading: _Reading) -> tuple[list[list[_Word]], bool]:
    """The commands of a line as words, and whether nothing but ';' stands between them."""
    commands: list[list[_Word]] = [[]]
    word: _Word | None = None
    plain, at = True, 0
    while at < len(line):
        char = line[at]
        if char.isspace() or char in ";&|()<>":
            if word:
                commands[-1].append(word)
                word = None
            if char in ";&|()<>":
                plain = plain and char == ";"
                commands.append([])
            at += 1
        elif char == "#" and word is None:
            break
        else:
            word = word or _Word()
            at = _take(line, at, word, reading)
    if word:
        commands[-1].append(word)
    return [words for words in commands if words], plain


def _take(line: str, at: int, word: _Word, reading: _Reading) -> int:
    char = line[at]
    if char == "'":
        end = line.find("'", at + 1)
        if end < 0:
            raise _Unreadable("a ' is never closed on this line")
        word.text, word.quoted = word.text + line[at + 1 : end], True
        return end + 1
    if char == '"':
        word.quoted = True
        at += 1
        while at < len(line) and line[at] != '"':
            if line[at] == "\\" and line[at + 1 : at + 2] in ("$", '"', "\\", "`"):
                word.text += line[at + 1]
                at += 2
            elif line[at] in "$`":
                at = _expand(line, at, word, reading)
            else:
                word.text += line[at]
                at += 1
        if at >= len(line):
            raise _Unreadable('a " is never closed on this line')
        return at + 1
    if char == "\\":
        word.text += line[at + 1 : at + 2]
        return at + 2
    if char in "$`":
        return _expand(line, at, word, reading)
    if char == "~" and word.text[-1:] in ("", "=", ":") and line[at + 1 : at + 2] in ("", "/"):
        word.text += reading.values.get("HOME", "~")
        return at + 1
    word.text += char
    return at + 1


def _expand(line: str, at: int, word: _Word, reading: _Reading) -> int:
    if line[at] == "`" or line.startswith("$(", at):
        word.trouble = "command substitution is never executed"
        end = line.find("`", at + 1) if line[at] == "`" else _closing(line, at + 1)
        return len(line) if end < 0 else end + 1
    if line.startswith("${", at):
        end = line.find("}", at)
        if end < 0:
            raise _Unreadable("a ${ is never closed on this line")
        name, after = line[at + 2 : end], end + 1
    else:
        found = _NAME.match(line, at + 1)
        if not found:
            word.text += "$"
            return at + 1
        name, after = found[0], found.end()
    if not _NAME.fullmatch(name):
        word.trouble = f"'${{{name}}}' is not read; only $NAME and ${{NAME}} are"
    elif name in reading.values:
        word.text += reading.values[name]
    elif name in reading.refused:
        word.trouble = f"${name} has no value, see {reading.refused[name]}"
    else:
        word.trouble = f"${name} is not set before this line"
    return after


def _closing(line: str, at: int) -> int:
    depth = 0
    for index in range(at, len(line)):
        depth += {"(": 1, ")": -1}.get(line[index], 0)
        if not depth:
            return index
    return -1


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= 40 else line[:39] + "…"
