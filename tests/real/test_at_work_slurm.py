"""What Slurm has of ours, as the screen of what is at work shows it."""

from __future__ import annotations

import pytest

from console.views.work import in_batch, open_attempts
from engine.process.executors.choice import executor_of, records_of
from screens.queue.queued import AtWork, WorkPlace
from tests.real.test_batch_attached import Scene, scene

__all__ = ["scene"]


async def seen(scene: Scene) -> tuple[WorkPlace, AtWork]:
    """The place, and its only job."""
    assert scene.context
    records = records_of(scene.context.settings, scene.tree)
    place = await in_batch(executor_of(scene.context.settings, records), records, open_attempts(scene.tree))
    (job,) = place.jobs
    return place, job


@pytest.mark.row(325)
async def test_a_drained_node_and_a_running_job_are_shown_with_their_words(scene: Scene) -> None:
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    scene.begin()
    await scene.shows("SLOT", "drained")
    place, job = await seen(scene)
    assert not place.well and "takes no jobs now: " in place.health
    assert "drained: cooling" in place.health
    assert job.ab == scene.ab.name and job.ident.startswith("slurm ") and job.state == "waits in the queue"
    assert job.reason
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=resume")
    await scene.shows("RUNNING")
    await scene.begun()
    place, job = await seen(scene)
    assert place.well and place.health.startswith("slurm 2") and job.state == "running" and job.host and job.since
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
