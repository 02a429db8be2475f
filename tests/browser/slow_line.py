"""A slow line and a slow machine between browser and server, for those who look for races.

`PELLUCID_TEST_SLOW=SEED pytest tests/browser` lends every page a sixth of the processor and holds
every request and every answer back by a time of its own, up to `MOST_S`; a seed gives the same
times again.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from playwright.sync_api import Page

CPU_RATE = 6
MOST_S = 0.6
# A page has some sixty files; what they wait adds up.
MOST_FILE_S = 0.06
_CHUNK = 1 << 16


class SlowLine:
    """An HTTP proxy on loopback that takes its time."""

    def __init__(self) -> None:
        self._random = random.Random()
        self.address = ""
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        """Begin to take requests at `address`."""
        self._thread.start()
        self.address = self._started.result(30)

    def draw(self, seed: str) -> None:
        """Begin with other times."""
        self._random.seed(seed)

    def stop(self) -> None:
        """End the thread; its browser has ended."""
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self._started.set_result(f"http://{host}:{port}")
        await self._done.wait()
        server.close()
        await asyncio.sleep(0.1)  # those that were just accepted
        left = dict(self._open)
        for task, writer in left.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*left, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *fields = head.rstrip("\r\n").split("\r\n")
            method, address, version = request.split(" ")
            place = urlsplit(address)
            if place.hostname != "127.0.0.1":
                return  # what a browser asks the world of its own accord
            path = address.partition(place.netloc)[2] or "/"
            kept = [one for one in fields if not one.lower().startswith(("proxy-", "connection:"))]
            lines = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
            most = MOST_FILE_S if path.startswith("/static/") else MOST_S
            await asyncio.sleep(self._random.uniform(0, most / 2))
            back, forth = await asyncio.open_connection(place.hostname, place.port)
            async with _closing(forth):
                forth.write("\r\n".join(lines).encode("latin-1"))
                sending = asyncio.create_task(_pass_on(reader, forth))
                try:
                    first = await back.read(_CHUNK)
                    await asyncio.sleep(self._random.uniform(0, most / 2))
                    writer.write(first)
                    await _pass_on(back, writer)
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection at the end, whoever cut it."""
    with suppress(OSError, asyncio.IncompleteReadError):
        try:
            yield
        finally:
            writer.close()
            await writer.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


def slow_down(page: Page) -> None:
    """Lend a page a part of the processor."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_RATE})
