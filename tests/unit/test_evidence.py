from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.process.ab.evidence import LogEvidence, Wanted, judge, read_log, sanitised, wanted_size
from tests.fakes import make_fits


def log_of(*lines: str) -> LogEvidence:
    return read_log(line.encode() for line in lines)


def put(work: Path, *made: tuple[str, str], combined: int = 1, checksum: bool = True) -> None:
    for name, catg in made:
        make_fits(work / name, catg, combined, checksum=checksum)
    (work / "products.json").write_text(json.dumps([{"name": name, "category": catg} for name, catg in made]))
    (work / "esorex.log").write_text("ended\n")


GOOD = (("DATACUBE_FINAL.fits", "DATACUBE_FINAL"), ("IMAGE_FOV_0001.fits", "IMAGE_FOV"))
WANTED = Wanted({"DATACUBE_FINAL": 1, "IMAGE_FOV": 1}, exposures=3)


def test_a_good_run_is_done(tmp_path: Path) -> None:
    put(tmp_path, *GOOD, combined=3)
    verdict = judge(tmp_path, 0, log_of("12:00:00 [WARNING] muse: [tid=000] high background"), WANTED)
    assert verdict.state == "DONE" and [made.catg for made in verdict.products] == ["DATACUBE_FINAL", "IMAGE_FOV"]
    assert verdict.message == "1 WARNING: high background"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("[ ERROR ] esorex: [tid=000]   [1/4] 'File not found: a' (9) at f:x.c:1", "File not found: a"),
        (
            "[ ERROR ] esorex: Could not open the input file 'a.fits' with tag 'BIAS' in line 1 of the SOF",
            "Could not open the input file 'a.fits' with tag 'BIAS' in line 1 of the SOF",
        ),
        ('[ ERROR ] m: [tid=000] Required 1, found 0 frames with tag "TRACE_TABLE" with IFU 1', "Required 1, found 0"),
        ("CxLib-ERROR **: file cxmemory.c: failed to allocate 99 bytes", "failed to allocate 99 bytes"),
    ],
)
def test_the_line_that_matters_is_quoted(line: str, cause: str) -> None:
    found = log_of(
        "[ ERROR ] m: [tid=000] Dumping the 2 most recent error(s) out of a total of 2 errors:",
        line,
        "[ ERROR ] esorex: [tid=000] Execution of recipe 'm' failed, status = -1",
    )
    assert cause in found.cause and found.failed


def test_an_error_that_says_what_it_is_about_comes_before_a_bare_one() -> None:
    found = log_of(
        "[ ERROR ] m:   [1/4] 'Illegal input' (14) at cpl_flux_get_window:cpl_detector.c:268",
        "[ ERROR ] m:   [2/4] 'Illegal input: Propagating error' (14) at m:m.c:2",
        "[ ERROR ] m:   [2/4] 'Illegal output: Propagating a pre-existing error' (15) at m:m.c:2",
        "[ ERROR ] m:   [3/4] 'Division by zero: Could not normalize gain' (18) at m:m.c:3",
        "[ ERROR ] m:   [4/4] 'Data not found: None of the sets could be reduced' (10) at m:m.c:4",
    )
    assert found.cause == "Division by zero: Could not normalize gain"
    assert log_of("[ ERROR ] m:   [1/1] 'Illegal input' (14) at m:m.c:1").cause == "Illegal input (in m)"


def test_the_head_of_a_list_of_all_errors_is_no_cause() -> None:
    found = log_of(
        "[ ERROR ] esorex: [tid=000] Dumping all 7 error(s):",
        "[ ERROR ] esorex: [tid=000]   [1/7] 'File not found: bias.fits' (9) at f:x.c:1",
    )
    assert found.cause == "File not found: bias.fits"


def test_harmless_lines_do_not_count() -> None:
    found = log_of(
        "[WARNING] esorex: Unable to open directory /usr/lib/cpl/plugins",
        "[ ERROR ] esorex: Run-time version 7.2.3 of CPL is higher than compile-time version",
        "[ INFO  ] esorex: no ERROR here",
    )
    assert (found.warnings, found.errors, found.message) == (0, 0, "")


def test_hostile_log_text_becomes_one_plain_line() -> None:
    text = sanitised("\x1b[31mred\x00\n\tand \u202e long " + "x" * 500)
    assert text.isprintable() and len(text) == 200 and text.startswith("[31mred and long")
    assert read_log([b"[ ERROR ] f: \xff\xfe broken"]).errors == 1


@pytest.mark.parametrize(
    ("rc", "words"),
    [
        (255, "the recipe failed (exit code 255): Data not found"),
        (9, "an input or the set of frames is missing (exit code 9)"),
        (13, "unknown to the pipeline"),
        (66, "could not be moved"),
        (10, "CPL error (exit code 10)"),
        (-11, "signal 11: crashed (segmentation fault)"),
        (139, "signal 11: crashed (segmentation fault)"),
        (-6, "out of memory"),
        (-9, "killed"),
        (-15, "terminated from outside (SIGTERM)"),
        (-64, "ended by signal 64"),
    ],
)
def test_exit_codes_and_signals_become_words(tmp_path: Path, rc: int, words: str) -> None:
    put(tmp_path, *GOOD, combined=3)
    log = log_of("[ ERROR ] m: [tid=000]   [1/1] 'Data not found' (10) at f:x.c:1")
    verdict = judge(tmp_path, rc, log, WANTED)
    assert verdict.state == "FAILED" and words in verdict.reason


def test_exit_code_zero_is_not_success(tmp_path: Path) -> None:
    def verdict(log: LogEvidence | None = None, wanted: Wanted = WANTED) -> str:
        found = judge(tmp_path, 0, log or LogEvidence(), wanted)
        assert found.state == "FAILED"
        return found.reason

    assert verdict() == "the pipeline wrote no list of products"
    (tmp_path / "products.json").write_text("")
    assert verdict() == "the list of products is empty"
    (tmp_path / "products.json").write_text("{nonsense")
    assert verdict() == "the list of products cannot be read"
    (tmp_path / "products.json").write_text("[]")
    assert verdict() == "the recipe made no products"
    (tmp_path / "products.json").write_text('[{"name": "../../etc/passwd", "category": "X"}]')
    assert "outside the work directory" in verdict()
    (tmp_path / "products.json").write_text('[{"name": "gone.fits", "category": "X"}]')
    assert "gone.fits is damaged: cannot be opened" in verdict()

    put(tmp_path, *GOOD, combined=3)
    error = log_of("[ ERROR ] m: [tid=000]   [1/1] 'Illegal input: no offsets' (14) at f:x.c:1")
    assert verdict(error) == "exit code 0, but the log has 1 ERROR: Illegal input: no offsets"
    dropped = log_of("[WARNING] m: [tid=000] we already have IFU 0 of exposure 1 (file b). Ignoring it")
    assert verdict(dropped).startswith("an exposure was dropped: we already have IFU 0")
    assert verdict(wanted=Wanted({"OFFSET_LIST": 2})) == "2 of 2 OFFSET_LIST missing among the products"
    many = Wanted({"DATACUBE_FINAL": 1}, exposures=4)
    assert verdict(wanted=many) == "DATACUBE_FINAL.fits: 3 of 4 exposures combined (PRO.DATANCOM)"

    put(tmp_path, ("DATACUBE_FINAL.fits", "DATACUBE_FINAL"), combined=3, checksum=False)
    assert "no CHECKSUM" in verdict(wanted=Wanted({"DATACUBE_FINAL": 1}))
    put(tmp_path, ("DATACUBE_FINAL.fits", "DATACUBE_FINAL"))
    data = bytearray((tmp_path / "DATACUBE_FINAL.fits").read_bytes())
    data[-3000] ^= 1
    (tmp_path / "DATACUBE_FINAL.fits").write_bytes(data)
    assert "DATASUM" in verdict(wanted=Wanted({"DATACUBE_FINAL": 1}))
    make_fits(tmp_path / "DATACUBE_FINAL.fits", "DATACUBE_OTHER")
    assert "PRO.CATG is DATACUBE_OTHER" in verdict(wanted=Wanted({"DATACUBE_FINAL": 1}))
    (tmp_path / "DATACUBE_FINAL.fits").write_bytes(b"no FITS at all")
    assert "damaged" in verdict(wanted=Wanted({"DATACUBE_FINAL": 1}))


def test_a_log_that_was_never_closed_is_no_success(tmp_path: Path) -> None:
    put(tmp_path, *GOOD, combined=3)
    (tmp_path / "esorex.log").rename(tmp_path / ".logfile")
    assert "could not close its log" in judge(tmp_path, 0, LogEvidence(), WANTED).reason


def test_a_truncated_product_is_damaged_and_its_size_known(tmp_path: Path) -> None:
    put(tmp_path, *GOOD, combined=3)
    cube = tmp_path / "DATACUBE_FINAL.fits"
    size = cube.stat().st_size
    cube.write_bytes(cube.read_bytes()[: size - 2880])
    verdict = judge(tmp_path, 0, LogEvidence(), WANTED)
    assert "truncated" in verdict.reason and wanted_size(cube) == size


def test_the_time_limit_is_said(tmp_path: Path) -> None:
    verdict = judge(tmp_path, -15, LogEvidence(), Wanted(limit_s=7230.0), timed_out=True)
    assert verdict.reason == "time limit of 2 h 0 min exceeded; terminated"


def test_an_unknown_exit_code_is_judged_by_what_is_there(tmp_path: Path) -> None:
    assert judge(tmp_path, None, LogEvidence(), WANTED).state == "INTERRUPTED"
    failed = log_of(
        "[ ERROR ] m: [tid=000]   [1/1] 'Data not found' (10) at f:x.c:1",
        "[ ERROR ] esorex: Execution of recipe 'm' failed, status = -1",
    )
    assert judge(tmp_path, None, failed, WANTED).reason == "the recipe failed: Data not found (in f)"
    put(tmp_path, *GOOD, combined=3)
    assert judge(tmp_path, None, LogEvidence(), WANTED).state == "DONE"


def test_a_category_given_by_an_interrupted_delivery_is_accepted(tmp_path: Path) -> None:
    put(tmp_path, ("CUBE.fits", "DATACUBE_FINAL"))
    make_fits(tmp_path / "CUBE.fits", "DATACUBE_DEEP")
    assert judge(tmp_path, 0, LogEvidence(), Wanted(), changed={"CUBE.fits": "DATACUBE_DEEP"}).state == "DONE"
