"""The QC1 database: one table per data type, and the scores. SQLite by default, PostgreSQL by URL.

A row is named by its `f` columns and mjd_obs; a row that is there already is overwritten (QC1 guide, inferred).
Blocking: call it from a thread. Every call opens the database anew, so that one that was away is no trouble later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from config.qc1_tables import KEY, Qc1Column, Qc1Table
from engine.errors import DatabaseAway, UsageTrouble
from engine.transfer.archives.password import password_of

Cell = str | int | float | None
Row = Mapping[str, Cell]
_WAIT_S = 30  # seconds for a lock (SQLite) or a statement (PostgreSQL)
_SECRET = re.compile(r"(password|passwd|pwd)\s*[=:]\s*\S+", re.IGNORECASE)
_ALONE: Mapping[str, str] = {  # until the end of the transaction nobody else makes a table
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_xact_lock(hashtext('qc1 tables'))",
}
_TYPES: Mapping[str, Any] = {"float": sql.Double, "integer": sql.BigInteger}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score of an AB: 0 green, 1 red, -1 not scored, as qc1_score holds it."""

    ab: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    score: int
    remark: str = ""


class Qc1:
    """A QC1 database. DatabaseAway when it cannot be reached or takes nothing."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        self._given, self._password_file = url, password_file
        self._opened: sql.Engine | None = None
        self._meta = sql.MetaData()
        self._made: set[str] = set()
        self._scores = sql.Table(
            "qc1_score",
            self._meta,
            sql.Column("ab", sql.String(120), primary_key=True),
            sql.Column("name", sql.String(80), primary_key=True),
            *(sql.Column(name, sql.Double) for name in ("value", "low", "high")),
            sql.Column("score", sql.Integer, nullable=False),
            sql.Column("remark", sql.Text),
            sql.Column("scored_at", sql.String(20), nullable=False),
        )

    @property
    def name(self) -> str:
        """The database as it may be shown: without a password."""
        return shown(self._given)

    def probe(self, file: str | None = None) -> None:
        """Is the database there? Changes nothing: the `file` of an SQLite database is never made by looking."""
        if file is not None and not Path(file).is_file():
            raise DatabaseAway(f"there is no {file}", where=self.name, remedy="see qc.database")
        with self._connected() as connection:
            connection.execute(sql.text("SELECT 1 FROM (SELECT 1) AS one"))

    def ingest(self, definition: Qc1Table, rows: Iterable[Row]) -> int:
        """Write rows, over those of the same key; how many. Columns that a row leaves out take their default."""
        cells = [self._cells(definition, row) for row in rows]
        if not cells:
            return 0
        with self._connected() as connection:
            table = self._table(connection, definition)
            for row in cells:
                connection.execute(self._upsert(table, row, definition.key))
        return len(cells)

    def history(
        self, definition: Qc1Table, column: str, mjd: float, days: float, same: Row, leave: Row
    ) -> list[tuple[float, float]]:
        """(MJD, value) of a column within `days` of `mjd`, oldest first.

        `same`: columns that must have these values; `leave`: the rows (by these columns) that do not count.
        """
        with self._connected() as connection:
            table = self._table(connection, definition)
            query = (
                sql.select(table.c[KEY], table.c[column])
                .where(table.c[KEY].between(mjd - days, mjd + days), table.c[column].is_not(None))
                .order_by(table.c[KEY])
            )
            for name, value in same.items():
                query = query.where(table.c[name] == value)
            if leave:
                other = [sql.or_(table.c[name] != value, table.c[name].is_(None)) for name, value in leave.items()]
                query = query.where(sql.or_(*other))
            return [(float(when), float(value)) for when, value in connection.execute(query)]

    def rows(self, definition: Qc1Table, columns: Sequence[str], where: Row | None = None) -> list[dict[str, Cell]]:
        """Some columns of all rows, or of those with the values of `where`, by time."""
        with self._connected() as connection:
            table = self._table(connection, definition)
            query = sql.select(*(table.c[name] for name in columns)).order_by(table.c[KEY])
            for name, value in (where or {}).items():
                query = query.where(table.c[name] == value)
            return [dict(row._mapping) for row in connection.execute(query)]

    def put_scores(self, ab: str, rows: Sequence[ScoreRow], at: str) -> None:
        """The scores of an AB as they are now: those it had before go."""
        with self._connected() as connection:
            self._score_table(connection)
            connection.execute(sql.delete(self._scores).where(self._scores.c.ab == ab))
            for row in rows:
                cells = {
                    "ab": ab, "name": row.name, "score": row.score, "remark": row.remark, "scored_at": at,
                    "value": _finite(row.value), "low": _finite(row.low), "high": _finite(row.high),
                }  # fmt: skip
                connection.execute(sql.insert(self._scores).values(cells))

    def scores(self, ab: str) -> list[ScoreRow]:
        """The scores of an AB."""
        with self._connected() as connection:
            self._score_table(connection)
            query = sql.select(self._scores).where(self._scores.c.ab == ab).order_by(self._scores.c.name)
            found = [dict(row._mapping) for row in connection.execute(query)]
        return [ScoreRow(**{name: row[name] for name in ScoreRow.__slots__}) for row in found]

    # --- within -----------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection with a transaction that is committed at the end."""
        try:
            with self._engine().begin() as connection:
                yield connection
        except SQLAlchemyError as trouble:
            self._made.clear()  # it may be another database when it is back
            said = str(getattr(trouble, "orig", None) or trouble).strip().splitlines()
            words = _SECRET.sub(r"\1=***", said[0] if said else type(trouble).__name__)
            raise DatabaseAway(
                f"the QC1 database does not take it: {words[:200]}",
                where=self.name,
                remedy="see qc.database; what is missing is written as soon as it is back",
            ) from None

    def _engine(self) -> sql.Engine:
        if self._opened is None:
            try:
                url = address(self._given, self._password_file)
                remote = url.get_backend_name() == "postgresql"
                wait = (
                    {"connect_timeout": 10, "options": f"-c statement_timeout={_WAIT_S}s"}
                    if remote
                    else {"timeout": _WAIT_S}
                )
                self._opened = sql.create_engine(url, poolclass=NullPool, connect_args=wait)
            except UsageTrouble as trouble:
                raise DatabaseAway(trouble.what, where=self.name, remedy=trouble.remedy) from trouble
            except ImportError:
                raise DatabaseAway(
                    "PostgreSQL needs psycopg, which is not installed",
                    where=self.name,
                    remedy="install the extra `postgres`, or use SQLite",
                ) from None
        return self._opened

    def _table(self, connection: Connection, definition: Qc1Table) -> sql.Table:
        """The table, made where it is not there, with columns added that a newer definition has."""
        table = self._meta.tables.get(definition.name)
        if table is None:
            table = sql.Table(
                definition.name, self._meta, *(_column(one, one.name in definition.key) for one in definition.columns)
            )
        if definition.name not in self._made:
            self._make(connection, table)
        return table

    def _score_table(self, connection: Connection) -> None:
        if self._scores.name not in self._made:
            self._make(connection, self._scores)

    def _make(self, connection: Connection, table: sql.Table) -> None:
        """Make what lacks of a table, at the beginning of a transaction. Another account may be at the same: it waits
        for our end, and looks again then.
        """
        if _lacking(connection, table):
            connection.exec_driver_sql(_ALONE[connection.dialect.name])
            table.create(connection, checkfirst=True)
            for column in _lacking(connection, table):
                kind = column.type.compile(connection.dialect)
                name = connection.dialect.identifier_preparer.quote(column.name)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}")
        self._made.add(table.name)

    def _upsert(self, table: sql.Table, row: Row, key: Sequence[str]) -> Any:
        insert = postgresql.insert if self._engine().dialect.name == "postgresql" else sqlite.insert
        statement = insert(table).values(dict(row))
        rest = {name: statement.excluded[name] for name in row if name not in key}
        return statement.on_conflict_do_update(index_elements=list(key), set_=rest)

    def _cells(self, definition: Qc1Table, row: Row) -> dict[str, Cell]:
        unknown = sorted(set(row) - {column.name for column in definition.columns})
        if unknown:
            raise UsageTrouble(f"{definition.name} has no column {unknown[0]}", where=self.name)
        return {one.name: _cell(one, row.get(one.name), one.name in definition.key) for one in definition.columns}


def _lacking(connection: Connection, table: sql.Table) -> list[sql.Column[Any]]:
    """The columns that the database has not (yet): all of them where the table is not there."""
    seen = sql.inspect(connection)
    there = {column["name"] for column in seen.get_columns(table.name)} if seen.has_table(table.name) else set()
    return [column for column in table.columns if column.name not in there]


def shown(url: str) -> str:
    """A URL as it may be shown: without a password."""
    try:
        return make_url(url).render_as_string(hide_password=True).partition("?")[0]
    except ArgumentError:
        return "the QC1 database"


def address(url: str, password_file: Path | None = None) -> URL:
    """The URL of a database, with the password of the file. UsageTrouble for what is none, or holds a password."""
    try:
        found = make_url(url)
    except ArgumentError:
        raise UsageTrouble("qc.database is no URL of a database", remedy="postgresql://<user>@<host>/<name>") from None
    if found.password or "password" in found.query:
        raise UsageTrouble(
            f"a password stands in the URL {shown(url)}",
            remedy="put it into a file of mode 0600 and name that in qc.password_file",
        )
    if found.drivername == "postgresql":
        found = found.set(drivername="postgresql+psycopg")
    if found.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageTrouble(f"a database of kind '{found.drivername}' is not supported", remedy="sqlite or postgresql")
    return found.set(password=password_of(password_file)) if password_file else found


def _column(definition: Qc1Column, key: bool) -> sql.Column[Any]:
    kind = _TYPES.get(definition.type)
    return sql.Column(
        definition.name,
        kind() if kind else sql.String(definition.length),
        primary_key=key,
        autoincrement=False,
        nullable=not key,
    )


def _cell(definition: Qc1Column, value: Cell, key: bool) -> Cell:
    """A value as its column takes it; what does not fit is NULL, never an error. Keys are never NULL."""
    value = definition.default if value is None else value
    if definition.type in ("float", "integer"):
        try:
            number = float(value) if value is not None else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (definition.type == "integer" and abs(number) >= 2**63):
            return 0 if key else None
        return round(number) if definition.type == "integer" else number
    if value is None:
        return "" if key else None
    return "".join(char for char in str(value) if char.isprintable())[: definition.length]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
