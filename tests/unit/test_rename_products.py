"""Final names from header keywords: the documented samples, and everything that must stop a rename."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from config.codes import Code, NameField, Rename
from engine.core.product import Product
from engine.release.rename.rename_products import Named, keywords_needed, names, plain_names, version_letter
from tests.released import RENAME


def _named(root: str, catg: str, mjd: float = 1.0, tag: str = "", number: int = 0, **keys: Any) -> Named:
    pipefile = f"r.{root}_{number:04d}.fits"
    product = Product(f"/p/{pipefile}", pipefile, catg, "", "BIAS", 1, mjd)
    stamp = root.removeprefix("MUSE.").partition("_")[0]
    base = {
        "OBS.ID": 3250018,
        "DATE-OBS": stamp,
        "INS.MODE": "WFM-NOAO-N",
        "DPR.TYPE": "OBJECT",
        "DET.READ.CURNAME": "SCI1.0",
    }
    return Named(product, tag, {**base, **{key.replace("__", "."): value for key, value in keys.items()}})


BIASES = [_named(f"MUSE.2014-07-12T22:{n}0:00.000_tpl", "MASTER_BIAS", 56850 + n / 100, "tpl") for n in range(3)]


def test_calibname_with_versions_over_the_pool_in_time_order() -> None:
    made = names(BIASES[::-1], RENAME, "CALIB", "2014-07-12")
    assert made.final == {
        BIASES[0].product.pipefile: "MU_MBIA_140712A_SCI1.0.fits",
        BIASES[1].product.pipefile: "MU_MBIA_140712B_SCI1.0.fits",
        BIASES[2].product.pipefile: "MU_MBIA_140712C_SCI1.0.fits",
    }
    assert made.conflicts == made.unknown == ()


def test_versions_count_per_setup() -> None:
    other = _named("MUSE.2014-07-12T23:00:00.000_tpl", "MASTER_BIAS", DET__READ__CURNAME="SCI2.0")
    made = names([*BIASES, other], RENAME, "CALIB", "2014-07-12")
    assert made.final[other.product.pipefile] == "MU_MBIA_140712A_SCI2.0.fits"


@pytest.mark.parametrize(
    ("stamp", "catg", "wanted"),
    [
        ("2022-06-24T08:46:05.083", "DATACUBE_FINAL", "MU_SCBD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
        ("2022-06-24T08:46:05.083", "IMAGE_FOV", "MU_SIMD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
        ("2022-06-24T08:46:05", "IMAGE_FOV", "MU_SIMD_3250018_2022-06-24T08:46:05.000_WFM-NOAO-N_OBJ.fits"),
        ("2022-06-24T08:46:05.0839", "IMAGE_FOV", "MU_SIMD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
    ],
)
def test_usersciname_as_the_archive_lists_them(stamp: str, catg: str, wanted: str) -> None:
    cube = _named(f"MUSE.{stamp}_dpc", catg, tag="dpc")
    assert list(names([cube], RENAME, "SCIENCE", "2094-01-16").final.values()) == [wanted]


def test_the_tag_of_the_ab_decides_the_code() -> None:
    single = _named("MUSE.2022-06-24T08:46:05.083_pst", "DATACUBE_FINAL", tag="pst")
    made = names([single], RENAME, "SCIENCE", "2094-01-16")
    assert made.final == {single.product.pipefile: single.product.pipefile}
    assert "no code for PRO.CATG DATACUBE_FINAL" in made.unknown[0]
    assert made.conflicts == ()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"DET__READ__CURNAME": None}, "DET.READ.CURNAME is missing"),
        ({"DET__READ__CURNAME": "  "}, "DET.READ.CURNAME is missing"),
        ({"DET__READ__CURNAME": 1.5}, "needs a format"),
        ({"DET__READ__CURNAME": "(*)"}, "may stand in a file name"),
        ({"DET__READ__CURNAME": "x" * 60}, "68 are allowed"),
    ],
)
def test_what_stops_a_calib_rename_names_the_file(keys: dict[str, Any], words: str) -> None:
    bad = _named("MUSE.2014-07-12T22:00:00.000_tpl", "MASTER_BIAS", **keys)
    made = names([bad], RENAME, "CALIB", "2014-07-12")
    assert words in made.conflicts[0]
    assert bad.product.pipefile in made.conflicts[0]


def test_a_collision_names_the_pair() -> None:
    cubes = [_named("MUSE.2022-06-24T08:46:05.083_dpc", "IMAGE_FOV", tag="dpc", number=n) for n in range(2)]
    made = names(cubes, RENAME, "SCIENCE", "2094-01-16")
    assert all(cube.product.pipefile in made.conflicts[0] for cube in cubes)


def test_the_same_pipefile_twice_stops() -> None:
    made = names([BIASES[0], BIASES[0]], RENAME, "CALIB", "2014-07-12")
    assert "twice" in made.conflicts[0]


@pytest.mark.parametrize("value", ["../../etc/passwd", "a b/c", "x,y;rm -rf", "Läng\n2", "(H+K)"])
def test_values_are_made_safe(value: str) -> None:
    made = names(
        [_named("MUSE.2014-07-12T22:00:00.000_tpl", "MASTER_BIAS", DET__READ__CURNAME=value)],
        RENAME,
        "CALIB",
        "2014-07-12",
    )
    name = next(iter(made.final.values()))
    assert not set(name) & set(" /,;()\nä") and name.startswith("MU_MBIA_140712A_")


def test_formats_of_numbers_come_from_the_table() -> None:
    table = Rename(
        instrument_code="UV",
        calib=(
            Code(code="MFLT", pro_catg="MASTER_FLAT_REDL", params=("REDL{INS.GRAT2.WLEN:.0f}d1", "{DET.WIN1.BINX}")),
        ),
    )
    flat = _named("UVES.2007-10-12T22:00:00.000", "MASTER_FLAT_REDL", INS__GRAT2__WLEN=563.9, DET__WIN1__BINX=2)
    made = names([flat], table, "CALIB", "2007-10-12")
    assert list(made.final.values()) == ["UV_MFLT_071012A_REDL564d1_2.fits"]
    assert set(keywords_needed(table, "CALIB")) == {"INS.GRAT2.WLEN", "DET.WIN1.BINX"}


def test_pseudo_dates_are_labels_not_calendar_days() -> None:
    made = names(BIASES[:1], RENAME, "CALIB", "2099-99-99")
    assert list(made.final.values()) == ["MU_MBIA_999999A_SCI1.0.fits"]


def test_version_letters() -> None:
    assert [version_letter(n) for n in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AB",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


@pytest.mark.row(93)
def test_versions_off_makes_a_second_product_of_the_name_a_conflict_that_names_the_pair() -> None:
    off = RENAME.model_copy(update={"calib": (RENAME.calib[0].model_copy(update={"versions": False}),)})
    made = names(BIASES[:2], off, "CALIB", "2014-07-12")
    assert all(item.product.pipefile in made.conflicts[0] for item in BIASES[:2])
    assert names(BIASES[:1], off, "CALIB", "2014-07-12").conflicts == ()


def test_letters_cannot_be_given_without_mjd_obs() -> None:
    lost = [_named(f"MUSE.2014-07-12T22:{n}0:00.000_tpl", "MASTER_BIAS", mjd) for n, mjd in enumerate((0.0, 5.0))]
    assert "keyword MJD-OBS is missing" in names(lost, RENAME, "CALIB", "2014-07-12").conflicts[0]


@pytest.mark.parametrize(
    ("path", "final", "plain"),
    [
        ("/p/x.fits", "MU_MBIA_140712A_SCI1.0.fits", "r.MUSE.2014-07-12T22:00:00.000_tpl_0000.fits"),
        ("/p/x.hdr", "MU_MBIA_140712A_SCI1.0.hdr", "r.MUSE.2014-07-12T22:00:00.000_tpl_0000.hdr"),
        ("/p/x.fits.fz", "MU_MBIA_140712A_SCI1.0.fits.fz", "r.MUSE.2014-07-12T22:00:00.000_tpl_0000.fits.fz"),
        ("/p/x.tfits", "MU_MBIA_140712A_SCI1.0.fits", "r.MUSE.2014-07-12T22:00:00.000_tpl_0000.fits"),
    ],
)
def test_the_extension_is_that_of_the_file_on_disk(path: str, final: str, plain: str) -> None:
    product = replace(BIASES[0].product, path=path)
    made = names([Named(product, "tpl", BIASES[0].keys)], RENAME, "CALIB", "2014-07-12")
    assert list(made.final.values()) == [final]
    assert list(plain_names([product]).final.values()) == [plain]


@pytest.mark.parametrize("pipefile", ["../../x.fits", "/etc/x.fits", "a b.fits", ".hidden.fits", "x\n.fits", "-r.fits"])
def test_a_pipefile_that_would_leave_the_directory_stops_also_the_way_back(pipefile: str) -> None:
    product = replace(BIASES[0].product, pipefile=pipefile)
    assert "not safe as a file name" in plain_names([product]).conflicts[0]


def test_conditions_first_match_wins_and_wants_are_told() -> None:
    table = Rename(
        instrument_code="MU",
        fields={
            "LAMP": NameField(keys=("INS.LAMP1.NAME", "INS.LAMP2.NAME"), rule="the first there is"),
            "EXTRA": NameField(keys=("INS.EXTRA",), skip_if_empty=True),
            "GAIN": NameField(keys=("DET.GAIN",), scale=10, format="{:03.0f}"),
        },
        calib=(
            Code(code="MFLA", pro_catg="FLAT_{CCD}", when={"CCD": "RED*", "DPR.TYPE": "LAMP*|SKY"}, params=("{LAMP}",)),
            Code(
                code="MFLB", pro_catg="FLAT_{CCD}", when={"ab_type": ""}, params=("{CCD}{EXTRA}", "{EXTRA}", "{GAIN}")
            ),
        ),
    )
    assert set(keywords_needed(table, "CALIB")) == {
        "DPR.TYPE",
        "INS.LAMP1.NAME",
        "INS.LAMP2.NAME",
        "INS.EXTRA",
        "DET.GAIN",
    }
    red = _named("MUSE.2014-07-12T22:00:00.000", "FLAT_REDL", DPR__TYPE="LAMP,FLAT", INS__LAMP2__NAME="Ne")
    blue = _named("MUSE.2014-07-12T22:10:00.000", "FLAT_BLUE", DPR__TYPE="LAMP,FLAT", DET__GAIN=1.5)
    tagged = _named("MUSE.2014-07-12T22:20:00.000_tpl", "FLAT_BLUE", tag="tpl")
    made = names([red, blue, tagged], table, "CALIB", "2014-07-12")
    assert sorted(made.final.values())[:2] == ["MU_MFLA_140712A_Ne.fits", "MU_MFLB_140712A_BLUE_015.fits"]
    assert made.kept == (tagged.product.pipefile,)
    assert "(AB type tpl)" in made.unknown[0]
    text = _named("MUSE.2014-07-12T22:30:00.000", "FLAT_BLUE", DET__GAIN="high")
    assert "DET.GAIN = 'high' is no number" in names([text], table, "CALIB", "2014-07-12").conflicts[0]
