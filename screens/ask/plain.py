"""A question on a plain terminal: numbered lines and one prompt.

For `--plain`, a braille line, a dumb tty: no colour, no cursor movement, one thought per line.
The same question gives the same answer as its dialog (`screens/ask/prompt.py`).
"""

from __future__ import annotations

from engine.errors import UsageTrouble
from engine.questions import LATER, LEAVE_OPEN, Choice, Question


def offered(question: Question) -> tuple[Choice, ...]:
    """What can be chosen: the question's choices, and leaving it open where that is the safe one."""
    return question.choices if safe_choice(question) in question.choices else (*question.choices, LEAVE_OPEN)


def safe_choice(question: Question) -> Choice:
    """The choice under the cursor, and what plain enter means."""
    return next((choice for choice in question.choices if choice.key == question.safe), LEAVE_OPEN)


def printable(text: str) -> str:
    """The text on one line, without anything a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def asked(question: Question) -> str:
    """Who asked and when, e.g. `asked 09:51 by cron`; '' when nobody knows."""
    day, _, time = question.asked_at.rpartition("T")
    when = f" {day} {time[:5]}".replace("  ", " ") if time else ""
    by = f" by {question.asked_by}" if question.asked_by else ""
    return printable(f"asked{when}{by}") if when or by else ""


def lines(question: Question) -> list[str]:
    """The question as lines to print: what it is about, then one numbered line per choice."""
    told = [f"{question.subject}: {question.text}"]
    if asked(question):
        told[0] += f" ({asked(question)})"
    for number, choice in enumerate(offered(question), 1):
        line = f"{number} {choice.label}: {choice.effect}"
        told.append(line + (" (needs a comment)" if choice.needs_comment else ""))
    return [printable(line) for line in told]


def prompt(question: Question) -> str:
    """The prompt behind which the answer is typed; says what plain enter does."""
    safe = safe_choice(question)
    number = offered(question).index(safe) + 1
    return printable(f"number and comment, d for details, enter for {number} {safe.label}: ")


def details(question: Question, found: list[str]) -> list[str]:
    """What `d` prints: the plan or list behind the question."""
    return [printable(line) for line in found or question.details] or ["there are no details"]


def read(question: Question, typed: str) -> tuple[str, str] | None:
    """What was typed as (choice, comment); None leaves the question open.

    `2`, `recreate`, `2 second delivery` and, for the safe choice, just enter. UsageTrouble says
    what is wrong with anything else.
    """
    word, _, comment = typed.strip().partition(" ")
    choices = offered(question)
    if not word:
        key = safe_choice(question).key
    elif word.isascii() and word.isdigit():
        if len(word) > 3 or not 1 <= int(word) <= len(choices):
            raise UsageTrouble(f"there is no choice {word}", remedy=f"type a number from 1 to {len(choices)}")
        key = choices[int(word) - 1].key
    else:
        key = next((c.key for c in choices if word.lower() in (c.key.lower(), c.label.lower())), word)
    if key == LATER:
        return None
    question.checked(key, comment.strip())
    return key, comment.strip()
