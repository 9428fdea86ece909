"""createJob: the job files of a MODE and DATE from its AB_list, or of one AB and everything that depends on it.

`execAB_<MODE>_<DATE>` calls processAB for every AB in execution order, `execQC_<MODE>_<DATE>` processQC; both
are named in JOBS_NIGHT or JOBS_AUTO (createJob page). A sub-cascade makes its ABs CREATED again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from config.schema import Settings
from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock
from engine.atomic.journal import Journal, Step
from engine.atomic.recover import telling
from engine.atomic.room import writable
from engine.context import Context
from engine.core.ab import AB
from engine.core.cascade import cascade, circling
from engine.core.dates import date_label, mode_label
from engine.core.done import Done
from engine.core.sizes import counted
from engine.create.in_order import ordered_abs
from engine.create.jobs.job_files import EXEC_AB, EXEC_QC, QUEUES, Call, free, job_text, name_of
from engine.errors import UsageTrouble
from engine.kinds import kinds_of
from engine.questions import CERTIFY
from engine.stores import dfos_status
from engine.stores.abs import AbStore, Refused
from engine.stores.answers import Answers
from engine.stores.nothing import nothing_of
from engine.stores.orders import Order

TOOL = "createJob"
_WRITE, _QUEUE = "write the job files", "queue the jobs"


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What createJob will write. `files` are (name, text) in $DFO_JOB_DIR, `queue` where their names are appended.

    `again` are ABs of a sub-cascade that become CREATED; `done` counts ABs that are SUCCESSFUL already; `refused`
    AB files that cannot be read, file:line and why; `circles` ABs that wait for each other, and so never run.
    """

    mode: str
    date: str
    abs: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    queue: str
    again: tuple[str, ...] = ()
    done: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    circles: tuple[tuple[str, ...], ...] = ()

    @property
    def exit_code(self) -> int:
        """1 when not all ABs can run: some are refused, or wait for each other."""
        return 1 if self.refused or self.circles else 0

    @property
    def text(self) -> str:
        """One line for the operator."""
        parts = [f"{counted(len(self.abs), 'AB')} in {self.files[0][0]}, named in {self.queue}"]
        if self.again:
            parts.append(f"{len(self.again)} of them run again")
        elif self.done:
            parts.append(f"{self.done} of them done already")
        if self.refused:
            parts.append(f"{len(self.refused)} AB files refused, first: {': '.join(self.refused[0])}")
        if self.circles:
            more = f" ({len(self.circles)} circles)" if len(self.circles) > 1 else ""
            parts.append(
                f"{circling(self.circles[0])}{more}: they cannot run until a WAITFOR or SOF_CONTENT is put right"
            )
        return "; ".join(parts)

    def describe(self) -> list[str]:
        """The plan in lines."""
        lines = [self.text]
        for name, text in self.files:
            lines += ["", f"$DFO_JOB_DIR/{name}", *(f"  {line}" for line in text.splitlines())]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return asdict(self)


def job_plan(
    mode: str,
    date: str,
    abs_: Sequence[AB],
    settings: Settings,
    *,
    only: str = "",
    queue: str = "",
    refused: Sequence[Refused] = (),
    streams: Sequence[str] = (),
) -> JobPlan:
    """The job files for ABs in the order of their AB_list; parents come before what needs them.

    `only` restricts them to one AB and all that depends on it; `streams` are the lines of a JOB_PGI, which
    stand at the head of execAB. UsageTrouble when there are no ABs, or `only` is none of them.
    """
    queue = queue or QUEUES[0]
    if queue not in QUEUES:
        raise UsageTrouble(f"'{queue}' is no job file for processing", remedy=f"use {' or '.join(QUEUES)}")
    names = [ab.name for ab in abs_]
    if not names:
        raise UsageTrouble(f"there are no ABs of {mode} {date} in $DFO_AB_DIR", remedy="createAB makes them")
    plan = cascade(abs_, {}, circles=True)
    order, part, again = [ab.name for ab in ordered_abs(list(abs_), kinds_of(settings))], "", tuple[str, ...]()
    if only:
        if only not in names:
            raise UsageTrouble(
                f"{only} is none of the {len(names)} ABs of {mode} {date}", remedy="dfos status --all lists them"
            )
        wanted = {only, *plan.below(only)}
        order = [name for name in order if name in wanted]
        part, again = only.removesuffix(".ab"), tuple(order)
    drs = sorted({ab.get("DRS_TYPE") or "CPL" for ab in abs_})
    call = f"{TOOL} -m {mode} -d {date}" + (f" -a {only}" if only else "")
    head = [call, f"{counted(len(order), 'AB')}, DRS_TYPE {', '.join(drs)}"]
    files = (
        (name_of(EXEC_AB, mode, date, part), job_text([*head, *streams], (Call(EXEC_AB, name) for name in order))),
        (name_of(EXEC_QC, mode, date, part), job_text(head, (Call(EXEC_QC, name) for name in order))),
    )
    done = sum(ab.status == "SUCCESSFUL" for ab in abs_ if ab.name in set(order))
    bad = tuple((item.where, item.why) for item in refused)
    circles = tuple(circle for circle in plan.circles if not set(order).isdisjoint(circle))
    return JobPlan(mode, date, tuple(order), files, queue, again, done, bad, circles)


def planned(tree: DfoTree, settings: Settings, mode: str, date: str, *, only: str = "", queue: str = "") -> JobPlan:
    """What createJob would do now. Reads only."""
    store = AbStore(tree)
    found = store.load(mode_label(mode), date_label(date))
    if not found:
        raise nothing_of(tree, mode, date).trouble
    plan = job_plan(mode, date, found, settings, only=only, queue=queue, refused=store.refused)
    for name in (plan.queue, *(name for name, _ in plan.files)):
        free(tree.job / name)
    return plan


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out `createJob` for an order (options `ab`, `queue`); exit 1 when ABs can never run."""
    tree, options = context.tree, order.options
    with lock.pool(tree, order.mode, order.date, TOOL, context.who):
        plan = await asyncio.to_thread(
            planned,
            tree,
            context.settings,
            order.mode,
            order.date,
            only=options.get("ab", ""),
            queue=options.get("queue", ""),
        )
        context.bus.publish(ev.PhaseStarted("job", plan.text))
        for where, why in plan.refused:
            context.bus.publish(ev.AbRefused(where, why))
        await carried_out(context, plan)
    return Done(plan.exit_code, plan.text)


async def carried_out(context: Context, plan: JobPlan) -> None:
    """Write the job files, name them in the queue, make a sub-cascade CREATED; one transaction of the journal."""
    journal = Journal(context.db, context.tree)
    again = _again(context.tree, plan)
    writable([context.tree.job, context.tree.ab, context.tree.mon])
    transaction = journal.begin(
        "job",
        plan.mode,
        plan.date,
        context.who,
        lambda begun: steps(context.tree, plan, again, begun.who),
        begun=context.utc(),
        summary=plan.text,
    )
    await journal.run(transaction, context.utc, telling(context.bus, "job"))
    _told(context, plan)


def steps(tree: DfoTree, plan: JobPlan, again: Sequence[AB], who: str) -> Iterator[Step]:
    """All steps: ABs first, so that no job file calls an AB that would be passed over; the status comes last."""
    yield Step(_WRITE, "make_dir", {"path": str(tree.job)}, "make $DFO_JOB_DIR")
    for ab in again:
        text = ab.with_value("PROCESS_STATUS", "CREATED").render().decode("utf-8", "surrogateescape")
        yield Step("make ABs CREATED", "write", {"path": str(tree.ab / ab.name), "text": text}, f"{ab.name} runs again")
    for name, text in plan.files:
        yield Step("job files", "write", {"path": str(tree.job / name), "text": text}, f"write {name}")
    for name, _ in plan.files:
        yield Step(_QUEUE, "add_line", {"path": str(tree.job / plan.queue), "line": name}, f"{name} into {plan.queue}")
    if not plan.again:
        yield from dfos_status.steps(tree, plan.mode, plan.date, [TOOL], who)


def _again(tree: DfoTree, plan: JobPlan) -> list[AB]:
    store = AbStore(tree)
    found = {ab.name: ab for ab in store.load(plan.mode, plan.date)} if plan.again else {}
    return [found[name] for name in plan.again if name in found and found[name].status != "CREATED"]


def _told(context: Context, plan: JobPlan) -> None:
    """The monitor shows what runs again, and questions about the old products are closed."""
    if not plan.again:
        return
    for name in plan.again:
        if name in context.board.rows:
            context.bus.publish(ev.AbChanged(name, "CREATED", f"runs again with {plan.again[0]}"))
    answers = Answers(context.db)
    for question in answers.open():
        if question.kind == CERTIFY and question.subject in plan.again:
            answers.close(question.id)
