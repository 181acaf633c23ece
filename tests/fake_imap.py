"""An IMAP server for faults that no real one produces: lying sizes, trickles, stalls, BYE at the wrong moment.

It speaks TLS with the given certificate, knows one mailbox of mails in memory, and asks `Faults` what to do wrong.
"""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Faults:
    """What goes wrong. Sets hold UIDs; numbers are seconds or counts."""

    lying_literal: dict[int, int] = field(default_factory=dict)  # UID -> size that its literal announces
    stall: set[int] = field(default_factory=set)  # after the literal's header nothing more comes
    trickle: set[int] = field(default_factory=set)  # a byte each 20 ms
    endless_line: set[int] = field(default_factory=set)
    bye_in_idle: int = 0  # how many IDLEs end with BYE
    cut_after: int = -1  # bytes of the whole session after which the connection is cut
    refuse_login: bool = False


class FakeImap:
    """Listens on a random loopback port; `mails` maps UIDs to bytes and shrinks when mails are moved."""

    def __init__(
        self, folder: Path, mails: dict[int, bytes], faults: Faults | None = None, capability: str = ""
    ) -> None:
        self.mails = mails
        self.moved: dict[int, bytes] = {}
        self.flags: dict[int, set[str]] = {}
        self.faults = faults or Faults()
        self.capability = capability or "IMAP4rev1 AUTH=PLAIN IDLE MOVE UIDPLUS"
        self.permanent = "\\Deleted \\Seen \\*"
        self.uidvalidity = 1
        self.logins = 0
        self.commands: list[str] = []
        self.sizes: dict[int, int] = {}
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.ended = threading.Event()
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        self.socket.close()
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        # Answers of several lines would each wait 40 ms for the client to acknowledge the first of them.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection = self.context.wrap_socket(plain, server_side=True)
            self.connections.append(connection)
            Session(self, connection).run()
        except (OSError, ValueError):
            pass
        finally:
            plain.close()


class Session:
    """One connection."""

    def __init__(self, server: FakeImap, connection: ssl.SSLSocket) -> None:
        self.server = server
        self.socket = connection
        self.file = connection.makefile("rb")
        self.sent = 0

    def send(self, data: bytes) -> None:
        cut = self.server.faults.cut_after
        if 0 <= cut <= self.sent + len(data):
            self.socket.sendall(data[: cut - self.sent])
            self.server.faults.cut_after = -1
            self.socket.shutdown(socket.SHUT_RDWR)
            raise OSError("cut")
        self.sent += len(data)
        self.socket.sendall(data)

    def line(self, text: str) -> None:
        self.send(text.encode() + b"\r\n")

    def run(self) -> None:
        self.line(f"* OK [CAPABILITY {self.server.capability}] ready")
        while raw := self.file.readline():
            tag, _, rest = raw.decode().strip().partition(" ")
            name = rest.split(" ", 2)[0].upper()
            if name == "UID":
                name = "UID_" + rest.split(" ", 2)[1].upper()
            self.server.commands.append(name)
            handler: Callable[[str, str], None] | None = getattr(self, f"do_{name.lower()}", None)
            if handler is None:
                self.line(f"{tag} BAD unknown")
            else:
                handler(tag, rest)
            if name == "LOGOUT":
                return

    def do_capability(self, tag: str, rest: str) -> None:
        self.line(f"* CAPABILITY {self.server.capability}")
        self.line(f"{tag} OK done")

    def do_authenticate(self, tag: str, rest: str) -> None:
        self.line("+ ")
        self.file.readline()
        self.server.logins += 1
        self.line(f"{tag} NO [AUTHENTICATIONFAILED] go away" if self.server.faults.refuse_login else f"{tag} OK in")

    def do_select(self, tag: str, rest: str) -> None:
        self.line(f"* {len(self.server.mails)} EXISTS")
        self.line(f"* OK [UIDVALIDITY {self.server.uidvalidity}] ok")
        self.line(f"* OK [PERMANENTFLAGS ({self.server.permanent})] ok")
        self.line(f"{tag} OK [READ-WRITE] done")

    def do_noop(self, tag: str, rest: str) -> None:
        self.line(f"{tag} OK done")

    def do_logout(self, tag: str, rest: str) -> None:
        self.line("* BYE bye")
        self.line(f"{tag} OK done")

    def do_uid_search(self, tag: str, rest: str) -> None:
        keyword = re.search(r"UNKEYWORD (\S+)", rest)
        after = re.search(r"UID (\d+):\*", rest)
        uids = [
            uid
            for uid in self.server.mails
            if not (keyword and keyword[1] in self.server.flags.get(uid, set()))
            and not ("UNSEEN" in rest and "\\Seen" in self.server.flags.get(uid, set()))
            and "\\Deleted" not in self.server.flags.get(uid, set())
            and not (after and uid < int(after[1]) and uid != max(self.server.mails))
        ]
        self.line(f"* SEARCH {' '.join(map(str, uids))}".rstrip())
        self.line(f"{tag} OK done")

    def do_uid_fetch(self, tag: str, rest: str) -> None:
        for uid in _uids(rest.split(" ")[2], self.server.mails):
            if "RFC822.SIZE" in rest:
                size = self.server.sizes.get(uid, len(self.server.mails[uid]))
                date = '"21-Nov-2026 12:00:00 +0000"'
                self.line(f"* {uid} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE {date})")
            else:
                self._body(uid, rest)
        self.line(f"{tag} OK done")

    def _body(self, uid: int, rest: str) -> None:
        faults, raw = self.server.faults, self.server.mails[uid]
        header = "HEADER" in rest
        if header:
            raw = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        raw = raw[: int(re.search(r"<0\.(\d+)>", rest)[1])]  # type: ignore[index]
        size = faults.lying_literal.get(uid, len(raw))
        if uid in faults.endless_line:
            for _ in range(200):
                self.send(b"x" * 65536)
        name = "BODY[HEADER]<0>" if header else "BODY[]<0>"
        self.send(f"* {uid} FETCH (UID {uid} {name} {{{size}}}\r\n".encode())
        if uid in faults.stall:
            self.server.ended.wait(600)
        if uid in faults.trickle:
            for byte in raw:
                self.send(bytes([byte]))
                time.sleep(0.02)
        else:
            self.send(raw)
        self.line(")")

    def do_uid_move(self, tag: str, rest: str) -> None:
        for uid in _uids(rest.split(" ")[2], self.server.mails):
            self.server.moved[uid] = self.server.mails.pop(uid)
        self.line(f"{tag} OK done")

    def do_uid_copy(self, tag: str, rest: str) -> None:
        for uid in _uids(rest.split(" ")[2], self.server.mails):
            self.server.moved[uid] = self.server.mails[uid]
        self.line(f"{tag} OK done")

    def do_uid_store(self, tag: str, rest: str) -> None:
        for uid in _uids(rest.split(" ")[2], self.server.mails):
            self.server.flags.setdefault(uid, set()).update(rest[rest.index("(") + 1 : rest.index(")")].split())
        self.line(f"{tag} OK done")

    def do_uid_expunge(self, tag: str, rest: str) -> None:
        for uid in _uids(rest.split(" ")[2], self.server.mails):
            if "\\Deleted" in self.server.flags.get(uid, set()):
                del self.server.mails[uid]
        self.line(f"{tag} OK done")

    def do_idle(self, tag: str, rest: str) -> None:
        self.line("+ idling")
        if self.server.faults.bye_in_idle:
            self.server.faults.bye_in_idle -= 1
            self.line("* BYE the server is going down")
            self.socket.shutdown(socket.SHUT_RDWR)
            raise OSError("gone")
        self.file.readline()
        self.line(f"{tag} OK done")


def _uids(ranges: str, present: dict[int, bytes]) -> list[int]:
    """The UIDs of a sequence set such as 1:3,7 that are present."""
    wanted: set[int] = set()
    for part in ranges.split(","):
        first, _, last = part.partition(":")
        wanted.update(range(int(first), int(last or first) + 1))
    return sorted(wanted & present.keys())
