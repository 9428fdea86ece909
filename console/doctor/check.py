"""One thing that was looked at, and all of them as a table, as JSON, and as an exit code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

OK, WARN, MISSING = "ok", "WARN", "MISSING"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: group, name, what was found, and a word (ok, WARN, MISSING)."""

    group: str
    name: str
    found: str
    word: str


def verdict(checks: list[Check]) -> int:
    """0, or 2 when something that is needed is missing; warnings do not count."""
    return 2 if any(check.word == MISSING for check in checks) else 0


def as_text(checks: list[Check]) -> str:
    """A table: word, group, name, what was found; and a last line that sums up."""
    width = max(len(check.name) for check in checks)
    width = min(width, 34)
    lines, group = [], ""
    for check in checks:
        if check.group != group:
            group = check.group
            lines.append(group)
        lines.append(f"  {check.word:<7} {check.name:<{width}}  {check.found}")
    missing = sum(check.word == MISSING for check in checks)
    warned = sum(check.word == WARN for check in checks)
    lines.append(f"{missing} missing, {warned} warnings, {len(checks) - missing - warned} ok")
    return "\n".join(lines)


def as_json(checks: list[Check]) -> str:
    """The same for scripts."""
    return json.dumps({"exit_code": verdict(checks), "checks": [asdict(check) for check in checks]}, indent=1)
