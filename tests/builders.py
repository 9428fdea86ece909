"""An AB, an account, a context: one line each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from config.schema import KindOfAb, Settings
from config.tree import DIRECTORIES, DfoTree
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.ab import AB, parse
from engine.events import Event, Stamped
from engine.questions import Answer, Operator, Parked, Question
from engine.stores.abs import AbStore
from engine.stores.database import connect

PSEUDO = "2094-01-16"
KINDS = {
    "bias": KindOfAb(recipe="muse_bias", tag="tpl", raw_types=("BIAS",), rank=1, streams=3, required=("MASTER_BIAS",)),
    "sky_basic": KindOfAb(recipe="muse_scibasic", tag="", raw_types=("SKY",), rank=1, required=("PIXTABLE_SKY",)),
    "create_sky": KindOfAb(
        recipe="muse_create_sky",
        tag="sky",
        raw_types=("PIXTABLE_SKY",),
        rank=2,
        required=("SKY_LINES", "SKY_CONTINUUM"),
    ),
    "scibasic": KindOfAb(
        recipe="muse_scibasic", tag="", raw_types=("OBJECT",), rank=3, streams=3, required=("PIXTABLE_OBJECT",)
    ),
    "scipost": KindOfAb(
        recipe="muse_scipost",
        tag="pst",
        raw_types=("PIXTABLE_OBJECT",),
        rank=4,
        streams=3,
        required=("DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"),
    ),
    "align": KindOfAb(recipe="muse_exp_align", tag="dal", raw_types=("IMAGE_FOV",), rank=5, required=("OFFSET_LIST",)),
    "combine": KindOfAb(
        recipe="muse_exp_combine",
        tag="dpc",
        raw_types=("PIXTABLE_REDUCED",),
        rank=6,
        required=("DATACUBE_FINAL", "IMAGE_FOV"),
        counts_exposures=True,
    ),
}
_MAIN = {name: (kind.recipe, kind.tag, kind.raw_types[0]) for name, kind in KINDS.items()}


def make_tree(root: Path) -> DfoTree:
    """An account below `root` with every directory there."""
    paths = {variable: root / "account" / attribute for variable, attribute in DIRECTORIES.items()}
    for path in paths.values():
        path.mkdir(parents=True, exist_ok=True)
    variables = {variable: str(path) for variable, path in paths.items()}
    attributes: dict[str, Any] = {DIRECTORIES[variable]: path for variable, path in paths.items()}
    tree = DfoTree(root=root / "account", variables=variables, **attributes)
    tree.state.mkdir(exist_ok=True)
    return tree


def make_settings(**changes: Any) -> Settings:
    """The MUSE_DEEP profile of the tests: three streams, all kinds; `changes` replace top-level keys."""
    values: dict[str, Any] = {"instance": "MUSE_DEEP", "instrument": "MUSE", "streams": 3, "kinds": KINDS}
    return Settings(**{**values, **changes})


def make_ab(
    stem: str = "MUSE.2014-10-22T23:57:32.118",
    kind: str = "scibasic",
    *,
    date: str = PSEUDO,
    mode: str = "SCIENCE",
    status: str = "CREATED",
    sof: Iterable[tuple[str, str]] = (),
    calibs: Iterable[tuple[str, str, str]] = (),
    products: Iterable[str] = (),
    waitfor: Iterable[str] = (),
    params: Iterable[str] = (),
    target: str = "",
    extra: Iterable[str] = (),
    **changes: str,
) -> AB:
    """An AB of a kind of KINDS. `sof`: (path, tag); `calibs`: (state, path, catg); `products`: PRO.CATGs in order.

    `changes` replace or add qualifiers, `extra` are lines added verbatim.
    """
    recipe, tag, raw_type = _MAIN[kind]
    base = f"{stem}_{tag}" if tag else stem
    root = f"r.{base}"
    values = {
        "TOOL_VERSION": "1",
        "INSTRUMENT": "MUSE",
        "DATE": date,
        "DPR_CATG": mode,
        "RAW_TYPE": raw_type,
        "RECIPE": recipe,
        "BATCH_ID": f"{mode}_{date}",
        "AB_NAME": f"{base}.ab",
        "COMPLETENESS": "COMPLETE",
        "PROCESS_STATUS": status,
        "PROD_ROOT_NAME": root,
        "LOG_NAME": "",
        "PROD_PATH": f"$DFS_PRODUCT/{raw_type}/{date}",
    }
    if target:
        values["TARGET"] = target
    values |= changes
    lines = [f"{key:<16} {value}".rstrip() for key, value in values.items()]
    lines += [f"MCALIB {state} {path} {catg} 0.0 OK" for state, path, catg in calibs]
    lines += [f"WAITFOR {name}" for name in waitfor]
    lines += [f"RECIPE_PARAM {param}" for param in params]
    lines += [f"SOF_CONTENT {path} {tag_}" for path, tag_ in sof]
    lines += [f"PRODUCTS {root}_{n:04d}.fits {catg} VIRTUAL" for n, catg in enumerate(products)]
    lines += list(extra)
    return parse(("\n".join(lines) + "\n").encode(), f"{base}.ab")


def make_product(ab: AB, number: int = 0) -> str:
    """The path of an AB's product as another AB's SOF holds it."""
    return f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}/{ab.root}_{number:04d}.fits"


def make_run(target: str = "NGC300", exposures: int = 3, *, day: int = 22) -> list[AB]:
    """The ABs of one target without sky: scibasic and scipost per exposure, one align, one combine."""
    basics, posts = [], []
    for number in range(exposures):
        stem = f"MUSE.2014-10-{day:02d}T{number // 60:02d}:{number % 60:02d}:00.000"
        basic = make_ab(stem, "scibasic", target=target, products=("PIXTABLE_OBJECT",))
        post = make_ab(
            stem,
            "scipost",
            target=target,
            sof=[(make_product(basic), "PIXTABLE_OBJECT")],
            products=("DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"),
        )
        basics.append(basic)
        posts.append(post)
    stem = f"MUSE.2014-10-{day:02d}T00:00:00.000"
    images = [(make_product(post, 1), "IMAGE_FOV") for post in posts]
    align = make_ab(stem, "align", target=target, sof=images, products=("OFFSET_LIST",))
    tables = [(make_product(post, 2), "PIXTABLE_REDUCED") for post in posts]
    offsets = [(make_product(align), "OFFSET_LIST")]
    combine = make_ab(stem, "combine", target=target, sof=tables + offsets, products=("DATACUBE_FINAL", "IMAGE_FOV"))
    return [*basics, *posts, align, combine]


def folded(board: Board) -> Callable[[Stamped], None]:
    """A listener that folds every event into `board`."""

    def fold(stamped: Stamped) -> None:
        board.fold(stamped)

    return fold


class Nobody(Operator):
    """An operator who is not there: every question is parked and remembered in `asked`."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        raise Parked(question)


def make_context(
    root: Path,
    abs_: Iterable[AB] = (),
    *,
    operator: Operator | None = None,
    auto: bool = False,
    clock: Callable[[], float] = time.time,
    tree: DfoTree | None = None,
    **settings: Any,
) -> Context:
    """A context on a fresh (or the given) account; the ABs are written to $DFO_AB_DIR, the board folds the bus."""
    tree = tree or make_tree(root)
    board, bus = Board(), Bus("run", clock)
    bus.subscribe(folded(board))
    store = AbStore(tree)
    for ab in abs_:
        store.write(ab)
    return Context(
        settings=make_settings(**settings),
        tree=tree,
        bus=bus,
        board=board,
        operator=operator or Nobody(),
        db=connect(tree.journal),
        who="operator",
        auto=auto,
        clock=clock,
    )


def record(context: Context) -> list[Event]:
    """A list that grows with every event published from now on."""
    events: list[Event] = []

    def keep(stamped: Stamped) -> None:
        events.append(stamped.event)

    context.bus.subscribe(keep)
    return events
