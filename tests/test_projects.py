"""Projects: brands with their own texts, queues and people."""

from helpdesk.customer_texts import FOOTER, SIGNATURE, closing
from helpdesk.models import CustomerText, Message, Project, Queue, QueueRight, Right
from queues.letters import language_of
from tests.clients import sign_in


def test_a_message_closes_with_the_projects_words(session, make, cast):
    queue = make.queue(signature="")
    project = queue.project
    session.add(CustomerText(project_id=project.id, key=SIGNATURE, language="ru", body="Ваш «Причал»"))
    session.add(CustomerText(project_id=project.id, key=FOOTER, language="ru", body="ООО «Причал», ОГРН 1027700"))
    session.flush()
    assert closing(project.id, "ru", "") == "Ваш «Причал»\n\nООО «Причал», ОГРН 1027700"
    assert closing(project.id, "ru", "Отдел доставки") == "Отдел доставки\n\nООО «Причал», ОГРН 1027700"
    assert closing(project.id, "en", "") == ""


def test_the_language_of_a_letter(session, make, cast):
    queue = make.queue()
    queue.project.language = "uk"
    ticket = make.ticket(queue)
    heard = Message(kind="inbound", facts={"language": "ru"})
    assert language_of(None, queue) == "uk"
    ticket.customer.language = None
    assert language_of(ticket, queue, heard) == "ru"
    ticket.customer.language = "en"
    assert language_of(ticket, queue, heard) == "en"
    ticket.customer.language = "de"
    assert language_of(ticket, queue, Message(kind="inbound", facts={"language": "fr"})) == "uk"


def test_a_project_of_ones_own(app, session, cast):
    dora = sign_in(app, cast.dora)
    fields = {"name": "Причал", "mark": "ПР", "language": "ru", "time_zone": "Europe/Kyiv"}
    made = dora.post("/admin/projects", data=fields)
    assert made.status_code == 302
    project = session.query(Project).filter_by(name="Причал").one()
    page = dora.get(f"/admin/projects/{project.id}").get_data(as_text=True)
    assert "No queue belongs to this project yet." in page
    again = dora.post("/admin/projects", data={**fields, "name": "ПРИЧАЛ"})
    assert again.status_code == 422
    assert "There is a project with that name already." in again.get_data(as_text=True)
    assert "Причал" in dora.get("/admin/projects").get_data(as_text=True)


def test_a_team_works_in_all_queues_of_a_project(app, session, make, cast):
    dora = sign_in(app, cast.dora)
    one, two = make.queue("Delivery"), make.queue("Returns")
    other = make.add(Project(name="Other brand"))
    elsewhere = make.add(Queue(project_id=other.id, name="Elsewhere"))
    team = make.group("Night shift", cast.bob)
    url = f"/admin/projects/{one.project_id}/rights"
    assert dora.post(url, data={f"right-{team.id}": "work"}).status_code == 302
    given = {row.queue_id for row in session.query(QueueRight).filter_by(group_id=team.id, right="work")}
    assert {one.id, two.id} <= given
    assert elsewhere.id not in given


def test_the_language_of_a_customer_can_be_told(app, session, make, cast):
    ann, eve = sign_in(app, cast.ann), cast.eve
    given = {"name": eve.name, "note": "", "organisation": "", "version": eve.version}
    assert ann.post(f"/customers/{eve.id}", data={**given, "language": "uk"}).status_code == 303
    assert eve.language == "uk"
    assert ann.post(f"/customers/{eve.id}", data={**given, "version": eve.version, "language": "xx"}).status_code == 303
    assert eve.language is None


def test_queues_of_several_projects_say_whose_they_are(app, session, make, cast):
    page = sign_in(app, cast.ann).get("/queues").get_data(as_text=True)
    assert "ПР" not in page
    project = Project(name="Причал", mark="ПР")
    session.add(project)
    session.flush()
    queue = make.queue("Пристань")
    queue.project = project
    session.flush()
    make.allow(make.group("Пристань", cast.ann), queue, Right.WORK)
    page = sign_in(app, cast.ann).get("/queues").get_data(as_text=True)
    assert '<span class="rail-text chip">ПР</span>' in page
    assert '<span class="clip">Причал</span>' in page
