"""Who answers the engine's questions: consoles, a plain terminal, an answers file, nobody (AUTO).

All of them keep question and answer in the account's store before anybody acts on it, so the same
question answered in any of these ways leaves the same record: choice, comment, who, when (UTC).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine import events as ev
from engine.bus import Bus
from engine.errors import AnswerNeeded, UsageTrouble
from engine.questions import CERTIFY, LATER, Answer, Operator, Parked, Question
from engine.stores.answers import Answers
from screens.ask import plain

_AUTO = "auto"


class _Recording:
    """Keeps questions and answers in the store and tells the bus."""

    def __init__(self, answers: Answers, bus: Bus, who: str, clock: Callable[[], float]) -> None:
        self._answers = answers
        self._bus = bus
        self._who = who
        self._clock = clock

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def _asked(self, question: Question, *, parked: bool) -> Question:
        signed = replace(question, asked_by=question.asked_by or self._who, asked_at=question.asked_at or self._now())
        stored = self._answers.ask(signed)
        self._bus.publish(ev.QuestionAsked(stored.number, stored.to_dict(), parked))
        return stored

    def _answered(self, question: Question, choice: str, comment: str, who: str) -> Answer:
        answer = self._answers.answer(question.number, choice, comment, who, self._now())
        self._say(question.number, answer)
        return answer

    def _say(self, number: int, answer: Answer) -> None:
        self._bus.publish(
            ev.QuestionAnswered(number, answer.question, answer.choice, answer.comment, answer.who, answer.when)
        )


class Desk(_Recording):
    """The engine with consoles attached: a question waits until somebody answers it, anywhere.

    Consoles answer through `answered`; answers that another process (`dfos answer`) wrote into the
    store are found by `poll`, to be called every second or so. `who` signs as the asker.
    """

    def __init__(self, answers: Answers, bus: Bus, clock: Callable[[], float], who: str) -> None:
        super().__init__(answers, bus, who, clock)
        self._seen = answers.last_seq()
        self._told: set[tuple[str, str, str]] = set()
        bus.subscribe(self._hear)
        self._waiting: dict[str, set[asyncio.Future[Answer]]] = {}

    async def ask(self, question: Question) -> Answer:
        """The answer, at once when it was given before; else waits for it. AnswerNeeded when withdrawn."""
        known = self._answers.latest(question.id)
        if known:
            return known
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(question.id, set())
        waiting.add(future)
        self._asked(question, parked=False)
        try:
            return await future
        finally:
            waiting.discard(future)

    def answered(self, number: int, choice: str, comment: str, who: str) -> Answer:
        """A console's answer: on disk, announced and handed to whoever waits when this returns.

        UsageTrouble when it may not be given; then nothing has changed.
        """
        answer = self._answers.answer(number, choice, comment, who, self._now())
        self.poll()
        return answer

    def _hear(self, stamped: ev.Stamped) -> None:
        """Remember which answers were announced, by whomever."""
        event = stamped.event
        if isinstance(event, ev.QuestionAnswered):
            self._told.add((event.id, event.choice, event.when))

    def poll(self) -> None:
        """Announce answers that have come in, from whichever process, and wake who waits for them."""
        for given in self._answers.changed_since(self._seen):
            if (given.answer.question, given.answer.choice, given.answer.when) not in self._told:
                self._say(given.number, given.answer)
            for moot in self._answers.moot(given.answer.question, given.answer.choice):
                self._say(moot.number, Answer(moot.id, "", "it no longer matters", given.answer.who, given.answer.when))
            if given.answer.choice == LATER:
                stored = self._answers.find(given.number)
                self._bus.publish(ev.QuestionAsked(stored.number, stored.to_dict(), False))
            else:
                for future in self._waiting.get(given.answer.question, ()):
                    if not future.done():
                        future.set_result(given.answer)
            self._seen = given.seq  # last: what could not be read is told by the next look

    def announce(self) -> None:
        """Tell the board of the questions left open by earlier runs; for an engine that starts."""
        for question in self._answers.open():
            self._bus.publish(ev.QuestionAsked(question.number, question.to_dict(), True))

    def withdraw(self, id: str, why: str) -> None:
        """The question no longer matters (its AB runs again): closed, gone from the board, nobody waits on."""
        question = self._answers.find(id)
        self._answers.close(id)
        self._say(question.number, Answer(id, "", why, self._who, self._now()))
        for future in self._waiting.get(id, ()):
            if not future.done():
                future.set_exception(AnswerNeeded(f"question {question.number} was withdrawn: {why}"))


class Auto(_Recording):
    """Nobody may be asked (cron): an answer given before, else the question's AUTO answer, else parked.

    Never reads stdin. AUTO answers are recorded as given by `auto`; `who` signs as the asker.
    """

    def __init__(self, answers: Answers, bus: Bus, who: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(answers, bus, who, clock)

    async def ask(self, question: Question) -> Answer:
        """The answer; Parked (exit code 3) when only a person may give it."""
        known = self._answers.latest(question.id)
        if known:
            return known
        stored = self._asked(question, parked=question.auto is None)
        if question.auto is None:
            raise Parked(stored)
        return self._answered(stored, question.auto, "", _AUTO)


class Parking(_Recording):
    """Somebody will answer, but nothing waits for it: the order ends, and goes on when its questions are answered.

    What an engine with consoles uses: a person who is away blocks nobody else's work.
    """

    def __init__(self, answers: Answers, bus: Bus, who: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(answers, bus, who, clock)

    async def ask(self, question: Question) -> Answer:
        """The answer given before; Parked when there is none yet."""
        known = self._answers.latest(question.id)
        if known:
            return known
        raise Parked(self._asked(question, parked=False))


class PlainTerminal(_Recording):
    """Asks on a terminal, line by line: `--plain`, a braille line, a dumb tty.

    `read` gives one line ('' at its end), `say` shows one; by default stdin and stderr.
    `look` finds the plan behind a question.
    """

    def __init__(
        self,
        answers: Answers,
        bus: Bus,
        who: str,
        clock: Callable[[], float] = time.time,
        *,
        read: Callable[[], str] | None = None,
        say: Callable[[str, str], object] | None = None,
        look: Callable[[Question], list[str]] = lambda question: list(question.details),
    ) -> None:
        super().__init__(answers, bus, who, clock)
        self._read = read
        self._print = say or _to_stderr
        self._look = look
        self._turn = asyncio.Lock()  # one question at a time, however many are asked at once

    async def ask(self, question: Question) -> Answer:
        """The answer as typed; Parked when it was left open or the terminal is gone."""
        known = self._answers.latest(question.id)
        if known:
            return known
        async with self._turn:
            return await self._typed(question)

    async def _typed(self, question: Question) -> Answer:
        stored = self._asked(question, parked=False)
        self._show(plain.lines(stored))
        while True:
            self._print(plain.prompt(stored), "")
            typed = await (asyncio.to_thread(self._read) if self._read else _line_of_terminal())
            if not typed:
                raise Parked(stored)
            if typed.strip().lower() == "d":
                self._show(plain.details(stored, self._look(stored)))
                continue
            try:
                given = plain.read(stored, typed)
                if given is None:
                    raise Parked(stored)
                return self._answered(stored, *given, self._who)
            except UsageTrouble as trouble:
                self._show([plain.printable(str(trouble))])

    def _show(self, lines: list[str]) -> None:
        for line in lines:
            self._print(line, "\n")


class AnswersFile(_Recording):
    """Answers from a YAML mapping by question id or kind, e.g. `{move.recreate: keep}`.

    A value is a choice, or `{choice:, comment:}`; the mapping may stand under `questions:`. What the
    file does not say is asked of `then`. Certification is per AB: its kind cannot be answered wholesale.
    """

    def __init__(
        self,
        path: Path,
        then: Operator,
        answers: Answers,
        bus: Bus,
        who: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(answers, bus, who, clock)
        self._path = path
        self._then = then
        self._given = _mapping(path)

    async def ask(self, question: Question) -> Answer:
        """The answer; UsageTrouble names the file when what it says may not be answered."""
        known = self._answers.latest(question.id)
        if known:
            return known
        given = self._given.get(question.id) or self._given.get(question.kind)
        if given is None or given[0] == LATER:
            return await self._then.ask(question)
        try:
            question.checked(*given)
        except UsageTrouble as trouble:
            raise UsageTrouble(trouble.what, where=str(self._path), remedy=trouble.remedy) from None
        return self._answered(self._asked(question, parked=False), *given, self._who)


async def _line_of_terminal() -> str:
    """A line as typed, '' at the end. A terminal gives whole lines, so nothing blocks and Ctrl-C ends it at once."""
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    try:
        return sys.stdin.readline()
    except OSError:  # the terminal is gone, and hang-ups are ignored
        return ""


def _to_stderr(text: str, end: str) -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def _mapping(path: Path) -> dict[str, tuple[str, str]]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as trouble:
        raise UsageTrouble(f"the answers file cannot be read: {trouble}", where=str(path)) from trouble
    except yaml.YAMLError as trouble:
        mark = getattr(trouble, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UsageTrouble(f"not YAML: {getattr(trouble, 'problem', trouble)}", where=where) from trouble
    if isinstance(found, dict) and isinstance(found.get("questions"), dict):
        found = found["questions"]
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageTrouble("a mapping is needed", where=str(path), remedy="e.g. move.recreate: keep")
    if CERTIFY in found:
        raise UsageTrouble(
            f"'{CERTIFY}' would certify every AB unseen", where=str(path), remedy="name each question by its id"
        )
    return {str(key): _given(str(key), value, path) for key, value in found.items()}


def _given(key: str, value: Any, path: Path) -> tuple[str, str]:
    if isinstance(value, bool):  # YAML reads a bare yes or no as a truth value
        return ("yes" if value else "no"), ""
    if isinstance(value, str | int):
        return str(value), ""
    if isinstance(value, dict) and "choice" in value and value.keys() <= {"choice", "comment"}:
        choice, _ = _given(key, value["choice"], path)
        return choice, str(value.get("comment") or "")
    raise UsageTrouble(
        f"the answer to '{key}' makes no sense",
        where=str(path),
        remedy="a choice, or {choice: ..., comment: ...}",
    )
