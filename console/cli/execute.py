"""`dfos exec`: carry out a job file, ours or one that the classic createJob made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.create.jobs.job_files import Queued


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos exec",
        "Carry out a job file: processAB and processQC calls, one per line (execAB_..., execQC_...).\n"
        "JOBS_NIGHT and JOBS_AUTO name such files; a name is taken out when its job has ended.",
        "ABs that are done already are passed over. A line that is no such call is reported, never run.\n"
        + words.codes(
            11, 12, 14, c1="some ABs failed, or lines were passed over", c2="usage, or the file cannot be read"
        ),
    )
    made.add_argument("file", metavar="FILE", help="a path, or a name in $DFO_JOB_DIR")
    made.add_argument("--dry-run", action="store_true", help="show what would run")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Carry out the calls of a file, or of every file that a queue names."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from engine.create.jobs import job_files

    path = tree.job / given.file if Path(given.file).name == given.file else Path(given.file)
    if path.name not in job_files.QUEUES:
        return _carried_out(tree, path, given)
    codes = [0]
    for entry in job_files.queue(path):
        if entry.strange:
            print(f"dfos exec: {entry.where}: names no job file, left alone: {entry.line}", file=sys.stderr)
            codes.append(1)
            continue
        codes.append(run_line(tree, path, entry, given))
        if codes[-1] not in (0, 1):
            break
    if len(codes) == 1:
        words.say([f"{path.name}: nothing to do"])
    return max(codes)


def run_line(tree: DfoTree, path: Path, entry: Queued, given: argparse.Namespace) -> int:
    """Carry out the job file that a line of JOBS_NIGHT or JOBS_AUTO names; when it has ended the line goes."""
    from engine.create.jobs import job_files

    code = _carried_out(tree, tree.job / entry.name, given)
    if code in (0, 1) and not getattr(given, "dry_run", False):
        job_files.done(tree, path, entry.line)
    return code


def _carried_out(tree: DfoTree, path: Path, given: argparse.Namespace) -> int:
    from console.job_orders import orders_of, what_of
    from console.running import carry_out
    from engine.create.jobs import job_files

    orders, lost = orders_of(tree, job_files.read(path))
    for text in lost:
        print(f"dfos exec: {text}", file=sys.stderr)
    if getattr(given, "dry_run", False):
        words.say([f"{order.pool}: {what_of(order)}" for order in orders] or [f"{path.name}: nothing to do"])
        return 1 if lost else 0
    code = carry_out(tree, orders, given) if orders else 0
    return code or (1 if lost else 0)
