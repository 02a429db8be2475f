"""OpenTelemetry's instrumentation of botocore: OTel GenAI names, with Bedrock's own figures.

Source: spans recorded from version 0.66b2. Its input leaves both caches out.
"""

from pellucid.semconv.rules import Dialect, Draft
from pellucid.semconv.usage import include_caches

_SCOPE = "opentelemetry.instrumentation.botocore.bedrock-runtime"


def _refine(draft: Draft) -> None:
    include_caches(draft.claims)


DIALECT = Dialect(name="botocore", rules={}, refine=_refine, scopes=(_SCOPE,))
