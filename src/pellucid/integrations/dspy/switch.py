"""DSPy's tracing, on or off."""

from pellucid.client.instrument import Integration
from pellucid.client.patching import Undo

SUPPORTED = "dspy>=3.4,<4"


def _install() -> Undo:
    from pellucid.integrations.dspy import install

    return install()


INTEGRATION = Integration("DSPy", supported=SUPPORTED, module="dspy", install=_install)
