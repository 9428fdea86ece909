"""Pseudo-date registry: which date-shaped label stands for which run (decision 2).

A text table `run_ID pseudo_date created` at `$DFO_MON_DIR/FINISHED/RUN/pseudo_dates.txt`, edited by people too:
comments, blank lines and order survive. Look-up first, then the rule; what the rule cannot do is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from engine.atomic import fs
from engine.core.dates import date_label, pseudo_date
from engine.errors import AnswerNeeded, DfosError, UsageTrouble
from engine.questions import PSEUDO_DATE, Choice, Question

_RUN = re.compile(r"[0-9A-Za-z.\-]{3,40}(\([A-Z]\))?")
_FIELDS = 3


class LabelNeeded(AnswerNeeded):
    """No label may be chosen without a person: it is taken, or no rule covers the run. Ask `question`.

    Its choice `use` means: record `proposed` for the run.
    """

    def __init__(self, question: Question, proposed: str) -> None:
        self.question = question
        self.proposed = proposed
        super().__init__(
            question.text,
            where=question.subject,
            remedy="answer the question, or add a line to the pseudo-date registry",
        )


class PseudoDates:
    """The registry in the file `path`; it is read anew each time, because people edit it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def below(cls, mon: Path) -> PseudoDates:
        """The registry of an account; `mon` is $DFO_MON_DIR."""
        return cls(mon / "FINISHED" / "RUN" / "pseudo_dates.txt")

    def label_of(self, run_id: str) -> str | None:
        """The recorded label of a run, None when it has none yet."""
        return self._read().get(run_id)

    def run_of(self, label: str) -> str | None:
        """The run a label stands for; screens show it first."""
        return next((run for run, taken in self._read().items() if taken == label), None)

    def resolve(self, run_id: str) -> str:
        """The label of a run: as recorded, else by the rule when it is free. LabelNeeded otherwise.

        Records nothing. UsageTrouble when `run_id` cannot be the name of a run.
        """
        _check_run(run_id)
        known = self._read()
        if run_id in known:
            return known[run_id]
        try:
            label = pseudo_date(run_id)
        except UsageTrouble:
            text = f"no rule gives run {run_id} a pseudo-date"
            proposed = _free((f"{number}-00-00" for number in range(9001, 10000)), known.values())
        else:
            owner = next((run for run, taken in known.items() if taken == label), None)
            if owner is None:
                return label
            text = f"pseudo-date {label} stands for run {owner} already"
            proposed = _free((f"{digit}{label[1:]}" for digit in "3456789"), known.values())
        raise LabelNeeded(_question(run_id, text, proposed), proposed)

    def record(self, run_id: str, label: str, created: str) -> None:
        """Write a line durably. `created` is a UTC time (ISO). UsageTrouble when either side is recorded otherwise."""
        _check_run(run_id)
        date_label(label)
        if not re.fullmatch(r"[0-9T:.Z+\-]{10,40}", created):
            raise UsageTrouble(f"'{created}' is not a time", remedy="write it as YYYY-MM-DDThh:mm:ss")
        known = self._read()
        if known.get(run_id) == label:
            return
        if run_id in known:
            raise UsageTrouble(f"run {run_id} has pseudo-date {known[run_id]} already", where=str(self.path))
        owner = next((run for run, taken in known.items() if taken == label), None)
        if owner is not None:
            raise UsageTrouble(f"pseudo-date {label} stands for run {owner} already", where=str(self.path))
        data = self.path.read_bytes() if self.path.exists() else b"# run_ID pseudo_date created\n"
        if data and not data.endswith(b"\n"):
            data += b"\n"
        fs.make_dir(self.path.parent)
        fs.replace(self.path, data + f"{run_id} {label} {created}\n".encode())

    def _read(self) -> dict[str, str]:
        try:
            text = self.path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            raise _bad("not UTF-8 text", f"{self.path}") from None
        known: dict[str, str] = {}
        owners: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            where = f"{self.path}:{number}"
            if len(words) != _FIELDS:
                raise _bad(f"{len(words)} columns", where)
            run_id, label = words[0], words[1]
            try:
                _check_run(run_id)
                date_label(label)
            except UsageTrouble as trouble:
                raise _bad(trouble.what, where) from None
            if run_id in known or label in owners:
                other = "run" if run_id in known else f"pseudo-date of run {owners[label]}"
                raise _bad(f"'{run_id} {label}' repeats a {other}", where)
            known[run_id], owners[label] = label, run_id
        return known


def _free(labels: Iterable[str], known: Iterable[str]) -> str:
    taken = set(known)
    for label in labels:
        if label not in taken:
            return label
    raise DfosError("no label is left to propose", remedy="add a line to the pseudo-date registry by hand")


def _check_run(run_id: str) -> None:
    if not _RUN.fullmatch(run_id):
        raise UsageTrouble(f"'{run_id[:60]}' is not a run_ID", remedy="write it like 094.A-0116B")


def _bad(what: str, where: str) -> DfosError:
    return DfosError(what, where=where, remedy="expected 'run_ID pseudo_date created', each run and label once")


def _question(run_id: str, text: str, proposed: str) -> Question:
    return Question(
        id=f"pseudo_date:{run_id}",
        kind=PSEUDO_DATE,
        subject=run_id,
        text=text,
        choices=(
            Choice("refuse", "stop", "nothing is created; add a line to the registry and start again"),
            Choice("use", f"use {proposed}", f"{proposed} is recorded for run {run_id}, for good"),
        ),
        safe="refuse",
    )
