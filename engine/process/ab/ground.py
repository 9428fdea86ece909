"""What every step of an AB's processing works with: the account, its ABs and work area, the plugins, the threads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError
from engine.events import Notice
from engine.process.ab.few_threads import FewThreads
from engine.process.ab.hooks import Hooks
from engine.process.ab.inputs import Inputs
from engine.process.ab.work_area import WorkArea
from engine.process.run.job import Result, Task
from engine.stores.abs import AbStore, Unchanged, read


class Ground:
    """Shared by the steps before a recipe and those after it. `plugins` are the configured ones by slot."""

    def __init__(self, context: Context, plugins: Mapping[str, Any]) -> None:
        self.context = context
        self.store = AbStore(context.tree)
        self.inputs = Inputs(context.tree)
        self.area = WorkArea(context.tree, context.settings)
        self.hooks = Hooks(context, plugins)
        self.threads = FewThreads()
        self.known_as = Unchanged(self.store)
        self._logs = str(context.tree.dfs_log)

    def log_path(self, ab: AB) -> Path:
        """`$DFS_LOG_DIR/<root>.log`, live while the recipe runs."""
        return Path(f"{self._logs}/{ab.root}.log")

    def warned(self, ab: AB, slot: str, trouble: DfosError | OSError) -> str:
        """A plugin's trouble that costs nothing: said, and kept for the row of the AB."""
        text = f"{slot}: {trouble.what if isinstance(trouble, DfosError) else trouble}"
        self.context.bus.publish(Notice("warning", f"{ab.name}: {slot}: {trouble}"))
        return text

    def failed(self, name: str, reason: str, message: str = "", workdir: Path | None = None) -> Result:
        """Write FAILED into the AB; a file that cannot be written is said, not hidden. Blocking."""
        try:
            ab = read(self.store.path(name))
            if self.log_path(ab).exists():
                ab = ab.with_value("LOG_NAME", self.log_path(ab).name)
            self.store.write(ab.with_value("PROCESS_STATUS", "FAILED"))
        except (DfosError, OSError) as trouble:
            if str(trouble) not in reason:
                reason = f"{reason}; and the AB could not be written: {trouble}"
        if workdir:
            self.area.tidy(workdir, failed=True)
        return Result("FAILED", reason, message)


def aborted(task: Task) -> Result | None:
    """The result of an attempt that shall end; None while it may go on."""
    return Result("INTERRUPTED", task.aborted) if task.aborted else None
