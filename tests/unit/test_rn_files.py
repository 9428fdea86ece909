"""rn_files: a script that can be read, run, run again and run back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.release.rename.rn_files import rn_files_text, same_script

PAIRS = [
    ("r.MUSE.2014-10-22T22:00:00.000_tpl_0000.fits", "MU_MBIA_141022A_SCI1.0.fits"),
    ("it's a 'name' with $HOME `id` and\na newline.fits", "MU_MBIA_141022B_SCI1.0.fits"),
    ("-r.fits", "MU_MBIA_141022C_SCI1.0.fits"),
]


def run(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["./rn_files", *options], cwd=place, capture_output=True, text=True, check=False)


def content(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.iterdir() if path.name != "rn_files"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number, (old, _) in enumerate(PAIRS):
        (tmp_path / old).write_text(str(number))
    script = tmp_path / "rn_files"
    script.write_text(rn_files_text(PAIRS, "CALIB", "2014-10-22", "2014-10-23T08:00:00"))
    script.chmod(0o755)
    return tmp_path


@pytest.mark.row(89)
def test_forward_again_and_back(place: Path) -> None:
    before = content(place)
    assert run(place).returncode == 0
    renamed = content(place)
    assert renamed == {new: str(number) for number, (_, new) in enumerate(PAIRS)}
    again = run(place)
    assert (again.returncode, again.stderr, content(place)) == (0, "", renamed)
    assert run(place, "-r").returncode == 0
    assert content(place) == before
    assert run(place, "-x").returncode == 2


@pytest.mark.row(89)
def test_it_can_be_read() -> None:
    text = rn_files_text(PAIRS, "CALIB", "2014-10-22", "2014-10-23T08:00:00")
    assert "The products of CALIB 2014-10-22" in text
    assert "rn r.MUSE.2014-10-22T22:00:00.000_tpl_0000.fits \\\n   MU_MBIA_141022A_SCI1.0.fits\n" in text
    assert same_script(text, rn_files_text(PAIRS, "CALIB", "2014-10-22", "2020-01-01T00:00:00"))
    assert not same_script(text, rn_files_text(PAIRS[1:], "CALIB", "2014-10-22", "2014-10-23T08:00:00"))


@pytest.mark.row(89)
def test_nothing_is_overwritten_and_what_is_gone_is_told(place: Path) -> None:
    (place / PAIRS[0][1]).write_text("somebody's")
    (place / PAIRS[2][0]).unlink()
    done = run(place)
    assert done.returncode == 1
    assert "is taken" in done.stderr and "is not here" in done.stderr
    assert (place / PAIRS[0][1]).read_text() == "somebody's"
    assert (place / PAIRS[0][0]).read_text() == "0"
    assert (place / PAIRS[1][1]).read_text() == "1"


@pytest.mark.row(89)
def test_a_product_slimmed_to_its_header_is_still_found(place: Path) -> None:
    assert run(place).returncode == 0
    (place / PAIRS[0][1]).rename(place / "MU_MBIA_141022A_SCI1.0.hdr")
    assert run(place, "-r").returncode == 0
    assert (place / PAIRS[0][0].replace(".fits", ".hdr")).read_text() == "0"
