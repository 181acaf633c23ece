"""Mailboxes on a real Dovecot, and a listener that holds them."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.dovecot import PASSWORD, Dovecot, need_dovecot

numbers = itertools.count(1)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables for a while and read the settings anew, before and after."""
    from helpdesk.config import settings

    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    settings.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        settings.cache_clear()


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """One Dovecot for all tests; its certificate is trusted and its address allowed."""
    need_dovecot()
    folder = Path("/tmp") / f"dv-{os.getpid()}"
    server = Dovecot(folder)
    try:
        with environment(SSL_CERT_FILE=server.ca_file, OUTBOUND_ALLOW="127.0.0.1"):
            yield server.start()
    finally:
        server.remove()


@pytest.fixture
def mailbox(dovecot: Dovecot, make_committed: Any, committed: Any) -> Callable[..., Any]:
    """Make a channel on a fresh mailbox; its settings may be overridden."""

    def build(enabled: bool = True, server: Dovecot | None = None, **settings: Any) -> Any:
        server = server or dovecot
        user = server.add_user(f"box{next(numbers)}@desk.example")
        channel = make_committed.channel(
            make_committed.queue(), address=user, settings=server.settings(user, **settings), enabled=enabled
        )
        channel.keep_secrets({"password": PASSWORD})
        committed.commit()
        return channel

    return build


@pytest.fixture
def listening(app: Any) -> Iterator[Callable[[], Any]]:
    """Start a listener in a thread of this process; all are stopped at the end."""
    from queues.listen import Listener

    started: list[tuple[Any, threading.Thread]] = []

    def start() -> Any:
        listener = Listener(app)

        def run() -> None:
            with app.app_context():
                listener.run()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        started.append((listener, thread))
        return listener

    yield start
    for listener, _thread in started:
        listener.stop.set()
    for listener, thread in started:
        thread.join(10)
        for runner in listener.runners.values():
            runner.join(10)
