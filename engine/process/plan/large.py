"""ABs that are too large to be started without a word (decision 13): asked about, once each, before they start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.context import Context
from engine.core.ab import AB
from engine.core.sizes import time_text
from engine.process.plan.history import History, Needs
from engine.process.plan.pool import Entry, pool_of
from engine.questions import Choice, Parked, Question

LARGE = "process.large"


@dataclass(frozen=True, slots=True)
class Asked:
    """What may not start, with the reason, and the questions that are still open."""

    refused: dict[str, str]
    parked: tuple[Question, ...] = ()


async def asked(context: Context, abs_: Iterable[AB]) -> Asked:
    """Ask about every AB above `admission.ask_above` that is still to be processed; AUTO leaves the question open."""
    most = context.settings.admission.ask_above
    if not most:
        return Asked({})
    pool, _ = pool_of((ab for ab in abs_ if ab.status != "SUCCESSFUL"), context.settings, History.of(context.db))
    refused: dict[str, str] = {}
    parked: list[Question] = []
    for entry in pool.values():
        if not entry.kind.memory_gb_per_input or entry.inputs <= most or entry.refused:
            continue
        try:
            answer = await context.operator.ask(_question(entry, most))
        except Parked as open_:
            parked.append(open_.question)
            refused[entry.ab] = f"waits for an answer: {entry.inputs} inputs, more than {most}"
            continue
        if answer.choice != "process":
            refused[entry.ab] = f"left out by {answer.who}: {entry.inputs} inputs, more than {most}"
    return Asked(refused, tuple(parked))


def _question(entry: Entry, most: int) -> Question:
    needs = Needs(entry.forecast_s, entry.memory_gb, entry.disk_gb)
    return Question(
        f"large:{entry.ab}:{entry.inputs}",
        LARGE,
        entry.ab,
        f"{entry.inputs} inputs, more than {most}: {said(needs)}. Process it?",
        (
            Choice("process", "Process", f"starts when {needs.memory_gb:,.4g} GB of memory are free"),
            Choice("leave", "Leave out", "it is not started, nor what depends on it"),
        ),
        "leave",
    )


def said(needs: Needs) -> str:
    """A forecast in words: time, memory, disk."""
    words = [f"about {time_text(needs.forecast_s)}", f"{needs.memory_gb:,.4g} GB of memory"]
    if needs.disk_gb:
        words.append(f"{needs.disk_gb:,.4g} GB of disk")
    return ", ".join(words)
