"""Commands of the way of a message. Each imports what it needs when it is called."""

from datetime import UTC, datetime

import click

from helpdesk.commands import needs_app


@click.command("worker")
@click.argument("lane", type=click.Choice(["intake", "outbox", "chores", "webhooks"]))
@needs_app
def worker(lane: str) -> None:
    """Work on one lane: understand mail, send mail, or look after the house."""
    from queues.worker import work

    work(lane)


@click.command("listen")
@needs_app
def listen() -> None:
    """Hold the connections of all channels."""
    from queues.listen import main

    main()


@click.command("cron")
@needs_app
def cron() -> None:
    """Keep the timetable; of several such processes one works and the others stand by."""
    from queues.cron import main

    main()


@click.command("crew")
@needs_app
def crew() -> None:
    """Run all workers, listen and cron of this machine as forks of one process."""
    from flask import current_app

    from queues.crew import run

    run(current_app._get_current_object())  # type: ignore[attr-defined]  # werkzeug's proxy hides it


@click.group("mail")
def mail() -> None:
    """Look after the mail that came in."""


@mail.command("retry")
@click.argument("event_id", type=int, required=False)
@click.option("--all", "every", is_flag=True, help="All entries in quarantine.")
@needs_app
def retry(event_id: int | None, every: bool) -> None:
    """Try entries of the quarantine again: one by its ID, or all of them."""
    from queues.quarantine import retry_all, retry_one

    if every == (event_id is not None):
        raise click.UsageError("Name one entry by its ID, or give --all.")
    if event_id is not None:
        retry_one(event_id)
        click.echo(f"Entry {event_id} is waiting to be understood again.")
    else:
        click.echo(f"Waiting to be understood again: {retry_all()}.")


@mail.command("inspect")
@click.argument("files", nargs=-1, required=True)
@click.option("--json", "json_output", is_flag=True, help="One JSON object a line.")
@click.pass_context
def inspect(context: click.Context, files: tuple[str, ...], json_output: bool) -> None:
    """Show what the helpdesk makes of mails in files ("-" is standard input). Needs no database."""
    from queues.channels.email.inspect import inspect_files

    context.exit(inspect_files(list(files), json_output))


@mail.command("deliver")
@click.option("--channel", required=True, help="Name of the mail channel.")
@click.option("--sender", help="Envelope sender, as the mail server knows it.")
@click.option("--recipient", "recipients", multiple=True, help="Envelope recipient; may be given several times.")
@click.pass_context
def deliver(context: click.Context, channel: str, sender: str | None, recipients: tuple[str, ...]) -> None:
    """Take one mail from standard input; exits with 0 once it is stored, with 75 when it has to be tried again."""
    import sys

    from queues.deliver import deliver_safely

    code, words = deliver_safely(context.find_root().obj, channel, sys.stdin.buffer, sender, list(recipients))
    click.echo(words, err=code != 0)
    context.exit(code)


@mail.command("rescan")
@click.argument("channel")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day to read again; 14 days ago unless given.")
@needs_app
def rescan(channel: str, since: datetime | None) -> None:
    """Read the taken mail of a mailbox again, and take what is missing here. CHANNEL is a channel's name."""
    from queues.rescan import ask_by_name

    begin = ask_by_name(channel, since.replace(tzinfo=UTC) if since else None)
    click.echo(f"Mail since {begin:%Y-%m-%d} is read again; progress stands on the channel's page.")


@click.command("demo")
@needs_app
def demo() -> None:
    """Fill an empty installation with a made-up contact centre, and print who can sign in."""
    from queues.demo.fill import fill

    for line in fill():
        click.echo(line)
