"""What a person sees when judging: findings, pictures, history, coversheet; read from real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.hosting.board_of import board_of
from console.views import pictures
from console.views.evidence import cover_of, review_of
from engine.demo.account import DemoSpec, build_account
from engine.stores.abs import read
from tests.integration.test_phoenix_parts import RUN, STANDIN, call


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("review") / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=1, strict=True), lambda _: None)
    call(root, "phoenix", "-d", "2014-10-22", "-m", "CALIB", "-P", "--auto", *STANDIN, code=0)
    call(root, "phoenix", "-d", "2014-10-22", "-m", "CALIB", "-M", "--auto", *STANDIN, code=0)
    call(root, "phoenix", "-r", RUN, "-P", "--auto", *STANDIN, code=0)
    call(root, "phoenix", "-r", RUN, "-M", "--auto", *STANDIN, code=3)
    return root


def test_the_review_of_a_deep_cube(account: Path) -> None:
    from console.account import open_tree

    tree = open_tree(account, {})
    board = board_of(tree)
    path = next(tree.ab.glob("*_dpc.ab"))
    row = board.rows[path.name]
    log = tree.dfs_log / f"r.{path.stem}.log"
    review = review_of(tree, row, path, log)
    assert (review.pattern, review.run_id, review.may_accept, review.question > 0) == ("DEEP2", RUN, True, True)
    words = {finding.name: finding.word for finding in review.findings}
    assert words["state"] == words["files"] == words["combined"] == "ok"
    assert any("sums verified" in finding.value for finding in review.findings)
    assert any("arcsec" in finding.value for finding in review.findings if finding.name == "shifts")
    ab = read(path)
    assert review.pictures[0] == pictures.FIELD and len(review.pictures) == 5
    for name in review.pictures:
        found = pictures.picture(tree, path, name, 60, 40)
        assert found is not None and found.width <= 60 and found.height <= 40
        assert len(found.rgb) == 3 * found.width * found.height and len(set(found.rgb)) > 10
    assert pictures.picture(tree, path, "../../../etc/passwd", 60, 40) is None
    cube = pictures.place_of(tree, ab, ab.products[0].name)
    assert cube is not None
    data = cube.read_bytes()
    cube.write_bytes(data[:-2880])
    broken = review_of(tree, row, path, log)
    assert any(
        finding.name == "files" and finding.word == "RED" and "truncated" in finding.value
        for finding in broken.findings
    )
    cube.rename(cube.with_suffix(".gone"))
    gone = review_of(tree, row, path, log)
    assert not gone.may_accept and "missing" in gone.why_not
    cube.with_suffix(".gone").rename(cube)
    cube.write_bytes(data)


@pytest.mark.row(355)
def test_the_coversheet_lists_this_run_and_the_historical_ones(account: Path) -> None:
    from console.account import open_tree

    board = board_of(open_tree(account, {}))
    name = next(ab for ab in board.rows if ab.endswith("_dpc.ab"))
    cover = cover_of(str(account / "qcweb/MUSE_R"), board, name)
    ours = [entry for entry in cover if entry.group == "this run"]
    theirs = [entry for entry in cover if entry.group != "this run"]
    assert sum(entry.kind == "scipost" for entry in ours) == 2
    assert theirs and all(entry.ab.endswith("_tpl.ab") and entry.state == "DONE" for entry in theirs)
    assert cover_of("", board, name) == ours
