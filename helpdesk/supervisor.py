"""The parent of everything: `helpdesk run`, also `python -m helpdesk.supervisor`.

Starts the engines that the environment does not name, migrates, then keeps the web server and the crew (workers,
listen, cron) running. There is one parent per data folder, by a lock that dies with it; what a killed parent left
behind is ended first. The parent imports neither Flask nor SQLAlchemy: short-lived children do what needs them.
"""

import errno
import fcntl
import http.client
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

from helpdesk.config import Settings, load
from helpdesk.embedded import Engines
from helpdesk.engine_home import make_folder
from helpdesk.errors import StartError
from helpdesk.keeper import Keeper, Program, Stopped
from helpdesk.processes import account_of, switch

ROOT = Path(__file__).resolve().parent.parent
WEB_GRACE = 20.0  # seconds; gunicorn's own graceful time-out is shorter
CREW_GRACE = 80.0  # seconds; longer than the crew gives its own members
SLOW_START = 60.0  # seconds until we say that the web server is late

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What to run, as data, so that a test can run something else.

    `steps` run one after another before the `programs`; one that fails ends the start with its last words. What
    they write tells how to sign in, and is shown when the web server answers.
    """

    steps: tuple[Program, ...]
    programs: tuple[Program, ...]


@click.command("run")
@click.option("--demo", is_flag=True, help="With made-up people and tickets, in var/demo unless told otherwise.")
def run_command(demo: bool) -> None:
    """Run everything: engines, web, workers, channels, timetable. Ctrl-C stops it."""
    if demo:
        os.environ.setdefault("HELPDESK_DATA", "var/demo")
        os.environ.setdefault("LMTP_PORT", "8024")
    main(plan_of_demo if demo else plan_of)


def main(make_plan: Callable[[Settings, Environment], Plan]) -> None:
    """Run until a signal asks for the end. An expected failure is one sentence on stderr and exit code 1."""
    try:
        config = load()
        become_owner(config.data)
        run(config, make_plan)
    except StartError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"The helpdesk cannot go on: {error.strerror or error} ({error.filename or 'system'}).")


def run(config: Settings, make_plan: Callable[[Settings, Environment], Plan]) -> None:
    """Lock the data folder, start engines and programs, keep them until a signal. Raises StartError."""
    make_folder(config.data)
    with locked(config.data) as run_folder, Keeper(run_folder / "pids.json") as keeper:
        for leftover in keeper.sweep():
            keeper.say(f"ended {leftover}, left behind by an earlier run")
        refuse_taken_port(config.host, config.port, "PORT")
        if config.lmtp_port:
            refuse_taken_port(config.lmtp_host, config.lmtp_port, "LMTP_PORT")
        engines = Engines(config.data, sole=True, pulse=keeper.check)
        try:
            environment = start_engines(config, engines, keeper)
            plan = make_plan(config, environment)
            sign_in = [line for step in plan.steps for line in run_step(step, keeper)]
            for program in plan.programs:
                keeper.start(program)
            greet(config, keeper, sign_in)
            keeper.wait(lambda: False)
        except Stopped:
            keeper.say("stopping")
        finally:
            keeper.stop_all()
            engines.stop()


def plan_of(_config: Settings, environment: Environment) -> Plan:
    """The processes of one helpdesk: the web server, and the crew of workers, listen and cron."""

    def ours(name: str, module: str, *arguments: str) -> Program:
        command = (sys.executable, "-m", module, *arguments)
        return Program(name, command, environment=environment, cwd=ROOT, grace=WEB_GRACE)

    return Plan(
        steps=(ours("prepare", "wsgi", "prepare"),),
        programs=(
            ours("web", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "wsgi:app"),
            replace(ours("crew", "wsgi", "crew"), grace=CREW_GRACE, named=True),
        ),
    )


def plan_of_demo(config: Settings, environment: Environment) -> Plan:
    """The same with other steps: `demo` fills an empty database, and tells whom to sign in as."""
    steps = tuple(
        Program(name, (sys.executable, "-m", "wsgi", name), environment=environment, cwd=ROOT)
        for name in ("migrate", "demo")
    )
    return replace(plan_of(config, environment), steps=steps)


def start_engines(config: Settings, engines: Engines, keeper: Keeper) -> dict[str, str]:
    """Start the engines that the environment does not name. Returns the environment of all programs."""
    environment = dict(os.environ) | {"HELPDESK_DATA": str(config.data), "PYTHONUNBUFFERED": "1"}
    if config.database_url:
        environment["DATABASE_URL"] = config.database_url
    else:
        environment = {k: v for k, v in environment.items() if not k.startswith("PG")}  # meant for other servers
        environment["DATABASE_URL"] = engines.start_postgres()
        fast = signal.SIGINT  # TERM would wait for every client to leave
        postgres = Program("postgres", start=engines.spawn_postgres, stop_signal=fast, grace=60.0, stage=2)
        keeper.start(postgres, engines.postgres)
    if config.redis_url:
        environment["REDIS_URL"] = config.redis_url
    else:
        environment["REDIS_URL"] = engines.start_valkey()
        keeper.start(Program("valkey", start=engines.spawn_valkey, grace=15.0, stage=1), engines.valkey)
    for note in engines.notes:
        keeper.say(note)
    return environment


def run_step(step: Program, keeper: Keeper) -> list[str]:
    """Run one step to its end. Returns what it wrote. Raises StartError with its last words when it fails."""
    code, lines = keeper.once(step, echo=False)
    said = [line for line in lines if line.strip()]
    if code != 0:
        for line in said[:-1]:
            keeper.say(line, step.name)
        raise StartError(said[-1] if said else f"The step {step.name} failed with exit code {code}.")
    return said


def greet(config: Settings, keeper: Keeper, sign_in: list[str]) -> None:
    """Wait until the web server answers, then say where it is and how to sign in."""
    if not keeper.wait(lambda: answers(config), SLOW_START):
        keeper.say(f"the web server does not answer after {SLOW_START:.0f} s yet; its lines above may tell why")
        keeper.wait(lambda: answers(config))
    keeper.say(f"The helpdesk is ready: {config.public_url}")
    for line in sign_in:
        keeper.say(line)
    keeper.say(f"Its data is in {config.data}. Ctrl-C stops it.")


def answers(config: Settings) -> bool:
    """Whether the web server can show a page: it and its database are there."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(anywhere.get(config.host, config.host), config.port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def locked(data: Path) -> Iterator[Path]:
    """Hold the data folder for this process alone; gives its folder `run`. StartError names the holder."""
    run_folder = data / "run"
    make_folder(run_folder)
    path = run_folder / "lock"
    try:
        lock = path.open("a+")
    except PermissionError as error:
        owner = pwd.getpwuid(path.stat().st_uid).pw_name if path.exists() else "somebody else"
        raise StartError(
            f"The data folder {data} cannot be written: it belongs to {owner}. "
            "Start as that user, or set HELPDESK_DATA to a folder of your own."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise StartError(
                f"Another copy is already running in {data} (process {lock.read().strip() or 'unknown'}). "
                "Stop it, or set HELPDESK_DATA and PORT for a second one."
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield run_folder


def refuse_taken_port(host: str, port: int, variable: str) -> None:
    """Raise StartError when nobody could listen there, before anything else is started."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StartError(f"HOST {host} is no address of this machine ({error.strerror}).") from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise StartError(_why_not(error, host, port, variable)) from error


def _why_not(error: OSError, host: str, port: int, variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is already in use. Stop the program that holds it, or set {variable} to a free one."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {port} may be opened by root alone. Set {variable} to a number above 1023."
    return f"The address {host}:{port} cannot be used: {error.strerror}."


def become_owner(data: Path) -> None:
    """Root in the data folder of an ordinary user goes on as that user, not to lock the owner out of it."""
    if os.geteuid() != 0 or not data.exists() or data.stat().st_uid == 0:
        return
    owner = account_of(data.stat().st_uid)
    if owner is None:
        return
    trial = [sys.executable, "-c", "import encodings.idna, wsgi, psutil, pydantic"]  # may it read all of us?
    try:
        able = subprocess.run(trial, cwd=ROOT, check=False, capture_output=True, **switch(owner)).returncode == 0
    except PermissionError:
        able = False
    if not able:
        return
    os.initgroups(owner.name, owner.gid)
    os.setgid(owner.gid)
    os.setuid(owner.uid)
    with suppress(KeyError):
        os.environ["HOME"] = pwd.getpwuid(owner.uid).pw_dir
    os.environ["USER"] = owner.name


if __name__ == "__main__":
    run_command()
