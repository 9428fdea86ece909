"""Verdicts on ABs: what counts now for the present attempt of an AB.

A person's answer to `certify:<AB_NAME>:<attempt>`, with the mark of a content where products were exchanged
(engine/stores/contents.py), always counts before one given by score. Every
verdict is kept with who, when and why; a later one never erases an earlier one. Times UTC, ISO.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from engine.atomic import fs
from engine.core.ab import AB
from engine.errors import DfosError
from engine.stores.answers import Answers

ACCEPTED, REJECTED = "accepted", "rejected"
WORDS = {"accept": ACCEPTED, "reject": REJECTED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """accepted or rejected, by whom, when, and why."""

    verdict: str
    comment: str
    who: str
    when: str


class Verdicts:
    """The verdicts in the engine's database, together with the operators' answers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._answers = Answers(connection)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS verdicts (seq INTEGER PRIMARY KEY, question TEXT NOT NULL,"
            " verdict TEXT NOT NULL, comment TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS verdicts_of ON verdicts (question, seq)")

    def question_id(self, ab: AB) -> str:
        """`certify:<AB_NAME>:<attempt>`: what a verdict is about. A re-run AB asks anew."""
        return self.id_of(self._db, ab)

    @staticmethod
    def id_of(db: sqlite3.Connection, ab: AB) -> str:
        """The same, for those who only read the database."""
        known = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'attempts'").fetchone()
        row = db.execute("SELECT max(attempt) FROM attempts WHERE ab = ?", (ab.name,)).fetchone() if known else None
        attempt = str(row[0]) if row and row[0] else ab.get("UPDATED").replace(" ", "_") or "0"
        return f"certify:{ab.name}:{attempt}"

    def of(self, ab: AB, question: str = "") -> Verdict | None:
        """The verdict on the present attempt; None while there is none, or it was withdrawn.

        `question` is the one about the products that stand there now ('': the first one of the attempt).
        """
        question = question or self.question_id(ab)
        if self._answers.history(question):
            answer = self._answers.latest(question)
            if answer is None or answer.choice not in WORDS:
                return None
            return Verdict(WORDS[answer.choice], answer.comment, answer.who, answer.when)
        row = self._db.execute(
            "SELECT verdict, comment, who, at FROM verdicts WHERE question = ? ORDER BY seq DESC LIMIT 1", (question,)
        ).fetchone()
        return Verdict(*row) if row else None

    def record(self, ab: AB, verdict: Verdict, question: str = "") -> None:
        """Keep a verdict; on disk when this returns. Given by score, it closes the question a person had open."""
        question = question or self.question_id(ab)
        last = self._db.execute(
            "SELECT verdict, comment, who, at FROM verdicts WHERE question = ? ORDER BY seq DESC LIMIT 1", (question,)
        ).fetchone()
        if not last or Verdict(*last) != verdict:
            fs.acting("commit", "verdict")
            try:
                self._db.execute(
                    "INSERT INTO verdicts (question, verdict, comment, who, at) VALUES (?, ?, ?, ?, ?)",
                    (question, verdict.verdict, verdict.comment, verdict.who, verdict.when),
                )
            except sqlite3.Error as trouble:
                raise DfosError(
                    f"the verdict cannot be saved: {trouble}",
                    where=ab.name,
                    remedy="is the disk full? Decide again then",
                ) from trouble
        if not self._answers.history(question):
            self._answers.close(question)
