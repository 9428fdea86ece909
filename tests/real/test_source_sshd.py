"""Inputs fetched by SFTP from OpenSSH's own server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.sources import Source
from engine.errors import RecipeTrouble
from engine.process.ab.sources.fetch import Fetcher
from tests.exporting import public
from tests.fakes import make_fits
from tests.integration.test_process_ab import Scene
from tests.sshd import ME, Site, serving

pytestmark = pytest.mark.real("sshd")
NIGHT = "2014-10-22"
RAW = "MUSE.2014-10-22T23:57:32.118.fits"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        (made.remote / NIGHT).mkdir(parents=True)
        yield made


def scene_of(site: Site, root: Path, *, trusted: bool = True, **changes: Any) -> Scene:
    values = {
        "kind": "sftp",
        "host": "127.0.0.1",
        "port": site.server.port,
        "user": ME.pw_name,
        "directory": str(site.remote),
        "key": str(site.place / "us"),
        "retry_s": 0.0,
        "tries": 2,
    }
    scene = Scene(root, sources=(Source(**{**values, **changes}),))
    if trusted:
        (scene.tree.config / "known_hosts").write_text(f"[127.0.0.1]:{site.server.port} {public(site.keys['them'])}\n")
    return scene


@pytest.mark.row(406)
async def test_a_raw_file_and_a_calibration_come_over_the_line(site: Site, tmp_path: Path) -> None:
    make_fits(site.remote / NIGHT / RAW, "RAW")
    make_fits(site.remote / "MU_MBIA_141022A.fits", "MASTER_BIAS")
    scene = scene_of(site, tmp_path)
    bias = (f"$DFO_CAL_DIR/{NIGHT}/MU_MBIA_141022A.fits", "MASTER_BIAS")
    abs_ = [
        scene.basic(stem=f"MUSE.2014-10-23T0{n}:00:00.000", sof=[(f"$DFO_RAW_DIR/{NIGHT}/{RAW}", "OBJECT"), bias])
        for n in range(3)
    ]
    outcome = await scene.run(*abs_)
    assert len(outcome.done) == 3
    assert (scene.tree.raw / NIGHT / RAW).read_bytes() == (site.remote / NIGHT / RAW).read_bytes()
    text = site.server.log.read_text()
    assert text.count("Starting session: subsystem 'sftp'") == 1, "one login serves all"


async def test_a_large_file_comes_whole(site: Site, tmp_path: Path) -> None:
    import numpy
    from astropy.io import fits

    data = numpy.arange(6_000_000, dtype="f4").reshape(2000, 3000)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data)]).writeto(site.remote / RAW, checksum=True)
    scene = scene_of(site, tmp_path)
    target = scene.tree.raw / NIGHT / RAW
    fetcher = Fetcher(scene.context)
    await fetcher.provide([target])
    await fetcher.close()
    assert target.read_bytes() == (site.remote / RAW).read_bytes()


async def refusal(scene: Scene, name: str = RAW) -> str:
    fetcher = Fetcher(scene.context)
    with pytest.raises(RecipeTrouble) as caught:
        await fetcher.provide([scene.tree.raw / NIGHT / name])
    await fetcher.close()
    assert not (scene.tree.raw / NIGHT).exists() or not list((scene.tree.raw / NIGHT).iterdir())
    return str(caught.value)


async def test_a_host_that_is_not_trusted_is_not_asked(site: Site, tmp_path: Path) -> None:
    make_fits(site.remote / RAW, "RAW")
    assert "host key" in await refusal(scene_of(site, tmp_path / "a", trusted=False))
    scene = scene_of(site, tmp_path / "b", trusted=False)
    other = public(site.keys["gate"])
    (scene.tree.config / "known_hosts").write_text(f"[127.0.0.1]:{site.server.port} {other}\n")
    assert "host key" in await refusal(scene)


async def test_a_key_that_others_can_read_is_not_used(site: Site, tmp_path: Path) -> None:
    make_fits(site.remote / RAW, "RAW")
    (site.place / "us").chmod(0o644)
    assert "others can read the key" in await refusal(scene_of(site, tmp_path))


async def test_what_is_not_there_or_no_file_or_damaged_is_said(site: Site, tmp_path: Path) -> None:
    scene = scene_of(site, tmp_path)
    assert "in none of the sources" in await refusal(scene, "gone.fits")
    (site.remote / "folder.fits").mkdir()
    assert "is not a file" in await refusal(scene, "folder.fits")
    made = make_fits(site.remote / "short.fits", "RAW")
    made.write_bytes(made.read_bytes()[:-2880])
    assert "truncated" in await refusal(scene, "short.fits")


async def test_a_server_that_comes_back_is_asked_again(site: Site, tmp_path: Path) -> None:
    make_fits(site.remote / RAW, "RAW")
    make_fits(site.remote / "b.fits", "RAW")
    scene = scene_of(site, tmp_path)
    fetcher = Fetcher(scene.context)
    await fetcher.provide([scene.tree.raw / NIGHT / RAW])
    assert site.server.cut()
    await fetcher.provide([scene.tree.raw / NIGHT / "b.fits"])
    site.server.stop()
    with pytest.raises(RecipeTrouble, match=r"c\.fits"):
        await fetcher.provide([scene.tree.raw / NIGHT / "c.fits"])
    await fetcher.close()
