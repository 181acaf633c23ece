"""What administrators do with people, groups, queues and texts, through their screens."""

import re

import pytest
from sqlalchemy import select

from helpdesk import permissions, staff
from helpdesk.errors import Refused
from helpdesk.models import (
    CannedReply,
    CustomerText,
    Event,
    Group,
    Project,
    Queue,
    QueueRight,
    Right,
    Role,
    SystemMail,
    User,
    read_setting,
)
from tests.clients import Client, sign_in


@pytest.fixture
def dora(app, cast):
    return sign_in(app, cast.dora)


def changes(session, what):
    """The payloads of the history of one kind of thing."""
    query = select(Event).where(Event.kind == "admin.changed").order_by(Event.id)
    return [event.payload for event in session.scalars(query) if event.payload["what"] == what]


# --- people


def test_an_invited_person_chooses_a_password_and_works(app, session, cast, dora):
    data = {"name": "Оля", "email": "olya@desk.example", "role": "operator", "language": "uk", "groups": cast.front.id}
    page = dora.post("/people", data=data)
    assert page.status_code == 200
    link = re.search(r"http://127\.0\.0\.1:8000(/password/[\w-]+)", page.text)[1]
    mail = session.scalars(select(SystemMail)).one()
    assert mail.to == "olya@desk.example" and link in mail.body
    olya = Client(app)
    words = "зелёный чай без сахара"
    assert olya.post(link, data={"password": words, "again": words}).status_code == 302
    assert olya.get("/queues").status_code == 200
    user = session.scalars(select(User).where(User.name == "Оля")).one()
    assert [group.id for group in user.groups] == [cast.front.id]
    assert permissions.may(user, Right.WORK, cast.support.id)
    assert changes(session, "person")[0]["changes"]["invited"] == "olya@desk.example"


def test_the_link_stands_in_no_history(session, cast, dora):
    dora.post("/people", data={"name": "Оля", "email": "o@desk.example", "role": "operator", "language": "en"})
    assert "/password/" not in str([event.payload for event in session.scalars(select(Event))])


def test_one_address_is_one_person(session, cast, dora):
    data = {"name": "Ann", "email": cast.ann.email.upper(), "role": "operator", "language": "en"}
    answer = dora.post("/people", data=data)
    assert answer.status_code == 422
    assert "has this address already" in answer.text


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "@x.example", "a b@x.example", "ann@x.example\r\nBcc: e@x.example"]
)
def test_addresses_are_checked(session, cast, dora, email):
    count = session.query(User).count()
    answer = dora.post("/people", data={"name": "Ann", "email": email, "role": "operator", "language": "en"})
    assert answer.status_code == 422
    assert session.query(User).count() == count


def test_fields_that_no_form_has_change_nothing(session, cast, dora, app):
    sign_in(app, cast.ann).post(
        "/profile",
        data={"name": "Ann", "language": "ru", "time_zone": "UTC", "theme": "dark", "role": "administrator", "id": 9},
    )
    assert (cast.ann.role, cast.ann.language) == ("operator", "ru")


def save(dora, user, **values):
    data = {"name": user.name, "email": user.email, "role": user.role, "groups": [group.id for group in user.groups]}
    return dora.post(f"/people/{user.id}", data={**data, **values})


def test_another_role_signs_out_at_once(app, session, cast, dora):
    ann = sign_in(app, cast.ann)
    assert save(dora, cast.ann, role="supervisor").status_code == 302
    assert ann.get("/profile").status_code == 302
    assert cast.ann.role == Role.SUPERVISOR
    assert changes(session, "person")[-1]["changes"]["role"] == ["operator", "supervisor"]


def test_another_group_shows_at_once_without_signing_out(app, session, cast, dora):
    ann, before = sign_in(app, cast.ann), cast.ann.rights_version
    assert ann.get(f"/queues/{cast.billing.id}").status_code == 404
    save(dora, cast.ann, groups=[cast.back.id])
    assert ann.get(f"/queues/{cast.billing.id}").status_code == 200
    assert ann.get(f"/queues/{cast.support.id}").status_code == 404
    assert cast.ann.rights_version > before


def test_nothing_changed_is_no_history(session, cast, dora):
    assert save(dora, cast.ann).status_code == 302
    assert changes(session, "person") == []


def test_the_last_administrator_stays(app, session, cast, dora):
    answer = save(dora, cast.dora, role="operator")
    assert answer.status_code == 422 and "only administrator" in answer.text
    assert cast.dora.role == Role.ADMINISTRATOR
    assert dora.post(f"/people/{cast.dora.id}/deactivation").status_code == 422


def test_who_leaves_is_out_and_their_tickets_wait_again(app, session, make, cast, dora):
    ticket = make.ticket(cast.support)
    line_at = ticket.line_at
    ticket.claim(cast.ann)
    ann = sign_in(app, cast.ann)
    assert "(1)" in dora.get(f"/people/{cast.ann.id}").text
    assert dora.post(f"/people/{cast.ann.id}/deactivation", data={"give_back": "y"}).status_code == 302
    assert ann.get("/queues").status_code == 302
    assert ticket.owner_id is None and ticket.line_at == line_at
    assert dora.post(f"/people/{cast.ann.id}/activation").status_code == 302
    assert cast.ann.active


def test_who_leaves_may_keep_their_tickets(session, make, cast, dora):
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    dora.post(f"/people/{cast.ann.id}/deactivation", data={})
    assert ticket.owner_id == cast.ann.id


def test_an_administrator_takes_a_lost_second_step_off(app, session, cast, dora):
    from helpdesk import totp

    totp.enable(cast.ann, totp.new_secret(), 0)
    ann = sign_in(app, cast.ann)
    dora.post(f"/people/{cast.ann.id}/second-step/removal")
    assert not cast.ann.has_totp
    assert ann.get("/profile").status_code == 302


def test_what_a_deactivated_person_had_was_taken_from_them(session, make, cast):
    """The history must not say that they handed it back themselves."""
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    session.flush()
    assert staff.deactivate(cast.dora, cast.ann, give_back=True) == 1
    session.flush()
    fact = session.scalars(select(Event).where(Event.kind == "ticket.released", Event.ticket_id == ticket.id)).one()
    assert fact.payload == {"former_owner_id": cast.ann.id, "cause": "by supervisor"}


def test_two_administrators_cannot_both_leave(session, make, cast):
    other = make.user("Don", Role.ADMINISTRATOR)
    staff.deactivate(other, cast.dora, give_back=False)
    with pytest.raises(Refused):
        staff.change_person(cast.dora, other, {"email": other.email, "role": Role.OPERATOR}, [])


# --- groups


def test_a_group_gives_rights(app, session, cast, dora):
    data = {"name": "Ночная смена", "members": [cast.carl.id], f"right-{cast.support.id}": "see"}
    assert dora.post("/groups", data=data).status_code == 302
    group = session.scalars(select(Group).where(Group.name == "Ночная смена")).one()
    assert permissions.may(cast.carl, Right.SEE, cast.support.id)
    assert not permissions.may(cast.carl, Right.WORK, cast.support.id)
    data[f"right-{cast.support.id}"] = "work"
    dora.post(f"/groups/{group.id}", data=data)
    assert permissions.may(cast.carl, Right.WORK, cast.support.id)
    data[f"right-{cast.support.id}"] = ""
    dora.post(f"/groups/{group.id}", data=data)
    assert not permissions.may(cast.carl, Right.SEE, cast.support.id)
    assert changes(session, "group")[-1]["changes"]["rights"] == {cast.support.name: ["work", None]}


def test_members_who_left_keep_their_place(session, cast, dora):
    cast.bob.active = False
    dora.post(f"/groups/{cast.front.id}", data={"name": cast.front.name, "members": [cast.ann.id]})
    assert {user.name for user in cast.front.users} == {"Ann", "Bob"}


def test_a_made_up_right_is_none(session, cast, dora):
    dora.post(f"/groups/{cast.back.id}", data={"name": "Back", f"right-{cast.support.id}": "everything"})
    assert not permissions.may(cast.carl, Right.SEE, cast.support.id)


def test_a_removed_group_takes_its_rights_along(session, cast, dora):
    assert dora.post(f"/groups/{cast.back.id}/removal").status_code == 302
    assert not permissions.may(cast.carl, Right.SEE, cast.billing.id)


def test_the_group_of_everybody_and_groups_on_tickets_stay(session, make, cast, dora):
    cast.front.everyone = True
    assert dora.post(f"/groups/{cast.front.id}/removal").status_code == 422
    make.ticket(cast.support).group = cast.back
    session.flush()
    assert dora.post(f"/groups/{cast.back.id}/removal").status_code == 422


def test_a_group_stays_while_a_ready_answer_is_for_it_alone(session, cast, dora):
    answer = CannedReply(name="Условия для партнёров", body="Скидка 40 %", groups=[cast.back])
    session.add(answer)
    session.commit()
    refused = dora.post(f"/groups/{cast.back.id}/removal")
    assert refused.status_code == 422
    assert "Условия для партнёров" in refused.text
    answer.groups = [cast.back, cast.front]
    session.commit()
    assert dora.post(f"/groups/{cast.back.id}/removal").status_code == 302
    assert session.scalars(select(CannedReply)).one().groups == [cast.front]


# --- queues


def queue_data(queue=None, **values):
    data = {
        "name": "VIP",
        "project_id": "1",
        "active": "y",
        "clock": "first_unanswered",
        "longest_pass_minutes": "60",
        "owner_away": "queue",
        "owner_wait_minutes": "20",
        "follow_up": "reopen",
        "reopen_days": "14",
        "reply_channel_id": "0",
        "acknowledge": "y",
        "signature": "С уважением,\nподдержка",
    }
    if queue is not None:
        data |= {"name": queue.name, "project_id": str(queue.project_id), "clock": queue.clock}
    return data | values


def test_a_new_queue_is_open_to_everybody(session, cast, dora):
    cast.front.everyone = True
    page = dora.get("/admin/queues/new").text
    assert re.search(rf'name="right-{cast.front.id}" value="work"[^>]* checked', page)
    assert re.search(rf'name="right-{cast.back.id}" value=""[^>]* checked', page)
    project = session.scalars(select(Project)).first()
    data = queue_data(project_id=str(project.id)) | {f"right-{cast.front.id}": "work", f"right-{cast.back.id}": ""}
    assert dora.post("/admin/queues", data=data).status_code == 302
    queue = session.scalars(select(Queue).where(Queue.name == "VIP")).one()
    assert queue.reply_channel_id is None and queue.longest_pass_minutes == 60 and not queue.strict
    assert (queue.owner_away, queue.owner_wait_minutes) == ("queue", 20)
    assert permissions.may(cast.ann, Right.WORK, queue.id) and not permissions.may(cast.carl, Right.SEE, queue.id)


def test_a_changed_clock_puts_the_waiting_in_a_new_order(session, make, cast, dora):
    old, young = make.ticket(cast.support, minutes_ago=60), make.ticket(cast.support, minutes_ago=30)
    make.hear(old, "Ещё раз здравствуйте")
    assert old.line_at < young.line_at
    answer = dora.post(f"/admin/queues/{cast.support.id}", data=queue_data(cast.support, clock="last_customer"))
    assert answer.status_code == 302
    assert old.line_at > young.line_at
    assert changes(session, "queue")[-1]["changes"]["clock"] == ["first_unanswered", "last_customer"]


def test_priority_counts_when_the_queue_says_so(session, make, cast, dora):
    ticket = make.ticket(cast.support, priority=2)
    dora.post(f"/admin/queues/{cast.support.id}", data=queue_data(cast.support, by_priority="y"))
    assert ticket.line_class == 2
    dora.post(f"/admin/queues/{cast.support.id}", data=queue_data(cast.support))
    assert ticket.line_class == 0


def test_a_queue_that_is_needed_stays_open(session, make, cast, dora):
    make.ticket(cast.billing, channel=make.channel(cast.support))
    data = queue_data(cast.billing)
    del data["active"]
    answer = dora.post(f"/admin/queues/{cast.billing.id}", data=data)
    assert answer.status_code == 422 and "open tickets" in answer.text
    data = queue_data(cast.support)
    del data["active"]
    assert "brings its tickets here" in dora.post(f"/admin/queues/{cast.support.id}", data=data).text


def test_queue_names_are_unique(cast, dora):
    answer = dora.post(
        f"/admin/queues/{cast.billing.id}", data=queue_data(cast.billing, name=cast.support.name.upper())
    )
    assert answer.status_code == 422


# --- texts and settings


def test_ready_answers(session, cast, dora):
    dora.post("/admin/texts", data={"name": "Привет", "queue_id": cast.support.id, "body": "{{ 7*7 }} Здравствуйте!"})
    text = session.scalars(select(CannedReply)).one()
    assert (text.queue_id, text.body) == (cast.support.id, "{{ 7*7 }} Здравствуйте!")
    assert "{{ 7*7 }} Здравствуйте!" in dora.get("/admin/texts").text
    dora.post(f"/admin/texts/{text.id}", data={"name": "Привет", "queue_id": "0", "body": "Добрый день!"})
    assert text.queue_id is None
    assert dora.post(f"/admin/texts/{text.id}/removal").status_code == 302
    assert session.query(CannedReply).count() == 0


def test_texts_for_customers(session, cast, dora):
    project = session.scalars(select(Project)).first()
    path = f"/admin/customer-texts/{project.id}/acknowledgement/ru"
    assert "Мы получили ваше сообщение" in dora.get(path).text
    wrong = dora.post(path, data={"subject": "", "body": "Номер {numer}"})
    assert wrong.status_code == 422 and "numer" in wrong.text
    assert dora.post(path, data={"subject": "", "body": "Номер {number}"}).status_code == 302
    assert session.scalars(select(CustomerText)).one().body == "Номер {number}"
    assert dora.post(path + "/removal").status_code == 302
    assert session.query(CustomerText).count() == 0
    assert dora.get(f"/admin/customer-texts/{project.id}/acknowledgement/fr").status_code == 404


def test_settings(session, cast, dora):
    assert dora.post("/admin/installation", data={"number_pattern": "T-YYYY-####C"}).status_code == 302
    assert read_setting("number_pattern", "") == "T-YYYY-####C"
    assert dora.post("/admin/installation", data={"number_pattern": "no run"}).status_code == 422
    shut_out = dora.post("/admin/installation", data={"number_pattern": "####", "require_totp": "y"})
    assert shut_out.status_code == 422 and not read_setting("require_totp_for_administrators", False)


def test_projects(session, cast, dora):
    data = {"name": "Магазин", "language": "ru", "time_zone": "Europe/Kyiv"}
    assert dora.post("/admin/projects", data=data).status_code == 302
    assert dora.post("/admin/projects", data=data).status_code == 422
    project = session.scalars(select(Project).where(Project.name == "Магазин")).one()
    assert dora.post(f"/admin/projects/{project.id}", data={**data, "time_zone": "Mars/Base"}).status_code == 422
    assert project.time_zone == "Europe/Kyiv"


# --- the first steps


def test_home_leads_an_administrator_of_an_empty_desk_to_the_first_steps(app, session, make, cast):
    from helpdesk.models import Channel

    session.query(Channel).delete()
    dora, ann = sign_in(app, cast.dora), sign_in(app, cast.ann)
    assert dora.get("/").location == "/welcome"
    assert ann.get("/").location == "/queues"
    assert dora.get("/welcome").text.count("is-done") == 2  # a password, and people
    make.channel(cast.support)
    assert dora.get("/").location == "/queues"
    assert dora.get("/welcome").text.count("is-done") == 3


def test_rights_rows_are_one_per_group_and_queue(session, cast):
    staff.set_right(cast.back.id, cast.support.id, Right.SEE)
    staff.set_right(cast.back.id, cast.support.id, Right.WORK)
    session.flush()
    rows = session.query(QueueRight).filter_by(group_id=cast.back.id, queue_id=cast.support.id).all()
    assert [row.right for row in rows] == ["work"]
