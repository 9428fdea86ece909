"""Reading header keywords, and verifying whole files, against what others take and against reading alone."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy
from astropy.io import fits

from engine.headers.cards import keywords
from engine.headers.verify import verify

FILES = 2000
FEW = 100  # files that astropy reads in a round
CARDS = 315
SIZE = 1 << 30  # bytes of the cube
ROUNDS = 9
NAMES = ("PIPEFILE", "PRO.CATG", "MJD-OBS", "INS.TEMP150.VAL", "PRO.REC1.ID")
BUFFER = 1 << 20  # bytes


def products(place: Path) -> list[Path]:
    """Many files with a header as the observatory writes them and two small extensions."""
    primary = fits.PrimaryHDU()
    header = primary.header
    header["PIPEFILE"] = "r.MUSE.2014-10-22T23:57:32.118_pst_0000.fits"
    header["MJD-OBS"] = 56952.998288403
    for i in range(CARDS - 14):
        header[f"HIERARCH ESO INS TEMP{i} VAL"] = (i * 0.37, "[C] Temperature sensor")
    header["HIERARCH ESO PRO CATG"] = "PIXTABLE_REDUCED"
    header["HIERARCH ESO PRO REC1 ID"] = "muse_scipost"
    while len(header) < CARDS - 2:
        header.add_history("muse_scipost")
    parts = [fits.ImageHDU(numpy.zeros((20, 20), "f4"), name=name) for name in ("DATA", "STAT")]
    first = place / "0.fits"
    fits.HDUList([primary, *parts]).writeto(first, checksum=True)
    paths = [first, *(place / f"{i}.fits" for i in range(1, FILES))]
    for path in paths[1:]:
        shutil.copyfile(first, path)
    return paths


def cube(path: Path) -> Path:
    """A cube of about a gigabyte with checksums, in the page cache."""
    pixels = numpy.random.default_rng(1).random((SIZE // 8 // 1_000_000, 1000, 1000), "f4")
    parts = [fits.ImageHDU(pixels, name=name) for name in ("DATA", "STAT")]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(path, checksum=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())  # nobody writes it back while others read
    return path


def read_once(path: Path) -> None:
    """The limit: a plain loop over the whole file."""
    buffer = memoryview(bytearray(BUFFER))
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def wall(work: Callable[[], object]) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(paths: list[Path]) -> None:
    """Five keywords of every file."""
    for path in paths:
        keywords(path, NAMES)


def astropy(paths: list[Path]) -> None:
    """The same by astropy."""
    for path in paths:
        header = fits.getheader(path)
        for name in NAMES:
            header.get(f"ESO {name.replace('.', ' ')}" if "." in name else name)


def dfits(paths: list[Path]) -> None:
    """The same by `dfits | fitsort`, one process each for all files."""
    with subprocess.Popen(["dfits", *map(str, paths)], stdout=subprocess.PIPE) as made:  # noqa: S607
        subprocess.run(["fitsort", *NAMES], stdin=made.stdout, stdout=subprocess.DEVNULL, check=True)  # noqa: S607


def reading(place: Path) -> list[dict[str, object]]:
    """Milliseconds per file, each candidate in turn."""
    paths = products(place)
    peers: dict[str, tuple[Callable[[list[Path]], None], list[Path]]] = {"astropy getheader": (astropy, paths[:FEW])}
    if shutil.which("dfits") and shutil.which("fitsort"):
        peers["dfits | fitsort"] = (dfits, paths)
    spent: dict[str, list[float]] = {name: [] for name in ("", *peers)}
    ours(paths)
    for _ in range(3):
        spent[""].append(wall(lambda: ours(paths)) / FILES)
        for name, (peer, some) in peers.items():
            spent[name].append(wall(lambda peer=peer, some=some: peer(some)) / len(some))  # type: ignore[misc]
    best = {name: statistics.median(found) * 1000 for name, found in spent.items()}
    return [
        {
            "work": f"five keywords of a product ({CARDS} cards)",
            "ours": f"{best['']:.3f} ms a file",
            "peer": f"{name}: {best[name]:.3f} ms a file",
            "ratio": round(best[""] / best[name], 3),
            "goal": "0.15 ms a file",
        }
        for name in peers
    ]


def verifying(path: Path) -> list[dict[str, object]]:
    """Seconds for one cube, each candidate in turn."""
    cube(path)
    candidates: dict[str, Callable[[], object]] = {
        "read": lambda: read_once(path),
        "verify": lambda: verify(path),
        "digest": lambda: verify(path, digest=True),
    }
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    assert not verify(path).problems
    for _ in range(ROUNDS):
        for name, work in candidates.items():
            spent[name].append(wall(work))
    best = {name: statistics.median(found) for name, found in spent.items()}
    gigabytes = path.stat().st_size / 1e9
    cores = len(os.sched_getaffinity(0))
    return [
        {
            "work": f"{work} ({gigabytes:.2f} GB cube, {cores} cores)",
            "ours": f"{best[name] / gigabytes:.3f} s/GB",
            "peer": f"read once: {best['read'] / gigabytes:.3f} s/GB",
            "ratio": round(best[name] / best["read"], 2),
            "goal": goal,
        }
        for name, work, goal in (
            ("verify", "verification of every HDU", "1.3 x"),
            ("digest", "the same with SHA-256 in the same pass", None),
        )
    ]


def main() -> list[dict[str, object]]:
    """All rows."""
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as scratch:
        rows = reading(Path(scratch))
    with tempfile.TemporaryDirectory() as scratch:
        return rows + verifying(Path(scratch) / "cube.fits")


if __name__ == "__main__":
    print(json.dumps(main()))
