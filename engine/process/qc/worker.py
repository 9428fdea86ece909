"""What runs in the QC process: requests on stdin, one JSON line each, answers on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import asdict
from importlib import import_module
from typing import Any

from engine.process.qc.subject import Measured, Subject

PROCEDURES = ("generic", "muse_single", "muse_deep", "bias_dark")
_MAKERS = {"plot": "plots", "history": "plots", "trend": "plots", "rawdisp": "rawdisp"}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request. What goes wrong in it is its answer, never the end of the process."""
    do = request.pop("do")
    try:
        if do == "measure":
            subject = Subject.from_plain(request["subject"])
            return {"measured": asdict(measured(subject))}
        made = getattr(import_module(f"engine.process.qc.{_MAKERS[do]}"), do)(**request)
        return {"files": [str(path) for path in made]}
    except Exception as trouble:  # noqa: BLE001 - whatever a strange file makes a library raise
        return {"trouble": f"{do}: {trouble or type(trouble).__name__}"[:500]}


def measured(subject: Subject) -> Measured:
    """What the procedure of a subject finds; numbers that are not finite become None."""
    found = Measured()
    if subject.procedure not in PROCEDURES:
        raise ValueError(f"'{subject.procedure}' is no QC procedure")
    import_module(f"engine.process.qc.procedures.{subject.procedure}").measure(subject, found)
    for row in (found.values, *found.detectors, *found.sources):
        for name, value in row.items():
            row[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | None):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def main() -> None:
    """Answer until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get among the answers
    for line in sys.stdin:
        out.write(json.dumps(answer(json.loads(line)), allow_nan=False) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
