"""What to write instead: the next step for the mistakes that are made in rules."""

from __future__ import annotations

from collections.abc import Collection

_INSTEAD = {
    **{
        "&": "write 'and'",
        "|": "write 'or'",
        "!": "write 'not', or != between two values",
        "~": "write like or regexp",
    },
    **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019", 'write straight quotes: "text"'),
    **{"#": "a comment begins with //", "\\": "a line needs no sign that it goes on"},
    **{"[": "write parentheses", "]": "write parentheses", "$": "give the value itself: there are no variables"},
    "\xa0": "replace this blank, which only looks like one",
}
_VALUES = ("NAME", "STRING", "NUMBER", "LPAR")


def advice(kind: str, text: str, before: str, expected: Collection[str]) -> str:
    """The next step for a word that cannot stand where it stands; '' where none is known.

    `kind` and `text` are the word's, `before` is what stands before it, `expected` what could have come.
    """
    if kind == "STRANGE":
        return _INSTEAD.get(text, "names are letters of ASCII, digits, _ . and -" if text.isalnum() else "")
    if kind == "DEEP":
        return "divide it into rules that set a key of their own, and ask for that key"
    last = before.rstrip().rpartition("\n")[2].rpartition(" ")[2].lower()
    if last in ("else", "}else"):
        return "there is no else: write a rule for the other case"
    if text == ">" and before.endswith("<"):
        return "write != for unlike"
    if set(expected) == {"ASSIGN"} and len(before.split()) == 1:
        return "a rule begins with 'if', 'select execute' or 'action'"
    if kind == "ASSIGN" and "RELATION" in expected:
        return "write == to compare"
    if kind == "RELATION" and "AND" in expected:
        return "write two comparisons, joined by 'and'"
    if kind == "SEMICOLON" and "THEN" in expected:
        return "a rule goes on with 'then'"
    touches = kind in _VALUES and not before[-1:].isspace()
    return "" if touches else _missing(kind, expected)


def _missing(kind: str, expected: Collection[str]) -> str:
    """What was left out before the word."""
    if "THEN" in expected and (kind == "LBRACE" or kind in _VALUES):
        return "'then' is missing before it" if kind == "LBRACE" else "join conditions with 'and' or 'or'"
    if "SEMICOLON" in expected and kind not in _VALUES:
        return "a semicolon is missing before it"
    if "RPAR" in expected and kind not in _VALUES:
        return "')' is missing before it"
    if kind == "RBRACE" and "IF" in expected:
        return "one '}' is too much here, or one is missing before"
    return "'}' is missing before it" if "RBRACE" in expected and kind in ("IF", "ACTION", "SELECT") else ""
