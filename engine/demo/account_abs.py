"""The ABs of the demo: what createAB and phoenix_createDeep would have made of its raw frames. Pure."""

from __future__ import annotations

from engine.core.ab import AB, parse
from engine.create.create_deep import VERSION, DeepRun, DeepTarget, Frame, render
from engine.demo import recipes
from engine.demo.instrument import MODE, MUSE, READ_NAME
from engine.demo.night import BIAS_NIGHT, PROGRAMME, PSEUDO_DATE, RUN, Exposure, Target

_KEYS = (f"INS_MODE={MODE}", f"DET_READ_CURNAME={READ_NAME}")


def bias_ab(biases: tuple[Exposure, ...]) -> AB:
    """The CALIB AB of the bias frames: one template, one master."""
    first = biases[0]
    stem = f"{first.root}_tpl"
    raws = [f"$DFO_RAW_DIR/{frame.night}/{frame.root}.fits BIAS" for frame in biases]
    lines = [
        ("#", "--- identification"),
        ("TOOL_VERSION", VERSION),
        ("CONFIG_VERSION", VERSION),
        ("INSTRUMENT", "MUSE"),
        ("DATE", BIAS_NIGHT),
        ("DPR_CATG", "CALIB"),
        ("RAW_TYPE", "BIAS"),
        ("RECIPE", "muse_bias"),
        ("DRS_TYPE", "INT"),
        ("BATCH_ID", f"CALIB_{BIAS_NIGHT}"),
        ("AB_NAME", f"{stem}.ab"),
        ("AB_EVENT", "TPL_A"),
        ("COMPLETENESS", "COMPLETE"),
        ("PROCESS_STATUS", "CREATED"),
        ("OBS_PROG_ID", "60.A-9100(B)"),
        ("OBS_MODE", "NONE"),
        ("OBS_ID", str(first.ob)),
        ("MJD-OBS", f"{first.mjd:.8f}"),
        ("MJD-OBS_MOD", f"{first.mjd:.8f}"),
        ("PROD_ROOT_NAME", f"r.{stem}"),
        ("LOG_NAME", ""),
        ("#", "pipeline product path"),
        ("PROD_PATH", f"$DFS_PRODUCT/BIAS/{BIAS_NIGHT}"),
        ("#", "raw match key"),
        ("RAW_MATCH_KEY", _KEYS[1]),
        ("#", "raw files"),
        *(("RAWFILE", raw) for raw in raws),
        *(("RECIPE_PARAM", param) for param in recipes.PARAMS["bias"]),
        ("#", "recipe input"),
        *(("SOF_CONTENT", raw) for raw in raws),
        ("#", "predicted products"),
        ("PRODUCTS", f"r.{stem}_0000.fits MASTER_BIAS VIRTUAL"),
    ]
    return parse(render(lines), f"{stem}.ab")


def historical(fields: tuple[Target, ...], taken: tuple[Exposure, ...]) -> list[AB]:
    """The tpl ABs that MUSE_R made of each OB in its time, as the coversheet shows them for comparison."""
    found = []
    for ob in dict.fromkeys((shot.target, shot.ob) for shot in taken if shot.type == "OBJECT"):
        shots = [shot for shot in taken if (shot.target, shot.ob) == ob and shot.type == "OBJECT"]
        stem = f"{shots[0].root}_tpl"
        lines = [
            ("INSTRUMENT", "MUSE"),
            ("DATE", shots[0].night),
            ("DPR_CATG", "SCIENCE"),
            ("RAW_TYPE", "PIXTABLE_REDUCED"),
            ("RECIPE", "muse_exp_combine"),
            ("BATCH_ID", f"SCIENCE_{shots[0].night}"),
            ("AB_NAME", f"{stem}.ab"),
            ("PROCESS_STATUS", "SUCCESSFUL"),
            ("OBS_PROG_ID", PROGRAMME),
            ("OBS_ID", str(shots[0].ob)),
            ("TARGET", ob[0].name if ob[0] else ""),
            ("PROD_ROOT_NAME", f"r.{stem}"),
            ("SCORE", "..."),
            ("COMMENT", f"{len(shots)} exposures of one OB, accepted in MUSE_R"),
        ]
        found.append(parse(render(lines), f"{stem}.ab"))
    return found


def virtual_bias(biases: tuple[Exposure, ...], bias: AB) -> str:
    """The virtual MASTER_BIAS: a text header as VCAL holds it until the real one is certified."""
    from engine.demo.frames import primary_header

    header = primary_header(biases[0])
    header["PIPEFILE"] = f"{bias.root}_0000.fits"
    header["HIERARCH ESO PRO CATG"] = "MASTER_BIAS"
    text = str(header.tostring(sep="\n", endcard=True, padding=False))
    return text + "\n"


def deep_run(fields: tuple[Target, ...], taken: tuple[Exposure, ...], bias: AB) -> DeepRun:
    """The deep run over all targets."""
    master = f"$DFS_PRODUCT/BIAS/{BIAS_NIGHT}/{bias.products[0].name}"

    def frames(field: Target, kind: str) -> tuple[Frame, ...]:
        return tuple(
            Frame(shot.root, shot.night, kind, shot.mjd, MUSE.exptime, str(shot.ob), PROGRAMME, _KEYS)
            for shot in taken
            if shot.target == field and shot.type == kind
        )

    return DeepRun(
        run_id=RUN,
        date=PSEUDO_DATE,
        targets=tuple(DeepTarget(field.name, frames(field, "OBJECT"), frames(field, "SKY")) for field in fields),
        calibs=recipes.calibs(master),
        params=recipes.PARAMS,
    )
