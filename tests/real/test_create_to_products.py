"""From raw headers to real products: createAB with the installed MUSE rules, then the recipes, level by level."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.account import open_settings, open_tree
from console.cli.main import run
from engine.create.createab.rules_file import rules_path
from engine.demo.account import DemoSpec, build_account
from engine.stores.abs import AbStore

pytestmark = pytest.mark.real
NIGHT = "2014-10-22"


@pytest.mark.row(99, 116, 120)
def test_a_night_of_the_miniature_muse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = build_account(tmp_path / "site", DemoSpec(targets=1, exposures=2, sky=0), lambda text: None)
    tree = account.tree
    for path in tree.ab.glob("*.ab"):
        path.unlink()
    (tree.config / "OCA").mkdir()
    settings = open_settings(open_tree(account.root, {}), {}).settings
    installed = rules_path(settings, tree).read_text()
    (tree.config / "OCA" / "muse.oca").write_text(installed.replace("--nifu=-1", "--nifu=1"))  # it has one channel

    def dfos(*words: str) -> None:
        assert run(words[0], [*words[1:], "-d", NIGHT, "--auto", "--root", str(account.root)]) in (0, 1), (
            capsys.readouterr()
        )

    dfos("createAB", "-m", "CALIB")
    dfos("createAB", "-m", "SCIENCE")
    store = AbStore(tree)
    (bias,), science = store.load("CALIB", NIGHT), store.load("SCIENCE", NIGHT)
    basic = science[0]
    assert basic.waitfor == (bias.name,) and basic.get("COMPLETENESS") == "COMPLETE"
    dfos("phoenix", "-P", "-m", "CALIB")
    dfos("phoenix", "-P", "-m", "SCIENCE")
    assert store.load("CALIB", NIGHT)[0].status == "SUCCESSFUL"
    done = {ab.name: ab for ab in store.load("SCIENCE", NIGHT)}[basic.name]
    assert done.status == "SUCCESSFUL", capsys.readouterr()
    assert (tree.product / "OBJECT" / NIGHT / done.products[0].name).is_file()
    capsys.readouterr()
    dfos("createAB", "-m", "CALIB")
    assert "1 kept" in capsys.readouterr().err
