"""Trace the OpenAI SDK: what it asks of every model, sync, async, streamed.

One patch a client, on `request`, which every resource goes through, also `.parse()`, `.stream()`,
`with_raw_response` and Azure. The wire is read, not the SDK's classes: they change more often.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from pellucid.client.instrument import Integration, drop_frame
from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import captures
from pellucid.integrations.openai.answers import received
from pellucid.integrations.openai.call import Call
from pellucid.semconv.openai_wire import find_endpoint

SUPPORTED = "openai>=1.60,<4"

_log = logging.getLogger("pellucid")


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace every call of the OpenAI SDK; `disable=True` undoes it.

    `capture_content=False` leaves out messages, inputs, outputs and images. Streams are asked for
    their token usage; the program does not see the chunk that brings it.
    """
    INTEGRATION.switch(disable=disable, capture_content=capture_content)


def install() -> Undo:
    """Patch both clients until the returned undo runs."""
    return patch_all(
        Patch("openai._base_client:SyncAPIClient.request", _traced),
        Patch("openai._base_client:AsyncAPIClient.request", _traced_async),
    )


INTEGRATION = Integration("OpenAI", supported=SUPPORTED, module="openai", install=install)
INTEGRATIONS = (INTEGRATION,)


def _begin(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    """Return the call that a request is, or None if it is not traced."""
    try:
        options = args[1] if len(args) > 1 else kwargs["options"]
        if not INTEGRATION.active or str(options.method).lower() != "post":
            return None
        endpoint = find_endpoint(str(options.url))
        if endpoint is None or type(options.json_data) is not dict:
            return None
        call = Call(client, endpoint, options, captures=captures(INTEGRATION))
        call.ask_for_usage()
        call.keep_unparsed()
        return call
    except Exception:
        _log.debug("Pellucid could not read an OpenAI request", exc_info=True)
        return None


def _with_options(
    args: tuple[Any, ...], kwargs: dict[str, Any], options: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if len(args) > 1:
        return (args[0], options, *args[2:]), kwargs
    return args, {**kwargs, "options": options}


def _traced(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        if call is None:
            return original(self, *args, **kwargs)
        sent_args, sent_kwargs = _with_options(args, kwargs, call.options)
        with call.active():
            try:
                result = original(self, *sent_args, **sent_kwargs)
            except BaseException as error:
                if not call.is_refused(error):
                    call.fail(error)
                    drop_frame(error)
                    raise
                result = None
            if result is None:
                try:
                    result = original(self, *args, **kwargs)
                except BaseException as error:
                    call.fail(error)
                    drop_frame(error)
                    raise
        return received(call, result)

    return request


def _traced_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        if call is None:
            return await original(self, *args, **kwargs)
        sent_args, sent_kwargs = _with_options(args, kwargs, call.options)
        with call.active():
            try:
                result = await original(self, *sent_args, **sent_kwargs)
            except BaseException as error:
                if not call.is_refused(error):
                    call.fail(error)
                    drop_frame(error)
                    raise
                result = None
            if result is None:
                try:
                    result = await original(self, *args, **kwargs)
                except BaseException as error:
                    call.fail(error)
                    drop_frame(error)
                    raise
        return received(call, result)

    return request
