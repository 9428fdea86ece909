"""Dates that are moved, ingested and finished, ready to be cleaned up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from astropy.io import fits

from engine.atomic import fs
from engine.context import Context
from engine.transfer.archives.archives import archive_of
from engine.transfer.archives.protocol import Receipt
from engine.transfer.ingest.states import INGESTED, IngestStates, Item
from tests.released import NIGHT, release_context

MODE = "SCIENCE"


def product(path: Path, seed: int, **keys: Any) -> Path:
    """A FITS file with an extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    primary = fits.PrimaryHDU()
    for key, value in {"PIPEFILE": f"r.MUSE.{seed}_0000.fits", **keys}.items():
        primary.header[key] = value
    image = fits.ImageHDU(numpy.full((40, 50), seed, "f4"), name="DATA")
    fits.HDUList([primary, image]).writeto(path, checksum=True)
    return path


async def ingested(context: Context, mode: str, *paths: Path) -> None:
    """Files the archive has confirmed, as an ingestion leaves them."""
    archive, items = archive_of(context), []
    for path in paths:
        sha = fs.sha256(path)
        receipt: Receipt = await archive.store(path, sha)
        found = path.stat()
        items.append(Item(path.name, found.st_size, found.st_mtime_ns, INGESTED, 1, sha, receipt=receipt))
    IngestStates(context.db, mode, NIGHT).save(items, now=context.utc())


def finished(context: Context, *words: str) -> None:
    """Status lines of the night."""
    text = "".join(f"{word} {NIGHT} 2014-10-24T10:00:00 rh\n" for word in words)
    (context.tree.mon / "DFO_STATUS").write_text(text)


async def dfos_night(root: Path, **settings: Any) -> Context:
    """A night in the DFOS layout: two science products, a calibration, all ingested, both MODEs finished."""
    context = release_context(root, **settings)
    science, calib = context.tree.sci / NIGHT, context.tree.cal / NIGHT
    await ingested(context, MODE, product(science / "MU_SCBD_1.fits", 1), product(science / "MU_SIMD_1.fits", 2))
    await ingested(context, "CALIB", product(calib / "MU_MBIA_1.fits", 3))
    (science / "README.txt").write_text("text\n")
    finished(context, "cal_Updated", "cal_Finished", "sci_Updated", "sci_Finished")
    return context


async def phoenix_night(root: Path, **settings: Any) -> Context:
    """A night in the PHOENIX layout: two products converted and ingested, one that was not converted, graphics."""
    context = release_context(root, **settings)
    place, plots = context.tree.sci / NIGHT, context.tree.plt / NIGHT
    conv = place / "conv"
    product(place / "MU_SCBD_1.fits", 1)
    product(place / "MU_SIMD_1.fits", 2)
    product(place / "MU_SXXX_1.fits", 9)
    cube = product(conv / "MU_SCBD_1.fits", 1, PRODCATG="SCIENCE.CUBE.IFS")
    image = product(conv / "ADP_2.fits", 7, ORIGFILE="MU_SIMD_1.fits", PRODCATG="ANCILLARY.IMAGE.WHITELIGHT")
    await ingested(context, MODE, cube, image)
    plots.mkdir(parents=True)
    (plots / "a.png").write_bytes(b"png a")
    (plots / "b_pst.png").write_bytes(b"png b")
    (plots / "c.png").write_bytes(b"png c")
    (conv / "a.png").write_bytes(b"png a")
    (conv / "b_pst1.png").write_bytes(b"png b")
    (conv / "c.png").write_bytes(b"pngXc")
    (conv / "a.log").write_text("log\n")
    finished(context, "sci_Finished")
    return context
