"""Queues as administrators see them: who is next, what customers get, who works there."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import BooleanField, IntegerField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from helpdesk import auth
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import choices, chosen_rights, typed
from helpdesk.models import Channel, FollowUp, Group, OwnerAway, Project, Queue, QueueClock, QueueRight, Right
from helpdesk.models.channel import CONNECTED
from helpdesk.queue_changes import save_queue
from helpdesk.views.groups import RIGHTS

pages = Blueprint("queues_admin", __name__)

CLOCKS = {
    QueueClock.FIRST_UNANSWERED: _l("Since the first message that nobody has answered"),
    QueueClock.ARRIVED: _l("Since the ticket arrived"),
    QueueClock.LAST_CUSTOMER: _l("Since the customer's last message"),
}
OWNER_AWAY = {
    OwnerAway.QUEUE: _l("The ticket goes back to the queue, to its place"),
    OwnerAway.OWNER: _l("The ticket stays with its owner"),
}
FOLLOW_UPS = {
    FollowUp.REOPEN: _l("Reopens it, for some days"),
    FollowUp.NEW: _l("Opens a new ticket, tied to the old one"),
    FollowUp.REFUSE: _l("Is answered with the text that the request is closed"),
}


class QueueForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Everything that a queue decides."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)])
    project_id = SelectField(_l("Project"), coerce=int)
    active = BooleanField(_l("Open: tickets may come in"), default=True)
    clock = RadioField(_l("How long has a ticket waited?"), choices=choices(CLOCKS.items()))
    strict = BooleanField(
        _l("Strictly in order"),
        description=_l("Whoever takes another ticket than the next one has to say why."),
    )
    by_priority = BooleanField(
        _l("Urgent before normal"),
        description=_l("Otherwise priority is a label and changes nothing in the order."),
    )
    longest_pass_minutes = IntegerField(
        _l("Nobody is passed over for longer than (minutes)"), [InputRequired(), NumberRange(1, 100_000)]
    )
    claim_limit = IntegerField(
        _l("Open tickets per operator at most"),
        [Optional(), NumberRange(1, 1000)],
        description=_l("Empty: no limit."),
    )
    owner_away = RadioField(_l("When a customer waits and the owner is not here"), choices=choices(OWNER_AWAY.items()))
    owner_wait_minutes = IntegerField(
        _l("Minutes before that, while the owner is away"),
        [InputRequired(), NumberRange(0, 10_000)],
        description=_l("Of an owner who is offline the ticket goes back at once."),
    )
    follow_up = RadioField(_l("A message to a finished ticket"), choices=choices(FOLLOW_UPS.items()))
    reopen_days = IntegerField(_l("Days in which it reopens"), [InputRequired(), NumberRange(0, 3650)])
    reply_channel_id = SelectField(
        _l("Replies leave through"), coerce=int, description=_l("Normally the channel that the customer wrote to.")
    )
    acknowledge = BooleanField(
        _l("Confirm each new request"),
        description=_l("The text is under Texts. Automatic mail is never answered."),
    )
    salutation = TextAreaField(_l("Salutation"), [Length(max=2000)], description=_l("Stands above each reply."))
    signature = TextAreaField(_l("Signature"), [Length(max=4000)], description=_l("Stands below each reply."))


@pages.get("/admin/queues")
@administrators_only
def index() -> ResponseReturnValue:
    """All queues and how they decide."""
    queues = db.session.scalars(select(Queue).order_by(Queue.active.desc(), func.sort_key(Queue.name))).all()
    groups: dict[int, list[str]] = {}
    named = select(QueueRight.queue_id, Group.name).join(Group, Group.id == QueueRight.group_id)
    for queue_id, name in db.session.execute(named.order_by(func.sort_key(Group.name))):
        groups.setdefault(queue_id, []).append(name)
    return render_template("admin/queues.html", queues=queues, groups=groups, clocks=CLOCKS)


@pages.get("/admin/queues/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new queue, open to the group that everybody is in."""
    queue = Queue(
        name="",
        active=True,
        clock=QueueClock.FIRST_UNANSWERED,
        follow_up=FollowUp.REOPEN,
        reopen_days=14,
        longest_pass_minutes=240,
        owner_away=OwnerAway.QUEUE,
        owner_wait_minutes=15,
        acknowledge=True,
        salutation="",
        signature="",
    )
    rights = {group.id: Right.WORK for group in _groups() if group.everyone}
    return _page(queue, _form(obj=queue), rights)


@pages.post("/admin/queues")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a queue."""
    return _save(Queue())


@pages.get("/admin/queues/<int:queue_id>")
@administrators_only
def show(queue_id: int) -> ResponseReturnValue:
    """One queue."""
    queue = _queue(queue_id)
    rows = db.session.execute(select(QueueRight.group_id, QueueRight.right).where(QueueRight.queue_id == queue.id))
    return _page(queue, _form(obj=queue), {group_id: Right(right) for group_id, right in rows})


@pages.post("/admin/queues/<int:queue_id>")
@administrators_only
def save(queue_id: int) -> ResponseReturnValue:
    """Change one queue."""
    return _save(_queue(queue_id))


def _form(obj: Queue | None = None) -> QueueForm:
    """The form with the present projects and channels to choose from."""
    form = QueueForm(obj=obj)
    projects = db.session.execute(select(Project.id, Project.name).order_by(func.sort_key(Project.name)))
    form.project_id.choices = choices(projects.tuples().all())
    connected = select(Channel.id, Channel.name).where(CONNECTED).order_by(func.sort_key(Channel.name))
    channels = db.session.execute(connected)
    form.reply_channel_id.choices = choices([(0, _("The channel of the conversation")), *channels.tuples().all()])
    if form.reply_channel_id.data is None:
        form.reply_channel_id.data = 0
    if form.project_id.data is None:
        form.project_id.data = form.project_id.choices[0].value
    return form


def _save(queue: Queue) -> ResponseReturnValue:
    form, rights = _form(), chosen_rights()
    if not form.validate_on_submit():
        return _page(queue, form, rights), 422
    values = {name: value for name, value in form.data.items() if name != "csrf_token"}
    values["reply_channel_id"] = values["reply_channel_id"] or None
    for name in ("salutation", "signature"):
        values[name] = typed(form[name]).replace("\r\n", "\n").strip()
    if queue.id is not None and values["project_id"] != queue.project_id:
        values["project_id"] = queue.project_id  # its tickets belong to the project already
    try:
        save_queue(me(), queue, values, rights)
    except Refused as error:
        return _page(queue, form, rights, error.message), 422
    auth.told(_("Saved."))
    return redirect(url_for("queues_admin.show", queue_id=queue.id))


def _queue(queue_id: int) -> Queue:
    queue = db.session.get(Queue, queue_id)
    if queue is None:
        raise NotFound(_("There is no such queue."))
    return queue


def _groups() -> list[Group]:
    return list(db.session.scalars(select(Group).order_by(Group.everyone.desc(), func.sort_key(Group.name))))


def _page(queue: Queue, form: QueueForm, rights: Mapping[int, Right | None], fault: str = "") -> str:
    return render_template(
        "admin/queue.html", queue=queue, form=form, rows=_groups(), given=rights, rights=RIGHTS, fault=fault
    )
