# SPDX-License-Identifier: LGPL-2.1-or-later
"""A line to a server on loopback: so many bits a second for all its connections together, and a time for each way.

A kernel with netem would do; that of a container mostly has none.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE = 16 * 1024


class SlowLine:
    """A context: ``url`` is where the server with this port is had over the line."""

    def __init__(self, port: int, *, bits_per_second: float, round_trip: float) -> None:
        self._port = port
        self._rate = bits_per_second / 8
        self._way = round_trip / 2
        self._free = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self.url = f"http://127.0.0.1:{started.result().sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        ways = (self._carry(client, to_server, paced=False), self._carry(server, to_client, paced=True))
        with suppress(OSError):
            await asyncio.gather(*ways)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, paced: bool) -> None:
        """Bytes arrive in their order, each piece when the line has carried it, and so much later as the way takes."""
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        arrival = asyncio.ensure_future(self._arrive(arriving, target))
        while piece := await source.read(_PIECE):
            now = self._loop.time()
            if paced:
                self._free = max(now, self._free) + len(piece) / self._rate
                await asyncio.sleep(max(0.0, self._free - now))
            await arriving.put((self._loop.time() + self._way, piece))
        await arriving.put((0.0, b""))
        await arrival

    async def _arrive(self, arriving: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
        while (arrived := await arriving.get())[1]:
            await asyncio.sleep(max(0.0, arrived[0] - self._loop.time()))
            with suppress(OSError):
                target.write(arrived[1])
                await target.drain()
        target.close()
