"""Accounts with processed ABs and real FITS products, ready to be certified, moved and ingested."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
from astropy.io import fits

from config.codes import Code, Rename
from config.schema import Archive, Certification, Dropped, Graphic, Move, Saved
from engine.context import Context
from engine.core.ab import AB
from engine.questions import Answer, Operator, Parked, Question
from engine.stores.abs import AbStore
from tests.builders import make_ab, make_context, make_run

NIGHT = "2014-10-22"
NOON = 1_700_000_000.0  # the clock stands still: runs can be compared
MODE_KEY = "{INS.MODE}"
MOVE = Move(
    raw_types=(
        Saved(raw_type="BIAS", mode="CALIB", save="SELECT"),
        Saved(raw_type="OBJECT", mode="SCIENCE", save="NONE"),
        Saved(raw_type="PIXTABLE_OBJECT", mode="SCIENCE", save="NONE"),
        Saved(raw_type="IMAGE_FOV", mode="SCIENCE", save="NONE"),
        Saved(raw_type="PIXTABLE_REDUCED", mode="SCIENCE", save="ALL"),
    ),
    delete=(Dropped(raw_type="BIAS", catg="BIAS_RESIDUALS"),),
    graphics=(Graphic(format="png", save=True), Graphic(format="gif", save=False)),
    rename={"CALIB": True, "SCIENCE": True},
)
RENAME = Rename(
    instrument_code="MU",
    calib=(Code(code="MBIA", pro_catg="MASTER_BIAS", params=("{DET.READ.CURNAME}",)),),
    science=(
        Code(code="SCBD", pro_catg="DATACUBE_FINAL", when={"ab_type": "dpc"}, params=(MODE_KEY, "{DPR.TYPE}")),
        Code(code="SIMD", pro_catg="IMAGE_FOV", when={"ab_type": "dpc"}, params=(MODE_KEY, "{DPR.TYPE}")),
    ),
    replace={"OBJECT": "OBJ"},
)


class Scripted(Operator):
    """Answers by kind of question, or by its id; everything else is parked. `asked` remembers."""

    def __init__(self, **answers: str) -> None:
        self.answers = {key.replace("__", "."): value for key, value in answers.items()}
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        choice = self.answers.get(question.subject) or self.answers.get(question.kind)
        if choice is None:
            raise Parked(question)
        key, _, comment = choice.partition(":")
        return Answer(question.id, key, comment, "rh", "2023-11-14T22:00:00")


def keen(**answers: str) -> Scripted:
    """An operator who accepts every AB."""
    return Scripted(**{"certify__ab": "accept:fine", **answers})


def release_context(root: Path, operator: Operator | None = None, **settings: Any) -> Context:
    """A context with move and rename tables of the demo kinds and a clock that stands still."""
    values: dict[str, Any] = {
        "move": MOVE,
        "rename": RENAME,
        "certification": Certification(review=("bias", "combine")),
        "archive": Archive(),
        **settings,
    }
    return make_context(root, operator=operator or keen(), clock=lambda: NOON, **values)


def write_product(context: Context, ab: AB, number: int, catg: str, **keys: Any) -> Path:
    """One product of an AB: a small FITS file with checksums, as processAB leaves it."""
    place = context.tree.product / ab.raw_type / ab.date
    place.mkdir(parents=True, exist_ok=True)
    name = f"{ab.root}_{number:04d}.fits"
    stem = ab.root.removeprefix("r.MUSE.").partition("_")[0]
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:6], 16) / 10
    hdu = fits.PrimaryHDU(numpy.full((2, 3), seed, dtype="f4"))
    header = {
        "PIPEFILE": name,
        "MJD-OBS": 56950.0 + int(stem[8:10]) + int(stem[11:13]) / 24 + int(stem[14:16]) / 1440,
        "DATE-OBS": stem,
        "HIERARCH ESO PRO CATG": catg,
        "HIERARCH ESO OBS ID": 200177,
        "HIERARCH ESO INS MODE": "WFM-NOAO-N",
        "HIERARCH ESO DPR TYPE": "OBJECT",
        "HIERARCH ESO DET READ CURNAME": "SCI1.0",
        **keys,
    }
    for key, value in header.items():
        if value is not None:
            hdu.header[key] = value
    hdu.writeto(place / name, checksum=True, overwrite=True)
    return place / name


def processed(context: Context, ab: AB, **keys: Any) -> AB:
    """The AB as processing leaves it: SUCCESSFUL, its products, log and plots on disk."""
    ab = ab.with_value("PROCESS_STATUS", "SUCCESSFUL").with_value("LOG_NAME", f"{ab.root}.log")
    AbStore(context.tree).write(ab)
    for number, product in enumerate(ab.products):
        path = write_product(context, ab, number, product.catg, **keys)
        path.with_suffix(".png").write_bytes(b"png of " + path.name.encode())
    (context.tree.dfs_log / f"{ab.root}.log").write_text(f"log of {ab.name}\n")
    (context.tree.dfs_log / f"{ab.name.removesuffix('.ab')}.scores.json").write_text("{}\n")
    return ab


def bias(minute: int, *catgs: str) -> AB:
    """A bias AB of 22:<minute> that night."""
    return make_ab(
        f"MUSE.2014-10-22T22:{minute:02d}:00.000",
        "bias",
        mode="CALIB",
        date=NIGHT,
        products=catgs or ("MASTER_BIAS",),
    )


def biases(context: Context) -> list[AB]:
    """Three bias ABs, one with a product that is not saved, and virtual calibrations of two of them and a stranger."""
    abs_ = [
        processed(context, bias(0, "MASTER_BIAS", "BIAS_RESIDUALS")),
        processed(context, bias(10)),
        processed(context, bias(20)),
    ]
    context.tree.vcal.mkdir(parents=True, exist_ok=True)
    for name in (f"{abs_[0].root}_0000.hdr", f"{abs_[0].root}_0001.hdr", "r.MUSE.2014-10-21T22:00:00.000_tpl_0000.hdr"):
        (context.tree.vcal / name).write_text("header\n")
    (context.tree.product / "BIAS" / NIGHT / f"{abs_[0].root}_0000.gif").write_bytes(b"gif")
    (context.tree.product / "BIAS" / NIGHT / "core.1234").write_bytes(b"nobody's")
    return abs_


def target(context: Context, name: str = "NGC300", exposures: int = 2, **keys: Any) -> list[AB]:
    """A processed target: scibasic and scipost per exposure, align, combine."""
    day = 22 + len(name) % 5
    return [processed(context, ab, **keys) for ab in make_run(name, exposures, day=day)]


def dpc_of(abs_: list[AB]) -> AB:
    """The combine AB."""
    return next(ab for ab in abs_ if ab.tag == "dpc")


def picture(root: Path) -> dict[str, str]:
    """Every file below `root` with a hash of its content; the engine's own state left out, the trash by its path."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if "ENGINE" in inside.parts or path.suffix.startswith(".sqlite"):
            continue
        if path.is_file():
            content = path.read_bytes().replace(str(root).encode(), b"ROOT")
            found[str(inside)] = hashlib.sha256(content).hexdigest()
        elif not any(path.iterdir()):
            found[str(inside) + "/"] = ""
    return found


def places(found: Mapping[str, str], top: str) -> list[str]:
    """The files below one directory of a picture."""
    return [name.removeprefix(top + "/") for name in found if name.startswith(top + "/")]


def portrait(root: Path) -> dict[str, str]:
    """Everything below `root` with kind, mode and content or goal; the engine's own state left out."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != "ENGINE"]
        for name in (*folders, *files):
            path = Path(folder, name)
            inside, status = os.path.relpath(path, root), path.lstat()
            if ".sqlite" in name:
                continue
            if stat.S_ISLNK(status.st_mode):
                found[inside] = f"link to {path.readlink()}"
            elif stat.S_ISDIR(status.st_mode):
                found[f"{inside}/"] = f"{status.st_mode:o}"
            elif not stat.S_ISREG(status.st_mode):
                found[inside] = f"{status.st_mode:o}"
            else:
                found[inside] = f"{status.st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found
