"""Start a piece of work of a screen; one that the screen leaves before it begins leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from textual.dom import DOMNode


def start(
    node: DOMNode,
    work: Callable[..., Coroutine[Any, Any, object]],
    *arguments: object,
    group: str = "default",
    exclusive: bool = False,
) -> None:
    """Run `work(*arguments)` beside the screen; `exclusive` ends an earlier one of its `group`."""
    node.run_worker(cast(Any, partial(work, *arguments)), group=group, exclusive=exclusive)
