"""Inputs that are not on disk are fetched: from a directory here, verified, once, never over another file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from config.sources import Source as Setting
from engine.atomic import fs
from engine.core.ab import AB
from engine.errors import PluginTrouble, RecipeTrouble
from engine.events import Notice, Progressed
from engine.pgi import Complaint
from engine.pgis import pgi_phoenix_GEN_MCAL
from engine.process.ab.sources.calibrations import checked
from engine.process.ab.sources.directory import DirectorySource
from engine.process.ab.sources.fetch import Asked, Fetcher
from engine.process.ab.sources.protocol import Fetched, SourceAway
from tests.builders import make_ab, record
from tests.fakes import make_fits
from tests.integration.test_process_ab import Scene

NIGHT = "2014-10-22"
RAW = "MUSE.2014-10-22T23:57:32.118.fits"


def source(place: Path, **changes: Any) -> Setting:
    return Setting(**{"kind": "directory", "directory": str(place), "retry_s": 0.0, **changes})


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    place = tmp_path / "pool"
    (place / NIGHT).mkdir(parents=True)
    return place


def scene_of(tmp_path: Path, *sources: Setting, **settings: Any) -> Scene:
    return Scene(tmp_path, sources=sources, **settings)


def wanting(scene: Scene, *names: str, stem: str = "MUSE.2014-10-22T23:57:32.118") -> AB:
    return scene.basic(stem=stem, sof=[(f"$DFO_RAW_DIR/{NIGHT}/{name}", "OBJECT") for name in names or (RAW,)])


@pytest.mark.row(406)
async def test_a_raw_file_is_fetched_and_the_ab_runs(tmp_path: Path, pool: Path) -> None:
    make_fits(pool / NIGHT / RAW, "RAW", ARCFILE=RAW)
    scene = scene_of(tmp_path, source(pool))
    ab, events = wanting(scene), record(scene.context)
    assert (await scene.run(ab)).done == (ab.name,)
    came = scene.tree.raw / NIGHT / RAW
    assert came.read_bytes() == (pool / NIGHT / RAW).read_bytes() and not came.samefile(pool / NIGHT / RAW)
    assert [path.name for path in came.parent.iterdir()] == [RAW], "nothing half is left"
    assert any(isinstance(event, Progressed) and event.phase == "fetch" for event in events)
    assert any(isinstance(event, Notice) and f"{RAW} fetched from {pool}" in event.text for event in events)


async def test_a_product_is_fetched_by_its_final_name(tmp_path: Path, pool: Path) -> None:
    name = "MU_MBIA_141022A.fits"
    make_fits(pool / name, "MASTER_BIAS")
    scene = scene_of(tmp_path, source(pool, files="products"))
    ab = scene.basic(sof=[(scene.raw(), "OBJECT"), (f"$DFO_CAL_DIR/{NIGHT}/{name}", "MASTER_BIAS")])
    assert (await scene.run(ab)).done == (ab.name,)
    assert (scene.tree.cal / NIGHT / name).is_file()


async def test_a_slimmed_product_is_fetched_by_the_name_its_header_stands_under(tmp_path: Path, pool: Path) -> None:
    pipefile = "r.MUSE.2014-10-22T20:00:00.000_tpl_0000.fits"
    make_fits(pool / "MU_MBIA_141022A.fits", "MASTER_BIAS", PIPEFILE=pipefile)
    scene = scene_of(tmp_path, source(pool))
    (scene.tree.cal / NIGHT).mkdir()
    (scene.tree.cal / NIGHT / "MU_MBIA_141022A.hdr").write_text(f"PIPEFILE= '{pipefile}'\nEND\n")
    written = f"$DFS_PRODUCT/BIAS/{NIGHT}/{pipefile}"
    ab = scene.basic(sof=[(scene.raw(), "OBJECT"), (written, "MASTER_BIAS")])
    assert (await scene.run(ab)).done == (ab.name,)
    assert f"{scene.tree.cal}/{NIGHT}/MU_MBIA_141022A.fits MASTER_BIAS" in scene.log(ab)


async def test_three_abs_that_want_a_file_fetch_it_once(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, source(tmp_path))
    counting = Counting(tmp_path, {RAW: 1})
    fetcher = Fetcher(scene.context, [Asked(counting, "all", 3, 0.0)])
    target = scene.tree.raw / NIGHT / RAW
    await asyncio.gather(*(fetcher.provide([target]) for _ in range(3)))
    assert counting.asked == [(RAW,)] and target.is_file()
    await fetcher.provide([target])
    assert len(counting.asked) == 1, "it is there"
    target.unlink()
    await fetcher.provide([target])
    assert len(counting.asked) == 2, "it is gone again"
    await fetcher.close()


async def test_a_file_that_nobody_has_fails_its_ab_by_name_and_no_other(tmp_path: Path, pool: Path) -> None:
    make_fits(pool / RAW, "RAW")
    scene = scene_of(tmp_path, source(pool))
    good = wanting(scene)
    bad = wanting(scene, "MUSE.gone.fits", stem="MUSE.2014-10-23T01:00:00.000")
    outcome = await scene.run(good, bad)
    assert (outcome.done, outcome.failed) == ((good.name,), (bad.name,))
    reason = scene.row(bad).reason
    assert f"missing input $DFO_RAW_DIR/{NIGHT}/MUSE.gone.fits: in none of the sources" in reason and "then r" in reason
    assert scene.ab(bad).status == "FAILED"


def _short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2880])


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _page(path: Path) -> None:
    path.write_bytes(b"<html>404</html>")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_short, "truncated"),
        (_flipped, "DATASUM"),
        (_nothing, "empty"),
        (_pipe, "not a file"),
        (_folder, "not a file"),
        (_page, "came damaged"),
    ],
)
async def test_what_comes_damaged_is_not_taken(tmp_path: Path, pool: Path, harm: Any, words: str) -> None:
    harm(make_fits(pool / RAW, "RAW"))
    scene = scene_of(tmp_path, source(pool))
    ab = wanting(scene)
    await scene.run(ab)
    assert scene.row(ab).state == "FAILED"
    assert RAW in scene.row(ab).reason and words in scene.row(ab).reason and str(pool) in scene.row(ab).reason
    assert not list((scene.tree.raw / NIGHT).iterdir())


async def test_a_raw_file_without_checksums_is_whole_when_it_ends_where_it_should(tmp_path: Path, pool: Path) -> None:
    make_fits(pool / RAW, "RAW", checksum=False)
    scene = scene_of(tmp_path, source(pool))
    ab = wanting(scene)
    assert (await scene.run(ab)).done == (ab.name,)


async def test_the_next_source_is_asked_and_one_that_is_away_is_tried_again(tmp_path: Path, pool: Path) -> None:
    make_fits(pool / RAW, "RAW")
    scene = scene_of(tmp_path)
    away = Counting(tmp_path, {}, away=99)
    fetcher = Fetcher(scene.context, [Asked(away, "all", 3, 0.0), Asked(DirectorySource(pool), "all", 3, 0.0)])
    await fetcher.provide([scene.tree.raw / NIGHT / RAW])
    assert len(away.asked) == 3
    flaky = Counting(tmp_path, {"b.fits": 1}, away=2)
    await Fetcher(scene.context, [Asked(flaky, "all", 3, 0.0)]).provide([scene.tree.raw / NIGHT / "b.fits"])
    assert len(flaky.asked) == 3
    products = Fetcher(scene.context, [Asked(DirectorySource(pool), "products", 1, 0.0)])
    with pytest.raises(RecipeTrouble, match="in none of the sources"):
        await products.provide([scene.tree.raw / NIGHT / "c.fits"])


async def test_a_file_that_somebody_brings_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    target = scene.tree.raw / NIGHT / RAW
    theirs = Counting(tmp_path, {RAW: 1}, then=lambda: target.write_bytes(b"theirs"))
    await Fetcher(scene.context, [Asked(theirs, "all", 1, 0.0)]).provide([target])
    assert target.read_bytes() == b"theirs" and len(list(target.parent.iterdir())) == 1


async def test_an_abort_does_not_wait_for_a_download(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    never = Counting(tmp_path, {RAW: 1}, hold=True)
    fetcher = Fetcher(scene.context, [Asked(never, "all", 1, 0.0)])
    wanted = iter([True, False])
    await asyncio.wait_for(fetcher.provide([scene.tree.raw / RAW], lambda: next(wanted)), 180)
    await fetcher.close()


@pytest.mark.parametrize(
    "path",
    [
        "$DFO_CONFIG_DIR/dfos.fits",
        "$DFS_PRODUCT/X/2014-10-22/r.X_0000.fits",
        "$DFO_RAW_DIR/.hidden.fits",
        "$DFO_RAW_DIR/x.sh",
    ],
)
async def test_only_raw_files_and_final_products_are_fetched(tmp_path: Path, pool: Path, path: str) -> None:
    make_fits(pool / "ok.fits", "RAW")
    (pool / path.rpartition("/")[2]).write_bytes((pool / "ok.fits").read_bytes())
    scene = scene_of(tmp_path, source(pool))
    ab = scene.basic(sof=[(path, "OBJECT")])
    await scene.run(ab)
    assert "missing input" in scene.row(ab).reason
    assert not scene.tree.expand(path).exists()


async def test_recipe_none_fetches_nothing(tmp_path: Path, pool: Path) -> None:
    make_fits(pool / RAW, "RAW")
    scene = scene_of(tmp_path, source(pool))
    ab = wanting(scene).with_value("RECIPE", "none")
    assert (await scene.run(ab)).done == (ab.name,)
    assert not (scene.tree.raw / NIGHT).exists()


class PowerCut(BaseException):
    """The machine is off."""


async def test_a_power_cut_anywhere_in_a_fetch_leaves_nothing_half(tmp_path: Path, pool: Path) -> None:
    whole = make_fits(pool / RAW, "RAW").read_bytes()
    for cut in range(1, 30):
        scene = scene_of(tmp_path / str(cut))
        target = scene.tree.raw / NIGHT / RAW
        calls = 0

        def probe(verb: str, path: str, at: int = cut) -> None:
            nonlocal calls
            calls += 1
            if calls == at:
                raise OSError(5, "the power is cut", path)

        asked = [Asked(DirectorySource(pool), "all", 1, 0.0)]
        with fs.probed(probe):
            try:
                await Fetcher(scene.context, asked).provide([target])
            except RecipeTrouble:
                assert calls >= cut
        assert not target.exists() or target.read_bytes() == whole
        if calls < cut:
            assert cut > 5
            break
        await Fetcher(scene.context, asked).provide([target])
        assert target.read_bytes() == whole and [path.name for path in target.parent.iterdir()] == [RAW]
    else:
        raise AssertionError("it never came through")


# --- HDR_PGI ---------------------------------------------------------------------------------


async def test_hdr_pgi_complains_of_calibrations_that_could_not_be_had(tmp_path: Path, pool: Path) -> None:
    make_fits(pool / "MU_MBIA_A.fits", "MASTER_BIAS")
    scene = scene_of(tmp_path, source(pool))
    calibs = [("REAL", f"$DFO_CAL_DIR/{NIGHT}/MU_MBIA_A.fits", "MASTER_BIAS")]
    lacking = [*calibs, ("REAL", f"$DFO_CAL_DIR/{NIGHT}/MU_MFLA_A.fits", "MASTER_FLAT")]
    abs_ = [scene.basic(calibs=calibs), scene.basic(stem="MUSE.2014-10-23T01:00:00.000", calibs=lacking)]
    complaints = await checked(scene.context, abs_, pgi_phoenix_GEN_MCAL)
    assert complaints == (Complaint(abs_[1].name, "MASTER_FLAT MU_MFLA_A.fits could not be had"),)
    assert (scene.tree.cal / NIGHT / "MU_MBIA_A.fits").is_file()


class _Strange:
    def check(self, abs: tuple[AB, ...], missing: tuple[str, ...]) -> tuple[Complaint, ...]:
        return (Complaint("MUSE.other.ab", "?"),)


class _Raises:
    def check(self, abs: tuple[AB, ...], missing: tuple[str, ...]) -> tuple[Complaint, ...]:
        raise ValueError("no")


@pytest.mark.parametrize("plugin", [_Strange(), _Raises()])
async def test_an_hdr_pgi_that_fails_stops_before_anything_starts(tmp_path: Path, plugin: Any) -> None:
    scene = scene_of(tmp_path)
    with pytest.raises(PluginTrouble):
        await checked(scene.context, [make_ab()], plugin)


# --- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{kind: sftp, directory: /x, host: h}", "a server needs user and host"),
        ("{kind: sftp, directory: /x, host: 'h:secret@h', user: u}", "a password never stands"),
        ("{kind: directory, directory: /x, host: h}", "of kind sftp"),
        ("{kind: directory, directory: x/y}", "no absolute directory"),
        ("{kind: sftp, directory: /x, host: h, user: u, jump: [h2]}", "user@host"),
        ("{kind: ftp, directory: /x}", "kind"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(tmp_path: Path, entry: str, words: str) -> None:
    (tmp_path / "dfos.yaml").write_text(f"instance: X\ninstrument: MUSE\nsources:\n  - {entry}\n")
    with pytest.raises(Exception, match=words):
        load(tmp_path)


class Counting:
    """A source on paper: FITS files by name, `away` calls before it can be asked."""

    name = "paper"

    def __init__(
        self, root: Path, has: Mapping[str, int], *, away: int = 0, hold: bool = False, then: Any = lambda: None
    ) -> None:
        self.root, self.has, self.away, self.hold, self.then = root, has, away, hold, then
        self.asked: list[tuple[str, ...]] = []

    async def fetch(self, names: Sequence[str], into: Path) -> Mapping[str, Fetched]:
        self.asked.append(tuple(names))
        await asyncio.sleep(0)
        if self.hold:
            await asyncio.get_running_loop().create_future()
        if self.away:
            self.away -= 1
            raise SourceAway("no answer", where=self.name)
        found = {}
        for name in names:
            if name in self.has:
                made = make_fits(self.root / "made.fits", "RAW")
                fs.hidden(into / name).write_bytes(made.read_bytes())
                found[name] = Fetched(made.stat().st_size)
        self.then()
        return found

    async def close(self) -> None:
        """Nothing."""
