"""updateAB: what changes in an AB after a move, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.ab import parse
from engine.release.update.update_ab import Certificate, Places, missing, product_names, updated
from tests.builders import make_ab

STAMP = "2025-11-21T09:43:10"
BIAS = "r.MUSE.2014-10-22T22:00:00.000_tpl_0000.fits"
FLAT = make_ab(
    "MUSE.2014-10-22T23:10:05.402",
    "bias",
    mode="CALIB",
    date="2014-10-22",
    calibs=[("VIRTUAL", f"$DFS_PRODUCT/BIAS/2014-10-22/{BIAS}", "MASTER_BIAS")],
    products=("MASTER_FLAT", "TRACE_TABLE"),
    extra=(
        "# a comment of somebody",
        "MY_QUALIFIER   kept   as it is",
        "MCALIB REAL $DFO_CAL_DIR/gen/MU_GBPT.fits BADPIX_TABLE",
    ),
)
FIRST, SECOND = (product.name for product in FLAT.products)


def _places(**names: str) -> Places:
    return Places(names, "$DFO_CAL_DIR/2014-10-22", {BIAS: "$DFO_CAL_DIR/2014-10-22/MU_MBIA_141022A_SCI1.0.fits"})


@pytest.mark.row(73)
def test_calib_gets_names_places_and_real() -> None:
    new = updated(FLAT, _places(**{FIRST: "MU_MFLA_141022A_WFM.fits"}), STAMP)
    assert [(p.name, p.state) for p in new.products] == [("MU_MFLA_141022A_WFM.fits", "REAL"), (SECOND, "VIRTUAL")]
    assert new.get("PROD_PATH") == "$DFO_CAL_DIR/2014-10-22"
    assert new.values("MCALIB")[0].split() == [
        "REAL",
        "$DFO_CAL_DIR/2014-10-22/MU_MBIA_141022A_SCI1.0.fits",
        "MASTER_BIAS",
        "0.0",
        "OK",
    ]
    assert new.get("UPDATED") == STAMP


@pytest.mark.row(100)
def test_every_other_line_keeps_its_bytes() -> None:
    new = updated(FLAT, _places(**{FIRST: "MU_MFLA_141022A_WFM.fits"}), STAMP)
    old_lines, new_lines = (ab.render().decode().splitlines() for ab in (FLAT, new))
    touched = ("PRODUCTS", "MCALIB VIRTUAL", "PROD_PATH")
    assert [line for line in old_lines if not line.startswith(touched)] == [
        line
        for line in new_lines
        if not line.startswith(("PRODUCTS", "MCALIB REAL $DFO_CAL_DIR/2014", "PROD_PATH", "UPDATED"))
    ]
    assert parse(new.render(), "again").render() == new.render()


def test_science_says_existing_or_missing() -> None:
    combined = make_ab(kind="combine", products=("DATACUBE_FINAL", "IMAGE_FOV"))
    cube, image = (product.name for product in combined.products)
    new = updated(combined, Places({cube: "MU_SCBD_1.fits"}, "$DFO_SCI_DIR/2094-01-16", {}), STAMP)
    assert [(p.name, p.state) for p in new.products] == [("MU_SCBD_1.fits", "EXISTING"), (image, "MISSING")]


def test_the_certificate_is_written_for_those_who_come_later() -> None:
    signed = Certificate("accepted", "rh", "2025-11-21T09:40:00", "thin clouds # at start", "DEEP40")
    ab = make_ab(kind="combine", products=("IMAGE_FOV",), extra=("COMMENT an earlier one",))
    new = updated(ab, Places({}, "", {}), STAMP, signed)
    assert new.get("CERTIFIED") == "accepted by rh at 2025-11-21T09:40:00"
    assert new.get("PATTERN") == "DEEP40"
    assert new.values("COMMENT") == ("an earlier one", "thin clouds at start")


def test_an_ab_that_nothing_changes_in_keeps_its_stamp() -> None:
    once = updated(FLAT, _places(**{FIRST: "MU_A.fits"}), STAMP)
    assert updated(once, _places(**{"MU_A.fits": "MU_A.fits"}), "2026-01-01T00:00:00") is once


def test_later_letters_follow_in_abs_that_moved_before() -> None:
    once = updated(FLAT, _places(**{FIRST: "MU_A.fits"}), STAMP)
    again = updated(once, _places(**{"MU_A.fits": "MU_B.fits"}), "2026-01-01T00:00:00")
    assert again.products[0].name == "MU_B.fits"
    assert again.get("UPDATED") == "2026-01-01T00:00:00"


def test_a_product_is_known_by_any_name_it_had() -> None:
    names, twice = product_names(
        [
            ("MU_A.fits", "r.a_0000.fits"),
            ("MU_A.hdr", "r.a_0000.fits"),
            ("MU_B.hdr", "r.b_0000.fits"),
            ("MU_C.fits.fz", ""),
            ("MU D.fits", "r.d_0000.fits"),
            ("notes.txt", "r.e_0000.fits"),
            ("MU_F.fits", "r.f_0000.fits"),
            ("MU_G.tfits", "r.f_0000.fits"),
        ]
    )
    assert names["r.a_0000.fits"] == names["MU_A.fits.fz"] == "MU_A.fits"
    assert names["r.b_0000.fits"] == "MU_B.fits" and names["MU_B.tfits"] == "MU_B.tfits"
    assert names["MU_C.fits"] == "MU_C.fits.fz"
    assert not {"MU D.fits", "r.d_0000.fits", "r.e_0000.fits"} & names.keys()
    assert twice == ("r.f_0000.fits",)


@pytest.mark.row(96)
def test_what_an_ab_names_and_is_not_there_is_told() -> None:
    ab = make_ab(kind="combine", products=("IMAGE_FOV",), LOG_NAME="x.log", extra=("FURTHER a.png", "FURTHER b.txt 3"))
    places = Places({}, "$DFO_SCI_DIR/2094-01-16", {})
    assert missing(ab, places) == ()  # nobody looked
    nothing = replace(places, there=frozenset())
    assert missing(ab, nothing) == (
        "pipeline log x.log is missing",
        "graphic a.png is missing",
        "further file b.txt is missing",
    )
    assert missing(ab, replace(nothing, there=frozenset({"x.log", "b.txt"}), unkept=frozenset({"png"}))) == ()
    assert missing(ab.with_value("LOG_NAME", ""), replace(nothing, unkept=frozenset({"png", "txt"}))) == (
        "it names no pipeline log",
    )


@pytest.mark.row(98)
def test_calibrations_are_only_looked_at_where_asked() -> None:
    complete = Places({}, "", {}, complete=True)
    assert {calib.state for calib in updated(FLAT, complete, STAMP).calibs} == {"VIRTUAL"}
    assert updated(FLAT, replace(complete, checked=False), STAMP).calibs == FLAT.calibs
    parents = {f"2014-10-22/{BIAS}": "$DFO_CAL_DIR/2014-10-22/MU_M.fits", "2014-10-23/MU_GBPT.fits": "x"}
    there = replace(complete, parents=parents)
    assert [calib.state for calib in updated(FLAT, there, STAMP).calibs] == ["REAL", "VIRTUAL"]


_VALUE = st.text("abMU_.$/ \t#é\"'", max_size=12)
_LINES = st.lists(
    st.tuples(st.sampled_from(["MY_KEY", "# PRODUCTS", "COMMENT", "OBS_ID", "", "SCORE"]), _VALUE), max_size=6
)


@pytest.mark.row(94, 100)
@given(_LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_else_stands_there_stays(others: list[tuple[str, str]], end: str, there: bool) -> None:
    text = FLAT.render().decode().replace("\n", end) + "".join(f"{key} {value}{end}" for key, value in others)
    ab = parse(text.encode(), "x.ab")
    names = {FIRST: "MU_A.fits", "MU_A.fits": "MU_A.fits"} if there else {}
    places = Places(names, "$DFO_CAL_DIR/x", {BIAS: "$DFO_CAL_DIR/x/MU_B.fits"})
    new = updated(ab, places, STAMP)
    fields = ("PRODUCTS", "PROD_PATH", "MCALIB", "UPDATED")
    old_lines, new_lines = ([line for line in one.lines if line.key not in fields] for one in (ab, new))
    assert old_lines == new_lines
    assert updated(new, places, "2026-01-01T00:00:00") is new
