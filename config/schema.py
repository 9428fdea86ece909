"""What an account is allowed to vary. Frozen; unknown keys are refused.

Every field's description is what `dfos config explain KEY` prints. Values come from layered YAML
(`config/load.py`); shipped defaults are `templates/*.yaml`, one profile per instance is
`instruments/*.yaml`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.admission import Admission
from config.archive import Archive
from config.batch import Batch
from config.cleanup import Cleanup
from config.codes import Rename
from config.create import Create
from config.export import Export
from config.qc import Qc
from config.section import Section
from config.sources import Source
from config.update import Update


class KindOfAb(Section):
    """One kind of AB: how it is recognised, in which rank and how many streams it runs."""

    recipe: str = Field(description="pipeline recipe, or 'none'")
    tag: str = Field("", description="tag in the AB name; '' for none")
    raw_types: tuple[str, ...] = Field((), description="RAW_TYPEs of this kind; empty: any")
    rank: int = Field(ge=1, description="place in the execution sequence")
    streams: int = Field(1, ge=1, description="how many of this kind may run at once")
    forecast_s: float = Field(60.0, gt=0, description="typical duration in seconds, until own history is known")
    forecast_per_input_s: float = Field(0.0, ge=0, description="seconds per main input, instead of forecast_s; 0: none")
    memory_gb: float = Field(0.0, ge=0, description="memory one AB of this kind needs, GB; 0: not known")
    memory_gb_per_input: float = Field(0.0, ge=0, description="memory per main input, GB; counts where it is more")
    disk_gb: float = Field(0.0, ge=0, description="products and scratch of one AB on disk, GB; 0: not known")
    disk_gb_per_input: float = Field(0.0, ge=0, description="the same per main input, GB; counts where it is more")
    time_limit_s: float = Field(0.0, ge=0, description="terminate a recipe after this many seconds; 0: never")
    required: tuple[str, ...] = Field((), description="PRO.CATGs that must be among the products")
    counts_exposures: bool = Field(False, description="PRO.DATANCOM must equal the number of main inputs")


class Watched(Section):
    """A foreign task to step aside for."""

    user: str = Field(description="account the process runs under; '*' for any")
    pattern: str = Field(description="regular expression searched in the command line")
    name: str = Field(description="how the banner calls it, e.g. 'espresso autoDaily'")


class Gate(Section):
    """Foreign-task gate (pgi_preTPL)."""

    watch: tuple[Watched, ...] = Field((), description="tasks to step aside for")
    interval_s: float = Field(60.0, gt=0, description="seconds between two looks")
    policy: Literal["start-only", "suspend"] = Field(
        "start-only", description="start-only: start nothing new; suspend: SIGSTOP running recipes too"
    )


class Process(Section):
    """How recipes are called (config.processAB)."""

    pipeline: Literal["auto", "esorex", "stand-in"] = Field(
        "auto",
        description="auto: esorex; without it a demo or test account (operational: false) takes the built-in stand-in",
    )
    esorex: str = Field("esorex", description="name or path of esorex")
    recipe_dir: str = Field("", description="esorex --recipe-dir; '' finds the instrument's plugin directory")
    work_area: str = Field("$TMP_DIR/work", description="scratch root; two accounts may not share one")
    threads: int = Field(1, ge=1, description="OMP_NUM_THREADS of a recipe")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="esorex --log-level")
    check_sof_exist: bool = Field(True, description="CHECK_SOF_EXIST: esorex looks for all inputs before it begins")
    keep_work: Literal["never", "failed", "always"] = Field("failed", description="which work directories stay")
    min_free_mb: int = Field(50, ge=0, description="start nothing when less is free in the work area, MB")


class Certification(Section):
    """Who certifies what (decision 15)."""

    review: tuple[str, ...] = Field((), description="AB kinds that are reviewed; empty: all with products")
    mode: Literal["interactive", "auto_green", "auto_all"] = Field(
        "interactive", description="interactive: always a person; auto_green: green ABs by score; auto_all: all"
    )
    modes: dict[str, Literal["interactive", "auto_green", "auto_all"]] = Field({}, description="the same, per RAW_TYPE")
    comments: tuple[str, ...] = Field((), description="pick-list of standing comments")
    pattern: str = Field("DEEP{n}", description="PATTERN of a reviewed product; {n} is the number of frames")
    undo_s: float = Field(5.0, ge=0, description="seconds in which u takes the last verdict back")


class Saved(Section):
    """SAVE_MODE of one raw type (config.moveProducts section 2)."""

    raw_type: str = Field(description="directory under $DFS_PRODUCT")
    mode: Literal["CALIB", "SCIENCE"] = Field(description="MODE of this raw type")
    save: Literal["ALL", "NONE", "SELECT"] = Field(description="ALL, NONE, or SELECT (all but DELETE)")


class Dropped(Section):
    """One DELETE line (section 3)."""

    raw_type: str = Field(description="raw type")
    catg: str = Field(description="PRO.CATG that is not saved; ALL for every one")


class Graphic(Section):
    """One graphics line (section 4.1)."""

    format: Literal["gif", "png", "jpg"] = Field(description="file extension")
    save: bool = Field(description="move to $DFO_PLT_DIR")


class Move(Section):
    """config.moveProducts, classic or YAML."""

    tool_mode: Literal["INTER", "AUTO"] = Field("INTER", description="INTER asks, AUTO never")
    special_plugin: str = Field("NONE", description="plugin for special tasks, or NONE")
    raw_types: tuple[Saved, ...] = Field((), description="section 2: supported RAW_TYPEs")
    delete: tuple[Dropped, ...] = Field((), description="section 3: product types not saved")
    graphics: tuple[Graphic, ...] = Field((), description="section 4.1: graphics to keep")
    rename: dict[Literal["CALIB", "SCIENCE"], bool] = Field({}, description="section 5: call renameProducts")
    trash_days: int = Field(30, ge=1, description="days retired files stay in the trash")


class ModePlugins(Section):
    """Plugins of processAB for one MODE (config.processAB has a section for each)."""

    PRE_PLUGIN: str | None = Field(None, description="instead of plugins.PRE_PLUGIN; NONE: none for this MODE")
    POST_PLUGIN: str | None = Field(None, description="instead of plugins.POST_PLUGIN")
    FINAL_PLUGIN: str | None = Field(None, description="instead of plugins.FINAL_PLUGIN")
    START_MONITOR_PLUGIN: str | None = Field(None, description="instead of plugins.START_MONITOR_PLUGIN")
    END_MONITOR_PLUGIN: str | None = Field(None, description="instead of plugins.END_MONITOR_PLUGIN")


class Plugins(Section):
    """Which plugin sits in which slot; '' or NONE for none (architecture section 8)."""

    AB_PGI: str = Field("", description="edits and completes ABs after they were obtained")
    HDR_PGI: str = Field("", description="checks headers and master calibrations")
    JOB_PGI: str = Field("", description="plans the streams")
    CERTIF_PGI: str = Field("", description="the certification tool")
    PRE_PLUGIN: str = Field("", description="processAB: before the recipe")
    POST_PLUGIN: str = Field("", description="processAB: after products were placed")
    FINAL_PLUGIN: str = Field("", description="processAB: new PRO.CATGs, before products are placed")
    PGI_COVER: str = Field("", description="processQC: coversheet")
    QC_FINAL_PLUGIN: str = Field("", description="processQC: FINAL_PLUGIN, last hook of an AB's QC")
    CLEANUP_PLUGIN: str = Field("", description="cleanupProducts")
    START_MONITOR_PLUGIN: str = Field("", description="processAB: when processing starts")
    END_MONITOR_PLUGIN: str = Field("", description="processAB: when processing ends")
    per_mode: dict[Literal["CALIB", "SCIENCE"], ModePlugins] = Field({}, description="processAB: other ones for a MODE")
    options: dict[str, dict[str, str]] = Field({}, description="options by plugin name")
    modules: tuple[str, ...] = Field((), description="modules a dotted path (module:object) may be loaded from")


class Scoring(Section):
    """Limits of the QC scores."""

    cube_pixels_min: int = Field(100, ge=1, description="a cube with fewer valid pixels is red")
    align_limit_arcsec: float = Field(0.2, gt=0, description="a larger residual offset is red (QCFLAG bit 10)")


class Settings(Section):
    """All settings of one instance in one account."""

    instance: str = Field(description="name in the frame of every screen, e.g. MUSE_DEEP")
    instrument: str = Field(description="$DFO_INSTRUMENT")
    operational: bool = Field(True, description="false marks a test or demo instance on every screen")
    pool: Literal["date", "month", "run"] = Field(
        "date", description="what a phoenix pool is: a date, a month or a run_ID"
    )
    all_parts: bool = Field(True, description="phoenix without -C/-P/-M is allowed (refused for MUSE_R, MUSE_DEEP)")
    ab_source: str = Field("", description="directory of the AB source branch; <run_ID> or <DATE> below it")
    history: str = Field("", description="directory with historical ABs of the targets, shown on the coversheet")
    streams: int = Field(1, ge=1, description="streams in all")
    barriers: bool = Field(False, description="true: a rank starts when all lower ranks of its pool have ended")
    kinds: dict[str, KindOfAb] = Field({}, description="kinds of ABs by name; none: every recipe is its own")
    admission: Admission = Admission()
    gate: Gate = Gate()
    create: Create = Create()
    process: Process = Process()
    batch: Batch = Batch()
    certification: Certification = Certification()
    move: Move = Move()
    rename: Rename = Rename()
    update: Update = Update()
    archive: Archive = Archive()
    export: Export = Export()
    cleanup: Cleanup = Cleanup()
    sources: tuple[Source, ...] = Field((), description="where processAB gets inputs that are not on disk")
    plugins: Plugins = Plugins()
    scoring: Scoring = Scoring()
    qc: Qc = Qc()
