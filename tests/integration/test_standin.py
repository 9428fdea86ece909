"""The stand-in pipeline, called as a process the way esorex is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from engine.core.ab import AB, parse
from engine.core.cascade import cascade
from engine.demo import account_files, truth
from engine.demo.account import DemoAccount, DemoSpec, build_account
from engine.pgis.pgi_phoenix_MUSE_AB_deep import propose

REPO = Path(__file__).parents[2]


@dataclass
class Ended:
    """How a call ended."""

    rc: int
    out: str
    err: str
    cwd: Path

    @property
    def products(self) -> dict[str, str]:
        listed = json.loads((self.cwd / "products.json").read_text())
        return {entry["category"]: entry["name"] for entry in listed}


def call(cwd: Path, *words: str, listing: bool = True) -> Ended:
    cwd.mkdir(parents=True, exist_ok=True)
    options = ["--products-sof=products.json"] if listing else []
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.demo.standin", *options, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(REPO), "PATH": os.defpath, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, cwd)


def sof(cwd: Path, *lines: tuple[Path | str, str]) -> str:
    cwd.mkdir(parents=True, exist_ok=True)
    (cwd / "in.sof").write_text("".join(f"{path} {tag}\n" for path, tag in lines))
    return "in.sof"


def abs_of(account: DemoAccount) -> list[AB]:
    source = account.root / account_files.BRANCH / account.run_id
    deep = propose(tuple(parse(path.read_bytes(), path.name) for path in sorted(source.glob("*.ab"))))
    calib = [parse(path.read_bytes(), path.name) for path in account.tree.ab.glob("*.ab")]
    pool = {ab.name: ab for ab in (*calib, *deep)}
    return [pool[name] for name in cascade(pool.values(), {}).order]


def run_ab(account: DemoAccount, ab: AB) -> Ended:
    """One AB through the stand-in, its products in $DFS_PRODUCT under the names its PRODUCTS lines predict."""
    cwd = account.tree.tmp / ab.name
    lines = [(account.tree.expand(entry.path), entry.tag) for entry in ab.sof]
    ended = call(cwd, ab.recipe, *ab.params, sof(cwd, *lines))
    assert ended.rc == 0, ended.err
    listed = json.loads((cwd / "products.json").read_text())
    directory = account.tree.product / ab.raw_type / ab.date
    directory.mkdir(parents=True, exist_ok=True)
    for expected in ab.products:
        entry = next(entry for entry in listed if entry["category"] == expected.catg)
        listed.remove(entry)
        (cwd / entry["name"]).rename(directory / expected.name)
    assert not listed, "products that no AB predicts"
    return ended


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoAccount, dict[str, Ended]]:
    """A whole demo run on the stand-in: one target, three exposures, one sky."""
    account = build_account(tmp_path_factory.mktemp("standin") / "demo", DemoSpec(1, 3, 1), lambda _: None)
    return account, {ab.name: run_ab(account, ab) for ab in abs_of(account)}


@pytest.mark.row(437)
def test_the_whole_cascade_recovers_what_was_injected(done):
    account, _ = done
    checked = truth.check(account.tree)
    assert checked.passed, checked.lines
    (target,) = checked.targets
    assert target.offsets_found == 3 and target.offset_error < 0.01


def test_it_says_that_it_is_the_stand_in(done):
    _, ended = done
    for name, run in ended.items():
        assert "STAND-IN" in run.out.splitlines()[1], name
        log = (run.cwd / "esorex.log").read_text().splitlines()
        assert log[0].startswith("Start time     : ")
        assert "STAND-IN" in next(line for line in log if "[ INFO  ] esorex:" in line)
        assert run.err == "" and not (run.cwd / ".logfile").exists()


def test_products_have_the_header_chain_and_right_checksums(done):
    account, _ = done
    files = sorted(account.tree.product.rglob("*.fits"))
    assert len(files) == 1 + 1 + 5 + 3 + 3 * 3 + 5 + 2
    for path in files:
        with fits.open(path, checksum=True) as file:  # a wrong sum would warn, and warnings are errors
            header = file[0].header
        recipes = [header[f"ESO PRO REC{i} ID"] for i in range(1, 6) if f"ESO PRO REC{i} ID" in header]
        assert header[f"ESO PRO REC{len(recipes)} PIPE ID"] == "standin/0.1"
        assert header["PIPEFILE"].startswith(header["ESO PRO CATG"])
        assert len(header["DATAMD5"]) == 32 and header["ARCFILE"].startswith("MUSE.2014")
        assert "ESO DPR TYPE" not in header
    (cube,) = account.tree.product.glob("PIXTABLE_REDUCED/*/*_dpc_0000.fits")
    header = fits.getheader(cube)
    chain = [header[f"ESO PRO REC{i} ID"] for i in (1, 2, 3)]
    assert chain == ["muse_scibasic", "muse_scipost", "muse_exp_combine"]
    assert header["ESO PRO DATANCOM"] == 3 and header["ESO PRO SCIENCE"] is True
    assert header["ESO DRS MUSE OFFSET3 DATE-OBS"] and header["ESO QC EXPCOMB FWHM MEDIAN"] == pytest.approx(
        0.8, abs=0.1
    )


def test_the_sky_is_really_subtracted(done):
    account, _ = done
    (first, *_) = sorted(account.tree.product.glob("PIXTABLE_OBJECT/*/*_pst_0001.fits"))
    image = fits.getdata(first, "DATA")
    assert abs(np.nanmedian(image)) < 5  # the injected sky is 100
    assert np.nanmax(image) > 400


def test_alignment_sharpens_the_cube(done, tmp_path: Path):
    account, _ = done
    tables = sorted(account.tree.product.glob("PIXTABLE_OBJECT/*/*_pst_0002.fits"))
    blurred = call(tmp_path, "muse_exp_combine", sof(tmp_path, *((path, "PIXTABLE_REDUCED") for path in tables)))
    assert blurred.rc == 0
    (sharp,) = account.tree.product.glob("PIXTABLE_REDUCED/*/*_dpc_0000.fits")
    key = "ESO QC EXPCOMB FWHM MEDIAN"
    assert fits.getheader(tmp_path / "DATACUBE_FINAL.fits")[key] > fits.getheader(sharp)[key] + 0.05


@pytest.mark.parametrize(
    ("words", "rc", "text"),
    [
        (("muse_bias", "none.sof"), 9, "Unable to open SOF file 'none.sof'"),
        (("muse_bias", "missing.sof"), 9, "Could not open the input file '/nowhere/a.fits' with tag 'BIAS'"),
        (("muse_warp", "empty.sof"), 13, "Unable to find recipe 'muse_warp'"),
        (("muse_bias", "--warp=9", "empty.sof"), 255, "'--warp=9' not recognized"),
        (
            ("muse_bias", "--nifu=one", "empty.sof"),
            255,
            "'Type mismatch' occurred during the processing of the option '--nifu'",
        ),
        (("--warp", "muse_bias", "empty.sof"), 255, "'--warp' not recognized"),
        (("--output-dir=/nowhere", "muse_bias", "empty.sof"), 255, "is not a valid directory"),
        (("muse_bias", "empty.sof"), 255, "No valid raw tag(s) found!"),
        (("muse_exp_align", "empty.sof"), 255, "requires at least 2 input FOV images"),
        (("muse_exp_combine", "empty.sof"), 255, "No valid raw tag(s) found!"),
        (("--check-sof-exist=false", "muse_bias", "missing.sof"), 255, "Required 3, found 1 input frames"),
        (("muse_bias", "junk.sof"), 255, "Bad file format"),
    ],
)
def test_failures_end_as_esorex_ends_them(tmp_path: Path, words: tuple[str, ...], rc: int, text: str):
    (tmp_path / "junk.fits").write_bytes(b"no FITS")
    (tmp_path / "empty.sof").write_text("# nothing\n\n")
    (tmp_path / "missing.sof").write_text("/nowhere/a.fits BIAS\n")
    (tmp_path / "junk.sof").write_text(f"{tmp_path}/junk.fits BIAS\n" * 3)
    ended = call(tmp_path, *words)
    assert ended.rc == rc and text in ended.err and "[ ERROR ]" in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "products.json").exists()


def test_failing_recipes_name_what_is_missing(done, tmp_path: Path):
    account, _ = done
    raw = next(account.tree.raw.rglob("MUSE.2014-10-22T23*.fits"))
    lonely = call(tmp_path / "a", "muse_scibasic", sof(tmp_path / "a", (raw, "OBJECT")))
    assert lonely.rc == 255 and 'found 0 frames with tag "MASTER_BIAS"' in lonely.err
    assert "Execution of recipe 'muse_scibasic' failed, status = -1" in lonely.err
    table = next(account.tree.product.glob("OBJECT/*/*.fits"))
    wrong = call(tmp_path / "b", "muse_exp_combine", sof(tmp_path / "b", (table, "PIXTABLE_REDUCED")))
    assert wrong.rc == 255 and "Input data do not match" in wrong.err
    model = call(tmp_path / "c", "muse_scipost", "--skymethod=model", sof(tmp_path / "c", (table, "PIXTABLE_OBJECT")))
    assert model.rc == 255 and "SKY_LINES" in model.err
    bias, geometry = next(account.tree.product.glob("BIAS/*/*")), next(account.tree.cal.glob("gen/MU_GGEO*"))
    calibs = ["MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "GEOMETRY_TABLE"]
    lines = [(raw, "OBJECT"), (bias, "MASTER_BIAS"), (bias, "MASTER_FLAT"), *((geometry, tag) for tag in calibs[1:])]
    mixed = call(tmp_path / "e", "muse_scibasic", sof(tmp_path / "e", *lines))
    assert mixed.rc == 255 and "the inputs cannot be used" in mixed.err and "Traceback" not in mixed.err
    truncated = tmp_path / "cut.fits"
    truncated.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    cut = call(tmp_path / "d", "muse_scipost", "--skymethod=none", sof(tmp_path / "d", (truncated, "PIXTABLE_OBJECT")))
    assert cut.rc == 255 and "Traceback" not in cut.err


def test_without_matches_all_offsets_are_zero_and_the_header_says_so(done, tmp_path: Path):
    account, _ = done
    real = sorted(account.tree.product.glob("PIXTABLE_OBJECT/*/*_pst_0001.fits"))[0]
    for number in (1, 2):
        with fits.open(real) as file:
            file[0].header["DATE-OBS"] = f"2014-10-22T0{number}:00:00.000"
            file["DATA"].data[:] = 0.0
            file.writeto(tmp_path / f"empty{number}.fits", checksum=True)
    images = [(tmp_path / f"empty{number}.fits", "IMAGE_FOV") for number in (1, 2)]
    ended = call(tmp_path, "muse_exp_align", sof(tmp_path, *images))
    assert ended.rc == 0 and "No overlapping fields of view" in ended.out
    header = fits.getheader(tmp_path / "OFFSET_LIST.fits")
    assert header["ESO QC EXPALIGN NOMATCH"] == 2 and header["ESO QC EXPALIGN NMATCH MIN"] == -1
    rows = fits.getdata(tmp_path / "OFFSET_LIST.fits")
    assert not rows["RA_OFFSET"].any() and not rows["DEC_OFFSET"].any()


def test_an_exposure_that_stands_twice_is_dropped_with_a_warning(done, tmp_path: Path):
    account, _ = done
    tables = sorted(account.tree.product.glob("PIXTABLE_OBJECT/*/*_pst_0002.fits"))
    lines = [(path, "PIXTABLE_REDUCED") for path in (tables[0], tables[0], tables[1])]
    ended = call(tmp_path, "muse_exp_combine", sof(tmp_path, *lines))
    assert ended.rc == 0 and "Ignoring" in ended.out
    assert fits.getheader(tmp_path / "DATACUBE_FINAL.fits")["ESO PRO DATANCOM"] == 2


def test_output_prefix_output_dir_and_plain_listing(done, tmp_path: Path):
    account, _ = done
    raws = [(path, "BIAS") for path in sorted(account.tree.raw.rglob("MUSE.2014-10-22T20*.fits"))]
    (tmp_path / "out").mkdir()
    (tmp_path / "log").mkdir()
    options = ["--output-dir=out", "--suppress-prefix=false", "--output-prefix=P", "--products-sof=list.txt"]
    words = [*options, "--log-dir=log", "--log-file=bias.log", "--msg-level=error", "muse_bias", "--nifu=1"]
    ended = call(tmp_path, *words, sof(tmp_path, *raws), listing=False)
    assert ended.rc == 0, ended.err
    assert (tmp_path / "list.txt").read_text() == "out/P_0000.fits  MASTER_BIAS\n"
    assert fits.getheader(tmp_path / "out" / "P_0000.fits")["PIPEFILE"] == "MASTER_BIAS-01.fits"
    assert "[ INFO  ]" not in ended.out and "[ INFO  ]" in (tmp_path / "log" / "bias.log").read_text()
    assert not list(tmp_path.glob("*.fits"))


def test_questions_about_itself_run_nothing(tmp_path: Path):
    for words, text in (
        (("--version",), "STAND-IN"),
        (("--recipes",), "muse_exp_align"),
        (("--man-page", "muse_scipost"), "--skymethod"),
        (("--help",), "RECIPE"),
    ):
        ended = call(tmp_path, *words, listing=False)
        assert ended.rc == 0 and text in ended.out
    assert call(tmp_path, "--man-page", "muse_warp", listing=False).rc == 13
    assert list(tmp_path.iterdir()) == []


def test_start_up_loads_no_pipeline_it_does_not_need():
    code = (
        "import sys, engine.demo.standin as s; s.main(['--recipes']);"
        "print([m for m in ('numpy', 'astropy', 'textual', 'pydantic', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_signal_ends_it_at_once_and_leaves_the_log_behind(tmp_path: Path):
    os.mkfifo(tmp_path / "slow.sof")  # reading it blocks until somebody writes
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.demo.standin", "muse_bias", "slow.sof"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(REPO), "PATH": os.defpath},
    )
    with process:
        assert process.stdout is not None
        while b"This is the STAND-IN" not in process.stdout.readline():
            pass
        process.terminate()
        assert process.wait(180) == -15
    assert (tmp_path / ".logfile").exists() and not (tmp_path / "esorex.log").exists()
