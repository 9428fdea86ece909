"""The QC1 database, SQLite and PostgreSQL alike: a real server of each kind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from config.qc1_tables import Qc1Column, Qc1Table, qc1_table
from engine.errors import DatabaseAway, UsageTrouble
from engine.stores import qc1
from engine.stores.qc1 import Qc1, ScoreRow, address
from tests import postgres
from tests.fakes import LIMIT_S

SINGLE = qc1_table("muse_sci_single", None)
ROW = {"mjd_obs": 56952.998289851, "data_type": "DATACUBE_SINGLE", "target": "HUDF-A", "abmaglim": 26.25, "num_src": 9}


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as found:
        yield found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(postgres.PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real("postgres"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Qc1]:
    if request.param == "sqlite":
        yield Qc1(f"sqlite:///{tmp_path / 'qc1.sqlite'}")
        return
    server, secret = request.getfixturevalue("server"), request.getfixturevalue("secret")
    found = Qc1(server.url(), secret)
    yield found
    with found._connected() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")


@pytest.mark.row(368)
def test_an_entry_of_the_same_key_is_overwritten(store: Qc1) -> None:
    store.ingest(SINGLE, [ROW, {**ROW, "mjd_obs": 56953.1}])
    store.ingest(SINGLE, [{**ROW, "abmaglim": 26.5, "pattern": "DEEP3"}])
    assert store.rows(SINGLE, ("mjd_obs", "abmaglim", "pattern")) == [
        {"mjd_obs": 56952.998289851, "abmaglim": 26.5, "pattern": "DEEP3"},
        {"mjd_obs": 56953.1, "abmaglim": 26.25, "pattern": None},
    ]


@pytest.mark.row(369)
@pytest.mark.parametrize(
    "name", ["muse_sci_single", "muse_sci_deep", "muse_sci_sources", "general_bias", "general_dark"]
)
def test_every_shipped_table_takes_a_row(store: Qc1, name: str) -> None:
    table = qc1_table(name, None)
    store.ingest(table, [{"mjd_obs": 1.5}])
    assert store.rows(table, table.key)[0]["mjd_obs"] == 1.5
    if name != "muse_sci_sources" and name.startswith("muse"):
        assert {"pattern", "score_bit", "prog_id", "abstract_link"} <= {column.name for column in table.columns}


@pytest.mark.parametrize(
    ("column", "given", "kept"),
    [
        ("target", "x" * 500, "x" * 80),
        ("target", "a\x00b\x1b[31m'; DROP TABLE muse_sci_single; --", "ab[31m'; DROP TABLE muse_sci_single; --"),
        ("target", "Ångström", "Ångström"),
        ("abmaglim", float("nan"), None),
        ("abmaglim", float("inf"), None),
        ("abmaglim", "26.5", 26.5),
        ("abmaglim", "no number", None),
        ("num_src", 1e30, None),
        ("num_src", 9.0, 9),
    ],
)
def test_what_does_not_fit_a_column_is_no_error(store: Qc1, column: str, given: str | float, kept: object) -> None:
    store.ingest(SINGLE, [{**ROW, column: given}])
    assert store.rows(SINGLE, (column,)) == [{column: kept}]


def test_a_column_that_a_table_has_not_is_named(store: Qc1) -> None:
    with pytest.raises(UsageTrouble, match="has no column colour"):
        store.ingest(SINGLE, [{**ROW, "colour": "red"}])


def test_history_leaves_the_row_itself_out_and_keeps_to_setup_and_window(store: Qc1) -> None:
    table = qc1_table("general_bias", None)
    base = {"instrument": "MUSE", "detector": "ALL"}
    for day, setup, level in ((1, "A", 10.0), (2, "B", 99.0), (3, "A", 11.0), (50, "A", 12.0), (500, "A", 13.0)):
        store.ingest(table, [{**base, "mjd_obs": 1000.0 + day, "setup": setup, "level": level}])
    store.ingest(table, [{**base, "mjd_obs": 1004.0, "setup": "A", "level": None}])
    found = store.history(
        table, "level", 1003.0, 90.0, {"setup": "A", **base}, {**base, "setup": "A", "mjd_obs": 1003.0}
    )
    assert found == [(1001.0, 10.0), (1050.0, 12.0)]


def test_a_newer_definition_adds_its_columns(store: Qc1) -> None:
    old = Qc1Table(name="t_x", description="d", source="s", columns=(Qc1Column(name="mjd_obs"), Qc1Column(name="a")))
    new = old.model_copy(update={"columns": (*old.columns, Qc1Column(name="columns", type="integer"))})
    store.ingest(old, [{"mjd_obs": 1.0, "a": 2.0}])
    other = again(store)
    other.ingest(new, [{"mjd_obs": 2.0, "a": 3.0, "columns": 4}])
    assert other.rows(new, ("a", "columns")) == [{"a": 2.0, "columns": None}, {"a": 3.0, "columns": 4}]


def again(store: Qc1) -> Qc1:
    """The same database, as another account has it."""
    return Qc1(store._given, store._password_file)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads look whether a table is there, and go on when both have looked."""
    both, mine, looked = threading.Barrier(2), threading.local(), qc1._lacking

    def together(*words: Any) -> Any:
        found = looked(*words)
        if threading.current_thread() is not threading.main_thread() and not hasattr(mine, "looked"):
            mine.looked = True
            both.wait(LIMIT_S)
        return found

    monkeypatch.setattr(qc1, "_lacking", together)


@pytest.mark.parametrize("old", [True, False])
def test_two_accounts_that_make_a_table_at_once_both_have_it(
    old: bool, store: Qc1, request: pytest.FixtureRequest
) -> None:
    """Both see that it, or a column of it, is not there."""
    columns = tuple(Qc1Column(name=name) for name in ("mjd_obs", "b", "a"))
    table = Qc1Table(name="t_x", description="d", source="s", columns=columns)
    if old:
        again(store).ingest(table.model_copy(update={"columns": columns[:2]}), [{"mjd_obs": 0.5, "b": 0.5}])
    request.getfixturevalue("at_once")
    with ThreadPoolExecutor(2) as both:
        done = [both.submit(again(store).ingest, table, [{"mjd_obs": at, "a": at}]) for at in (1.0, 2.0)]
        assert [one.result() for one in done] == [1, 1]
    assert [row["a"] for row in again(store).rows(table, ("mjd_obs", "a"))] == [None] * old + [1.0, 2.0]


@pytest.mark.usefixtures("at_once")
def test_two_accounts_that_give_the_first_scores_at_once_both_have_them(store: Qc1) -> None:
    rows = {name: [ScoreRow(name, "size", 1.0, 0.0, None, 0)] for name in ("a.ab", "b.ab")}
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(again(store).put_scores, name, rows[name], "now") for name in rows]:
            done.result()
    assert {name: again(store).scores(name) for name in rows} == rows


def test_scores_replace_those_an_ab_had(store: Qc1) -> None:
    store.put_scores(
        "a.ab", [ScoreRow("a.ab", "size", 1.0, 0.0, None, 0), ScoreRow("a.ab", "x", None, None, None, -1)], "now"
    )
    store.put_scores("b.ab", [ScoreRow("b.ab", "size", float("nan"), None, None, 1, "red")], "now")
    store.put_scores("a.ab", [ScoreRow("a.ab", "size", 2.0, 0.0, None, 1)], "later")
    assert store.scores("a.ab") == [ScoreRow("a.ab", "size", 2.0, 0.0, None, 1)]
    assert store.scores("b.ab") == [ScoreRow("b.ab", "size", None, None, None, 1, "red")]
    store.put_scores("a.ab", [], "deleted")
    assert store.scores("a.ab") == []


@pytest.mark.real("postgres")
def test_a_server_that_was_away_is_no_trouble_later(server: postgres.Server, secret: Path) -> None:
    store = Qc1(server.url(), secret)
    store.ingest(SINGLE, [ROW])
    server.stop()
    try:
        with pytest.raises(DatabaseAway) as told:
            store.ingest(SINGLE, [ROW])
    finally:
        server.start()
    assert postgres.PASSWORD not in str(told.value) and "qc@" in told.value.where
    assert store.ingest(SINGLE, [ROW]) == 1


@pytest.mark.real("postgres")
def test_a_wrong_password_is_told_and_not_shown(server: postgres.Server, secret: Path) -> None:
    secret.write_text("wrong-but-secret\n")
    with pytest.raises(DatabaseAway, match="authentication failed") as told:
        Qc1(server.url(), secret).ingest(SINGLE, [ROW])
    assert "wrong-but-secret" not in f"{told.value} {told.value.where} {told.value.__cause__!r}"


def test_passwords_stand_in_files_of_mode_0600_only(secret: Path, tmp_path: Path) -> None:
    for url in ("postgresql://qc:hidden@host/db", "postgresql://qc@host/db?password=hidden"):
        with pytest.raises(UsageTrouble) as told:
            address(url)
        assert "hidden" not in str(told.value)
    secret.chmod(0o640)
    with pytest.raises(UsageTrouble, match="mode 0640"):
        address("postgresql://qc@host/db", secret)
    with pytest.raises(DatabaseAway, match="mode 0640"):
        Qc1("postgresql://qc@host/db", secret).ingest(SINGLE, [ROW])


@pytest.mark.parametrize("url", ["", "no url", "mysql://host/db", "sqlite+aiosqlite:///x"])
def test_what_is_no_database_of_ours_is_refused(url: str) -> None:
    with pytest.raises(UsageTrouble):
        address(url)
