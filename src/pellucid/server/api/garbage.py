"""`/api/v1/garbage`: what deleted runs left, and what deleting one would free."""

from typing import Any

from litestar import get, post

from pellucid.core.garbage import Footprint, Garbage
from pellucid.server.services.garbage import GarbageService
from pellucid.server.services.runs import RunService

TAG = ["runs"]


@get("/api/v1/runs/{run_id:str}/footprint", tags=TAG, operation_id="weigh_run")
async def weigh_run(run_id: str, runs: RunService, garbage: GarbageService) -> Footprint:
    """Return what deleting a run would free: files and snapshot objects that no other run has."""
    return await garbage.weigh_run(await runs.resolve(run_id))


@get("/api/v1/garbage", tags=TAG, operation_id="weigh_garbage")
async def weigh_garbage(garbage: GarbageService) -> Garbage:
    """Return what deleted runs left and is yet to be freed."""
    return await garbage.weigh()


@post("/api/v1/garbage/collect", tags=TAG, operation_id="collect_garbage", status_code=200)
async def collect_garbage(garbage: GarbageService) -> Garbage:
    """Free now what may go; the server also does it by itself. Returns what was freed."""
    return await garbage.collect(rebuild=True)


route_handlers: list[Any] = [weigh_run, weigh_garbage, collect_garbage]
