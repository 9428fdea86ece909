"""Questions and answers, kept for good: who decided what, when, and with which comment.

Answers are only ever added, so a revised decision keeps its history (decision 15). The store
lives in the engine's database; `dfos answer` writes to it while the engine runs, and the engine
finds the answer with `changed_since`. Times are UTC, ISO.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace

from engine.errors import DfosError, UsageTrouble
from engine.questions import LATER, Answer, Question, from_dict

_TABLES = (
    """CREATE TABLE IF NOT EXISTS {schema}.questions (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, data TEXT NOT NULL,
        relevant INTEGER NOT NULL DEFAULT 1, since INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS {schema}.answers (
        seq INTEGER PRIMARY KEY, number INTEGER NOT NULL, choice TEXT NOT NULL,
        comment TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS {schema}.answers_of ON answers (number, seq)",
    # the question with the answer that counts now, NULL where there is none
    """CREATE VIEW IF NOT EXISTS {schema}.decided AS
        SELECT questions.number, id, data, choice, comment, who, at FROM questions LEFT JOIN answers ON seq =
            (SELECT max(seq) FROM answers AS a WHERE a.number = questions.number AND a.seq > questions.since)
        WHERE relevant = 1""",
)


@dataclass(frozen=True, slots=True)
class Given:
    """One answer as it came in: `seq` orders all answers of the account, `number` is its question's."""

    seq: int
    number: int
    answer: Answer


class Answers:
    """The account's questions and answers. Reading a database nobody ever asked in finds nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        try:
            self._create("main")
        except sqlite3.OperationalError as trouble:
            if "readonly" not in str(trouble):
                raise _unsaved(trouble) from trouble
            self._create("temp")

    def _create(self, schema: str) -> None:
        for statement in _TABLES:
            self._db.execute(statement.format(schema=schema))

    def ask(self, question: Question) -> Question:
        """The question with its number, stored. Asked again, it keeps number and first asking time.

        A question closed before is open again and must be answered anew.
        """
        known = self._db.execute("SELECT data FROM questions WHERE id = ? AND relevant = 1", (question.id,)).fetchone()
        if known:
            first = json.loads(known[0])
            question = replace(question, asked_by=first["asked_by"], asked_at=first["asked_at"])
        data = json.dumps(question.numbered(0).to_dict())
        self._write(
            "INSERT INTO questions (id, data) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data, relevant = 1",
            (question.id, data),
        )
        return question.numbered(self._number(question.id))

    def answer(self, number_or_id: int | str, choice: str, comment: str, who: str, when: str) -> Answer:
        """Record an answer; it is on disk when this returns. Answering again revises, history stays.

        UsageTrouble when there is no such question, it is closed, or may not be answered like this.
        """
        question = self.find(number_or_id)
        comment = comment.strip()
        question.checked(choice, comment)
        given = self._write(
            "INSERT INTO answers (number, choice, comment, who, at)"
            " SELECT number, ?, ?, ?, ? FROM questions WHERE number = ? AND relevant = 1",
            (choice, comment, who, when, question.number),
        )
        if not given:
            raise UsageTrouble(
                f"question {question.number} ({question.subject}) is closed, it no longer matters",
                remedy="see what is open with: dfos questions",
            )
        for moot in self.moot(question.id, choice):
            self.close(moot.id)
        return Answer(question.id, choice, comment, who, when)

    def moot(self, id: str, choice: str) -> tuple[Question, ...]:
        """The questions, closed or not, that follow question `id` and do not matter when it is answered like this."""
        rows = self._db.execute(
            "SELECT number, data FROM questions"
            " WHERE json_extract(data, '$.follows') = ? AND json_extract(data, '$.upon') != ?",
            (id, choice),
        )
        return tuple(from_dict(json.loads(data)).numbered(number) for number, data in rows)

    def latest(self, id: str) -> Answer | None:
        """The answer that counts now; None when there is none, it was withdrawn, or the question is closed."""
        row = self._db.execute(
            "SELECT id, choice, comment, who, at FROM decided WHERE id = ? AND choice != ?", (id, LATER)
        ).fetchone()
        return Answer(*row) if row else None

    def history(self, id: str) -> tuple[Answer, ...]:
        """Every answer ever given to the question, oldest first."""
        rows = self._db.execute(
            "SELECT id, choice, comment, who, at FROM questions JOIN answers USING (number) WHERE id = ? ORDER BY seq",
            (id,),
        )
        return tuple(Answer(*row) for row in rows)

    def open(self) -> tuple[Question, ...]:
        """The questions that wait for an answer, oldest first."""
        rows = self._db.execute(
            "SELECT number, data FROM decided WHERE coalesce(choice, ?) = ? ORDER BY number", (LATER, LATER)
        )
        return tuple(from_dict(json.loads(data)).numbered(number) for number, data in rows)

    def find(self, number_or_id: int | str) -> Question:
        """The question with this number or id, open or not; UsageTrouble when there is none."""
        row = self._db.execute(
            "SELECT number, data FROM questions WHERE number = ? OR id = ?",
            (_as_number(number_or_id), str(number_or_id)),
        ).fetchone()
        if row is None:
            raise UsageTrouble(f"there is no question {number_or_id}", remedy="see what is open with: dfos questions")
        return from_dict(json.loads(row[1])).numbered(row[0])

    def close(self, id: str) -> None:
        """The question no longer matters (acted on, or its AB runs again): its answers stop counting, but stay."""
        self._write(
            "UPDATE questions SET relevant = 0, since = (SELECT coalesce(max(seq), 0) FROM answers) WHERE id = ?",
            (id,),
        )

    def changed_since(self, seq: int) -> tuple[Given, ...]:
        """Answers that came in after answer `seq`, in order, from whichever process (0: all)."""
        rows = self._db.execute(
            "SELECT seq, number, id, choice, comment, who, at FROM answers JOIN questions USING (number)"
            " WHERE seq > ? ORDER BY seq",
            (seq,),
        )
        return tuple(Given(row[0], row[1], Answer(*row[2:])) for row in rows)

    def last_seq(self) -> int:
        """The number of the newest answer, 0 when there is none: where `changed_since` may start."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM answers").fetchone()[0])

    def _number(self, id: str) -> int:
        return int(self._db.execute("SELECT number FROM questions WHERE id = ?", (id,)).fetchone()[0])

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        try:
            with self._db:
                return self._db.execute(statement, values).rowcount
        except sqlite3.Error as trouble:
            raise _unsaved(trouble) from trouble


def _as_number(number_or_id: int | str) -> int:
    text = str(number_or_id)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _unsaved(trouble: sqlite3.Error) -> DfosError:
    return DfosError(f"questions and answers cannot be saved: {trouble}", remedy="is the disk full? Then try again")
