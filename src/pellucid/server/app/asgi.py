"""One ASGI application: the gate, then OTLP or the web framework."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins.core import MsgspecDIPlugin

import pellucid
from pellucid.core.settings import DEFAULT_HOST, ServerSettings
from pellucid.semconv.cost import PriceTable
from pellucid.server.api import (
    artifacts,
    attachments,
    datasets,
    errors,
    garbage,
    health,
    login,
    runs,
    scores,
    search,
    snapshots,
    traces,
)
from pellucid.server.api.encoding import unpacked
from pellucid.server.app.stores import Stores, open_stores
from pellucid.server.auth.answers import OTLP_PREFIX
from pellucid.server.auth.gate import Gate, Policy
from pellucid.server.auth.hosts import AllowedHosts, split_host
from pellucid.server.auth.keys import KeyRing
from pellucid.server.ingest.otlp_http import OtlpHttp
from pellucid.server.ingest.run_writes import RunWritesHttp
from pellucid.server.services.artifacts import ArtifactService
from pellucid.server.services.attachments import AttachmentService
from pellucid.server.services.completion import CompletionService, RunCompletionService
from pellucid.server.services.dataset_uses import DatasetUses
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.diffs import DiffService
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.garbage import GarbageService, stop
from pellucid.server.services.ingest import IngestService
from pellucid.server.services.judges import JudgeService
from pellucid.server.services.normaliser import Normaliser
from pellucid.server.services.queries import QueryReader
from pellucid.server.services.runs import RunService
from pellucid.server.services.scores import ScoreService
from pellucid.server.services.snapshots import SnapshotService
from pellucid.server.services.sql import SqlService
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService
from pellucid.server.web import routes as web

READER_THREADS = 4
DECODER_THREADS = 4
MAX_API_BODY_BYTES = 16 * 1024 * 1024


def create_app(settings: ServerSettings, *, host: str = DEFAULT_HOST) -> Any:
    """Return the application over the data folder of the settings, which the caller holds.

    `host` is the bound address, which the Host allow-list adds. Stores are open when this returns
    and close with the application's lifespan.
    """
    normaliser = Normaliser(PriceTable.load(settings.prices_file))
    return _Application(open_stores(settings, normaliser), normaliser, _policy(settings, host))


def _policy(settings: ServerSettings, host: str) -> Policy:
    extra = list(settings.allowed_hosts)
    if settings.public_url:
        extra.append(split_host(settings.public_url.partition("://")[2]))
    return Policy(
        keys=KeyRing(settings.api_key),
        hosts=AllowedHosts(host, extra),
        public_url=settings.public_url,
    )


class _Application:
    """Routes by path: spans and writes about runs past the framework, all else through it."""

    def __init__(self, stores: Stores, normaliser: Normaliser, policy: Policy) -> None:
        self._stores = stores
        self._normaliser = normaliser
        self._readers = Threads("reader", READER_THREADS)
        self._decoders = Threads("decoder", DECODER_THREADS)
        # The span store has one writer at a time. A long deletion lets others in between commits,
        # and has threads of its own, so that none of them waits for its end.
        self._writers = Threads("writer", 2)
        self._deleters = Threads("deleter", 2)
        self._sql = Threads("sql", 2)
        self._runs = RunService(stores.runs, self._readers)
        self._snapshots = SnapshotService(stores.snapshots, self._readers)
        self._garbage = GarbageService(stores.garbage, stores.artifacts, datasets=stores.datasets)
        queries = QueryReader(stores.spans, stores.runs)
        self._attachments = AttachmentService(stores.attachments, stores.spans, self._readers)
        traced = TraceService(
            stores.spans,
            queries,
            self._attachments,
            readers=self._readers,
            writers=self._writers,
            deleters=self._deleters,
        )
        artifacts = ArtifactService(stores.artifacts, self._readers)
        scores = ScoreService(
            stores.spans, self._runs, readers=self._readers, writers=self._writers
        )
        evaluations = EvaluationService(self._runs, artifacts, self._readers)
        self._datasets = DatasetService(stores.datasets, traced, self._readers)
        self._otlp: OtlpHttp | None = None
        self._run_writes = RunWritesHttp(self._runs)
        self._framework = _framework(
            {
                "policy": policy,
                "threads": self._readers,
                "traces": traced,
                "completions": CompletionService(traced),
                "run_completions": RunCompletionService(self._runs),
                "sql": SqlService(stores.spans, self._sql),
                "scores": scores,
                "attachments": self._attachments,
                "runs": self._runs,
                "garbage": self._garbage,
                "artifacts": artifacts,
                "evaluations": evaluations,
                "judges": JudgeService(evaluations, scores),
                "datasets": self._datasets,
                "uses": DatasetUses(self._runs),
                "snapshots": self._snapshots,
                "diffs": DiffService(self._runs, self._snapshots, self._readers),
            },
            self._lifespan,
        )
        self._gate = Gate(self._route, policy)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._gate(scope, receive, send)

    async def _route(self, scope: Any, receive: Any, send: Any) -> None:
        if self._otlp is not None and scope.get("path", "").startswith(OTLP_PREFIX):
            await self._otlp(scope, receive, send)
        elif RunWritesHttp.takes(scope):
            await self._run_writes(scope, receive, send)
        else:
            scope, receive = unpacked(scope, receive)
            await self._framework(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncIterator[None]:
        ingest = IngestService(
            self._stores.spans,
            self._attachments,
            normalise=self._normaliser,
            normaliser=self._normaliser.version,
            threads=self._decoders,
        )
        self._otlp = OtlpHttp(ingest)
        collecting = asyncio.create_task(self._garbage.run())
        try:
            yield
        finally:
            await stop(collecting)
            await asyncio.to_thread(self._close, ingest)

    def _close(self, ingest: IngestService) -> None:
        ingest.close()
        self._decoders.close()
        self._readers.close()
        self._writers.close()
        self._deleters.close()
        self._sql.close()
        self._runs.close()
        self._garbage.close()
        self._datasets.close()
        self._stores.close()


class _Litestar(Litestar):
    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        # Litestar's own list imports pydantic wherever it is installed, which takes as long as
        # everything else here together, and serves types that none of our handlers has.
        return [*plugins, MsgspecDIPlugin()]


def _framework(services: dict[str, Any], lifespan: Any) -> Litestar:
    return _Litestar(
        route_handlers=[
            *health.route_handlers,
            *login.route_handlers,
            *traces.route_handlers,
            *attachments.route_handlers,
            *scores.route_handlers,
            *search.route_handlers,
            *runs.route_handlers,
            *garbage.route_handlers,
            *artifacts.route_handlers,
            *datasets.route_handlers,
            *snapshots.route_handlers,
            *web.route_handlers,
        ],
        dependencies={
            name: Provide(_constant(service), sync_to_thread=False)
            for name, service in services.items()
        },
        exception_handlers=web.with_pages(errors.exception_handlers),
        lifespan=[lifespan],
        openapi_config=OpenAPIConfig(
            title="Pellucid",
            version=pellucid.__version__,
            use_handler_docstrings=True,
            # Below its path the framework answers what it does not know with a page of its own:
            # the description itself is served by our handler, beside the API.
            path="/api/description",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        request_max_body_size=MAX_API_BODY_BYTES,
        debug=False,
        logging_config=None,
    )


def _constant(service: Any) -> Any:
    def provide() -> Any:
        return service

    return provide
