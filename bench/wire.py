"""The least of an HTTP/1.1 client for asyncio that hundreds of simulated browsers can share two cores with a server.

Kept connections, fixed and chunked bodies, and lines of an event stream. Nothing else of HTTP is here.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """A status, headers by lower-case name, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Lines:
    """The connections of one browser: so many at once, the last one used first."""

    def __init__(self, port: int, headers: dict[str, str], most: int = 6) -> None:
        self._free: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for _ in range(most):
            self._free.put_nowait(Line(port, headers))

    async def get(self, path: str, headers: dict[str, str] | None = None) -> "Answer":
        """GET."""
        return await self._ask("GET", path, headers or {}, None)

    async def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> "Answer":
        """POST."""
        return await self._ask("POST", path, headers or {}, body)

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> "Answer":
        line = await self._free.get()
        try:
            return await line.ask(method, path, headers, body)
        finally:
            self._free.put_nowait(line)


class Line:
    """One kept connection, for one request at a time."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.port, self.headers = port, headers
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def events(self, path: str) -> AsyncIterator[tuple[str, str]]:
        """Names and data of an event stream, until it ends."""
        await self._open()
        assert self._reader is not None
        await self._send("GET", path, {"Accept": "text/event-stream"}, None)
        status, _ = await self._head()
        if status != 200:
            raise ConnectionError(f"the stream answered {status}")
        name, pieces = "", b""
        while piece := await self._chunk():
            pieces += piece
            *lines, pieces = pieces.split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    name = line[7:].decode()
                elif line.startswith(b"data: "):
                    yield name, line[6:].decode()
        self.close()

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """One request. A connection that the server closed meanwhile is opened again, once."""
        for last in (False, True):
            await self._open()
            try:
                await self._send(method, path, headers, body)
                return await self._answer()
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if last:
                    raise
        raise AssertionError("a request ends in an answer or an error")

    async def _open(self) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(HOST, self.port, limit=2**20)

    async def _send(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> None:
        assert self._writer is not None
        told = {"Host": f"{HOST}:{self.port}", **self.headers, **headers}
        if body is not None:
            told["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
        await self._writer.drain()

    async def _head(self) -> tuple[int, dict[str, str]]:
        assert self._reader is not None
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value for name, _, value in pairs}

    async def _answer(self) -> Answer:
        assert self._reader is not None
        status, headers = await self._head()
        if "chunked" in headers.get("transfer-encoding", ""):
            body = b""
            while piece := await self._chunk():
                body += piece
        else:
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    async def _chunk(self) -> bytes:
        assert self._reader is not None
        size = int((await self._reader.readline()).strip() or b"0", 16)
        piece = await self._reader.readexactly(size + 2)
        return piece[:-2]
