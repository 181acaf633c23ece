"""What commands share. Light to import: a command that needs no application must not load one."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def needs_app(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command's function inside an application context. The root command carries the factory as its object."""

    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        factory = click.get_current_context().find_root().obj
        with factory().app_context():
            return function(*args, **kwargs)

    return inside
