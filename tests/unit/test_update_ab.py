"""updateAB: what changes in an AB after a move, and that nothing else does."""

from __future__ import annotations

import pytest

from engine.core.ab import parse
from engine.release.update_ab import Certificate, Places, updated
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
