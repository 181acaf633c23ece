"""How gunicorn serves the pages and the event streams. Read by `helpdesk run`, the Procfile and the units."""

from gevent import monkey

monkey.patch_all()  # before anything opens a socket; psycopg and redis-py then wait without blocking others

import gc  # noqa: E402
import importlib  # noqa: E402
import pkgutil  # noqa: E402
from pathlib import Path  # noqa: E402
from types import FrameType  # noqa: E402

from helpdesk.config import load  # noqa: E402

_config = load()
_memory = Path("/dev/shm")  # noqa: S108 - for a heartbeat file, which must not wait for a disk

bind = f"[{_config.host}]:{_config.port}" if ":" in _config.host else f"{_config.host}:{_config.port}"
workers = _config.web_workers
worker_class = "gevent"
worker_connections = 2000  # event streams are held open: one per browser
preload_app = False  # each worker makes its own application, with its own connections
timeout = 60  # seconds without a heartbeat of the worker's loop
graceful_timeout = 10  # seconds; the parent's own grace is longer
keepalive = 15
backlog = 1024
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 16384
# Whom to believe is TRUSTED_PROXIES' business, in the application. Here nobody is: gunicorn would take the scheme, and
# even the path of the program, from the headers of whatever a proxy on this machine passes on.
forwarded_allow_ips = ""
accesslog = None
errorlog = "-"
loglevel = "warning"
proc_name = "helpdesk-web"
worker_tmp_dir = str(_memory) if _memory.is_dir() else None


def when_ready(_server: object) -> None:
    """Import the program's modules once, before workers are forked: it saves each of them a second and 60 MB.

    Importing opens no connection; the application itself is made in each worker.
    """
    from sqlalchemy.orm import configure_mappers

    for name in ("helpdesk.models", "helpdesk.views", "queues.views", "queues.channels"):
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    configure_mappers()
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every shared page


def post_worker_init(worker: object) -> None:
    """End event streams at the first signal to stop, so that the graceful time is left for requests."""
    import signal

    from helpdesk import live_hub

    stop = signal.getsignal(signal.SIGTERM)

    def end(signum: int, frame: FrameType | None) -> None:
        live_hub.end_all()
        if callable(stop):
            stop(signum, frame)

    signal.signal(signal.SIGTERM, end)
