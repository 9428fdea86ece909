"""Which HTCondor pool takes the jobs of an account, and what the site wants to read in them."""

from __future__ import annotations

from pydantic import Field

from config.section import Section


class HTCondorPool(Section):
    """The pool, its access point, and lines that are added to every job."""

    collector: str = Field("", description="the pool's collector, host or host:port; '' for that of this host")
    schedd: str = Field("", description="name of the access point that takes the jobs; '' for that of this host")
    requirements: str = Field("", description="which hosts may run our jobs, an expression of HTCondor")
    submit: dict[str, str] = Field({}, description="further lines of each job, e.g. accounting_group: eso.phoenix")
    settings: dict[str, str] = Field(
        {}, description="HTCondor's own settings of this client, over those of the host, e.g. how it proves who it is"
    )
    dagman: str = Field("/usr/bin/condor_dagman", description="DAGMan's program on the access point")
