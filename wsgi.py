"""The one place that joins the desk and the way of a message: `wsgi:app` for servers, `main` for the terminal."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from helpdesk.errors import StartError

if TYPE_CHECKING:
    from flask import Flask

# Commands are imported when they are called: the parent process and `mail inspect` stay light.
PLAIN_COMMANDS = {"run": "helpdesk.supervisor:run_command"}
APP_COMMANDS = {
    "backup": "queues.cli_moving:backup",
    "restore": "queues.cli_moving:restore",
    "import-numbers": "queues.cli_moving:import_numbers",
    "doctor": "queues.cli_moving:doctor",
    "migrate": "helpdesk.cli:migrate",
    "prepare": "helpdesk.cli_people:prepare",
    "worker": "queues.cli:worker",
    "listen": "queues.cli:listen",
    "cron": "queues.cli:cron",
    "crew": "queues.cli:crew",
    "mail": "queues.cli:mail",
    "admin": "helpdesk.cli_people:admin",
    "demo": "queues.cli:demo",
}


def create_app() -> "Flask":
    """The whole application: the desk, with the way of a message added to it."""
    import helpdesk
    import queues

    app = helpdesk.create_app()
    queues.init_app(app)
    return app


def app_at_hand() -> "Flask":
    """The application of a command from a shell, which finds the engines of the data folder by itself."""
    from helpdesk.embedded import join_running

    join_running()
    return create_app()


class LazyCommands(click.Group):
    """Names of all commands, their code loaded on call."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, sorted."""
        return sorted([*PLAIN_COMMANDS, *APP_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        target = PLAIN_COMMANDS.get(cmd_name) or APP_COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.command(cls=LazyCommands)
def cli() -> None:
    """The helpdesk: run it, and look after it."""


def main() -> None:
    """Entry point of the command `helpdesk`: a StartError is one sentence on the terminal, not a traceback."""
    try:
        cli(obj=app_at_hand)  # commands that need the application ask for it: see helpdesk.commands
    except StartError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def __getattr__(name: str) -> Any:
    """Build `app` when the web server asks for it, not when a command merely imports this module."""
    if name == "app":
        from helpdesk.files import check_store

        made = globals()["app"] = create_app()
        with made.app_context():
            check_store()
        return made
    raise AttributeError(name)


if __name__ == "__main__":
    main()
