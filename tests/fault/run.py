"""One fault run from its beginning to its verdict."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.dovecot import PASSWORD, Dovecot
from tests.fault.again import send_unknown_again
from tests.fault.checker import Verdict, backlog, check
from tests.fault.intents import Intents
from tests.fault.nemesis import Nemesis
from tests.fault.operators import Operator
from tests.fault.senders import Senders
from tests.fault.sink import Sink
from tests.fault.stack import ROOT, Stack

OPERATORS = ["ann", "bob", "carl", "dan", "eva", "fay"]
OPERATOR_PASSWORD = "under fire since Monday"
MAILBOX = "fire@desk.example"
DRAIN_SECONDS = 60.0


@dataclass(frozen=True)
class Scale:
    """How much of everything. `seconds` is how long the mails take to come; the whole run takes about twice that."""

    seed: int
    mails: int = 2000
    replies: int = 500
    kills: int = 200
    seconds: float = 180.0
    longest: float = 480.0


def run(scale: Scale, say: Callable[[str], None] = print) -> Verdict:
    """Do it all, and take everything down again. What failed leaves its folder behind, and says where."""
    say(f"seed {scale.seed}: {scale.mails} mails, {scale.replies} replies, at least {scale.kills} kills")
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    folder.chmod(0o711)  # as root the engines run as another account, which must be able to pass through
    folder.chmod(0o711)  # as root the engines run as another account, which must be able to pass through
    intents = Intents(folder / "intents.jsonl")
    dovecot = Dovecot(folder / "dv")
    try:
        dovecot.start()
        dovecot.add_user(MAILBOX)
        with Sink(dovecot.folder, intents, random.Random(scale.seed + 1)) as sink:
            verdict = _under_fire(scale, folder, dovecot, sink, intents, say)
    finally:
        dovecot.stop()
    _tell(verdict, intents, say)
    if verdict.violations:
        say(f"what happened is in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return verdict


def _under_fire(
    scale: Scale, folder: Path, dovecot: Dovecot, sink: Sink, intents: Intents, say: Callable[[str], None]
) -> Verdict:
    trust = {"SSL_CERT_FILE": dovecot.ca_file, "OUTBOUND_ALLOW": "127.0.0.1"}
    stack = Stack(folder, trust)
    try:
        stack.start()
        stack.wait_ready(90)
        ids = _furnish(stack, dovecot, sink)
        _battle(scale, stack, dovecot, intents, ids["queue_id"], say)
        drained = _drain(stack, dovecot, scale, say)
        verdict = check(stack, dovecot, MAILBOX, ids["channel_id"], intents)
        send_unknown_again(verdict, stack, intents, OPERATOR_PASSWORD, ids["queue_id"])
        verdict.facts["drained after"] = f"{drained:.1f} s"
        verdict.expect(drained <= DRAIN_SECONDS, f"not drained {DRAIN_SECONDS:.0f} s after the last kill")
        verdict.expect(len(intents.kills) >= scale.kills, f"only {len(intents.kills)} kills")
        return verdict
    finally:
        stack.stop()


def _furnish(stack: Stack, dovecot: Dovecot, sink: Sink) -> dict[str, int]:
    smtp = {"smtp_host": "127.0.0.1", "smtp_port": sink.port, "smtp_tls": "ssl"}
    order = {
        "mailbox": {"address": MAILBOX, "settings": dovecot.settings(MAILBOX, **smtp), "password": PASSWORD},
        "operators": [{"email": f"{name}@desk.example", "password": OPERATOR_PASSWORD} for name in OPERATORS],
    }
    environment = stack.environment | {"DATABASE_URL": stack.database_url()}
    made = subprocess.run(
        [sys.executable, "-m", "tests.fault.furnish"],
        cwd=ROOT, env=environment, input=json.dumps(order), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise RuntimeError(f"the stack could not be furnished:\n{made.stderr[-3000:]}")
    ids: dict[str, int] = json.loads(made.stdout.splitlines()[-1])
    return ids


def _battle(
    scale: Scale, stack: Stack, dovecot: Dovecot, intents: Intents, queue_id: int, say: Callable[[str], None]
) -> None:
    """Mails, replies and kills at once, until all are done; the last kill comes after the last reply."""
    rng = random.Random(scale.seed)
    shares = [scale.replies // len(OPERATORS) + (place < scale.replies % len(OPERATORS)) for place in range(6)]
    senders = Senders(dovecot, MAILBOX, intents, random.Random(rng.random()), scale.mails, scale.seconds)
    operators = [
        Operator(stack.url, name, OPERATOR_PASSWORD, queue_id, share, scale.seed, intents)
        for name, share in zip(OPERATORS, shares, strict=True)
    ]
    pace = 0.9 * scale.seconds / scale.kills
    nemesis = Nemesis(stack, intents, random.Random(rng.random()), pace, scale.kills)
    began, told = time.monotonic(), 0.0
    for thread in (senders, nemesis, *operators):
        thread.start()
    while any(one.is_alive() for one in (senders, *operators)) or len(intents.kills) < scale.kills:
        if time.monotonic() - began > scale.longest or not nemesis.is_alive():
            intents.fault(f"not done after {time.monotonic() - began:.0f} s")
            break
        if time.monotonic() - told > 20:
            told = time.monotonic()
            say(
                f"{told - began:5.0f} s: {len(intents.mails)} mails sent, {intents.confirmed_replies()} replies "
                f"written, {len(intents.arrivals)} arrived, {len(intents.kills)} kills"
            )
        time.sleep(0.3)
    for thread in (senders, nemesis, *operators):
        thread.stop.set()
    for thread in (senders, nemesis, *operators):
        thread.join(60)
    stack.keep()


def _drain(stack: Stack, dovecot: Dovecot, scale: Scale, say: Callable[[str], None]) -> float:
    """Wait until nothing is left to do; returns the seconds, or more than DRAIN_SECONDS when that did not happen."""
    began = time.monotonic()
    while True:
        stack.keep()
        left = backlog(stack, dovecot, MAILBOX)
        passed = time.monotonic() - began
        if not any(left.values()):
            return passed
        if passed > DRAIN_SECONDS * 3:
            say(f"left after {passed:.0f} s: {left}")
            return passed
        time.sleep(0.5)


def _tell(verdict: Verdict, intents: Intents, say: Callable[[str], None]) -> None:
    kinds = Counter(what for _at, what in intents.kills)
    verdict.facts["kills"] = f"{len(intents.kills)} ({', '.join(f'{k} {n}' for k, n in kinds.most_common())})"
    verdict.facts["answers of the web"] = dict(sorted(intents.answers.items()))
    for name, value in verdict.facts.items():
        say(f"{name}: {value}")
    for violation in verdict.violations[:40]:
        say(f"VIOLATED: {violation}")
    say("every promise held" if not verdict.violations else f"{len(verdict.violations)} violations")


def seed_from(text: str | None) -> int:
    """The seed given, or a fresh one."""
    return int(text) if text else int.from_bytes(os.urandom(3), "big")
