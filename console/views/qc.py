"""The QC of an AB as the screen shows it."""

from __future__ import annotations

import os
from pathlib import Path

from config.tree import DfoTree
from console.account import open_settings
from engine.board import Row
from engine.process.qc.flag import Decoded
from engine.process.qc.view import QcView, qc_view
from engine.stores.abs import read
from screens.shown import QcPanel, ScoreLine


def panel_of(tree: DfoTree, row: Row, path: Path) -> QcPanel:
    """Scores, limits, history, QCFLAG and files of an AB, worked on or moved. Blocking."""
    settings = open_settings(tree, os.environ, ()).settings
    ab = read(path)
    setup = " ".join(value.partition("=")[2] for value in ab.values("RAW_MATCH_KEY"))
    about = f"{ab.raw_type} {setup} {row.kind}".replace("  ", " ")
    return shown(qc_view(tree, settings, ab), about)


def shown(view: QcView, about: str) -> QcPanel:
    """The panel; its note says what is missing."""
    scores = tuple(
        ScoreLine(
            one.name,
            one.value,
            one.limit,
            one.mark,
            one.remark,
            one.low,
            one.high,
            one.number,
            tuple(one.history),
            one.param,
        )
        for one in view.scores
    )
    note = view.trouble or "; ".join(view.troubles)
    if not view.at:
        note = "there was no QC of this AB yet; it follows its processing, or: processQC -a"
    files = [name for name in (view.coversheet, view.report, *view.plots) if name]
    return QcPanel(
        view.ab,
        f"{about}, {view.at} UT" if view.at else about,
        scores,
        view.flag,
        tuple(bit_line(bit) for bit in view.bits),
        tuple(files),
        note,
    )


def bit_line(bit: Decoded) -> str:
    """A bit in words: its meaning is that of 0, and a bit that is set says so."""
    what = f"FLAGGED, not so: {bit.meaning}" if bit.flagged else bit.meaning
    return f"{bit.number:>2} {int(bit.flagged)} {bit.name}: {what}"
