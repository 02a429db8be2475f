"""Trace AutoGen in its living lines, each in its file."""

from pellucid.integrations.autogen import ag2, ag2_next, agentchat, core

INTEGRATIONS = (
    ag2.INTEGRATION,
    core.INTEGRATION,
    agentchat.INTEGRATION,
    ag2_next.INTEGRATION,
)


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace every AutoGen line that is installed; `disable=True` undoes it.

    `capture_content=False` leaves out what agents and tools were given and said.
    """
    for integration in INTEGRATIONS:
        integration.switch(disable=disable, capture_content=capture_content)
