"""`dfos oca`: what a rule file says, and whether it says what it seems to."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cli import oca_explain, words

if TYPE_CHECKING:
    from engine.create.oca.model import Problem, Rules

_FEW = 20  # findings of one kind that are shown without --all
_EPILOG = """\
  check FILE      read a rule file (.oca, .h with its includes, .RLS) and say everything that is odd in it;
                  exit code 2 when rules had to be left out or the file cannot be read, else 0
  explain FILE    say of a FITS or .hdr file which rules are true for it, in which groups it is, which calibrations
                  they get and why not the others; with -d DATE as createAB would see it, else alone or among --raw"""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos oca", "The rules by which files are classified, grouped and associated.", _EPILOG)
    made.add_argument("action", choices=("check", "explain"))
    made.add_argument("file", metavar="FILE")
    made.add_argument("--below", metavar="DIR", type=Path, help="includes may lie anywhere below DIR")
    made.add_argument("--json", action="store_true", help="as JSON")
    oca_explain.add(made)
    return made


def main(argv: list[str]) -> int:
    """Carry out one action."""
    given = parser().parse_args(argv)
    if given.action == "explain":
        return oca_explain.explain(given)
    return _check(Path(given.file), given.below, as_json=given.json, everything=given.all)


def _check(path: Path, below: Path | None, *, as_json: bool, everything: bool) -> int:
    """Print the findings of a rule file, worst last line: what is left out."""
    from engine.create.createab.build import makes_of
    from engine.create.createab.predict import table_for
    from engine.create.oca.lint import check
    from engine.create.oca.load import load

    rules = load(path, below=below)
    found = check(rules, makes_of(rules, table_for(path.name)))
    partial = any(problem.level == "error" for problem in found)
    if as_json:
        counts = {**_counts(rules), "partial": partial}
        print(json.dumps({**counts, "problems": [_plain(problem) for problem in found]}, indent=1))
        return 2 if partial else 0
    codes = Counter[str]()
    shown = []
    for problem in found:
        codes[problem.code] += 1
        if everything or codes[problem.code] <= _FEW:
            shown.append(problem)
    width = max((len(str(problem.at)) for problem in shown), default=0)
    words.say([f"{problem.at!s:<{width}}  {problem.level:<7}  {problem.code:<14}  {problem.text}" for problem in shown])
    if len(shown) < len(found):
        rest = ", ".join(f"{count - _FEW} {code}" for code, count in codes.items() if count > _FEW)
        words.say([f"and more: {rest}; --all shows them"])
    words.say([_summary(rules, found, partial=partial)])
    return 2 if partial else 0


def _counts(rules: Rules) -> dict[str, Any]:
    return {
        "file": rules.name,
        "classification": len(rules.classification),
        "organisation": len(rules.organisation),
        "actions": len(rules.actions),
        "associations": sum(len(action.associations) for action in rules.actions),
    }


def _plain(problem: Problem) -> dict[str, Any]:
    at = problem.at
    place = {"file": at.file, "line": at.line, "column": at.column}
    return {"level": problem.level, "code": problem.code, "text": problem.text, **place}


def _summary(rules: Rules, found: tuple[Problem, ...], *, partial: bool) -> str:
    """One line: what was read, and how much there is to say."""
    counts = _counts(rules)
    read = ", ".join(f"{counts[name]} {name}" for name in ("classification", "organisation", "actions", "associations"))
    levels = [problem.level for problem in found]
    said = ", ".join(f"{levels.count(level)} {level}" for level in ("error", "warning", "info") if level in levels)
    left = "; rules were left out: correct them before ABs are made" if partial else ""
    return f"{rules.name}: {read}; {said or 'nothing to say'}{left}"
