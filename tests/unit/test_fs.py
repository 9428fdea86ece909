"""The durable verbs: nothing is overwritten that was not meant to be, and everything may be repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic import place as placing
from engine.errors import DestinationOccupied, MoveTrouble


def _file(path: Path, text: str = "content") -> Path:
    path.write_text(text)
    return path


@pytest.mark.row(68)
def test_place_then_drop_moves_the_same_bytes(tmp_path: Path) -> None:
    source, target = _file(tmp_path / "a"), tmp_path / "b"
    for _ in range(2):
        placing.place(source, target)
    assert source.exists() and target.read_text() == "content"
    for _ in range(2):
        placing.drop(source, target)
    assert not source.exists() and target.read_text() == "content"


def test_place_refuses_a_name_that_is_taken(tmp_path: Path) -> None:
    source, target = _file(tmp_path / "a"), _file(tmp_path / "b", "somebody else's")
    with pytest.raises(DestinationOccupied):
        placing.place(source, target)
    assert target.read_text() == "somebody else's"


def test_drop_keeps_a_source_whose_copy_is_gone_or_differs(tmp_path: Path) -> None:
    source = _file(tmp_path / "a")
    with pytest.raises(MoveTrouble, match="gone"):
        placing.drop(source, tmp_path / "b")
    with pytest.raises(MoveTrouble, match="changed after it was copied"):
        placing.drop(source, _file(tmp_path / "b", "other"))
    assert source.read_text() == "content"


def test_copy_is_verified_repeatable_and_leaves_no_hidden_file(tmp_path: Path) -> None:
    source, target = _file(tmp_path / "a"), tmp_path / "b"
    fs.hidden(target).write_text("half a copy, torn by a cra")
    first = placing.copy(source, target)
    fs.hidden(target).write_text("content")  # the cut came between publishing and tidying
    assert placing.copy(source, target) == first == fs.sha256(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert target.stat().st_ino != source.stat().st_ino


def test_rename_never_overwrites_and_may_be_repeated(tmp_path: Path) -> None:
    source, target = _file(tmp_path / "a"), tmp_path / "b"
    fs.rename(source, target)
    fs.rename(source, target)
    assert target.read_text() == "content"
    with pytest.raises(DestinationOccupied):
        fs.rename(_file(tmp_path / "c", "other"), target)
    assert target.read_text() == "content" and (tmp_path / "c").read_text() == "other"


def test_links_are_moved_as_links(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    placing.place(link, tmp_path / "new")
    placing.drop(link, tmp_path / "new")
    assert not os.path.lexists(link) and (tmp_path / "new").readlink() == Path("nowhere")


def test_directories_are_synced_once_for_a_batch(tmp_path: Path) -> None:
    calls: list[tuple[str, str]] = []
    sources = [_file(tmp_path / f"s{n}", str(n)) for n in range(5)]
    (tmp_path / "final").mkdir()
    with fs.probed(lambda verb, path: calls.append((verb, path))), fs.synced_together():
        for source in sources:
            placing.place(source, tmp_path / "final" / source.name)
        assert [verb for verb, _ in calls].count("sync") == 0
    assert [path for verb, path in calls if verb == "sync"] == [str(tmp_path / "final")]


def test_nothing_is_synced_for_a_batch_that_failed(tmp_path: Path) -> None:
    calls: list[str] = []
    with (
        fs.probed(lambda verb, path: calls.append(verb)),
        pytest.raises(MoveTrouble),
        fs.synced_together(),
    ):
        placing.place(_file(tmp_path / "a"), tmp_path / "b")
        raise MoveTrouble("stop")
    assert "sync" not in calls
    fs.sync_dir(tmp_path)  # and later calls sync at once again


def test_append_adds_durably(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        fs.append(tmp_path / "log", line)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_across_filesystems_the_copy_is_verified(tmp_path: Path) -> None:
    """Where the machine has a second filesystem for us; the outcome is the same on one."""
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    source = (shared if shared.is_dir() else tmp_path) / f"dfos-test-{os.getpid()}"
    _file(source)
    try:
        for _ in range(2):
            placing.place(source, tmp_path / "b")
        assert (tmp_path / "b").read_text() == "content"
        with pytest.raises(DestinationOccupied):
            placing.place(source, _file(tmp_path / "c", "other"))
        placing.drop(source, tmp_path / "b")
        assert not source.exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]
    finally:
        source.unlink(missing_ok=True)
