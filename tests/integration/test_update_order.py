"""updateAB on an account: listed ABs only, what it changes, what it warns of, what it leaves alone, twice and cut."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from config.update import Update
from console.cli.main import run
from console.cli.update import parser
from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.atomic.trash import listing
from engine.context import Context
from engine.core.ab import AB, parse
from engine.core.done import Done
from engine.errors import Busy, MoveTrouble, UsageTrouble
from engine.events import Notice
from engine.release.update import order as update_order
from engine.release.update.order import planned, update
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from engine.transfer.ingest.states import INGESTED, IngestStates, Item
from engine.workflows import tools
from tests.builders import make_ab, record
from tests.released import NIGHT, bias, picture, processed, release_context, write_product

FLAT = "MUSE.2014-10-22T23:10:05.402"


def flat(parent: AB) -> AB:
    """A flat AB that names a bias, a static table, a calibration of another night, and a graphic."""
    return make_ab(
        FLAT,
        "bias",
        mode="CALIB",
        date=NIGHT,
        calibs=[
            ("VIRTUAL", f"$DFS_PRODUCT/BIAS/{NIGHT}/{parent.root}_0000.fits", "MASTER_BIAS"),
            ("VIRTUAL", "$DFO_CAL_DIR/gen/MU_GBPX.fits", "BADPIX_TABLE"),
            ("REAL", "$DFO_CAL_DIR/2014-10-20/MU_MDRK_gone.fits", "MASTER_DARK"),
        ],
        products=("MASTER_FLAT", "TRACE_TABLE"),
        extra=(
            "# whose comment",
            f"MASSOC VIRTUAL $DFS_PRODUCT/BIAS/{NIGHT}/{parent.root}_0000.fits MASTER_BIAS",
            f"FURTHER r.{FLAT}_tpl_0000.png",
            f"FURTHER r.{FLAT}_tpl.gone.png",
            f"FURTHER r.{FLAT}_tpl.gif",
        ),
    )


def moved(context: Context, ab: AB, names: dict[int, str]) -> AB:
    """An AB as moveProducts leaves it, but with its old text: products in place, log and plots too."""
    tree = context.tree
    ab = processed(context, ab)
    final, log, plots = tree.final(ab.mode) / ab.date, tree.log / ab.date, tree.plt / ab.date
    for place in (final, log, plots):
        place.mkdir(parents=True, exist_ok=True)
    for number, name in names.items():
        (tree.product / ab.raw_type / ab.date / f"{ab.root}_{number:04d}.fits").rename(final / name)
    (tree.ab / ab.name).rename(log / ab.name)
    (tree.dfs_log / f"{ab.root}.log").rename(log / f"{ab.root}.log")
    for plot in (tree.product / ab.raw_type / ab.date).glob("*.png"):
        plot.rename(plots / plot.name)
    return ab


def night(context: Context) -> list[AB]:
    """A bias and a flat that moved; one more bias that is not listed; one that is not processed."""
    parent = moved(context, bias(0), {0: "MU_MBIA_141022A_SCI1.0.fits"})
    child = moved(context, flat(parent), {0: "MU_MFLA_141022A_WFM.fits"})
    stranger = moved(context, bias(10), {})
    waiting = bias(20)
    AbStore(context.tree).write(waiting)
    (context.tree.cal / "gen").mkdir()
    (context.tree.cal / "gen" / "MU_GBPX.hdr").write_text("SIMPLE = T\n")
    AbStore(context.tree).write_list("CALIB", NIGHT, [parent, child, waiting])
    return [parent, child, stranger, waiting]


def logged(context: Context, ab: AB) -> AB:
    path = context.tree.log / ab.date / ab.name
    return parse(path.read_bytes(), path.name)


def listed(context: Context, *abs_: AB) -> None:
    AbStore(context.tree).write_list(abs_[0].mode, abs_[0].date, list(abs_))


@pytest.mark.row(94, 96, 97)
def test_calib_products_calibrations_and_time(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    parent, child, *_ = night(context)
    events = record(context)
    done = asyncio.run(tools.ordered(context, Order("CALIB", NIGHT, tool="updateAB"), {}))
    assert done == Done(0, done.text) and done.text.startswith("2 ABs updated, 0 unchanged; 1 warnings")
    new = logged(context, child)
    assert [(p.name, p.state) for p in new.products] == [
        ("MU_MFLA_141022A_WFM.fits", "REAL"),
        (f"{child.root}_0001.fits", "VIRTUAL"),
    ]
    assert [(c.state, c.path) for c in new.calibs] == [
        ("REAL", f"$DFO_CAL_DIR/{NIGHT}/MU_MBIA_141022A_SCI1.0.fits"),
        ("REAL", "$DFO_CAL_DIR/gen/MU_GBPX.fits"),
        ("VIRTUAL", "$DFO_CAL_DIR/2014-10-20/MU_MDRK_gone.fits"),
    ]
    assert new.values("MASSOC") == (f"REAL $DFO_CAL_DIR/{NIGHT}/MU_MBIA_141022A_SCI1.0.fits MASTER_BIAS",)
    assert new.get("PROD_PATH") == f"$DFO_CAL_DIR/{NIGHT}" and new.get("UPDATED") == context.utc()
    assert logged(context, parent).get("UPDATED") == context.utc()
    assert (context.tree.mon / "DFO_STATUS").read_text() == f"cal_Updated {NIGHT} {context.utc()} operator\n"
    told = [event.text for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert told == [f"{child.name}: graphic r.{FLAT}_tpl.gone.png is missing"]


@pytest.mark.row(95)
def test_an_ab_that_is_not_listed_is_untouched_and_told(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    _, _, stranger, waiting = night(context)
    paths = [context.tree.log / NIGHT / stranger.name, context.tree.ab / waiting.name]
    before = [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in paths]
    plan = asyncio.run(update(context, "CALIB", NIGHT))
    assert [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in paths] == before
    assert plan.notes == (
        f"{stranger.name} is not in the AB_list: untouched",
        f"{waiting.name} is not processed yet: untouched",
    )


@pytest.mark.row(94)
def test_only_names_places_and_states_change(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    night(context)
    plan = planned(context.tree, context.settings, None, "CALIB", NIGHT, context.utc())
    fields = ("PRODUCTS", "PROD_PATH", "MCALIB", "MASSOC", "LOG_NAME", "UPDATED")
    for change in plan.changes:
        assert change.diff()
        assert all(line[1:].startswith(fields) for line in change.diff())
        kept = [
            [line for line in text.splitlines() if not line.startswith(fields)]
            for text in (change.before, change.after)
        ]
        assert kept[0] == kept[1]


@pytest.mark.row(100)
def test_a_second_call_writes_nothing_and_says_so(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    night(context)
    asyncio.run(update(context, "CALIB", NIGHT))
    before, calls = picture(context.tree.root), []
    with fs.probed(lambda verb, path: calls.append((verb, path))):
        done = asyncio.run(update_order.ordered(context, Order("CALIB", NIGHT, tool="updateAB"), {}))
    assert done.text.startswith("nothing to update, 2 ABs as they should be")
    assert calls == [] and picture(context.tree.root) == before


def test_the_abs_as_they_were_are_in_the_trash(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = night(context)[:2]
    texts = [(context.tree.log / NIGHT / ab.name).read_bytes() for ab in abs_]
    (context.tree.log / NIGHT / abs_[0].name).chmod(0o600)
    asyncio.run(update(context, "CALIB", NIGHT))
    retired = {entry.origin.name: entry for entry in listing(context.tree)}
    assert [retired[ab.name].path.read_bytes() for ab in abs_] == texts
    assert retired[abs_[0].name].why == "the AB before updateAB"
    assert (context.tree.log / NIGHT / abs_[0].name).stat().st_mode & 0o777 == 0o600


@pytest.mark.row(98)
@pytest.mark.parametrize(
    ("settings", "mode", "checked"),
    [
        (Update(), "CALIB", True),
        (Update(nocheck=True), "CALIB", False),
        (Update(nocheck=True), "SCIENCE", False),
        (Update(), "SCIENCE", True),
        (Update(profile="phoenix"), "SCIENCE", False),
        (Update(profile="phoenix", nocheck=True), "CALIB", True),
    ],
)
def test_nocheck_and_the_exceptions_of_phoenix(settings: Update, mode: str, checked: bool, tmp_path: Path) -> None:
    context = release_context(tmp_path, update=settings)
    kind = "bias" if mode == "CALIB" else "scibasic"
    gone = ("REAL", "$DFO_CAL_DIR/2014-10-20/MU_MDRK_gone.fits", "MASTER_DARK")
    ab = make_ab(FLAT, kind, mode=mode, date=NIGHT, calibs=[gone], products=("IMAGE_FOV",))
    ab = moved(context, ab, {0: "MU_A.fits"})
    listed(context, ab)
    asyncio.run(update(context, mode, NIGHT))
    new = logged(context, ab)
    assert new.calibs[0].state == ("VIRTUAL" if checked else "REAL")
    assert new.products[0].state == ("REAL" if mode == "CALIB" else "EXISTING")


@pytest.mark.row(96)
@pytest.mark.parametrize("form", ["fits", "fits.fz", "tfits", "hdr", "archived", "gone"])
def test_every_form_of_a_product_counts(form: str, tmp_path: Path) -> None:
    context = release_context(tmp_path)
    combined = make_ab(FLAT, "combine", date=NIGHT, products=("IMAGE_FOV",))
    ab = moved(context, combined, {0: "MU_A.fits"})
    listed(context, ab)
    path = context.tree.sci / NIGHT / "MU_A.fits"
    if form == "fits.fz":
        with fits.open(path) as hdus:
            packed = fits.CompImageHDU(hdus[0].data, hdus[0].header)
            fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path.with_name("MU_A.fits.fz"))
    elif form == "tfits":
        path.with_suffix(".tfits").write_bytes(path.read_bytes())
    elif form == "hdr":
        path.with_suffix(".hdr").write_text(fits.getheader(path).tostring(sep="\n"))
    elif form == "archived":
        asyncio.run(update(context, "SCIENCE", NIGHT))
        IngestStates(context.db, "SCIENCE", NIGHT).save([Item("MU_A.fits", 1, 1, INGESTED)])
    if form != "fits":
        path.unlink()
    asyncio.run(update(context, "SCIENCE", NIGHT))
    product = logged(context, ab).products[0]
    names = {"fits.fz": "MU_A.fits.fz", "tfits": "MU_A.tfits", "gone": ab.products[0].name}
    assert (product.name, product.state) == (names.get(form, "MU_A.fits"), "MISSING" if form == "gone" else "EXISTING")


@pytest.mark.row(96)
def test_the_name_of_the_log_is_checked(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    first, second, third = (moved(context, bias(minute), {}) for minute in (0, 10, 20))
    for ab, name in ((first, ""), (second, "old.log"), (third, "old.log")):
        path = context.tree.log / NIGHT / ab.name
        path.write_bytes(ab.with_value("LOG_NAME", name).render())
    (context.tree.log / NIGHT / f"{third.root}.log").unlink()
    (context.tree.cal / NIGHT).mkdir(exist_ok=True)
    listed(context, first, second, third)
    plan = asyncio.run(update(context, "CALIB", NIGHT))
    assert [logged(context, ab).get("LOG_NAME") for ab in (first, second, third)] == [
        f"{first.root}.log",
        f"{second.root}.log",
        "old.log",
    ]
    assert plan.warnings == ((third.name, "pipeline log old.log is missing"),)


def test_hostile_lists_and_abs_are_findings(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    good = moved(context, bias(0), {0: "MU A.fits"})
    (context.tree.cal / NIGHT / "MU_B.fits").write_bytes(b"no FITS")
    for name in ("MU_C.fits", "MU_D.fits"):
        write_product(context, bias(0), 0, "MASTER_BIAS").rename(context.tree.cal / NIGHT / name)
    binary, other = bias(10), bias(20)
    (context.tree.ab / binary.name).write_bytes(b"\x00")
    (context.tree.ab / other.name).write_bytes(other.with_value("BATCH_ID", "CALIB_2014-10-23").render())
    names = (good.name, "../../etc/passwd", "", f"{binary.name} x", other.name, good.name, bias(30).name, "\xff\xfe")
    AbStore(context.tree).ab_list("CALIB", NIGHT).write_bytes("\n".join(names).encode("latin-1"))
    told = planned(context.tree, context.settings, context.db, "CALIB", NIGHT, context.utc()).findings
    done = asyncio.run(update_order.ordered(context, Order("CALIB", NIGHT, tool="updateAB"), {}))
    assert done.exit_code == 1
    assert done.text.startswith(f"1 AB updated, 0 unchanged; {len(told)} findings, first: {told[0]}")
    for text in (
        "'../../etc/passwd' is not an AB name",
        f"{bias(30).name} is listed and stands neither",
        "binary data",
        f"several products say PIPEFILE {good.root}_0000.fits",
    ):
        assert any(text in finding for finding in told), text
    assert logged(context, good).products[0].name == "MU_C.fits"  # a name with a blank no AB could hold


def test_without_list_or_directory_nothing_is_judged(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    with pytest.raises(MoveTrouble, match="there is no AB_list_CALIB"):
        asyncio.run(update(context, "CALIB", NIGHT))
    listed(context, moved(context, bias(0), {}))
    shutil.rmtree(context.tree.cal / NIGHT)
    with pytest.raises(MoveTrouble, match="no directory of products"):
        asyncio.run(update(context, "CALIB", NIGHT))
    for mode, date in (("GEN", NIGHT), ("CALIB", "../x")):
        with pytest.raises(UsageTrouble):
            asyncio.run(update(context, mode, date))


def test_calibrations_outside_the_account_are_not_looked_for(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    paths = ("$DFO_CAL_DIR/../../x/MU_A.fits", "/etc/..", "$DFO_CAL_DIR/VCAL/r.x_0000.fits", "x.fits")
    ab = make_ab(FLAT, "bias", mode="CALIB", date=NIGHT, calibs=[("VIRTUAL", path, "X") for path in paths])
    ab = moved(context, ab, {})
    (context.tree.vcal).mkdir()
    (context.tree.vcal / "r.x_0000.fits").write_text("virtual")
    listed(context, ab)
    asyncio.run(update(context, "CALIB", NIGHT))
    assert [(calib.state, calib.path) for calib in logged(context, ab).calibs] == [("VIRTUAL", p) for p in paths]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    night(context)

    async def both() -> list[Any]:
        two = (update(context, "CALIB", NIGHT), update(context, "CALIB", NIGHT))
        return [*await asyncio.gather(*two, return_exceptions=True)]

    results = asyncio.run(both())
    assert [type(result) for result in results if isinstance(result, BaseException)] == [Busy]


@pytest.mark.row(97)
def test_the_placeholder_date_gets_a_time_and_no_status(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = moved(context, make_ab(FLAT, "combine", date="2099-99-99", products=("IMAGE_FOV",)), {0: "MU_A.fits"})
    listed(context, ab)
    asyncio.run(update(context, "SCIENCE", "2099-99-99"))
    assert logged(context, ab).get("UPDATED") and not (context.tree.mon / "DFO_STATUS").exists()


@pytest.mark.row(27, 94)
def test_the_command_shows_what_would_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = release_context(tmp_path)
    night(context)
    (context.tree.root / ".dfosrc").write_text(
        "".join(f"export {name}={value}\n" for name, value in context.tree.variables.items())
    )
    (context.tree.config / "dfos.yaml").write_text("profile: MUSE_DEEP\n")
    for fact in ("databases:", "dfos tools used:", "output used by:", "upload/download:"):
        assert fact in parser().format_help()
    before = picture(context.tree.root)
    call = ["-m", "CALIB", "-d", NIGHT, "--dry-run", "--root", str(context.tree.root)]
    assert run("updateAB", call) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  +PRODUCTS MU_MFLA_141022A_WFM.fits MASTER_FLAT REAL" in [line.replace("        ", "") for line in lines]
    assert lines[-1].endswith("nothing was written")
    assert run("updateAB", [*call, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["changes"]) == 2
    assert picture(context.tree.root) == before
    assert run("updateAB", ["-m", "CALIB", "-d", "2014-10-23", "--root", str(context.tree.root), "--dry-run"]) == 15


# --- power cuts ---------------------------------------------------------------------------


class PowerCut(BaseException):
    """The machine is gone."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    root = Path(tempfile.mkdtemp(prefix="dfos-", dir=shared if shared.is_dir() else tmp_path))
    yield root
    shutil.rmtree(root)


def counted(root: Path, cut_at: int = 0, *, first: bool = False) -> int:
    """Update (after recovery unless `first`) with the power cut before call `cut_at`; the number of calls."""
    context, calls = release_context(root), 0

    def probe(verb: str, path: str) -> None:
        nonlocal calls
        calls += 1
        if cut_at and calls >= cut_at:
            if calls == cut_at and verb == "fsync" and path.endswith(".dfos~"):
                Path(path).write_bytes(Path(path).read_bytes()[:-10])
            raise PowerCut

    try:
        with fs.probed(probe):
            if not first:
                asyncio.run(recover(context))
            asyncio.run(update(context, "CALIB", NIGHT))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()
    return calls


def test_power_cut_before_every_call(memory: Path) -> None:
    template = memory / "template"
    context = release_context(template)
    night(context)
    context.db.close()
    shutil.copytree(template, memory / "whole")
    total = counted(memory / "whole", first=True)
    wanted = picture(memory / "whole" / "account")
    assert total > 15
    for at in range(1, total + 1):
        root = memory / "cut"
        shutil.copytree(template, root)
        with pytest.raises(PowerCut):
            counted(root, at, first=True)
        counted(root)
        assert picture(root / "account") == wanted, f"cut before call {at} of {total}"
        assert counted(root) == 0, f"second recovery after the cut before call {at}"
        shutil.rmtree(root)
