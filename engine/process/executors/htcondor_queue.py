"""The queue of an access point through HTCondor's own bindings. Every call here blocks: it belongs into one thread.

The bindings are an optional extra and are imported with the first `Queue`, never before.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import UsageTrouble
from engine.process.executors import htcondor_ads as ads
from engine.process.executors.htcondor_ads import Seen

_OUR_FAULT = "Failed to create job ad"  # said before the access point is asked for anything
_HISTORY_S = 30 * 86400  # how far back an ended job is looked for
_AT_ONCE = 500


class Away(Exception):
    """The pool cannot be reached, or refused; the text is its own."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask: the pool's collector, the name of the access point ('' for the local ones), client settings."""

    collector: str = ""
    schedd: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


class Queue:
    """One access point. Its address is asked for anew whenever it did not answer."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._api = bindings(contact.settings)
        self._schedd: Any = None
        self._version = ""

    def submit(self, description: Mapping[str, str]) -> str:
        """Submit one job; its number. UsageTrouble when HTCondor cannot make sense of the description."""
        made = self._ask("submit", self._api.Submit(dict(description)))
        return f"{made.cluster()}.0"

    def where(self, condition: str) -> list[Seen]:
        """The jobs in the queue that meet a condition."""
        return [ads.seen(ad) for ad in self._ask("query", condition, list(ads.WANTED))]

    def ended(self, tokens: Sequence[str]) -> dict[str, Seen]:
        """Those of these jobs that have left the queue, by token."""
        old = f"CompletionDate > 0 && CompletionDate < {int(time.time()) - _HISTORY_S}"
        found: dict[str, Seen] = {}
        for begin in range(0, len(tokens), _AT_ONCE):
            some = tokens[begin : begin + _AT_ONCE]
            for ad in self._ask("history", ads.any_of(some), list(ads.WANTED), len(some), old):
                gone = ads.seen(ad)
                found.setdefault(gone.token, gone)
        return found

    def act(self, action: str, condition: str, reason: str = "") -> int:
        """Hold, Release, Suspend, Continue or Remove the jobs that meet a condition; how many it were."""
        # Only as a pair is the reason passed on; the bindings drop a plain text.
        answer = self._ask("act", getattr(self._api.JobAction, action), condition, (reason or "asked for by dfos", 0))
        counts = {} if answer is None else dict(answer)
        if refused := counts.get("TotalPermissionDenied"):
            raise Away(f"{action} was not permitted for {refused} of our jobs")
        return int(counts.get("TotalSuccess", 0))

    def version(self) -> str:
        """The access point's HTCondor as it names itself."""
        self._ask("query", "false", ["ClusterId"])
        return self._version

    def slots(self) -> tuple[int, int]:
        """(slots in the pool, those that take no new jobs)."""
        try:
            told = self._pool().query(self._api.AdType.Startd, projection=["State", "Draining"])
        except self._api.HTCondorException as trouble:
            raise Away(_words(trouble)) from None
        return len(told), sum(1 for ad in told if ad.get("State") == "Drained" or ad.get("Draining"))

    def _pool(self) -> Any:
        return self._api.Collector(self._contact.collector or None)

    def _ask(self, call: str, *given: Any) -> Any:
        try:
            if self._schedd is None:
                self._schedd = self._located()
            return getattr(self._schedd, call)(*given)
        except self._api.HTCondorException as trouble:
            told = _words(trouble)
            if told.startswith(_OUR_FAULT):
                why = told.partition("errmsg=")[2].removeprefix("Submit:-1:")
                remedy = "see batch.htcondor.requirements and batch.htcondor.submit"
                raise UsageTrouble(f"HTCondor does not take the job: {why}", remedy=remedy) from None
            self._schedd = None
            raise Away(told) from None

    def _located(self) -> Any:
        ad = self._pool().locate(self._api.DaemonType.Schedd, self._contact.schedd or None)
        if ad is None:
            raise Away(f"the pool knows no access point {self._contact.schedd or 'of this host'}")
        self._version = str(ad["CondorVersion"])
        return self._api.Schedd(ad)


def bindings(settings: Mapping[str, str]) -> Any:
    """The module `htcondor2`, its client set as told. UsageTrouble when it is not installed."""
    with warnings.catch_warnings():  # a host without HTCondor's own configuration is nothing to warn of
        warnings.simplefilter("ignore")
        try:
            import htcondor2
        except ImportError:
            remedy = "pip install 'dfos-console[htcondor]'"
            raise UsageTrouble("HTCondor's Python bindings are not installed", remedy=remedy) from None
    for key, said in settings.items():
        htcondor2.param[key] = said
    return htcondor2


def _words(trouble: Exception) -> str:
    return " ".join(str(trouble).split()).removesuffix(", errmsg=") or type(trouble).__name__
