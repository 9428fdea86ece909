"""`dfos jobs`: what waits in the JOBS_ files and in the engine's queue, and what is at work; run one, take one out."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from screens.queue.queued import Job


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos jobs",
        "What waits in JOBS_INGEST, JOBS_EXPORT, JOBS_NIGHT and JOBS_AUTO: list it, run a job, take a job out.\n"
        "What the engine was told and how far that is; which recipes are at work, and where.",
    )
    either = made.add_mutually_exclusive_group()
    either.add_argument("--files", type=int, metavar="N", help="every file of job N, or every call of a job file")
    either.add_argument("--run", type=int, metavar="N", help="carry out job N now")
    either.add_argument("--remove", type=int, metavar="N", help="take job N out of its file; asks")
    either.add_argument("--orders", action="store_true", help="the engine's queue: what runs, waits, is parked, ended")
    either.add_argument("--take-back", type=int, metavar="N", help="end order N, if it has not begun")
    either.add_argument("--at-work", action="store_true", help="the recipes under way, and the batch system")
    made.add_argument("--yes", action="store_true", help="with --remove: do not ask")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """List, show, run or remove. UsageTrouble when there is no such job."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.files is not None:
        return _files(tree, given.files, given.json)
    if given.remove is not None:
        return _remove(tree, given.remove, given.yes)
    if given.run is not None:
        return _run(tree, given)
    if given.orders or given.at_work or given.take_back is not None:
        from console.cli import jobs_queue

        return jobs_queue.main(tree, given)
    from console.views.jobs import jobs

    found = jobs(tree)
    if given.json:
        print(json.dumps([asdict(job) for job in found], indent=1))
    else:
        words.say([_line(job) for job in found] or ["no job waits"])
    return 0


def _run(tree: DfoTree, given: argparse.Namespace) -> int:
    """Carry out a job; of a job file its line goes when it has ended."""
    from console.link.running import carry_out
    from engine.stores.orders import Order

    job = _known(tree, given.run)
    if job.name:
        from console.cli.execute import run_lines
        from engine.create.jobs.job_files import entry_of

        return run_lines(tree, tree.job / job.queue, [entry_of(tree, job.queue, job.line)], given)
    ingest = job.queue == "JOBS_INGEST"
    order = Order(job.mode, job.date, "I" if ingest else "", tool="" if ingest else "exportProducts")
    return carry_out(tree, [order], given)


def _line(job: Job) -> str:
    from engine.core.sizes import size_text
    from screens.queue.job_words import states_words

    if not job.mode:
        return f"{job.number:>3}  {job.queue}: not understood: {job.line}" + (f" ({job.why})" if job.why else "")
    size = f", {size_text(job.size)}" if job.size else ""
    why = f"  {job.why}" if job.why else ""
    where = f"{job.queue}: " if job.name else ""
    return f"{job.number:>3}  {where}{job.line}  {states_words(job)}{size}{why}"


def _known(tree: DfoTree, number: int) -> Job:
    from console.views.jobs import jobs
    from engine.errors import UsageTrouble

    job = next((job for job in jobs(tree) if job.number == number), None)
    if job is None:
        raise UsageTrouble(f"there is no job {number}", remedy="dfos jobs lists them")
    if not job.mode:
        raise UsageTrouble(
            f"job {number} is not understood: {job.line}" + (f": {job.why}" if job.why else ""),
            where=job.queue,
            remedy="correct the file by hand",
        )
    return job


def _files(tree: DfoTree, number: int, as_json: bool) -> int:
    from console.views.jobs import calls, files
    from screens.queue.job_words import call_line, file_line
    from screens.queue.queued import JobCall

    job = _known(tree, number)
    found = calls(tree, job) if job.name else files(tree, job)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        lines = [call_line(one) if isinstance(one, JobCall) else file_line(one) for one in found]
        words.say(lines or ["no calls" if job.name else "not begun yet"])
    return 0


def _remove(tree: DfoTree, number: int, sure: bool) -> int:
    from console.views.jobs import unqueue
    from engine.errors import UsageTrouble
    from screens.queue.job_words import remove_sure

    job = _known(tree, number)
    words.say([f"{job.queue}: {job.line}", *(f"  {line}" for line in remove_sure(job).text)])
    if not sure:
        if not words.on_terminal(sys.stdin, sys.stdout):
            raise UsageTrouble("nothing was taken out: nobody can be asked", remedy="add --yes if that is meant")
        if input("take it out? (yes/no) ").strip().casefold() not in ("y", "yes"):
            print("nothing changed")
            return 0
    print(f"taken out: {unqueue(tree, job.queue, job.mode, job.date, job.line)}")
    return 0
