"""QC as a stage: what is due, what trouble costs, scores corrected, rows that wait, pages, hooks, processQC."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigTrouble
from config.qc import Qc, QcSlot
from config.qc1_tables import qc1_table
from engine.context import Context
from engine.core.ab import AB
from engine.errors import UsageTrouble
from engine.events import AbMessage, AbScored, Notice, PhaseStarted
from engine.headers.cards import keywords
from engine.headers.verify import verify
from engine.pgi import QcSeen
from engine.pgis import pgi_phoenix_MUSE_postQC
from engine.process.qc import record as records
from engine.process.qc.beside import Beside
from engine.process.qc.order import checked
from engine.process.qc.qc1 import restored, store_of
from engine.process.qc.record import Record
from engine.process.qc.stage import qc_pool, waiting
from engine.process.qc.view import qc_view
from engine.processes import start_of
from engine.stores.abs import AbStore, read
from tests.accounts import DFOS
from tests.builders import make_ab, make_context, make_tree, record
from tests.fakes import make_fits, text_of, until

SINGLE = QcSlot(
    tags=("pst",), catgs=("DATACUBE*",), procedure="muse_single", scores="muse_single", table="muse_sci_single",
    flag="DATACUBE_SINGLE",
)  # fmt: skip
BIAS = QcSlot(catgs=("MASTER_BIAS*",), procedure="bias_dark", scores="bias_dark", table="general_bias")


class Scene:
    """An account with one single cube that was processed, and nothing of QC yet."""

    def __init__(self, root: Path, **qc: Any) -> None:
        self.tree = make_tree(root)
        procedures = qc.pop("procedures", {"single": SINGLE, "bias": BIAS})
        self.context: Context = make_context(root, tree=self.tree, qc=Qc(procedures=procedures, **qc))
        self.ab = self.made("scipost", "DATACUBE_FINAL", "IMAGE_FOV")

    def made(self, kind: str, *catgs: str, stem: str = "MUSE.2014-10-22T23:57:32.118", **changes: Any) -> AB:
        ab = make_ab(stem, kind, status="SUCCESSFUL", products=catgs, **changes)
        place = self.tree.product / ab.raw_type / ab.date
        place.mkdir(parents=True, exist_ok=True)
        for product in ab.products:
            make_fits(place / product.name, product.catg, BUNIT="10**(-20)*erg/s/cm**2/Angstrom")
        AbStore(self.tree).write(ab)
        return ab

    def product(self, number: int = 0) -> Path:
        return self.tree.product / self.ab.raw_type / self.ab.date / f"{self.ab.root}_{number:04d}.fits"

    async def qc(self, *abs_: AB, plugins: Any = None, **options: Any) -> Record:
        await qc_pool(self.context, abs_ or (self.ab,), plugins=plugins or {}, **options)
        found = records.load(records.place_of(self.tree, (abs_ or (self.ab,))[0]))
        assert found is not None
        return found

    def now(self) -> AB:
        return read(self.tree.ab / self.ab.name)


@pytest.fixture(autouse=True)
def fonts(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One font cache of matplotlib for all accounts: making it takes a second each time."""
    shared = tmp_path_factory.getbasetemp() / "matplotlib"
    shared.mkdir(exist_ok=True)
    tmp = make_tree(tmp_path).tmp
    (tmp / "matplotlib").symlink_to(shared)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def is_png(path: str) -> bool:
    return Path(path).read_bytes().startswith(b"\x89PNG")


def there(*paths: str) -> bool:
    return all(Path(path).is_file() for path in paths)


@pytest.mark.row(366)
@pytest.mark.row(370)
@pytest.mark.row(377)
async def test_one_ab_from_products_to_coversheet(scene: Scene) -> None:
    events = record(scene.context)
    found = await scene.qc()
    assert len(found.scores) == 7 and found.scores[0].value == "2 of 2" and len(found.flag) == 9
    assert keywords(scene.product(), ["QCFLAG"]) == {"QCFLAG": found.flag} == keywords(scene.product(1), ["QCFLAG"])
    assert not verify(scene.product()).problems, "the sums are right with QCFLAG, too"
    store = store_of(scene.tree, scene.context.settings)
    (row,) = store.rows(qc1_table("muse_sci_single", None), ("ab", "score_bit", "valid", "cdbfile"))
    assert row == {"ab": scene.ab.name, "score_bit": found.flag, "valid": 900, "cdbfile": scene.product().name}
    assert [one.score for one in store.scores(scene.ab.name)].count(0) == sum(s.mark == "." for s in found.scores)
    further = scene.now().further
    assert {f"{scene.ab.root}.png", f"{scene.ab.root}.hist.png", f"{scene.ab.root}_cs.html"} <= set(further)
    assert all((scene.product().parent / name).is_file() for name in further)
    page = (scene.product().parent / f"{scene.ab.root}_cs.html").read_text()
    assert f'src="./{scene.ab.root}.png"' in page and f"{scene.ab.root}.scores.html" in page
    report = (scene.tree.dfs_log / f"{scene.ab.root}.scores.html").read_text()
    assert "background" in report and found.flag in report and "HAS_SKY" in report
    kinds = [event for event in events if isinstance(event, PhaseStarted | AbScored)]
    assert kinds == [PhaseStarted("qc", "1 AB"), AbScored(scene.ab.name, found.digest)]


async def test_qc_is_due_once_and_again_where_it_was_cut_off(scene: Scene) -> None:
    await scene.qc()
    assert not waiting(scene.context, [scene.now()])
    path = records.place_of(scene.tree, scene.ab)
    before = path.stat().st_mtime_ns
    await scene.qc(scene.now())
    assert path.stat().st_mtime_ns == before
    path.unlink()  # killed before the record, which is written last of all
    assert waiting(scene.context, [scene.now()]) == [scene.now()]
    failed = make_ab(status="FAILED")
    assert not waiting(scene.context, [failed, make_ab(status="SUCCESSFUL", RECIPE="none")])


async def test_again_changes_nothing_in_products_whose_flag_is_the_same(scene: Scene) -> None:
    await scene.qc()
    before = scene.product().stat().st_mtime_ns
    further = scene.now().further
    await scene.qc(scene.now(), again=True)
    assert scene.product().stat().st_mtime_ns == before and scene.now().further == further


@pytest.mark.row(338)
@pytest.mark.parametrize("width", [1, 3])
async def test_serial_or_several_at_once_in_order(width: int, scene: Scene) -> None:
    abs_ = [scene.made("scibasic", "PIXTABLE_OBJECT", stem=f"MUSE.2014-10-22T01:0{n}:00.000") for n in range(5)]
    events = record(scene.context)
    outcome = await qc_pool(scene.context, abs_, plugins={}, width=width)
    assert outcome.scored == tuple(ab.name for ab in abs_) and outcome.text == "5 QC reports"
    order = [event.ab for event in events if isinstance(event, AbScored)]
    assert sorted(order) == sorted(ab.name for ab in abs_) and (width > 1 or order == [ab.name for ab in abs_])


@pytest.mark.row(373)
async def test_a_truncated_cube_is_red(scene: Scene) -> None:
    scene.product().write_bytes(scene.product().read_bytes()[:2880])
    scene.product(1).unlink()
    found = await scene.qc()
    marks = {score.name: score.mark for score in found.scores}
    assert (marks.get("size"), marks.get("complete")) == ("o", "o") or found.scores[0].name == "qc"
    assert scene.now().status == "SUCCESSFUL" and found.troubles


# --- trouble costs scores, never the AB -----------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "said"),
    [
        (QcSlot(procedure="qc_gone"), "$DFO_PROC_DIR is not defined"),
        (QcSlot(scores="nothing"), "config/scores/nothing.yaml"),
        (QcSlot(flag="NO_TYPE"), "no score bits for 'NO_TYPE'"),
        (QcSlot(table="nothing"), "config/qc1/nothing.yaml"),
        (QcSlot(instruments=("MUSE",), procedure="../evil"), "DFO_PROC_DIR"),
    ],
)
async def test_trouble_is_grey_and_says_so(slot: QcSlot, said: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, procedures={"x": slot})
    found = await scene.qc()
    (score,) = found.scores
    assert score.mark == "-" and said in score.remark and scene.now().status == "SUCCESSFUL"


async def test_a_procedure_that_does_not_answer_in_time_is_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Beside._started

    async def frozen(self: Beside) -> asyncio.subprocess.Process:
        process = await begun(self)
        process.send_signal(signal.SIGSTOP)
        return process

    monkeypatch.setattr(Beside, "_started", frozen)
    scene = Scene(tmp_path, timeout_s=0.01)
    found = await scene.qc()
    assert found.digest == "-" and "no answer within 0.01 s" in found.scores[0].remark


async def test_a_plugin_that_fails_is_told_and_costs_nothing(scene: Scene) -> None:
    class Broken:
        def cover(self, ab: AB, products: Any) -> tuple[str, ...]:
            raise RuntimeError("no cover today")

        def concluded(self, ab: AB, seen: QcSeen) -> Any:
            return "not a tuple"

    found = await scene.qc(plugins={"PGI_COVER": Broken(), "QC_FINAL_PLUGIN": Broken()})
    assert len(found.scores) == 7
    assert any("no cover today" in line for line in found.troubles) and any("tuple" in line for line in found.troubles)


@pytest.mark.row(378)
async def test_warnings_of_the_pipeline_log_reach_monitor_and_coversheet(scene: Scene) -> None:
    log = scene.tree.dfs_log / f"{scene.ab.root}.log"
    log.write_text("12:00 [WARNING] x: <b>sky</b> is bright\n12:01 [ INFO  ] fine\n12:02 [ ERROR ] y: bad \x1b[31m\n")
    events = record(scene.context)
    hooks = {"PGI_COVER": pgi_phoenix_MUSE_postQC, "QC_FINAL_PLUGIN": pgi_phoenix_MUSE_postQC}
    await scene.qc(plugins=hooks)
    (message,) = [event for event in events if isinstance(event, AbMessage)]
    assert message.text.startswith("1 ERROR, 1 WARNING: y: bad") and "\x1b" not in message.text
    page = (scene.product().parent / f"{scene.ab.root}_cs.html").read_text()
    assert "&lt;b&gt;sky&lt;/b&gt; is bright" in page and "normal field" in page and "fine" not in page


# --- the database ------------------------------------------------------------------------------------


@pytest.mark.row(367)
async def test_rows_wait_while_the_database_is_down_and_are_replayed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, database=f"sqlite:///{tmp_path}/gone/qc1.sqlite")
    found = await scene.qc()
    assert (
        len(found.scores) == 7 and found.scores[0].mark == "." and any("1 QC1 rows wait" in t for t in found.troubles)
    )
    local = scene.tree.state / "qc1" / "qc1_PIXTABLE_OBJECT.dat"
    assert local.read_text().startswith("qc1Ingest -table muse_sci_single -mjd_obs 569")
    (tmp_path / "gone").mkdir()
    other = scene.made("scipost", "DATACUBE_FINAL", "IMAGE_FOV", stem="MUSE.2014-10-23T00:00:00.000")
    assert not any("QC1" in line for line in (await scene.qc(other)).troubles)
    store = store_of(scene.tree, scene.context.settings)
    rows = store.rows(qc1_table("muse_sci_single", None), ("ab",))
    assert [row["ab"] for row in rows] == [scene.ab.name, other.name]
    assert not (scene.tree.state / "qc1_waiting.dat").exists() and len(local.read_text().splitlines()) == 2
    (tmp_path / "gone" / "qc1.sqlite").unlink()
    store = store_of(scene.tree, scene.context.settings)
    assert restored(scene.tree, store) == (2, 2), "all of it again, from the local copies"
    assert len(store.rows(qc1_table("muse_sci_single", None), ("ab",))) == 2 and store.scores(scene.ab.name)


@pytest.mark.parametrize("table", ["muse_sci_single", ""])
async def test_a_database_that_takes_nothing_is_told_once_a_run(table: str, tmp_path: Path) -> None:
    slot = SINGLE.model_copy(update={"table": table})
    gone = f"sqlite:///{tmp_path}/gone/qc1.sqlite"
    scene = Scene(tmp_path, database=gone, procedures={"single": slot})
    other = scene.made("scipost", "DATACUBE_FINAL", "IMAGE_FOV", stem="MUSE.2014-10-23T00:00:00.000")
    events = record(scene.context)
    await scene.qc(scene.ab, other)
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.level == "warning" and "QC1 rows wait" in notice.text


async def test_why_abs_are_not_scored_is_told_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, procedures={"x": QcSlot(scores="nothing")})
    other = scene.made("scipost", "DATACUBE_FINAL", stem="MUSE.2014-10-23T00:00:00.000")
    events = record(scene.context)
    await scene.qc(scene.ab, other)
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.text.startswith(f"{scene.ab.name} and 1 more: not scored") and "nothing.yaml" in notice.text


async def test_local_copies_go_to_dfo_proc_dir_where_there_is_one(scene: Scene, tmp_path: Path) -> None:
    place = tmp_path / "proc"
    place.mkdir()
    scene.tree.variables["DFO_PROC_DIR"] = str(place)  # type: ignore[index]
    await scene.qc()
    assert (place / "qc1_PIXTABLE_OBJECT.dat").is_file()


async def test_statistical_scores_see_the_history_and_the_view_shows_it(scene: Scene) -> None:
    biases = [
        scene.made("bias", "MASTER_BIAS", mode="CALIB", date="2014-10-22", stem=f"MUSE.2014-10-22T2{n}:00:00.000")
        for n in range(4)
    ]
    biases += [
        scene.made("bias", "MASTER_BIAS", mode="CALIB", date="2014-10-22", stem=f"MUSE.2014-10-2{n}T12:00:00.000")
        for n in (3, 4)
    ]
    for ab in biases[:-1]:
        found = await scene.qc(ab)
    assert "4 of at least 5 points" in found.scores[2].remark
    last = biases[-1]
    product = scene.tree.product / last.raw_type / last.date / last.products[0].name
    make_fits(product, "MASTER_BIAS", **{"MJD-OBS": 56952.75})  # another time than that of the name
    found = await scene.qc(last)
    assert {score.name: score.mark for score in found.scores}["level_trend"] == "."
    view = qc_view(scene.tree, scene.context.settings, last)
    trend = next(score for score in view.scores if score.name == "level_trend")
    assert len(trend.history) == 5 and trend.hc and is_png(trend.plot)
    assert trend.low is not None and trend.number is not None and trend.low <= trend.number
    assert view.colour == "green" and there(view.report, view.coversheet)
    assert len(view.plots) >= 3 and view.detectors and not view.trouble
    product.unlink()  # as when it has moved
    (again,) = [one for one in qc_view(scene.tree, scene.context.settings, last).scores if one.name == trend.name]
    assert len(again.history) == 5, "it is no earlier value of itself"


async def test_the_view_of_an_ab_without_qc_is_empty(scene: Scene) -> None:
    assert qc_view(scene.tree, scene.context.settings, scene.ab).scores == ()
    await scene.qc()
    view = qc_view(scene.tree, scene.context.settings, scene.ab)
    assert [bit.name for bit in view.bits][:2] == ["CHECK_BKG", "IS_OBJ"] and len(view.bits) == 9


# --- corrections ------------------------------------------------------------------------------------------


async def test_a_threshold_that_changed_counts_without_measuring_again(scene: Scene) -> None:
    await scene.qc()
    scene.product().unlink()  # not looked at any more
    own = scene.tree.config / "scores"
    own.mkdir()
    (own / "muse_single.yaml").write_text("source: ours\nscores:\n  - {name: size, param: valid, low: 1000}\n")
    words = await checked(scene.context, [scene.now()], {"qc": "only", "rescore": "yes"}, {})
    found = records.load(records.place_of(scene.tree, scene.ab))
    assert found is not None and words == "scores of 1 of 1 AB changed"
    words = await checked(scene.context, [scene.now()], {"qc": "only", "rescore": "yes"}, {})
    assert words == "scores of 0 of 1 AB changed", "nothing did"
    assert [(score.name, score.value, score.mark) for score in found.scores] == [("size", "900", "o")]


async def test_scores_are_forced_green_with_a_reason_and_deleted(scene: Scene) -> None:
    await scene.qc()
    with pytest.raises(UsageTrouble, match="with a reason"):
        await checked(scene.context, [scene.now()], {"qc": "only", "green": " "}, {})
    await checked(scene.context, [scene.now()], {"qc": "only", "green": "seen by eye"}, {})
    found = records.load(records.place_of(scene.tree, scene.ab))
    assert found is not None and set(found.digest) == {"."} and "forced green by operator: seen by eye" in found.decided
    assert any("forced green by operator: seen by eye (was -" in score.remark for score in found.scores)
    await checked(scene.context, [scene.now()], {"qc": "only", "delete": "yes"}, {})
    found = records.load(records.place_of(scene.tree, scene.ab))
    assert found is not None and found.digest == "" and found.values and "deleted by operator" in found.decided
    assert store_of(scene.tree, scene.context.settings).scores(scene.ab.name) == []
    assert not waiting(scene.context, [scene.now()]), "and they stay away"


async def test_orders_for_unknown_or_unprocessed_abs_are_refused(scene: Scene) -> None:
    with pytest.raises(UsageTrouble, match="is not among the ABs"):
        await checked(scene.context, [scene.ab], {"qc": "only", "abs": "x.ab"}, {})
    created = make_ab(stem="MUSE.2014-10-23T00:00:00.000")
    with pytest.raises(UsageTrouble, match="is CREATED"):
        await checked(scene.context, [created], {"qc": "only", "abs": created.name}, {})


# --- external procedures --------------------------------------------------------------------------------------


def external(tmp_path: Path, body: str) -> Scene:
    scene = Scene(tmp_path, procedures={"own": QcSlot(procedure="qc_own", scores="own")})
    place = tmp_path / "proc"
    place.mkdir(mode=0o755)
    scene.tree.variables["DFO_PROC_DIR"] = str(place)  # type: ignore[index]
    script = place / "qc_own"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    (scene.tree.config / "scores").mkdir()
    (scene.tree.config / "scores" / "own.yaml").write_text(
        "source: x\nscores:\n  - {name: x, param: median_x, low: 5}\n"
    )
    return scene


@pytest.mark.row(365)
@pytest.mark.parametrize(
    "output", ["echo \"-median_x 7.5 -name 'a b'\" > $QC1_OUTPUT", 'echo "{\\"median_x\\": 7.5}" > $QC1_OUTPUT']
)
async def test_an_external_procedure_is_called_as_the_classic_ones(output: str, tmp_path: Path) -> None:
    scene = external(tmp_path, f'echo "$@ in $PWD"; {output}')
    found = await scene.qc()
    assert found.digest == "." and found.values["median_x"] == 7.5 and found.values["made"] == 2
    log = (scene.tree.dfs_log / f"{scene.ab.name.removesuffix('.ab')}.qclog").read_text()
    assert log.strip() == f"-a {scene.ab.name} -u operator -level 1 in {scene.product().parent}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 3", "failed with exit code 3"),
        ("true", "wrote nothing to $QC1_OUTPUT"),
        ("echo median 7 8 > $QC1_OUTPUT", "makes no sense"),
        ("echo '{\"a b\": 1}' > $QC1_OUTPUT", "makes no sense"),
        ("echo '{' > $QC1_OUTPUT", "makes no sense"),
        ("head -c 3000000 /dev/zero > $QC1_OUTPUT", "wrote more than"),
        ("printf '\\377\\376' > $QC1_OUTPUT", "cannot be read"),
    ],
)
async def test_an_external_procedure_that_goes_wrong_is_grey(body: str, said: str, tmp_path: Path) -> None:
    found = await external(tmp_path, body).qc()
    assert found.digest == "-" and said in found.scores[0].remark


async def test_what_has_left_the_group_of_a_procedure_ends_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    scene = external(tmp_path, f"setsid sh -c 'echo $$ > {note}; exec sleep 1000' & sleep 1000")
    run = asyncio.create_task(scene.qc())
    await until(lambda: text_of(note).endswith("\n"))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await until(lambda: not start_of(int(text_of(note))))


async def test_an_external_procedure_that_hangs_is_ended(tmp_path: Path) -> None:
    scene = external(tmp_path, "mkfifo $TMP_DIR/f; read x < $TMP_DIR/f")
    settings = scene.context.settings
    short = settings.model_copy(update={"qc": settings.qc.model_copy(update={"timeout_s": 1.0})})
    object.__setattr__(scene.context, "settings", short)
    found = await scene.qc()
    assert "did not end within 1 s" in found.scores[0].remark


async def test_a_procedure_cannot_fill_the_disk_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.process.qc.external._LARGEST_LOG", 1000)
    scene = external(tmp_path, "yes | head -c 3000000; echo '-median_x 7' > $QC1_OUTPUT")
    assert (await scene.qc()).digest == "."
    log = scene.tree.dfs_log / f"{scene.ab.name.removesuffix('.ab')}.qclog"
    assert log.stat().st_size < 1100 and "cut" in log.read_text()


async def test_products_that_a_procedure_removes_are_put_back(tmp_path: Path) -> None:
    scene = external(tmp_path, "rm -f *.fits; echo '-median_x 7' > $QC1_OUTPUT")
    before = scene.product().read_bytes()
    found = await scene.qc()
    assert scene.product().read_bytes() == before and scene.product(1).is_file()
    assert found.digest == "-" and "took" in found.scores[0].remark
    assert not [path for path in scene.product().parent.iterdir() if path.name.startswith(".")]


async def test_a_procedure_that_everybody_may_write_is_not_run(tmp_path: Path) -> None:
    scene = external(tmp_path, "true")
    script = tmp_path / "proc" / "qc_own"
    script.chmod(script.stat().st_mode | stat.S_IWOTH)
    assert "may be written by everybody" in (await scene.qc()).scores[0].remark


# --- raw screenshots ---------------------------------------------------------------------------------------------


async def test_raw_frames_of_the_latest_dates_are_drawn_and_kept(scene: Scene) -> None:
    for day in range(1, 9):
        (scene.tree.raw / f"2014-10-0{day}").mkdir()
    abs_ = {}
    for day in ("2014-10-01", "2014-10-08"):
        make_fits(scene.tree.raw / day / "raw.fits", "RAW")
        sof = [(f"$DFO_RAW_DIR/{day}/raw.fits", "BIAS")]
        abs_[day] = scene.made("bias", "MASTER_BIAS", mode="CALIB", date=day, sof=sof)
    await qc_pool(scene.context, list(abs_.values()), plugins={})
    drawn = scene.tree.plt / "RAWDISP" / "2014-10-08" / "raw.png"
    assert drawn.read_bytes().startswith(b"\x89PNG") and not (scene.tree.plt / "RAWDISP" / "2014-10-01").exists()
    page = scene.tree.product / "BIAS" / "2014-10-08" / f"{abs_['2014-10-08'].root}_cs.html"
    assert "RAWDISP/2014-10-08/raw.png" in page.read_text()
    before = drawn.stat().st_mtime_ns
    await qc_pool(scene.context, [abs_["2014-10-08"]], plugins={}, again=True)
    assert drawn.stat().st_mtime_ns == before


# --- commands -------------------------------------------------------------------------------------------------------


def call(*words: str, code: int = 0) -> str:
    done = subprocess.run([*DFOS, *words], capture_output=True, text=True, timeout=180)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.row(375)
def test_qcflag_is_explained_without_an_account() -> None:
    out = call("qcflag", "0010000000")
    assert " 3  1  HAS_SKY       0: dedicated SKY exists" in out and len(out.splitlines()) == 10
    assert json.loads(call("qcflag", "-i", "GIRAFFE", "--json", "0" * 9))[0]["number"] == 0
    assert "is no QCFLAG" in call("qcflag", "0012", code=2)
    assert "is no QCFLAG" in call("qcflag", "-t", "DATACUBE_DEEP", "0" * 9, code=2)


def test_nonsense_is_no_data_type() -> None:
    with pytest.raises(ConfigTrouble):
        qc1_table("../../etc/passwd", None)
