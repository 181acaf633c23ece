"""Macros: several changes of a ticket at once. What one may say is typed and bounded here; `queues.macros` carries it
out by the verbs that buttons use, in one transaction.

A text is filled in like a ready answer (`helpdesk.variables`); nothing of it is ever executed.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from flask_babel import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import ColumnElement, or_, select

from helpdesk import permissions, snoozes, variables
from helpdesk.db import db
from helpdesk.errors import Forbidden, NotFound, Refused
from helpdesk.models import Group, Macro, Membership, Queue, Right, State, Ticket, User
from helpdesk.models.definitions import definitions
from helpdesk.models.lists import ListName
from helpdesk.models.ticket.states import Kind
from helpdesk.words import priority_name, state_name

MOST_MACROS = 500
Word = Annotated[str, Field(min_length=1, max_length=50)]
Ids = Annotated[list[int], Field(max_length=20)]


class Actions(BaseModel):
    """What a macro does; what is empty is left alone. `send` sends the answer, else it goes into the composer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reply: str = Field(default="", max_length=50_000)
    send: bool = False
    note: str = Field(default="", max_length=50_000)
    state: Literal["", "solved", "unsolved", "snooze", "waiting"] = ""
    reason: str = Field(default="", max_length=300)
    until: Literal["", "1h", "3h", "1d", "7d", "evening", "tomorrow", "monday"] = ""
    add_tags: list[Word] = Field(default=[], max_length=30)
    remove_tags: list[Word] = Field(default=[], max_length=30)
    priority: Literal[0, 1, 2, 3, 4] = 0
    request_type_id: int | None = None
    category_id: int | None = None
    reason_ids: Ids = []
    component_ids: Ids = []
    owner: Literal["", "me", "nobody", "person"] = ""
    owner_id: int | None = None
    queue_id: int | None = None
    colleague_ids: Ids = []
    follow: bool = False

    @field_validator("add_tags", "remove_tags", mode="before")
    @classmethod
    def _plain(cls, names: Any) -> Any:
        """Tags as they are kept: lower case, single spaces."""
        return [" ".join(str(name).split()).lower() for name in names if str(name).strip()]

    @property
    def says_nothing(self) -> bool:
        """Whether it does nothing at all."""
        return self == Actions(send=self.send, reason=self.reason, until=self.until, owner_id=self.owner_id)


@dataclass(frozen=True)
class Step:
    """One thing that a macro would do, in words; `refusal` says why it cannot, "" where it can."""

    text: str
    refusal: str = ""


def read_actions(macro: Macro) -> Actions:
    """What a macro says. Raises Refused for what an older or newer program wrote and this one does not know."""
    try:
        return Actions.model_validate(macro.actions)
    except ValidationError as error:
        raise Refused(_("The macro “%(name)s” cannot be read. Save it anew.", name=macro.name)) from error


def usable(user: User) -> ColumnElement[bool]:
    """The condition on `Macro`: one's own, those of one's groups, and everybody's."""
    groups = select(Membership.group_id).where(Membership.user_id == user.id)
    everybody = Macro.user_id.is_(None) & Macro.group_id.is_(None)
    return or_(Macro.user_id == user.id, Macro.group_id.in_(groups), everybody)


def macros_for(user: User, ticket: Ticket) -> list[Macro]:
    """The active macros that `user` may use on the ticket, in their order; none where they may not work on it."""
    if Right.WORK not in permissions.rights(user, ticket.queue_id) or ticket.merged_into_id is not None:
        return []
    query = select(Macro).where(Macro.active, usable(user)).order_by(Macro.position, Macro.name, Macro.id)
    return list(db.session.scalars(query.limit(MOST_MACROS)))


def get_macro(user: User, macro_id: int, to_change: bool = False) -> Macro:
    """The macro as `user` may use or change it. Raises NotFound, or Forbidden where they may only use it."""
    seen = usable(user) if not user.is_administrator else or_(Macro.user_id.is_(None), Macro.user_id == user.id)
    macro = db.session.scalar(select(Macro).where(Macro.id == macro_id, seen))
    if macro is None:
        raise NotFound(_("There is no such macro."))
    if to_change and not may_change(user, macro):
        raise Forbidden(_("This macro is shared. A supervisor of its group or an administrator can change it."))
    return macro


def may_change(user: User, macro: Macro) -> bool:
    """One's own; a group's for its supervisors; all that are shared for administrators."""
    if macro.user_id is not None:
        return macro.user_id == user.id
    if user.is_administrator:
        return True
    return macro.group_id is not None and macro.group_id in {group.id for group in groups_to_share(user)}


def groups_to_share(user: User) -> list[Group]:
    """The groups whose macros `user` may make and change."""
    if not user.is_supervisor:
        return []
    query = select(Group).order_by(Group.name, Group.id)
    if not user.is_administrator:
        query = query.join(Membership, Membership.group_id == Group.id).where(Membership.user_id == user.id)
    return list(db.session.scalars(query))


def filled(text: str, ticket: Ticket, user: User) -> str:
    """A text of a macro for this ticket and author."""
    return variables.fill(text, {one.name: one.value for one in variables.of_ticket(ticket, user) if one.value})


def plan(user: User, ticket: Ticket, actions: Actions) -> list[Step]:
    """What the macro would do on the ticket now, in the order in which it is done, and what of it is not possible."""
    return [
        *_sorting(ticket, actions),
        *_owning(user, ticket, actions),
        *_saying(user, ticket, actions),
        *_people(actions),
        *_ending(user, ticket, actions),
        *_moving(user, ticket, actions),
    ]


def _sorting(ticket: Ticket, actions: Actions) -> list[Step]:
    steps = []
    known = definitions()
    chosen = {
        ListName.TYPE: [actions.request_type_id] if actions.request_type_id else [],
        ListName.CATEGORY: [actions.category_id] if actions.category_id else [],
        ListName.REASON: actions.reason_ids,
        ListName.COMPONENT: actions.component_ids,
    }
    labels = {
        ListName.TYPE: _("Type"),
        ListName.CATEGORY: _("Category"),
        ListName.REASON: _("Reason"),
        ListName.COMPONENT: _("Component"),
    }
    for name, ids in chosen.items():
        for id_ in ids:
            item = known.lists[name].get(id_)
            refusal = (
                "" if item is not None and item.is_offered(ticket.queue_id) else _("it is not offered here any more")
            )
            steps.append(Step(f"{labels[name]}: {item.name if item else '?'}", refusal))
    if actions.priority:
        steps.append(Step(f"{_('Priority')}: {priority_name(actions.priority)}"))
    if actions.add_tags:
        steps.append(Step(_("Add the tags %(tags)s", tags=", ".join(actions.add_tags))))
    if actions.remove_tags:
        steps.append(Step(_("Take the tags %(tags)s away", tags=", ".join(actions.remove_tags))))
    return steps


def _owning(user: User, ticket: Ticket, actions: Actions) -> list[Step]:
    finished = _("the ticket is finished") if ticket.kind == Kind.FINISHED else ""
    queue_id = actions.queue_id or ticket.queue_id
    match actions.owner:
        case "me":
            refusal = "" if permissions.may(user, Right.WORK, queue_id) else _("you may not work in that queue")
            return [Step(_("Take the ticket"), finished or refusal)]
        case "nobody":
            return [Step(_("Hand it back to the queue"), finished)]
        case "person":
            person = db.session.get(User, actions.owner_id or 0)
            if person is None or not person.active:
                return [Step(_("Hand it over"), _("that person does not work here any more"))]
            may = permissions.may(person, Right.WORK, queue_id)
            refusal = "" if may else _("%(name)s may not work in that queue", name=person.name)
            return [Step(_("Hand it over to %(name)s", name=person.name), finished or refusal)]
    return []


def _saying(user: User, ticket: Ticket, actions: Actions) -> list[Step]:
    steps = []
    if actions.reply and actions.send:
        refusal = "" if actions.owner == "me" else ticket.why_not_answer(user)
        if ticket.kind != Kind.ACTIVE:
            refusal = _("the ticket is not active")
        if not refusal and (empty := _empty_variables(actions.reply, ticket, user)):
            refusal = _("nothing is known here that could stand for %(names)s", names=", ".join(empty))
        steps.append(
            Step(_("Send to the customer: “%(text)s”", text=_brief(filled(actions.reply, ticket, user))), refusal)
        )
    elif actions.reply:
        active = ticket.kind == Kind.ACTIVE and not actions.state
        refusal = "" if active else _("an answer can only be written on an active ticket")
        text = _brief(filled(actions.reply, ticket, user))
        steps.append(Step(_("Put into the composer: “%(text)s”", text=text), refusal))
    if actions.note:
        steps.append(Step(_("Leave the note “%(text)s”", text=_brief(filled(actions.note, ticket, user)))))
    return steps


def _empty_variables(text: str, ticket: Ticket, user: User) -> list[str]:
    """The variables in a text, in braces, that have no value on this ticket: nobody looks at it before it is sent."""
    named = dict.fromkeys(variables.VARIABLE.findall(text))
    empty = {one.name for one in variables.of_ticket(ticket, user) if not one.value} if named else set()
    return [f"{{{name}}}" for name in named if name in empty]


def _people(actions: Actions) -> list[Step]:
    steps = []
    for id_ in actions.colleague_ids:
        person = db.session.get(User, id_)
        gone = person is None or not person.active
        name = person.name if person is not None else "?"
        steps.append(Step(_("Add %(name)s", name=name), _("that person does not work here any more") if gone else ""))
    if actions.follow:
        steps.append(Step(_("Let me follow the ticket")))
    return steps


def _ending(user: User, ticket: Ticket, actions: Actions) -> list[Step]:
    finished = _("the ticket is finished") if ticket.kind == Kind.FINISHED else ""
    match actions.state:
        case "solved" | "unsolved":
            state = State(actions.state)
            refusal = finished or ticket.why_not_finish(state)
            return [Step(_("Finish: %(state)s", state=state_name(state)), refusal)]
        case "snooze":
            offer = next((one for one in snoozes.offers(user, ticket) if one.key == actions.until), None)
            gone = snoozes.moment_of(actions.until, user, ticket) is None
            text = _("Let it wait: %(until)s", until=offer.label if offer else _("for a while"))
            return [Step(text, finished or (_("that moment is over for today") if gone else ""))]
        case "waiting":
            return [Step(_("Let it wait until the customer writes"), finished)]
    return []


def _moving(user: User, ticket: Ticket, actions: Actions) -> list[Step]:
    if actions.queue_id is None:
        return []
    seen = select(Queue).where(Queue.id == actions.queue_id, Queue.id.in_(permissions.queue_ids(user)))
    queue = db.session.scalar(seen)
    if queue is None:
        return [Step(_("Move it to another queue"), _("that queue is gone, or you may not see it"))]
    refusal = ""
    if not queue.active:
        refusal = _("that queue is closed")
    elif queue.project_id != ticket.project_id:
        refusal = _("that queue belongs to another project")
    return [Step(_("Move it to %(queue)s", queue=queue.name), refusal)]


def _brief(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 120 else words[:119] + "…"
