"""createAB, filterRaw and refreshVCAL as commands on an account."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.tree import DIRECTORIES
from console.cli.main import run
from engine.atomic import fs
from engine.core.ab import parse
from engine.demo.account_files import HEADERS, PLACES, dfosrc
from engine.stores.vcal import container
from tests.builders import make_tree
from tests.integration.test_create_ab import DATE, MJD, RULES
from tests.nights import NightOf


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An account of its own with the rules of test_create_ab and a night of six frames."""
    root = tmp_path / "site"
    for name in DIRECTORIES:
        (root / PLACES[name]).mkdir(parents=True)
    (root / ".dfosrc").write_text(dfosrc(root))
    (root / "config" / "dfos.yaml").write_text("profile: MUSE\n")
    (root / "config" / "config.createAB").write_text(
        "CONF_VERSION 1.4\nDRS_TYPE | INT\nN_VCAL_LIST 3\nRAW_MINNUM BIAS 5\nNOCHECK\nHIDDEN_KEY 1\n"
    )
    (root / "config" / "OCA").mkdir()
    (root / "config" / "OCA" / "muse.RLS").write_text(RULES)
    made = NightOf(root / HEADERS / DATE, "MUSE", INS_MODE="WFM")
    made.template(MJD, 3, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    made.template(MJD + 0.1, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    made.raw(MJD + 0.2, DPR_CATG="SCIENCE", DPR_TYPE="OBJECT")
    return root


Dfos = Callable[..., str]


@pytest.fixture
def dfos(site: Path, capsys: pytest.CaptureFixture[str]) -> Dfos:
    """A command on the account; what it prints. `code` is the exit code it must have."""

    def called(name: str, *words: str, code: int = 0) -> str:
        capsys.readouterr()
        found = run(name, [*words, "--root", str(site)])
        said = capsys.readouterr()
        assert found == code, said.err
        return said.out

    return called


@pytest.mark.row(138)
def test_a_night_by_command(site: Path, dfos: Dfos) -> None:
    planned = json.loads(dfos("createAB", "-m", "CALIB", "-d", DATE, "--dry-run", "--json"))
    assert not list((site / "ab").iterdir())
    assert [entry["what"] for entry in planned["abs"]] == ["new", "new"]
    assert planned["filter"]["unwanted"][0]["why"] == "3 of 5 BIAS, RAW_MINNUM"
    dfos("createAB", "-m", "CALIB", "-d", DATE, "-a")
    for entry in planned["abs"]:
        assert (site / "ab" / entry["name"]).read_text() == entry["text"]
    ab = parse(planned["abs"][1]["text"].encode(), "x")
    assert (ab.get("CONFIG_VERSION"), ab.get("DRS_TYPE")) == ("1.4", "INT")
    lines = (site / "monitor" / f"AB_list_CALIB_{DATE}").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["BIAS", "FLAT"]
    again = dfos("createAB", "-m", "CALIB", "-d", DATE, "--dry-run")
    assert "2 kept" in again and "muse.RLS" in again


def test_rules_with_errors_park_in_auto_and_yes_goes_on(site: Path, dfos: Dfos) -> None:
    rules = site / "config" / "OCA" / "muse.RLS"
    rules.write_text(rules.read_text() + "if DPR.CATG and and DPR.TYPE == 1 then { X = 1; }\n")
    dfos("createAB", "-m", "CALIB", "-d", DATE, "-a", code=3)
    assert not list((site / "ab").iterdir())
    assert "1 error" in dfos("questions", code=3)
    dfos("answer", "1", "yes")
    assert len(list((site / "ab").glob("*.ab"))) == 2


def test_filter_raw_reports_and_changes_nothing(site: Path, dfos: Dfos) -> None:
    NightOf(site / HEADERS / DATE, "MUSE").raw(MJD + 0.5, DPR_CATG="CALIB", DPR_TYPE="WHAT")
    (site / HEADERS / DATE / "MUSE.2014-07-12T05:00:00.000.hdr").write_text("rubbish")
    report = json.loads(dfos("filterRaw", "-m", "SCAN", "-d", DATE, "--json", code=1))
    assert len(report["unclassified"]) == 1 and report["troubles"][0]["kind"] == "unreadable"
    assert "UNCLASSIFIED: 1 of 8 raw files" in dfos("filterRaw", "-d", DATE, code=1)
    assert not list((site / "ab").iterdir())


@pytest.mark.row(116)
def test_refresh_vcal_makes_what_is_referred_to_and_leaves_vcal_alone(site: Path, dfos: Dfos) -> None:
    dfos("createAB", "-m", "CALIB", "-d", DATE, "-a")
    dfos("createAB", "-m", "SCIENCE", "-d", DATE, "-a")
    calib = site / "data" / "calib"
    before = {path.name: path.read_bytes() for path in (calib / "VCAL" / DATE).iterdir()}
    dfos("refreshVCAL", "-d", DATE)
    refreshed = {path.name: path.read_bytes() for path in (calib / "REFRESH_VCAL" / DATE).iterdir()}
    assert refreshed == before and len(before) == 3  # bias, flat, trace table; nobody asks for the reduced object
    victim = next(iter(sorted(before)))
    (calib / "VCAL" / DATE / victim).unlink()
    (calib / "REFRESH_VCAL" / DATE / "r.MUSE.old_0000.hdr").write_text("of an earlier refresh")
    dfos("refreshVCAL", "-d", DATE)
    assert {path.name for path in (calib / "REFRESH_VCAL" / DATE).iterdir()} == set(before)
    assert not (calib / "VCAL" / DATE / victim).exists()
    for path in (site / HEADERS / DATE).iterdir():
        path.unlink()
    assert "raw header" in dfos("refreshVCAL", "-d", DATE, "--dry-run", code=1)


@pytest.mark.row(116, 119)
def test_the_container_lists_what_create_ab_wrote(site: Path, dfos: Dfos, tmp_path: Path) -> None:
    dfos("createAB", "-m", "CALIB", "-d", DATE, "-a")
    listed = json.loads(dfos("vcal", "--json"))
    assert {(entry["date"], entry["state"]) for entry in listed} == {(DATE, "waits")}
    assert len(listed) == 3 and all(entry["ab"].endswith("_tpl.ab") for entry in listed)
    assert container(make_tree(tmp_path / "other"), 0.0) == []


@pytest.mark.parametrize("tool", ["createAB", "createJob"])
def test_trouble_with_the_account_is_one_line(site: Path, capsys: pytest.CaptureFixture[str], tool: str) -> None:
    lock = site / "monitor" / "ENGINE" / "lock"
    lock.parent.mkdir()
    lock.symlink_to(lock)
    assert run(tool, ["-m", "CALIB", "-d", DATE, "--auto", "--root", str(site)]) == 10
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"{tool}: {lock}: Too many levels of symbolic links (a link leads to itself: take it away, then call again)"
    ]


@pytest.mark.parametrize("kind", ["dangling", "loop", "pipe", "directory"])
def test_rules_of_the_account_that_cannot_be_reached_are_never_replaced(
    site: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    rules = site / "config" / "OCA" / "muse.RLS"
    rules.unlink()
    make = {
        "dangling": lambda: rules.symlink_to("not-there"),
        "loop": lambda: rules.symlink_to(rules),
        "pipe": lambda: os.mkfifo(rules),
        "directory": rules.mkdir,
    }
    make[kind]()
    installed = site / "config" / "OCA" / "muse.oca"  # would be next
    installed.write_text(RULES)
    assert run("createAB", ["-m", "CALIB", "-d", DATE, "--dry-run", "--root", str(site)]) == 2
    assert str(rules) in capsys.readouterr().err


def test_ctrl_c_in_the_middle_says_how_it_goes_on(site: Path, dfos: Dfos, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["-m", "CALIB", "-d", DATE, "-a", "--root", str(site)]

    def interrupted(act: str, subject: str) -> None:
        if (act, subject) == ("commit", "done"):
            raise KeyboardInterrupt

    with fs.probed(interrupted):
        assert run("createAB", call) == 130
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("interrupted; create-000001 is half done, nothing goes on: call again with --recover")
    assert run("createAB", call) == 5
    assert run("createAB", [*call, "--recover"]) == 0


def test_a_job_directory_that_takes_no_files_is_found_before_anything_begins(site: Path, dfos: Dfos) -> None:
    dfos("createAB", "-m", "CALIB", "-d", DATE, "-a")
    (site / "jobs").rmdir()
    (site / "jobs").write_text("a file")
    dfos("createJob", "-m", "CALIB", "-d", DATE, "--auto", code=10)
    (site / "jobs").unlink()
    (site / "jobs").mkdir()
    dfos("createJob", "-m", "CALIB", "-d", DATE, "--auto")  # no --recover
    assert (site / "jobs" / f"execAB_CALIB_{DATE}").is_file()
