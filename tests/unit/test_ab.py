"""Association blocks: parse, ask, edit, render."""

from __future__ import annotations

import pytest

from engine.core.ab import AB, parse, tag_of
from engine.core.cascade import Kind, kind_of
from engine.errors import BadAb

TEXT = """\
# --- identification
TOOL_VERSION     3.9
INSTRUMENT       MUSE
DATE             2094-01-16
DPR_CATG         SCIENCE
RAW_TYPE         PIXTABLE_REDUCED
RECIPE           muse_exp_combine
BATCH_ID         SCIENCE_2094-01-16
AB_NAME          MUSE.2014-10-22T23:57:32.118_dpc.ab
PROCESS_STATUS   CREATED       # not yet
PROD_ROOT_NAME   r.MUSE.2014-10-22T23:57:32.118_dpc
LOG_NAME                               # processAB fills this
TARGET           NGC300
RUN_ID           094.A-0116B
PROC_MODE        CROWDED
# pipeline product path
PROD_PATH        $DFS_PRODUCT/PIXTABLE_REDUCED/2094-01-16
MCALIB   VIRTUAL $DFS_PRODUCT/BIAS/2014-10-22/r.MUSE.2014-10-22T22:41:17.250_tpl_0000.fits MASTER_BIAS -0.020 OK
WAITFOR  MUSE.2014-10-22T23:57:32.118_dal.ab
RECIPE_PARAM --threshold=100.
SOF_CONTENT\t$DFS_PRODUCT/A/x.fits  PIXTABLE_REDUCED
SOF_CONTENT\t$DFS_PRODUCT/A/y.fits  PIXTABLE_REDUCED   # the second

QUALIFIER_OF_TOMORROW  keep   "me # here"   # please
PRODUCTS r.MUSE.2014-10-22T23:57:32.118_dpc_0000.fits  DATACUBE_FINAL  MISSING
FURTHER r.MUSE.2014-10-22T23:57:32.118_dpc.png
"""


def ab(text: str = TEXT) -> AB:
    return parse(text.encode(), "x.ab")


@pytest.mark.row(99)
def test_every_qualifier_can_be_asked_for() -> None:
    block = ab()
    assert block.name == "MUSE.2014-10-22T23:57:32.118_dpc.ab"
    assert (block.tag, block.mode, block.date) == ("dpc", "SCIENCE", "2094-01-16")
    assert (block.raw_type, block.recipe, block.root) == (
        "PIXTABLE_REDUCED",
        "muse_exp_combine",
        "r.MUSE.2014-10-22T23:57:32.118_dpc",
    )
    assert (block.target, block.run_id, block.crowded) == ("NGC300", "094.A-0116B", True)
    assert [entry.path for entry in block.sof] == ["$DFS_PRODUCT/A/x.fits", "$DFS_PRODUCT/A/y.fits"]
    assert block.calibs[0].state == "VIRTUAL" and block.calibs[0].rest == ("-0.020", "OK")
    assert block.waitfor == ("MUSE.2014-10-22T23:57:32.118_dal.ab",)
    assert block.params == ("--threshold=100.",)
    assert block.products[0].catg == "DATACUBE_FINAL"
    assert block.further == ("r.MUSE.2014-10-22T23:57:32.118_dpc.png",)
    assert block.get("QUALIFIER_OF_TOMORROW") == 'keep   "me # here"'
    assert block.get("LOG_NAME") == ""


@pytest.mark.row(100)
def test_an_edit_changes_its_line_and_no_other_byte() -> None:
    block = ab()
    assert block.render() == TEXT.encode()
    edited = block.with_value("PROCESS_STATUS", "SUCCESSFUL").with_value("LOG_NAME", "x.log").render().decode()
    before, after = TEXT.splitlines(), edited.splitlines()
    assert [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == [9, 11]
    assert after[9] == "PROCESS_STATUS   SUCCESSFUL       # not yet"
    assert after[11].split("#")[0].split() == ["LOG_NAME", "x.log"]


def test_lists_grow_shrink_and_move_nothing_else() -> None:
    block = ab()
    longer = block.with_values("SOF_CONTENT", ["a b", "c d", "e f"])
    assert [entry.path for entry in longer.sof] == ["a", "c", "e"]
    assert "# the second" in longer.render().decode()
    assert longer.with_values("SOF_CONTENT", ["a b", "c d"]).render().decode().count("\n") == TEXT.count("\n")
    assert block.with_values("MASSOC", ["REAL p Q"]).render() == TEXT.encode() + b"MASSOC           REAL p Q\n"
    assert block.with_values("WAITFOR", []).waitfor == ()
    assert block.mapped("SOF_CONTENT", str.upper).sof[0].path == "$DFS_PRODUCT/A/X.FITS"


def test_a_file_without_last_line_end_and_with_carriage_returns() -> None:
    text = TEXT.rstrip("\n").replace("\n", "\r\n")
    block = ab(text)
    assert block.render() == text.encode()
    assert block.with_value("NEW", "1").render() == text.encode() + b"\r\nNEW              1\r\n"


def test_the_last_of_two_lines_counts() -> None:
    assert ab(TEXT + "TARGET M83\n").target == "M83"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("PROCESS_STATUS   CREATED", "PROCESS_STATUS   MAYBE"), 10, "MAYBE"),
        (("MCALIB   VIRTUAL", "MCALIB   PERHAPS"), 18, "neither REAL nor VIRTUAL"),
        (("  PIXTABLE_REDUCED   # the", "   # the"), 22, "1 columns"),
        (("WAITFOR  MUSE.2014-10-22T23:57:32.118_dal.ab", "WAITFOR  later"), 19, "not an AB name"),
        (("RAW_TYPE         PIX", "RAW_TYPE         ../../etc/PIX"), 6, "may not be used as a name"),
        (("PROD_ROOT_NAME   r.", "PROD_ROOT_NAME   /r."), 11, "may not be used as a name"),
        (("PRODUCTS r.", "PRODUCTS ../r."), 25, "leaves its directory"),
        (("AB_NAME          MUSE", "AB_NAME          ../MUSE"), 9, "not an AB name"),
    ],
)
def test_bad_lines_are_named(change: tuple[str, str], line: int, says: str) -> None:
    with pytest.raises(BadAb, match=says) as caught:
        ab(TEXT.replace(*change))
    assert caught.value.where == f"x.ab:{line}"


@pytest.mark.parametrize("data", [b"", b"\n\n# only a comment\n", b"hello", b"\x00\x01\x02", TEXT.encode() + b"\0"])
def test_what_is_no_ab_is_refused(data: bytes) -> None:
    with pytest.raises(BadAb):
        parse(data, "x.ab")


@pytest.mark.parametrize("value", ["two\nlines", "a # comment", "# all"])
def test_a_value_cannot_smuggle_lines_or_comments(value: str) -> None:
    with pytest.raises(BadAb):
        ab().with_value("COMMENT", value)


@pytest.mark.row(312)
@pytest.mark.parametrize(
    ("name", "recipe", "raw_type", "kind"),
    [
        ("MUSE.2014-10-22T23:57:32.118.ab", "muse_scibasic", "OBJECT", "scibasic"),
        ("MUSE.2014-10-22T23:57:32.118.ab", "muse_scibasic", "SKY", "sky_basic"),
        ("MUSE.2014-10-22T23:57:32.118_pst.ab", "muse_scipost", "PIXTABLE_OBJECT", "scipost"),
        ("MUSE.2014-10-22T23:57:32.118_sky.ab", "muse_create_sky", "PIXTABLE_SKY", "create_sky"),
        ("MUSE.2014-10-22T23:57:32.118_dal.ab", "muse_exp_align", "IMAGE_FOV", "align"),
        ("MUSE.2014-10-22T23:57:321_dpc.ab", "muse_exp_combine", "PIXTABLE_REDUCED", "combine"),
    ],
)
def test_kinds_are_told_by_extension_and_raw_type(name: str, recipe: str, raw_type: str, kind: str) -> None:
    kinds = [
        Kind("sky_basic", "muse_scibasic", "", ("SKY",), 1, 1),
        Kind("create_sky", "muse_create_sky", "sky", (), 2, 1),
        Kind("scibasic", "muse_scibasic", "", ("OBJECT",), 3, 3),
        Kind("scipost", "muse_scipost", "pst", (), 4, 3),
        Kind("align", "muse_exp_align", "dal", (), 5, 1),
        Kind("combine", "muse_exp_combine", "dpc", (), 6, 1),
    ]
    text = TEXT.replace("MUSE.2014-10-22T23:57:32.118_dpc.ab", name)
    text = text.replace("muse_exp_combine", recipe).replace("RAW_TYPE         PIXTABLE_REDUCED", f"RAW_TYPE {raw_type}")
    found = kind_of(ab(text), kinds)
    assert found is not None and found.name == kind


def test_tags() -> None:
    assert tag_of("GIRAF.2007-10-13T03:29:13.092.ab") == ""
    assert tag_of("MUSE.2014-10-22T23:57:321_dpc.ab") == "dpc"
    with pytest.raises(BadAb):
        tag_of("MUSE.2014/../x.ab")
