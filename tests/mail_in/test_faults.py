"""Servers that lie, stall, trickle and hang up: every good mail is taken once, the bad one is parked, nobody waits."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from queues.channels.base import Inbound, Secrets, SourceTrouble, StoreAway
from queues.channels.email import fetch, imap, mailbox
from queues.channels.email.mailbox import receive
from tests.dovecot import make_certificate
from tests.fake_imap import FakeImap, Faults
from tests.mail_in.conftest import environment


class Memory:
    """A ReceiveContext without a database. `until` says when enough has happened."""

    def __init__(self, settings: dict[str, Any], until: Callable[["Memory"], bool]) -> None:
        self.settings = settings
        self.secrets = Secrets(password="пароль")
        self.cursor: dict[str, Any] = {}
        self.reading: dict[str, Any] = {}
        self.rescan = None
        self.installation = self.place = ""
        self.stored: dict[str, Inbound] = {}
        self.accepted = 0
        self.tries: dict[int, int] = {}
        self.until = until
        self.away = False
        self.holder = True

    def accept(self, inbounds: list[Inbound]) -> int:
        if self.away:
            raise StoreAway("away")
        if any(b"REFUSED BY THE DATABASE" in inbound.raw for inbound in inbounds):
            raise ValueError("that mail cannot be stored")
        before = len(self.stored)
        for inbound in inbounds:
            self.accepted += 1
            self.stored.setdefault(inbound.dedup_key, inbound)
        return len(self.stored) - before

    def save_cursor(self, cursor: dict[str, Any]) -> None:
        self.cursor = cursor

    def park(self, folder: str, uidvalidity: int, uid: int, words: str) -> int:
        self.tries[uid] = self.tries.get(uid, 0) + 1
        return self.tries[uid]

    def parked(self, folder: str, uidvalidity: int, present: set[int]) -> dict[int, int]:
        return {uid: count for uid, count in self.tries.items() if uid in present}

    def taken_mails(self, folder: str, uidvalidity: int) -> dict[int, int]:
        return {}

    def known(self, dedup_keys: Any) -> dict[str, int]:
        return {}

    def noticed(self, kind: str, event_ids: Any) -> set[int]:
        return set()

    def still_holder(self) -> bool:
        return self.holder

    def contact(self) -> None:
        pass

    def trouble(self, words: str) -> None:
        pass

    def stopping(self) -> bool:
        return self.until(self)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("fake")
    make_certificate(path, "127.0.0.1")
    with environment(SSL_CERT_FILE=str(path / "cert.pem"), OUTBOUND_ALLOW="127.0.0.0/8"):
        yield path


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., FakeImap]]:
    started: list[FakeImap] = []

    def start(mails: dict[int, bytes], **more: Any) -> FakeImap:
        started.append(FakeImap(folder, mails, **more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "READ_SECONDS", 0.5)
    monkeypatch.setattr(imap, "COMMAND_SECONDS", 1.5)
    monkeypatch.setattr(imap, "SLOWEST", 10_000_000)
    monkeypatch.setattr(mailbox, "IDLE_SECONDS", (0.02, 0.03))
    monkeypatch.setattr(mailbox, "POLL_SECONDS", (0.02, 0.03))


def mails(count: int) -> dict[int, bytes]:
    return {uid: f"Subject: {uid}\r\n\r\nПисьмо {uid}".encode() for uid in range(1, count + 1)}


def settings(server: FakeImap, **more: Any) -> dict[str, Any]:
    return {"address": "box@desk.example", "imap_host": "127.0.0.1", "imap_port": server.port, **more}


def go(context: Memory, connections: int = 12) -> list[str]:
    """Receive again and again, as the listening process does, until enough happened; returns the troubles."""
    troubles = []
    for _ in range(connections):
        if context.stopping():
            break
        try:
            receive(context)
        except SourceTrouble as trouble:
            troubles.append(str(trouble))
    return troubles


def empty_but(server: FakeImap, *uids: int) -> Callable[[Memory], bool]:
    return lambda context: set(server.mails) <= set(uids) and all(context.tries.get(uid, 0) >= 3 for uid in uids)


@pytest.mark.parametrize(
    "fault",
    [
        Faults(lying_literal={3: 99_999_999_999}),
        Faults(lying_literal={3: 2_000_000_000}),
        Faults(stall={3}, lying_literal={3: 900}),
        Faults(trickle={3}),
        Faults(endless_line={3}),
    ],
    ids=["no memory holds it", "two gigabytes", "stalls", "trickles", "endless line"],
)
def test_a_poisoned_mail_is_parked_and_the_others_flow(serve: Any, fault: Faults) -> None:
    server = serve(mails(6), faults=fault)
    if fault.trickle:
        server.mails[3] = b"x" * 2000
    context = Memory(settings(server), empty_but(server, 3))
    go(context)
    assert sorted(server.moved) == [1, 2, 4, 5, 6]
    assert len(context.stored) == 5
    assert context.tries == {3: 3}


def test_a_parked_mail_is_tried_again_when_everything_is_looked_at(serve: Any) -> None:
    server = serve(mails(2), faults=Faults(lying_literal={1: 10**11}))
    context = Memory(settings(server), empty_but(server, 1))
    go(context)
    server.faults.lying_literal.clear()
    context.until = lambda _: not server.mails
    go(context)
    assert len(context.stored) == 2


def test_a_mail_that_cannot_be_stored_delays_nobody(serve: Any) -> None:
    server = serve({**mails(4), 2: b"Subject: x\r\n\r\nREFUSED BY THE DATABASE"})
    context = Memory(settings(server), empty_but(server, 2))
    go(context)
    assert sorted(server.moved) == [1, 3, 4]
    assert context.tries[2] >= 3


def test_cut_at_any_byte(serve: Any) -> None:
    whole = serve(mails(3))
    done = Memory(settings(whole), lambda _: not whole.mails)
    go(done)
    for cut in range(1, 1100, 47):
        server = serve(mails(3), faults=Faults(cut_after=cut))
        context = Memory(settings(server), lambda _, server=server: not server.mails)
        go(context)
        assert sorted(server.moved) == [1, 2, 3], cut
        assert context.stored.keys() == done.stored.keys(), cut
        assert context.tries == {} or max(context.tries.values()) < 3
        server.stop()


def test_bye_in_idle_is_a_new_connection(serve: Any) -> None:
    server = serve({}, faults=Faults(bye_in_idle=2))
    context = Memory(settings(server), lambda _: len(server.moved) == 1)
    timer = threading.Timer(1.0, lambda: server.mails.update(mails(1)))
    timer.start()
    go(context)
    assert len(context.stored) == 1
    assert server.logins >= 3


def test_without_idle_the_folder_is_polled(serve: Any) -> None:
    server = serve({}, capability="IMAP4rev1 AUTH=PLAIN MOVE UIDPLUS")
    context = Memory(settings(server), lambda _: len(server.moved) == 1)
    threading.Timer(0.8, lambda: server.mails.update(mails(1))).start()
    go(context)
    assert len(context.stored) == 1


def test_store_away_leaves_mail_where_it_is(serve: Any) -> None:
    server = serve(mails(3))
    context = Memory(settings(server), lambda _: not server.mails)
    context.away = True
    with pytest.raises(StoreAway):
        receive(context)
    assert len(server.mails) == 3
    assert context.tries == {}
    context.away = False
    go(context)
    assert len(context.stored) == 3


def test_a_former_holder_moves_nothing(serve: Any) -> None:
    server = serve(mails(3))
    context = Memory(settings(server), lambda _: False)
    context.holder = False
    with pytest.raises(SourceTrouble, match="Another process"):
        receive(context)
    assert len(server.mails) == 3
    assert not {"UID_MOVE", "UID_STORE", "UID_EXPUNGE"} & set(server.commands)


@pytest.mark.parametrize(
    ("capability", "action", "commands"),
    [
        ("MOVE UIDPLUS", "move", ["UID_MOVE"]),
        ("UIDPLUS", "move", ["UID_COPY", "UID_STORE", "UID_EXPUNGE"]),
        ("UIDPLUS", "delete", ["UID_STORE", "UID_EXPUNGE"]),
        ("", "delete", ["UID_STORE"]),
        ("", "move", ["UID_STORE"]),
        ("MOVE UIDPLUS", "mark", ["UID_STORE"]),
    ],
)
def test_taken_mail_is_put_away_as_the_server_is_able(
    serve: Any, capability: str, action: str, commands: list[str]
) -> None:
    server = serve(mails(3), capability=f"IMAP4rev1 AUTH=PLAIN {capability}")
    context = Memory(settings(server, done_action=action), lambda _: server.commands.count("UID_SEARCH") >= 3)
    go(context)
    acts = [name for name in server.commands if name in {"UID_MOVE", "UID_COPY", "UID_STORE", "UID_EXPUNGE", "EXPUNGE"}]
    assert acts == commands
    assert len(context.stored) == context.accepted == 3, "what was marked is not fetched again"


@pytest.mark.parametrize("permanent", ["\\Seen", ""], ids=["only seen", "nothing at all"])
def test_where_nothing_can_be_marked_the_highest_number_is_remembered(serve: Any, permanent: str) -> None:
    server = serve(mails(3), capability="IMAP4rev1 AUTH=PLAIN")
    server.permanent = permanent
    context = Memory(settings(server), lambda seen: len(seen.stored) == 4 and server.commands.count("UID_SEARCH") >= 4)
    threading.Timer(0.2, lambda: server.mails.update({9: b"Subject: new\r\n\r\nnew"})).start()
    go(context)
    assert len(context.stored) == 4
    assert context.accepted == 4
    again = Memory(settings(server), lambda _: server.commands.count("UID_SEARCH") >= 7)
    again.cursor = context.cursor
    go(again)
    assert again.accepted == 0, "a restart fetches nothing twice"
    server.uidvalidity = 2
    anew = Memory(settings(server), lambda _: server.commands.count("UID_SEARCH") >= 9)
    anew.cursor, anew.stored = again.cursor, context.stored
    go(anew)
    assert len(anew.stored) == 4, "numbered anew: read again, recognised by content"


def test_a_mail_that_is_too_large_is_known_by_its_header(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LARGEST", 1000)
    monkeypatch.setattr(fetch, "GROUP_BYTES", 1000)
    server = serve({**mails(2), 3: b"Subject: Large\r\nFrom: eve@customer.example\r\n\r\n" + b"x" * 5000})
    context = Memory(settings(server), lambda _: not server.mails)
    go(context)
    large = next(inbound for inbound in context.stored.values() if inbound.problem)
    assert large.problem == "too-large"
    assert large.raw == b"Subject: Large\r\nFrom: eve@customer.example\r\n\r\n"
    assert large.envelope["size"] > 5000


def test_a_mail_that_is_too_large_is_never_deleted(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LARGEST", 1000)
    monkeypatch.setattr(fetch, "GROUP_BYTES", 1000)
    server = serve({**mails(2), 3: b"Subject: Large\r\n\r\n" + b"x" * 5000})
    go(Memory(settings(server, done_action="delete"), lambda _: not server.mails))
    assert list(server.moved) == [3]


def test_a_server_that_announces_too_little_loses_nothing(serve: Any) -> None:
    server = serve({1: b"Subject: x\r\n\r\n" + b"y" * 200_000, 2: b"Subject: z\r\n\r\nz"})
    server.sizes = {1: 100}
    context = Memory(settings(server), lambda _: not server.mails)
    go(context)
    assert sorted(len(inbound.raw) for inbound in context.stored.values()) == [15, 200_014]


def test_a_refused_sign_in_is_told_in_the_servers_words(serve: Any) -> None:
    server = serve({}, faults=Faults(refuse_login=True))
    with pytest.raises(SourceTrouble) as refused:
        receive(Memory(settings(server), lambda _: False))
    assert "[AUTHENTICATIONFAILED] go away" in str(refused.value)
    assert refused.value.slow


def test_starttls_never_falls_back() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def strip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] no encryption here\r\n")
            while data := connection.recv(1000):
                heard.append(data)
                tag = data.split()[0]
                connection.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK done\r\n")

    threading.Thread(target=strip, daemon=True).start()
    where = {"address": "a@b.example", "imap_host": "127.0.0.1", "imap_port": listener.getsockname()[1]}
    with environment(OUTBOUND_ALLOW="127.0.0.1"), pytest.raises(SourceTrouble, match="STARTTLS"):
        receive(Memory({**where, "imap_tls": "starttls"}, lambda _: False))
    listener.close()
    assert not any(b"AUTHENTICATE" in data or b"LOGIN" in data for data in heard)


def test_a_certificate_for_another_name_is_refused(serve: Any, folder: Path, tmp_path: Path) -> None:
    make_certificate(tmp_path, "imap.other.example")
    server = FakeImap(tmp_path, {})
    with (
        environment(SSL_CERT_FILE=str(tmp_path / "cert.pem")),
        pytest.raises(SourceTrouble, match="certificate of the server is not valid"),
    ):
        receive(Memory(settings(server), lambda _: False))
    server.stop()
    assert server.logins == 0
    assert os.environ["SSL_CERT_FILE"] == str(folder / "cert.pem")
