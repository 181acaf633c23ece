"""Commands about people: the way in when no page can be reached."""

import click

from helpdesk import first_sign_in, totp
from helpdesk.cli import migrate_database, needs_app
from helpdesk.db import transaction
from helpdesk.models.event import record_change
from helpdesk.sign_in import user_by_email


@click.group("admin")
def admin() -> None:
    """Administrators: make one, or let one in again."""


@admin.command("create")
@click.option("--if-none", is_flag=True, help="Only when there is no administrator; say again how to sign in.")
@click.option("--email", default="", help="The address to sign in with.")
@click.option("--name", default="", help="How colleagues see the administrator.")
@needs_app
def create(if_none: bool, email: str, name: str) -> None:
    """Make an administrator with a one-time password, and print how to sign in."""
    if not if_none and not email:
        raise click.UsageError("Say whom to make an administrator: --email ann@example.com")
    with transaction():
        if if_none:
            lines = first_sign_in.ensure_administrator(email, name)
        elif user_by_email(email) is not None:
            raise click.ClickException(f"{email} has an account. Use: helpdesk admin reset-password {email}")
        else:
            lines = first_sign_in.create_administrator(email, name or email.partition("@")[0])
    say(lines)


@admin.command("reset-password")
@click.argument("email")
@click.option("--without-second-step", is_flag=True, help="Also take the second step off (lost telephone).")
@needs_app
def reset_password(email: str, without_second_step: bool) -> None:
    """Give EMAIL a one-time password; every session of theirs ends."""
    with transaction():
        user = user_by_email(email)
        if user is None:
            raise click.ClickException(f"Nobody here has the address {email}.")
        if not user.active:
            raise click.ClickException(f"{user.name} is deactivated. Another administrator can activate the account.")
        lines = first_sign_in.renew(user)
        if without_second_step:
            totp.disable(user)
        record_change(None, "person", user.id, user.name, {"password": "reset in the terminal"})
    say(lines)


@click.command("prepare")
@needs_app
def prepare() -> None:
    """Migrate, and make the first administrator: all that a start needs, in one process because each costs seconds."""
    migrate_database()
    with transaction():
        lines = first_sign_in.ensure_administrator()
    say(lines)


def say(lines: list[str]) -> None:
    """Print what a person reads."""
    for line in lines:
        click.echo(line)
