"""Everything the engine can ask, and the Operator who answers.

A question is data: text, choices, what each would do, the safe one, and the AUTO answer
(None: AUTO must not answer it, it is parked). A screen, a plain terminal, an answers file
and `dfos answer` give the same answer to the same question.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from engine.errors import AnswerNeeded, UsageTrouble

CERTIFY = "certify.ab"
RECREATE = "move.recreate"
RECREATE_SURE = "move.recreate.sure"
REVIEW_SCOPE = "phoenix.review_scope"
PSEUDO_DATE = "phoenix.pseudo_date"
INGEST_DUPLICATE = "ingest.duplicate"

LATER = "later"  # decides nothing: the question stays open, an earlier answer is withdrawn; legal where it is safe


@dataclass(frozen=True, slots=True)
class Choice:
    """One possible answer: key, label, and what it would do (with counts and sizes)."""

    key: str
    label: str
    effect: str
    needs_comment: bool = False


LEAVE_OPEN = Choice(LATER, "Later", "stays open, nothing is decided")


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the operator.

    `id` is stable: the same situation asks the same question, so an answer given later is found.
    `safe` is the key under the cursor. `auto` is the answer in AUTO, None when there is none.
    `number` is given by the store, for `dfos answer NUMBER`. A question that `follows` another one (its id) matters
    only as long as that one is answered with `upon`.
    """

    id: str
    kind: str
    subject: str
    text: str
    choices: tuple[Choice, ...]
    safe: str
    auto: str | None = None
    details: tuple[str, ...] = ()
    asked_by: str = ""
    asked_at: str = ""
    number: int = 0
    follows: str = ""
    upon: str = ""

    def choice(self, key: str) -> Choice:
        """The choice named `key`; UsageTrouble lists the legal ones."""
        for choice in self.choices:
            if choice.key == key:
                return choice
        if key == LATER == self.safe:
            return LEAVE_OPEN
        legal = ", ".join(choice.key for choice in self.choices)
        raise UsageTrouble(f"'{key}' is no answer to question {self.number} ({self.subject})", remedy=f"use {legal}")

    def checked(self, key: str, comment: str) -> Choice:
        """The choice, when it may be given with this comment; UsageTrouble otherwise."""
        choice = self.choice(key)
        if choice.needs_comment and not comment.strip():
            raise UsageTrouble(
                f"'{choice.label}' needs a comment (question {self.number}, {self.subject})",
                remedy="say why in one line",
            )
        if any(ord(char) < 32 for char in comment) or "#" in comment:
            raise UsageTrouble("a comment is one line without '#' and tabs", remedy="reword it")
        return choice

    def numbered(self, number: int) -> Question:
        """The question with its number in the store."""
        return replace(self, number=number)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store and the wire."""
        return asdict(self)


def from_dict(data: dict[str, Any]) -> Question:
    """The question that `Question.to_dict` wrote."""
    known = dict(data)
    known["choices"] = tuple(Choice(**choice) for choice in data["choices"])
    known["details"] = tuple(data.get("details", ()))
    return Question(**known)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: by whom, when (UTC, ISO), with which comment."""

    question: str
    choice: str
    comment: str
    who: str
    when: str


class Operator(Protocol):
    """Who answers: a screen, a plain terminal, nobody (AUTO), an answers file."""

    async def ask(self, question: Question) -> Answer:
        """The answer; raises Parked when nobody may answer now."""
        ...


class Parked(AnswerNeeded):
    """The question is stored; independent work goes on, the run ends with exit code 3."""

    def __init__(self, question: Question) -> None:
        self.question = question
        super().__init__(
            f"question {question.number} is open: {question.subject}: {question.text}",
            remedy=f"answer it in the console or with: dfos answer {question.number} "
            + "|".join(choice.key for choice in question.choices),
        )
