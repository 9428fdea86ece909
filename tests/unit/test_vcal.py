"""Virtual calibrations: whose they are, which became real, which are orphans; the old switch is told to be obsolete."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from config.legacy import read_move_products
from console.cli.vcal import main
from engine.context import Context
from engine.stores.abs import AbStore
from engine.stores.vcal import container, superseded
from tests.builders import make_ab
from tests.released import NIGHT, NOON, bias, release_context, write_product


def virtual(context: Context, name: str, age_s: float = 3600.0) -> Path:
    path = context.tree.vcal / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("header\n")
    os.utime(path, (NOON - age_s, NOON - age_s))
    return path


@pytest.mark.row(116, 119)
def test_every_entry_with_ab_age_and_state(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    tree = context.tree
    real, waits, gone = bias(0), bias(10), bias(20)
    AbStore(tree).write(waits)
    (tree.log / NIGHT).mkdir()
    (tree.log / NIGHT / real.name).write_bytes(real.render())
    (tree.cal / NIGHT).mkdir()
    write_product(context, real, 0, "MASTER_BIAS").rename(tree.cal / NIGHT / "MU_MBIA_141022A.fits")
    for ab in (real, waits, gone):
        virtual(context, f"{ab.root}_0000.hdr")
    virtual(context, f"{NIGHT}/{real.root}_0001.fits", 3 * 86400)
    virtual(context, f"{NIGHT}/README")
    virtual(context, "not a name;.hdr")
    found = {Path(entry.path).name: entry for entry in container(tree, NOON)}
    assert {name: (entry.ab, entry.date, entry.state) for name, entry in found.items()} == {
        f"{real.root}_0000.hdr": (real.name, NIGHT, "real"),
        f"{waits.root}_0000.hdr": (waits.name, NIGHT, "waits"),
        f"{gone.root}_0000.hdr": (gone.name, "", "orphan"),
        f"{real.root}_0001.fits": (real.name, NIGHT, "orphan"),
        "not a name;.hdr": ("", "", "orphan"),
    }
    assert found[f"{real.root}_0000.hdr"].real == str(tree.cal / NIGHT / "MU_MBIA_141022A.fits")
    assert found[f"{real.root}_0001.fits"].age_s == 3 * 86400
    assert len(container(tree, NOON, NIGHT)) == 4 and container(tree, NOON, "2099-99-99") == []


def test_a_slimmed_product_is_real_and_its_night_is_found_without_the_ab(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    virtual(context, "r.MUSE.2014-10-23T04:00:00.000_tpl_0000.hdr")
    virtual(context, "r.MUSE.0001-01-01T04:00:00.000_tpl_0000.hdr")
    virtual(context, "r.MUSE.9999-99-99T04:00:00.000_tpl_0000.hdr")
    (context.tree.cal / NIGHT).mkdir()
    header = b"SIMPLE  =   T\nPIPEFILE= 'r.MUSE.2014-10-23T04:00:00.000_tpl_0000.fits' / comment\nEND\n"
    (context.tree.cal / NIGHT / "MU_MBIA_141022A.hdr").write_bytes(header)
    states = {Path(entry.path).name: entry.state for entry in container(context.tree, NOON)}
    assert states.pop("r.MUSE.2014-10-23T04:00:00.000_tpl_0000.hdr") == "real"
    assert set(states.values()) == {"orphan"}


def test_an_unreadable_ab_and_an_empty_account_are_fine(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    assert container(context.tree, NOON) == []
    (context.tree.ab / bias(0).name).write_bytes(b"\x00")
    virtual(context, f"{bias(0).root}_0000.hdr")
    (context.tree.vcal / "2014-10-21").mkdir()
    (context.tree.vcal / "2014-10-21" / "x.fits").symlink_to("/nowhere")
    assert [entry.state for entry in container(context.tree, NOON)] == ["waits", "orphan"]


@pytest.mark.row(117, 119)
def test_only_what_became_real_goes() -> None:
    entries = ("/c/VCAL/r.a_0000.hdr", "/c/VCAL/2014-10-22/r.a_0000.fits", "/c/VCAL/r.b_0000.hdr", "/c/VCAL/r.a_0000")
    assert superseded(entries, {"r.a_0000.fits.fz", ""}) == (*entries[:2], entries[3])
    assert superseded(entries, set()) == ()
    assert superseded(entries, {"r.a_00000.fits", "r.a_000.fits"}) == ()


@pytest.mark.row(116)
def test_the_command_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = release_context(tmp_path)
    virtual(context, f"{bias(0).root}_0000.hdr")
    (context.tree.root / ".dfosrc").write_text(
        "".join(f"export {name}={value}\n" for name, value in context.tree.variables.items())
    )
    root = ["--root", str(context.tree.root)]
    assert main(root) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "1 virtual calibrations: 1 orphan" in lines[0]
    assert lines[1].startswith(f"! {bias(0).root}_0000.hdr  {bias(0).name}")
    assert main([*root, "--json", "-d", NIGHT]) == 0
    assert json.loads(capsys.readouterr().out)[0]["ab"] == bias(0).name


@pytest.mark.row(118)
@pytest.mark.parametrize("line", ["VCAL_REMOVE YES", "VCAL_REMOVE", "vcal_remove | CALIB | YES | x"])
def test_the_old_switch_warns_and_does_nothing(line: str) -> None:
    with_it = read_move_products(f"TOOL_MODE AUTO\n{line}\n".encode(), "config.moveProducts")
    without = read_move_products(b"TOOL_MODE AUTO\n", "config.moveProducts")
    assert with_it.move == without.move
    assert len(with_it.notices) == 1
    assert with_it.notices[0].startswith("config.moveProducts:2: VCAL_REMOVE")
    assert "deprecated and has no effect" in with_it.notices[0]


def test_science_names_are_no_calibrations_of_ours(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = make_ab(kind="combine")
    virtual(context, f"{ab.root}_0000.hdr")
    assert container(context.tree, NOON)[0].ab == ab.name
