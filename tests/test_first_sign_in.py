"""The first administrator of an installation: made once, told until used, and never again."""

import stat

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from helpdesk import first_sign_in, permissions
from helpdesk.cli_people import admin
from helpdesk.models import Group, Queue, Right, Role, User, UserSession
from tests.clients import Client, sign_in


@pytest.fixture
def run(app, committed):
    """Runs `helpdesk admin ...` against an empty database, and returns what it prints."""

    def call(*arguments, fails=False):
        result = CliRunner().invoke(admin, list(arguments), obj=lambda: app)
        assert (result.exit_code != 0) is fails, result.output
        committed.expire_all()
        return result.output

    first_sign_in.kept_file().unlink(missing_ok=True)
    yield call
    first_sign_in.kept_file().unlink(missing_ok=True)


def said(output):
    """Address and password from what was printed."""
    return tuple(line.rpartition(" ")[2] for line in output.splitlines())


def test_the_first_start_makes_an_administrator_a_group_and_a_queue(run, committed):
    email, password = said(run("create", "--if-none"))
    user = committed.scalars(select(User)).one()
    assert (user.email, user.role, user.password_is_one_time) == (email, Role.ADMINISTRATOR, True)
    group, queue = committed.scalars(select(Group)).one(), committed.scalars(select(Queue)).one()
    assert group.everyone and [member.id for member in group.users] == [user.id]
    assert queue.name == "Support"
    assert committed.scalar(permissions.queue_ids(user, Right.WORK)) == queue.id
    assert len(password) == 23


def test_a_second_start_says_the_same_again(run):
    assert run("create", "--if-none") == run("create", "--if-none") != ""


def test_only_the_owner_reads_the_file(run):
    run("create", "--if-none")
    assert stat.S_IMODE(first_sign_in.kept_file().stat().st_mode) == 0o600


def test_after_the_first_sign_in_nothing_is_said(run, app, committed):
    email, password = said(run("create", "--if-none"))
    client = Client(app)
    assert client.post("/sign-in", data={"email": email, "password": password}).status_code == 302
    assert client.get("/").location == "/welcome/account"
    words = "зелёный чай без сахара"
    data = {"name": "Дора", "email": "dora@desk.example", "language": "ru", "time_zone": "Europe/Kyiv"}
    weak = client.post("/welcome/account", data={**data, "password": "short", "again": "short"})
    assert weak.status_code == 422
    assert client.post("/welcome/account", data={**data, "password": words, "again": words}).location == "/"
    assert client.get("/").location == "/welcome"
    assert not first_sign_in.kept_file().exists()
    assert run("create", "--if-none") == ""
    committed.expire_all()
    assert committed.scalars(select(User)).one().email == "dora@desk.example"


def test_a_lost_file_is_no_second_password(run):
    run("create", "--if-none")
    first_sign_in.kept_file().unlink()
    assert "helpdesk admin reset-password admin@localhost" in run("create", "--if-none")


def test_where_an_administrator_is_nothing_is_made(run, committed, make_committed):
    make_committed.user("Dora", Role.ADMINISTRATOR)
    committed.commit()
    assert run("create", "--if-none") == ""
    assert committed.query(User).count() == 1


def test_one_more_administrator_by_name(run, committed, make_committed):
    dora = make_committed.user("Dora", Role.ADMINISTRATOR)
    committed.commit()
    assert "don@desk.example" in run("create", "--email", "don@desk.example", "--name", "Don")
    assert "has an account" in run("create", "--email", dora.email, fails=True)
    assert "--email" in run("create", fails=True)


def test_a_reset_ends_every_session(run, app, committed, make_committed):
    dora = make_committed.user("Dora", Role.ADMINISTRATOR)
    client = sign_in(app, dora)
    assert client.get("/profile").status_code == 200
    _email, password = said(run("reset-password", dora.email))
    assert client.get("/profile").status_code == 302
    assert committed.query(UserSession).count() == 0
    assert not first_sign_in.kept_file().exists()
    again = Client(app)
    assert again.post("/sign-in", data={"email": dora.email, "password": password}).status_code == 302
    assert "Nobody here" in run("reset-password", "nobody@desk.example", fails=True)
