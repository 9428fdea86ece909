"""The text files of a demo account: `.dfosrc`, `dfos.yaml`, the classic `config.moveProducts`. Pure."""

from __future__ import annotations

from pathlib import Path

from config.tree import DIRECTORIES

# Sub-paths as in the directory tree of the observatory (ab-lifecycle section 2).
PLACES = {
    "DFO_RAW_DIR": "data/raw",
    "DFO_CAL_DIR": "data/calib",
    "DFO_SCI_DIR": "data/reduced",
    "DFO_LOG_DIR": "data/logs",
    "DFO_PLT_DIR": "data/plots",
    "DFO_LST_DIR": "data/lists",
    "DFO_MON_DIR": "monitor",
    "DFO_JOB_DIR": "jobs",
    "DFO_CONFIG_DIR": "config",
    "DFO_AB_DIR": "ab",
    "DFO_BIN_DIR": "bin",
    "DFS_PRODUCT": "products",
    "DFS_LOG_DIR": "logs",
    "TMP_DIR": "tmp",
}
HEADERS = "data/headers"  # DFO_HDR_DIR, which createAB alone needs
BRANCH = "qcweb/MUSE_deep"
HISTORY = "qcweb/MUSE_R"


def variables(root: Path) -> dict[str, str]:
    """All variables of the account at `root`."""
    return {name: str(root / PLACES[name]) for name in DIRECTORIES}


def dfosrc(root: Path) -> str:
    """The `.dfosrc`: every directory hangs on the first line."""
    lines = [
        f'export DEMO_ACCOUNT="{root}"',
        "# demo account of the DFOS console: everything below stays inside it",
        *(f"export {name}=$DEMO_ACCOUNT/{PLACES[name]}" for name in DIRECTORIES),
        f"export DFO_HDR_DIR=$DEMO_ACCOUNT/{HEADERS}",
        "export DFO_INSTRUMENT=MUSE",
        "export DFO_FILE_NAME=MUSE",
        "export OP_ADDRESS=operator@localhost",
        "export THIS_IS_PHOENIX=YES",
    ]
    return "\n".join(lines) + "\n"


def settings_yaml(strict: bool) -> str:
    """The account layer `dfos.yaml`: MUSE_DEEP in miniature."""
    certification = _STRICT if strict else _RELAXED
    all_parts = "false" if strict else "true"
    return _YAML.format(certification=certification, all_parts=all_parts, branch=BRANCH, history=HISTORY)


_RELAXED = "  mode: auto_green        # what scores green certifies itself"
_STRICT = "  mode: interactive       # as MUSE_DEEP: a person decides\n  modes: {BIAS: auto_green}"
_YAML = """\
# Account layer of the demo: the MUSE_DEEP profile on a miniature MUSE
profile: MUSE_DEEP
instance: MUSE_DEEP_DEMO
instrument: MUSE
operational: false
pool: run
all_parts: {all_parts}
ab_source: {branch}
history: {history}
streams: 3
admission: {{disk_reserve_gb: 0.1}}
kinds:                      # the miniature needs seconds and megabytes
  bias: {{forecast_s: 1}}
  sky_basic: {{forecast_s: 1, memory_gb: 0.05, disk_gb: 0.01}}
  create_sky: {{forecast_s: 1, memory_gb: 0.05}}
  scibasic: {{forecast_s: 1, memory_gb: 0.05, disk_gb: 0.01}}
  scipost: {{forecast_s: 1, memory_gb: 0.05, disk_gb: 0.01}}
  align: {{forecast_s: 1, forecast_per_input_s: 0.3, memory_gb: 0.05}}
  combine: {{forecast_s: 2, forecast_per_input_s: 0.5, memory_gb: 0.1, memory_gb_per_input: 0.01, disk_gb: 0.01}}
gate:
  interval_s: 5
  watch:
    - {{user: "*", pattern: '(^|/)autoDaily(\\s|$)', name: espresso autoDaily}}
certification:
{certification}
  review: [bias, combine]
plugins:
  AB_PGI: pgi_phoenix_MUSE_AB_deep
"""

MOVE_PRODUCTS = """\
# config.moveProducts of the demo account
# Section 1: general
TOOL_MODE       INTER
SPECIAL_PLUGIN  NONE

# Section 2: supported RAW_TYPEs (directories under $DFS_PRODUCT)
RAW_TYPE  BIAS             | CALIB   | ALL
RAW_TYPE  SKY              | SCIENCE | NONE
RAW_TYPE  PIXTABLE_SKY     | SCIENCE | NONE
RAW_TYPE  OBJECT           | SCIENCE | NONE
RAW_TYPE  PIXTABLE_OBJECT  | SCIENCE | NONE
RAW_TYPE  IMAGE_FOV        | SCIENCE | NONE
RAW_TYPE  PIXTABLE_REDUCED | SCIENCE | SELECT   # deep cube and its image

# Section 3: product types NOT saved
DELETE  PIXTABLE_REDUCED | PIXTABLE_COMBINED

# Section 4.1: graphics
FORMAT  png | YES

# Section 5: renaming
RENAME  CALIB   | YES
RENAME  SCIENCE | YES
"""
