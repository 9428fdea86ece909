"""phoenix -C, -P, -M, -a and phoenixCertify_MUSE on a real account with the stand-in pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.demo.account import DemoSpec, build_account

RUN, DATE, NIGHT = "094.A-0116B", "2094-01-16", "2014-10-22"
STANDIN = ["--set", "process.pipeline=stand-in"]


def call(root: Path, *words: str, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "console", *words, "--root", str(root)],
        cwd=root,
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done


def states(root: Path) -> dict[str, str]:
    found = json.loads(call(root, "status", "--json", code=0).stdout)
    return {row["ab"]: row["state"] for row in found["abs"]}


def questions(root: Path) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "console", "questions", "--json", "--root", str(root)],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two targets; the bias of the night is processed, moved and archived; the deep run's ABs are created."""
    root = tmp_path_factory.mktemp("parts") / "account"
    build_account(root, DemoSpec(targets=2, exposures=2, sky=0, strict=True), lambda _: None)
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "-P", "--auto", *STANDIN, code=0)
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "-M", "--auto", *STANDIN, code=0)
    call(root, "phoenix", "-r", RUN, "-C", "--auto", *STANDIN, code=0)
    return root


@pytest.mark.row(299)
def test_m_is_refused_while_p_is_incomplete(account: Path) -> None:
    refused = call(account, "phoenix", "-r", RUN, "-M", "--auto", code=2)
    assert "not processed yet" in refused.stderr and "--force" in refused.stderr
    call(account, "phoenix", "-r", RUN, "-M", "--force", "to see it", "--auto", code=1)
    assert not list((account / "data/reduced").rglob("*.fits"))


@pytest.mark.row(300)
@pytest.mark.row(298)
@pytest.mark.row(353)
def test_one_target_is_processed_and_certified_alone(account: Path) -> None:
    combined = sorted(path.name for path in (account / "ab").glob("*_dpc.ab"))
    only = combined[0]
    call(account, "phoenix", "-r", RUN, "-a", only, "-P", "--auto", *STANDIN, code=0)
    found = states(account)
    assert found[only] == "DONE" and found[combined[1]] == "CREATED"
    assert sum(state == "DONE" for state in found.values()) == 6
    assert (account / "products/PIXTABLE_REDUCED" / DATE).is_dir() and questions(account) == []
    call(account, "phoenix", "-r", RUN, "-a", only, "-M", "--auto", *STANDIN, code=3)
    asked = questions(account)
    assert [question["subject"] for question in asked] == [only]
    call(account, "phoenixCertify_MUSE", "-r", RUN, "-a", only, "--auto", *STANDIN, code=3)
    assert questions(account) == asked
    call(account, "answer", str(asked[0]["number"]), "accept", *STANDIN, code=0)
    assert len(list((account / "data/reduced" / DATE).glob("MU_SCBD*.fits"))) == 1
    assert (account / "ab" / combined[1]).exists() and not (account / "ab" / only).exists()


def test_without_esorex_nothing_falls_to_the_stand_in_but_a_demo(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    nowhere = ["--set", "process.esorex=esorex-of-nowhere"]
    own = [*nowhere, "--set", "operational=true"]
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "-C", "--auto", *own, code=0)
    before = {path.name: path.read_bytes() for path in (root / "ab").iterdir()}
    (name,) = (name for name in before if name.endswith("_tpl.ab"))
    for words in (["phoenix", "-d", NIGHT, "-m", "CALIB", "-P"], ["processAB", "-a", name]):
        refused = call(root, *words, "--auto", *own, code=14)
        assert "esorex not found: 'esorex-of-nowhere'" in refused.stderr
        assert "or set process.pipeline: stand-in" in refused.stderr
    assert {path.name: path.read_bytes() for path in (root / "ab").iterdir()} == before
    told = call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "-P", "--auto", *nowhere, code=0)
    assert "STAND-IN PIPELINE" in told.stderr
    assert ["PIPELINE", "stand-in"] in [line.split() for line in (root / "ab" / name).read_text().splitlines()]
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "-P", "--auto", *own, code=0)


def test_what_failed_runs_again_with_all_that_depends_on_it(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    raw = next((root / "data/raw/2014-10-22").glob("MUSE.2014-10-22T23*.fits"))
    raw.rename(raw.with_suffix(".away"))
    words = ["--auto", *STANDIN]
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", *words, code=0)
    call(root, "phoenix", "-r", RUN, "-C", "--auto", *STANDIN, code=0)
    failed = call(root, "phoenix", "-r", RUN, "-P", *words, code=1)
    assert "missing input" in failed.stderr and raw.name in failed.stderr
    found = sorted(states(root).values())
    assert found.count("FAILED") == 1 and found.count("BLOCKED") == 3 and found.count("DONE") == 2
    assert f"{raw.stem}.ab is FAILED" in call(root, "why", "_dpc", code=0).stdout
    raw.with_suffix(".away").rename(raw)
    call(root, "retry", "--failed", *words, code=0)
    assert set(states(root).values()) <= {"DONE", "MOVED", "INGESTED"}


def test_the_other_target_joins_later(account: Path) -> None:
    call(account, "phoenix", "-r", RUN, "-P", "--auto", *STANDIN, code=0)
    call(account, "phoenix", "-r", RUN, "-M", "--auto", *STANDIN, code=3)
    number = questions(account)[0]["number"]
    call(account, "answer", str(number), "accept", "-c", "second", *STANDIN, code=0)
    assert len(list((account / "data/reduced" / DATE).glob("MU_SCBD*.fits"))) == 2
    assert questions(account) == []


def test_a_command_hands_its_order_to_the_engine_that_runs(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "console", "serve", "--root", str(root), *STANDIN],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as engine:
        while not (root / "monitor/ENGINE/socket").exists():
            assert engine.poll() is None, engine.stderr and engine.stderr.read()
        done = call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "--auto", code=0)
        assert "1 product moved" in done.stderr
        refused = call(root, "phoenix", "-r", RUN, "-C", "--auto", *STANDIN, code=2)
        assert "settings of its own" in refused.stderr
        lines = call(root, "phoenix", "-r", RUN, "-C", "--auto", "--json", code=0).stdout.splitlines()
        assert {"RunStarted", "RunEnded"} <= {json.loads(line)["event"] for line in lines}
        engine.terminate()
        _, said = engine.communicate(timeout=180)
    assert engine.returncode == 0 and "Traceback" not in said


def test_an_ab_file_with_a_syntax_error_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    broken = root / "ab" / "MUSE.2014-10-22T22:22:22.222_tpl.ab"
    broken.write_text(
        (next((root / "ab").glob("*_tpl.ab"))).read_text().replace("MCALIB", "MCALIB") + "MCALIB MAYBE x\n"
    )
    done = call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "--auto", *STANDIN, code=1)
    assert f"{broken}:" in done.stderr and "1 AB file refused" in done.stderr
    assert len(list((root / "data/calib" / NIGHT).glob("*.fits"))) == 1
    assert broken.exists()
    assert f"unreadable {broken}:" in call(root, "status", code=0).stdout
    broken.unlink()
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", "-P", "--auto", *STANDIN, code=0)
    assert "unreadable" not in call(root, "status", code=0).stdout


@pytest.mark.row(68)
@pytest.mark.parametrize("harm", ["gone", "cut", "flipped"])
def test_a_cube_that_is_damaged_before_the_move_is_neither_accepted_nor_moved(tmp_path: Path, harm: str) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    words = ["--auto", *STANDIN]
    call(root, "phoenix", "-d", NIGHT, "-m", "CALIB", *words, code=0)
    call(root, "phoenix", "-r", RUN, "-P", *words, code=0)
    cube = next((root / "products/PIXTABLE_REDUCED" / DATE).glob("*_dpc_0000.fits"))
    data = cube.read_bytes()
    if harm == "gone":
        cube.unlink()
    else:
        cube.write_bytes(data[:30000] if harm == "cut" else data[:-2000] + bytes([data[-2000] ^ 1]) + data[-1999:])
    call(root, "phoenix", "-r", RUN, "-M", *words, code=3)
    asked = questions(root)
    assert "gone" in asked[0]["text"] or "damaged" in asked[0]["text"]
    call(root, "answer", str(asked[0]["number"]), "accept", *STANDIN, code=2)
    assert not (root / "data/reduced" / DATE).exists() or not list((root / "data/reduced" / DATE).iterdir())
    assert not (root / "monitor/DFO_STATUS").read_text().count("sci_Finished")
    call(root, "retry", "_dpc", *words, code=0)
    call(root, "phoenix", "-r", RUN, "-M", *words, code=0)
    assert len(list((root / "data/reduced" / DATE).glob("MU_SCBD*.fits"))) == 1
