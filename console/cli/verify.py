"""`dfos verify`: does everything that was released of a DATE still stand as it was?"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from engine.release.verify_date import Report


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos verify",
        "Compare what stands with the manifests of a DATE: every product, AB, log and plot, by size and SHA-256.\n"
        "Reads only; needs no engine, works on a copy of the account too.",
        "exit codes: 0 all is as it was, 2 usage, 13 something is missing, changed, unreadable or unknown",
    )
    made.add_argument("date", metavar="DATE", help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("-m", dest="mode", metavar="MODE", default="", help="CALIB or SCIENCE (default: both)")
    made.add_argument("--json", action="store_true", help="as JSON")
    return made


def main(argv: list[str]) -> int:
    """Verify one DATE."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from engine.errors import BadFits, UsageTrouble
    from engine.release.verify_date import verify_date

    progress = _Progress() if words.on_terminal(sys.stderr) and not given.json else None
    today = time.strftime("%Y-%m-%d", time.gmtime())
    report = verify_date(tree, given.date, given.mode, today=today, told=progress or (lambda done, of, path: None))
    if progress:
        progress.close()
    if not report.manifests:
        where = f"{given.mode} {given.date}".strip()
        raise UsageTrouble(
            f"no manifest of {where} in {tree.lst}", remedy="they are written by moveProducts; is the DATE right?"
        )
    if given.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        words.say(_lines(report))
    return BadFits.exit_code if report.findings else 0


def _lines(report: Report) -> list[str]:
    from engine.core.sizes import counted as plural
    from engine.core.sizes import size_text
    from engine.release.verify_date import counted

    lines = [f"{finding.kind:<10} {finding.path}: {finding.detail}" for finding in report.findings]
    lines += [f"note       {note}" for note in report.notes]
    more = f", {report.slimmed} as headers" if report.slimmed else ""
    more += f"; of {report.unread} only the size was known" if report.unread else ""
    counts = ", ".join(f"{count} {kind}" for kind, count in counted(report.findings).items())
    return [
        *lines,
        f"{report.date}: {report.whole} files ({size_text(report.size)}) as they were{more};"
        f" {counts or 'nothing wrong'} ({plural(len(report.manifests), 'manifest')})",
    ]


class _Progress:
    """One line on stderr, twice a second, once it takes longer than that."""

    def __init__(self) -> None:
        self._begun = self._last = time.monotonic()

    def __call__(self, done: int, of: int, path: str) -> None:
        now = time.monotonic()
        if now - self._last < 0.5 or not of:
            return
        self._last = now
        left = (now - self._begun) * max(0, of - done) / max(1, done)
        shown = "".join(char if char.isprintable() else "?" for char in path)[:40]
        print(f"\r\x1b[K{min(100, 100 * done // of):3d} %  {left:.0f} s left  {shown}", end="", file=sys.stderr)

    def close(self) -> None:
        """Take the line away."""
        if self._last > self._begun:
            print("\r\x1b[K", end="", file=sys.stderr)
