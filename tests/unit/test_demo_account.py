"""The demo account: complete or not there, readable as any account, and never in the way of anything else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from astropy.io import fits

from config.dfosrc import read_dfosrc
from config.legacy import read_move_products
from config.load import load
from engine.core.ab import parse
from engine.demo import account_files
from engine.demo.account import MARKER, DemoSpec, build_account
from engine.errors import DfosError, UsageTrouble
from engine.pgis.pgi_phoenix_MUSE_AB_deep import propose
from engine.stores.abs import AbStore

SMALL = DemoSpec(targets=1, exposures=2, sky=1)


def quiet(_: str) -> None:
    """Nobody listens."""


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.row(437)
def test_the_default_account_is_built(tmp_path: Path):
    lines: list[str] = []
    account = build_account(tmp_path / "demo", DemoSpec(), lines.append)
    assert not account.reused and any("raw frames" in line for line in lines)
    assert len(list(account.tree.raw.rglob("MUSE.*.fits"))) == 3 + 2 * (3 + 1)


def test_every_path_in_the_abs_is_there_or_is_made_by_another_ab(tmp_path: Path):
    account = build_account(tmp_path / "demo", SMALL, quiet)
    source = account.root / account_files.BRANCH / account.run_id
    abs_ = propose(tuple(parse(path.read_bytes(), path.name) for path in sorted(source.glob("*.ab"))))
    (bias,) = AbStore(account.tree).load("CALIB", account.calib_date)
    made = {f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}/{p.name}" for ab in (*abs_, bias) for p in ab.products}
    for ab in (*abs_, bias):
        for entry in ab.sof:
            assert entry.path in made or account.tree.expand(entry.path).is_file(), entry.path
    assert {ab.date for ab in abs_} == {account.pseudo_date}


def test_the_virtual_bias_lies_in_vcal_under_its_pipefile(tmp_path: Path):
    account = build_account(tmp_path / "demo", SMALL, quiet)
    (bias,) = AbStore(account.tree).load("CALIB", account.calib_date)
    text = (account.tree.vcal / account.calib_date / f"{bias.root}_0000.hdr").read_text()
    header = fits.Header.fromstring(text, sep="\n")
    assert header["PIPEFILE"] == bias.products[0].name
    assert header["ESO PRO CATG"] == "MASTER_BIAS"


def test_dfosrc_says_what_the_tree_says(tmp_path: Path):
    account = build_account(tmp_path / "demo", SMALL, quiet)
    read = read_dfosrc([account.root / ".dfosrc"], {})
    assert read.problems == () and read.notices == ()
    assert {name: read.variables[name] for name in account.tree.variables} == dict(account.tree.variables)
    assert read.variables["DFO_INSTRUMENT"] == "MUSE" and read.variables["THIS_IS_PHOENIX"] == "YES"
    assert all(Path(path).is_dir() for path in account.tree.variables.values())


@pytest.mark.parametrize("strict", [False, True])
def test_the_settings_load_and_strict_needs_a_person(tmp_path: Path, strict: bool):
    account = build_account(tmp_path / "demo", DemoSpec(1, 2, 0, strict=strict), quiet)
    settings = load(account.tree.config).settings
    assert (settings.instance, settings.operational, settings.pool) == ("MUSE_DEEP_DEMO", False, "run")
    assert settings.all_parts is not strict
    assert settings.certification.mode == ("interactive" if strict else "auto_green")
    assert settings.ab_source == account_files.BRANCH
    saved = {row.raw_type: row.save for row in settings.move.raw_types}
    assert saved["BIAS"] == "ALL" and saved["PIXTABLE_REDUCED"] == "SELECT"
    assert {raw for raw, save in saved.items() if save == "NONE"} == set(saved) - {"BIAS", "PIXTABLE_REDUCED"}


def test_the_classic_move_configuration_has_nothing_to_complain_about():
    classic = read_move_products(account_files.MOVE_PRODUCTS.encode(), "config.moveProducts")
    assert classic.notices == ()
    assert classic.move["rename"] == {"CALIB": True, "SCIENCE": True}


def test_the_same_spec_gives_the_same_account(tmp_path: Path):
    one = build_account(tmp_path / "demo", SMALL, quiet).root
    first = snapshot(one)
    one.rename(tmp_path / "kept")
    second = snapshot(build_account(tmp_path / "demo", SMALL, quiet).root)
    assert first == second


def test_another_seed_gives_another_sky(tmp_path: Path):
    one, two = (build_account(tmp_path / f"demo{seed}", DemoSpec(1, 2, 0, seed=seed), quiet) for seed in (1, 2))
    assert (one.root / "truth.json").read_bytes() != (two.root / "truth.json").read_bytes()


def test_a_demo_account_is_reused_as_it_is(tmp_path: Path):
    first = build_account(tmp_path / "demo", SMALL, quiet)
    before = snapshot(first.root)
    lines: list[str] = []
    again = build_account(tmp_path / "demo", DemoSpec(targets=9), lines.append)
    assert again.reused and again.spec == SMALL and snapshot(first.root) == before
    assert "1 targets of 2 exposures" in lines[0]


def test_a_directory_with_anything_else_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageTrouble, match="no demo account"):
        build_account(tmp_path / "mine", SMALL, quiet)
    assert snapshot(tmp_path / "mine") == {"thesis.tex": b"years of work"}


def test_a_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(UsageTrouble, match="no demo account"):
        build_account(tmp_path / "demo", SMALL, quiet)


def test_an_empty_directory_may_become_the_account(tmp_path: Path):
    (tmp_path / "demo").mkdir()
    assert (build_account(tmp_path / "demo", SMALL, quiet).root / MARKER).is_file()


def test_an_interrupted_build_leaves_no_account_and_the_next_one_succeeds(tmp_path: Path):
    def stopped(line: str) -> None:
        if "static calibrations" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_account(tmp_path / "demo", SMALL, stopped)
    assert not (tmp_path / "demo").exists()
    assert not build_account(tmp_path / "demo", SMALL, quiet).reused
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("name", ["my demo", "a$b", "a[1]", "a#b", "a\nb"])
def test_a_root_that_recipes_cannot_read_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageTrouble, match="cannot hold an account"):
        build_account(tmp_path / name, SMALL, quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "spec", [DemoSpec(targets=0), DemoSpec(exposures=1), DemoSpec(sky=-1), DemoSpec(exposures=999)]
)
def test_a_size_that_makes_no_sense_is_refused(tmp_path: Path, spec: DemoSpec):
    with pytest.raises(UsageTrouble, match=re.compile("targets|exposures|sky")):
        build_account(tmp_path / "demo", spec, quiet)


def test_a_damaged_marker_is_an_error_with_its_name(tmp_path: Path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / MARKER).write_text(json.dumps({"root": str(tmp_path / "demo"), "spec": {"moons": 3}}))
    with pytest.raises(DfosError, match="marker cannot be read"):
        build_account(tmp_path / "demo", SMALL, quiet)


def test_an_account_that_was_moved_is_not_used(tmp_path: Path):
    build_account(tmp_path / "demo", SMALL, quiet).root.rename(tmp_path / "elsewhere")
    with pytest.raises(DfosError, match=r"its \.dfosrc still points there"):
        build_account(tmp_path / "elsewhere", SMALL, quiet)


def test_a_disk_that_refuses_is_an_error_with_a_remedy(tmp_path: Path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(DfosError, match="could not be built"):
        build_account(tmp_path / "file" / "demo", SMALL, quiet)


def test_raw_frames_carry_what_renaming_needs_and_right_checksums(tmp_path: Path):
    account = build_account(tmp_path / "demo", SMALL, quiet)
    frames = sorted(account.tree.raw.rglob("*.fits"))
    for path in frames:
        with fits.open(path, checksum=True) as file:  # a wrong sum would warn, and warnings are errors
            header = file[0].header
            assert header["ARCFILE"] == path.name == f"MUSE.{header['DATE-OBS']}.fits"
            for key in ("OBS ID", "OBS PROG ID", "TPL START", "DPR CATG", "DPR TYPE", "INS MODE", "DET READ CURNAME"):
                assert f"ESO {key}" in header
            assert file["CHAN01"].header["CHECKSUM"]
    assert len({path.name for path in frames}) == len(frames) == 3 + 2 + 1
