"""Commands for moving in, for safety copies, and for finding out what is wrong; each imports its code when called."""

from pathlib import Path

import click

from helpdesk.commands import needs_app

A_FILE = click.Path(path_type=Path)


@click.command("backup")
@click.argument("file", type=A_FILE)
@click.option("--without-keys", is_flag=True, help="Leave the keyring out, for those who keep it elsewhere.")
def backup(file: Path, without_keys: bool) -> None:
    """Write a copy of everything to FILE (or into a folder), while people work."""
    from helpdesk.backup import make_backup
    from helpdesk.postgres_tools import server_at_hand

    with server_at_hand() as server:
        make_backup(server, file, not without_keys, click.echo)


@click.command("restore")
@click.argument("file", type=A_FILE)
@click.option("--replace", is_flag=True, help="Lose the helpdesk that is here now.")
@click.option("--channels-off", is_flag=True, help="Switch all channels off, to look at a copy beside the original.")
@click.option("--check", is_flag=True, help="Only read the backup and compare its hashes.")
@click.pass_context
def restore(context: click.Context, file: Path, replace: bool, channels_off: bool, check: bool) -> None:
    """Make this installation what a backup says. Nothing is sent afterwards until an administrator says so."""
    import time

    from helpdesk.archive import verify
    from helpdesk.config import load
    from helpdesk.postgres_tools import server_at_hand
    from helpdesk.restore import restore as put_back
    from helpdesk.supervisor import become_owner

    if check:
        found = verify(file)
        click.echo(f"{file} is whole: {found.manifest['tickets']} tickets, {found.files} files.")
        return
    began = time.monotonic()
    become_owner(load().data)
    with server_at_hand(alone=True) as server:
        restored = put_back(server, file.absolute(), replace, channels_off, click.echo)
        held = _settle(context)
    for path in restored.put_aside:
        click.echo(f"What was here before is kept as {path}. Remove it when you need it no more.")
    if not restored.contents.has_keys:
        click.echo("The backup holds no keys: put keys/keyring.json of its installation in place before you start.")
    for line in after_words(held, time.monotonic() - began, channels_off):
        click.echo(line)


def _settle(context: click.Context) -> int:
    """Bring the schema forward, and do what a restored copy needs; returns how many messages are held."""
    from helpdesk.cli import migrate_database
    from helpdesk.keyring import keyring
    from queues import after_restore, pause

    keyring.cache_clear()
    app = context.find_root().obj()
    with app.app_context():
        migrate_database()
        after_restore.finish()
        return pause.waiting().held


def after_words(held: int, seconds: float, channels_off: bool) -> list[str]:
    """What whoever restored must know now."""
    words = [f"Restored in {seconds:.1f} s. Nobody is signed in any more, and nothing is sent until you say so."]
    if held:
        words.append(f"{held} messages waited when the backup was made; it may be that they were sent since.")
    words.append('Start the helpdesk and open "Sending" as an administrator: decide there, then let messages leave.')
    words.append(
        "All channels are switched off."
        if channels_off
        else "Channels look for mail since the day before the backup. Do not run the original beside this copy."
    )
    return words


@click.command("import-numbers")
@click.argument("file", type=A_FILE)
@click.option("--project", help="The project that the tickets belong to, where there are several.")
@click.option("--channel", help="The channel through which answers leave. Without it: the project's first.")
@needs_app
def import_numbers(file: Path, project: str | None, channel: str | None) -> None:
    """Take over former tickets from a CSV file: number, customer's address, title, state, opened, closed."""
    from helpdesk.number_import import find_channel, import_file

    found = find_channel(channel, project)
    outcome = import_file(file, found, lambda so_far: click.echo(f"{so_far.made} tickets so far ...", err=True))
    for line, reason in outcome.faults:
        click.echo(f"line {line}: {reason}", err=True)
    if outcome.passed_over > len(outcome.faults):
        click.echo(f"... and {outcome.passed_over - len(outcome.faults)} more lines", err=True)
    click.echo(
        f"{outcome.made} tickets taken over, {outcome.known} were here already, "
        f"{outcome.passed_over} lines passed over."
    )


@click.command("doctor")
@click.option("--json", "json_output", is_flag=True, help="For programs: a list of findings.")
@click.option("--no-connect", is_flag=True, help="Do not try the mail servers of the channels.")
@click.pass_context
def doctor(context: click.Context, json_output: bool, no_connect: bool) -> None:
    """Find out what is wrong. Exit code 0: all is well, 1: something wants attention, 2: something does not work."""
    from queues.doctor import diagnose
    from queues.findings import as_json, as_lines, exit_code

    findings = diagnose(context.find_root().obj, not no_connect)
    click.echo(as_json(findings) if json_output else "\n".join(as_lines(findings)))
    context.exit(exit_code(findings))
