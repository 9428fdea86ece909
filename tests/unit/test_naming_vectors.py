"""Names of the archive and of the product_codes pages, made from headers by the shipped tables."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from config.codes import Code, NameField, Rename
from config.load import load, naming_tables
from engine.core.product import Product
from engine.release.rename.naming import Named, keywords_needed, names

TABLES = ("FORS2", "GIRAFFE", "HAWKI", "KMOS", "MUSE", "UVES", "XSHOOTER")


@cache
def table(name: str) -> Rename:
    return load(None, {}, ["profile=MUSE_DEEP", f"rename.table={name}"]).settings.rename


def product(catg: str, tag: str = "", name: str = "r.X.2014-10-22T22:00:00.000_0000.fits", **keys: Any) -> Named:
    values = {key.replace("__", "."): value for key, value in keys.items()}
    made = Product(f"/p/{name}", name, catg, "", str(values.pop("raw_type", "")), 1, 56952.9)
    return Named(made, tag, values)


def name_of(tables: Rename, mode: str, date: str, item: Named) -> str:
    made = names([item], tables, mode, date)
    assert not made.conflicts, made.conflicts
    assert not made.unknown, made.unknown
    return made.final[item.product.pipefile]


def cube(code: str, tag: str, stamp: str, obs: int, mode: str, kind: str = "OBJECT") -> Named:
    catg = {"C": "DATACUBE_FINAL", "I": "IMAGE_FOV", "X": "EXPOSURE_MAP"}[code]
    return product(catg, tag, OBS__ID=obs, **{"DATE-OBS": stamp}, INS__MODE=mode, DPR__TYPE=kind)


DEEP = ("2022-06-24T08:46:05.083", 3250018, "WFM-NOAO-N")
ONE_OB = ("2015-01-12T00:54:04.379", 1134385, "WFM-NOAO-N")
SKY = ("2022-06-28T10:00:42.468", 3236622, "WFM-NOAO-E", "SKY")


@pytest.mark.row(87, 88)
@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (cube("C", "dpc", *DEEP), "MU_SCBD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
        (cube("I", "dpc", *DEEP), "MU_SIMD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
        (cube("X", "dpc", *DEEP), "MU_SXPM_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
        (cube("C", "tpl", *DEEP), "MU_SCBC_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"),
        (cube("C", "tpl", *ONE_OB), "MU_SCBC_1134385_2015-01-12T00:54:04.379_WFM-NOAO-N_OBJ.fits"),
        (cube("I", "tpl", *ONE_OB), "MU_SIMC_1134385_2015-01-12T00:54:04.379_WFM-NOAO-N_OBJ.fits"),
        (cube("C", "tpl", *SKY), "MU_SCBX_3236622_2022-06-28T10:00:42.468_WFM-NOAO-E_SKY.fits"),
        (cube("I", "pst", *SKY), "MU_SIMX_3236622_2022-06-28T10:00:42.468_WFM-NOAO-E_SKY.fits"),
        (cube("C", "pst", *ONE_OB), "MU_SCBS_1134385_2015-01-12T00:54:04.379_WFM-NOAO-N_OBJ.fits"),
    ],
)
def test_muse_science_names_as_the_archive_lists_them(item: Named, wanted: str) -> None:
    assert name_of(table("MUSE"), "SCIENCE", "2094-01-16", item) == wanted


@pytest.mark.row(88)
def test_the_own_example_of_a_muse_flat() -> None:
    flat = product("MASTER_FLAT", INS__MODE="WFM-NOAO-N", DET__READ__CURNAME="SCI1.0")
    assert name_of(table("MUSE"), "CALIB", "2015-01-03", flat) == "MU_MFLA_150103A_WFM-NOAO-N_SCI1.0.fits"


UVES_RED = {
    "INS__GRAT2__WLEN": 563.9,
    "INS__MODE": "DICHR#1",
    "DET__WIN1__BINX": 2,
    "DET__WIN1__BINY": 2,
    "INS__SLIT3__WID": 1.0,
}


@pytest.mark.row(88)
@pytest.mark.parametrize(
    ("mode", "date", "item", "wanted"),
    [
        (
            "SCIENCE",
            "2002-05-02",
            product("RED_SCIENCE_REDL", OBS__ID=118913, **{"DATE-OBS": "2002-05-02T06:22:50.057"}, **UVES_RED),
            "UV_SRED_118913_2002-05-02T06:22:50.057_REDL564d1_2x2_10.fits",
        ),
        (
            "SCIENCE",
            "2010-06-18",
            product(
                "FLUXCAL_SCIENCE_RED",
                OBS__ID=462243,
                **{"DATE-OBS": "2010-06-18T04:13:35.2914"},
                **{**UVES_RED, "DET__WIN1__BINX": 1, "DET__WIN1__BINY": 1, "INS__SLIT3__WID": 0.8},
            ),
            "UV_SFLX_462243_2010-06-18T04:13:35.291_RED564d1_1x1_08.fits",
        ),
        ("CALIB", "2007-10-12", product("MASTER_FLAT_REDL", **UVES_RED), "UV_MFLT_071012A_REDL564d1_2x2_10.fits"),
        ("CALIB", "2001-10-15", product("MASTER_BIAS_BLUE", **UVES_RED), "UV_MBIA_011015A_BLUE_2x2.fits"),
        ("CALIB", "2001-10-15", product("LINE_TABLE_REDU2", **UVES_RED), "UV_PLI2_011015A_REDU564d1_2x2_10.fits"),
        (
            "CALIB",
            "2001-10-15",
            product("MASTER_SFLAT_REDL", INS__SLIT3__PLATE=2, INS__SLIT3__MODE="7+1FIB", **UVES_RED),
            "UV_MSFT_011015A_REDL564_2x2_2_1.fits",
        ),
        (
            "CALIB",
            "2001-10-15",
            product(
                "ORDER_TABLE_BLUE",
                INS__GRAT1__WLEN=346.0,
                INS__MODE="BLUE",
                DET__WIN1__BINX=1,
                DET__WIN1__BINY=1,
            ),
            "UV_PORD_011015A_BLUE346_1x1.fits",
        ),
    ],
)
def test_uves_names(mode: str, date: str, item: Named, wanted: str) -> None:
    assert name_of(table("UVES"), mode, date, item) == wanted


GIRAFFE = {"INS__SLIT__NAME": "Medusa1", "INS__EXP__MODE": "L543.1", "INS__GRAT__ORDER": 3}


@pytest.mark.row(88)
def test_giraffe_names() -> None:
    tables = table("GIRAFFE")
    bias = product("MASTER_BIAS", DET__WIN1__BINX=1, DET__WIN1__BINY=1)
    assert name_of(tables, "CALIB", "2007-10-12", bias) == "GI_MBIA_071012A_1x1.fits"
    flat = product("FF_LOCWIDTH", **GIRAFFE)
    assert name_of(tables, "CALIB", "2007-10-12", flat) == "GI_PLOW_071012A_Medusa1_L543.1nm_o3.fits"
    argus = {
        "OBS__ID": 186898,
        "DATE-OBS": "2005-03-29T06:48:12",
        "INS__SLIT__NAME": "Argus",
        "INS__EXP__MODE": "L479.7",
        "INS__GRAT__ORDER": 4,
    }
    of_2005 = tables.model_copy(update={"time_digits": 0})
    item = product("SCIENCE_RBNSPECTRA", **argus)
    assert name_of(of_2005, "SCIENCE", "2005-03-29", item) == (
        "GI_SRBS_186898_2005-03-29T06:48:12_Argus_L479.7nm_o4.fits"
    )
    fibres = [
        product("SCIENCE_RBNSPEC_IDP", name=f"r.GIRAF.x_{n:04d}.fits", **argus, PRO__FPS=n) for n in range(1, 121)
    ]
    made = names(fibres, tables, "SCIENCE", "2005-03-29")
    assert not made.conflicts
    assert made.final["r.GIRAF.x_0007.fits"].endswith("_Argus_L479.7nm_o4_f007.fits")


FORS = {
    "DET__CHIP1__ID": "CHIP1",
    "DET__READ__CLOCK": "200Kps/2ports/low_gain",
    "DET__WIN1__BINX": 2,
    "DET__WIN1__BINY": 2,
    "INS__FILT1__NAME": "R_SPECIAL",
}


@pytest.mark.row(88)
@pytest.mark.parametrize(
    ("catg", "collimator", "wanted"),
    [
        ("MASTER_BIAS", "COLL_SR", "F2_MBIA_140712A_1200Kps-2ports-low_gain_2x2.fits"),
        ("MASTER_SKY_FLAT_IMG", "COLL_SR+1", "F2_MKFI_140712A_R_SPECIAL_1200Kps-2ports-low_gain_2x2.fits"),
        ("MASTER_SKY_FLAT_IMG", "COLL_HR", "F2_MKFI_140712A_R_SPECIAL_1200Kps-2ports-low_gain_2x2HR.fits"),
        ("SOURCES_STD_IMG", "COLL_HR", "F2_PSRI_140712A_R_SPECIAL_C1_200Kps-2ports-low_gain_2x2HR.fits"),
        ("ALIGNED_PHOT", "COLL_SR", "F2_PZPI_140712A_1200Kps-2ports-low_gain.fits"),
    ],
)
def test_fors2_structures(catg: str, collimator: str, wanted: str) -> None:
    assert name_of(table("FORS2"), "CALIB", "2014-07-12", product(catg, INS__COLL__NAME=collimator, **FORS)) == wanted


XSH = {
    "DET__READ__CLOCK": "400k/1pt/lg",
    "DET__WIN1__BINX": 1,
    "DET__WIN1__BINY": 2,
    "DET__CHIP1__ID": "E2V-1",
    "DET__CHIP__ID": "H2RG",
    "DET__DIT": 0.66,
    "DET__NDIT": 3,
    "INS__OPTI3__NAME": "1.0x11",
    "INS__OPTI4__NAME": "0.9x11",
    "INS__OPTI5__NAME": "0.6x11",
}


@pytest.mark.row(88)
@pytest.mark.parametrize(
    ("catg", "wanted"),
    [
        ("MASTER_BIAS_UVB", "XS_MBIA_140712A_400k-1pt-lg_UVB_E2V-1.fits"),
        ("MASTER_DARK_VIS", "XS_MDRK_140712A_400k-1pt-lg_VIS_E2V-1.fits"),
        ("MASTER_DARK_NIR", "XS_MDRK_140712A_0.66_3_NIR_H2RG.fits"),
        ("ORDER_TAB_CENTR_VIS", "XS_POCO_140712A_1x2_VIS_E2V-1.fits"),
        ("ORDER_TAB_CENTR_NIR", "XS_POCO_140712A_NIR_H2RG.fits"),
        ("ORDER_TAB_AFC_IFU_UVB", "XS_POTA_140712A_1.0x11_1x2_UVB_E2V-1.fits"),
        ("MASTER_FLAT_SLIT_VIS", "XS_MFSL_140712A_S0.9x11_400k-1pt-lg_VIS_E2V-1.fits"),
        ("MASTER_FLAT_SLIT_NIR", "XS_MFSL_140712A_S0.6x11_NIR_H2RG.fits"),
        ("MASTER_FLAT_IFU_NIR", "XS_MFIF_140712A_NIR_H2RG.fits"),
    ],
)
def test_xshooter_structures(catg: str, wanted: str) -> None:
    assert name_of(table("XSHOOTER"), "CALIB", "2014-07-12", product(catg, **XSH)) == wanted


@pytest.mark.row(88)
def test_hawki_and_kmos() -> None:
    flat = product("MASTER_TWILIGHT_FLAT", INS__FILT1__NAME="OPEN", INS__FILT2__NAME="Ks")
    assert name_of(table("HAWKI"), "CALIB", "2014-07-12", flat) == "HI_MFLT_140712A_Ks.fits"
    dark = product("MASTER_DARK", DET__DIT=1.6762, DET__NDIT=5, DET__NCORRS__NAME="NonDest")
    assert name_of(table("HAWKI"), "CALIB", "2014-07-12", dark) == "HI_MDRK_140712A_1.6762_5_NonDest.fits"
    both = product("MASTER_TWILIGHT_FLAT", INS__FILT1__NAME="J", INS__FILT2__NAME="Ks")
    assert "exactly one must not be OPEN" in names([both], table("HAWKI"), "CALIB", "2014-07-12").conflicts[0]
    edge = product("FLAT_EDGE", **{f"INS__GRAT{n}__ID": "HK" for n in (1, 2, 3)})
    assert name_of(table("KMOS"), "CALIB", "2014-07-12", edge) == "KM_PEDG_140712A_HKHKHK.fits"


@pytest.mark.row(88)
def test_literals_around_values_and_one_category_with_several_codes() -> None:
    """What the VISIR and SINFONI pages show."""
    visir = Rename(
        instrument_code="VR",
        time_digits=0,
        fields={"SCALE": NameField(keys=("INS.PFOV",), format="{:.3f}")},
        calib=(
            Code(code="MFSC", pro_catg="IMG_FF", when={"raw_type": "FF_SPEC"}),
            Code(code="MFIC", pro_catg="IMG_FF"),
        ),
        science=(Code(code="SICP", pro_catg="IMG_OBS_COMBINED_CNJ", params=("px{SCALE}", "filt{INS.FILT1.NAME}")),),
    )
    seen = {"OBS__ID": 186898, "DATE-OBS": "2005-03-29T06:48:12", "INS__PFOV": 0.075, "INS__FILT1__NAME": "J7.9"}
    item = product("IMG_OBS_COMBINED_CNJ", **seen)
    assert name_of(visir, "SCIENCE", "2005-03-29", item) == ("VR_SICP_186898_2005-03-29T06:48:12_px0.075_filtJ7.9.fits")
    assert name_of(visir, "CALIB", "2005-03-29", product("IMG_FF", raw_type="FF_SPEC")).startswith("VR_MFSC")
    assert name_of(visir, "CALIB", "2005-03-29", product("IMG_FF", raw_type="FF_IMG")).startswith("VR_MFIC")
    sinfoni = Rename(
        instrument_code="SI",
        science=(Code(code="SOBS", pro_catg="COADD", params=("{DET.DIT:g}", "{INS.GRAT1.NAME}", "{INS.OPTI1.NAME}")),),
    )
    grating = {"DET__DIT": 300.0, "INS__GRAT1__NAME": "H+K", "INS__OPTI1__NAME": "0.025"}
    item = product("COADD", OBS__ID=1, **{"DATE-OBS": "2005-03-29T06:48:12.5"}, **grating)
    assert name_of(sinfoni, "SCIENCE", "2005-03-29", item) == "SI_SOBS_1_2005-03-29T06:48:12.500_300_H+K_0.025.fits"


def test_seven_tables_are_shipped_and_every_row_tells_its_source() -> None:
    assert tuple(naming_tables(None)) == TABLES
    for name in TABLES:
        tables = table(name)
        rows = (*tables.calib, *tables.science, *tables.gen, *tables.gaps)
        assert all(row.source for row in rows), name
        assert all(field.source for field in tables.fields.values()), name


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("mode", ["CALIB", "SCIENCE", "GEN"])
def test_a_dry_run_over_one_header_per_category_yields_distinct_names(name: str, mode: str) -> None:
    tables = table(name)
    values: dict[str, Any] = dict.fromkeys(keywords_needed(tables, mode), 1)
    values |= {"DATE-OBS": "2014-07-12T01:02:03.456", "INS.MODE": "BLUE", "INS.SLIT3.MODE": "8FIB"}
    values |= {"INS.FILT1.NAME": "OPEN", "INS.FILT2.NAME": "J", "INS.COLL.NAME": "COLL_SR", "DET.CHIP1.ID": "1"}
    values.pop("DPR.TYPE", None)
    pool: dict[str, Named] = {}
    for row in tables.codes(mode):
        if "DPR.TYPE" in row.when:
            continue
        arms = next((captured for key, captured in tables.captures.items() if "{" + key + "}" in row.pro_catg), ("",))
        for arm in arms:
            catg = row.pro_catg.replace("{CCD}", arm).replace("{arm}", arm)
            tag = row.when.get("ab_type", "")
            item = product(catg, tag, name=f"r.{catg}{tag}.fits")
            pool[item.product.pipefile] = Named(item.product, tag, values)
    versioned = {row.code for row in tables.codes(mode) if row.shared}
    made = names(list(pool.values()), tables, mode, "2014-07-12")
    assert not made.unknown
    assert all(any(f"_{code}_" in text for code in versioned) for text in made.conflicts), made.conflicts
    assert len(made.final) == len(pool)


def test_what_is_lost_is_a_note_and_never_a_rule() -> None:
    lost = {gap.code for gap in table("XSHOOTER").gaps if gap.code}
    assert {"PBSL", "POEI", "PWMS"} <= lost
    assert not lost & {row.code for row in table("XSHOOTER").calib}
    assert {gap.code for gap in table("UVES").gaps} >= {"MS<xx>", "MF<xx>"}
