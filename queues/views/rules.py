"""Rules on the way in: written, tried on the latest mails, switched on, put in order. For administrators."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from helpdesk import rule_changes, words
from helpdesk.auth import administrators_only, me, told
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Channel, Project, Queue, Rule, Tally
from helpdesk.models.channel import CONNECTED
from helpdesk.models.definitions import definitions
from helpdesk.rules import Actions, Condition
from helpdesk.views.fact_shapes import own_field
from queues import rule_words, trial
from queues.views import rule_form
from queues.views.rule_form import RuleForm

pages = Blueprint("rules", __name__)


@pages.get("/admin/rules")
@administrators_only
def index() -> ResponseReturnValue:
    """All lists: those of the channels, then those of the projects."""
    projects = list(db.session.scalars(select(Project).order_by(func.sort_key(Project.name))))
    channels = list(db.session.scalars(select(Channel).where(CONNECTED).order_by(func.sort_key(Channel.name))))
    lists: dict[str, list[Rule]] = {}
    for rule in db.session.scalars(select(Rule).order_by(Rule.position, Rule.id)):
        lists.setdefault(rule.list_key, []).append(rule)
    rules = [rule for one in lists.values() for rule in one]
    conditions = [Condition.model_validate(one) for rule in rules for one in rule.conditions]
    return render_template(
        "rules/index.html",
        projects=projects,
        channels=channels,
        lists=lists,
        said=_said(rules, rule_form.organisations(conditions)),
        met=_met(rules),
    )


def _said(rules: list[Rule], organisations: Any) -> dict[int, dict[str, list[str]]]:
    """Conditions and actions of each rule in words."""
    names = _queue_names()
    return {
        rule.id: {
            "conditions": [rule_words.condition(Condition.model_validate(c), organisations) for c in rule.conditions],
            "actions": rule_words.actions(Actions.model_validate(rule.actions), names),
        }
        for rule in rules
    }


def _met(rules: list[Rule]) -> dict[int, int]:
    """How often each rule fired."""
    scopes = {f"rule:{rule.id}": rule.id for rule in rules}
    query = select(Tally.scope, func.sum(Tally.delta)).where(Tally.scope.in_(scopes), Tally.name == "met")
    return {scopes[scope]: int(count) for scope, count in db.session.execute(query.group_by(Tally.scope)).tuples()}


@pages.get("/admin/rules/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new rule, for a channel or for a whole project."""
    return _page(_fresh(request.args.get("project_id", type=int), request.args.get("channel_id", type=int)), RuleForm())


@pages.post("/admin/rules")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a rule: a draft, until it is switched on."""
    return _save(_fresh(request.form.get("project_id", type=int), request.form.get("channel_id", type=int)))


@pages.post("/admin/rules/trials")
@administrators_only
def try_out() -> ResponseReturnValue:
    """What the rule as it stands in the form would have done with the latest mails. Nothing is saved."""
    rule_id = request.form.get("rule_id", type=int)
    if rule_id is not None:
        rule = _rule(rule_id)
    else:
        rule = _fresh(request.form.get("project_id", type=int), request.form.get("channel_id", type=int))
    form = _form(rule)
    if not form.valid or form.actions is None:
        return _page(rule, form), 422
    draft = trial.Draft(rule.project_id, rule.channel_id, rule.id, form.name, form.conditions, form.actions, form.go_on)
    return _page(rule, form, trial.run(draft))


@pages.get("/admin/rules/<int:rule_id>")
@administrators_only
def show(rule_id: int) -> ResponseReturnValue:
    """One rule."""
    rule = _rule(rule_id)
    return _page(rule, rule_form.from_rule(rule))


@pages.post("/admin/rules/<int:rule_id>")
@administrators_only
def save(rule_id: int) -> ResponseReturnValue:
    """Change a rule; where it is switched on it holds from the next mail on."""
    return _save(_rule(rule_id))


@pages.post("/admin/rules/<int:rule_id>/activation")
@administrators_only
def activate(rule_id: int) -> ResponseReturnValue:
    """Let the rule work."""
    rule = _rule(rule_id)
    rule_changes.switch(me(), rule, True)
    told(_("The rule works from the next mail on."))
    return _back(rule)


@pages.post("/admin/rules/<int:rule_id>/deactivation")
@administrators_only
def deactivate(rule_id: int) -> ResponseReturnValue:
    """Make the rule a draft again."""
    rule = _rule(rule_id)
    rule_changes.switch(me(), rule, False)
    told(_("The rule is a draft and does nothing."))
    return _back(rule)


@pages.post("/admin/rules/<int:rule_id>/place")
@administrators_only
def move(rule_id: int) -> ResponseReturnValue:
    """Up or down by one place."""
    rule = _rule(rule_id)
    rule_changes.move(me(), rule, -1 if request.form.get("step") == "up" else 1)
    return _back(rule)


@pages.post("/admin/rules/<int:rule_id>/removal")
@administrators_only
def remove(rule_id: int) -> ResponseReturnValue:
    """Take the rule away."""
    rule = _rule(rule_id)
    answer = _back(rule)
    rule_changes.remove(me(), rule)
    told(_("The rule is gone."))
    return answer


@pages.post("/admin/channels/<int:channel_id>/spam-marks")
@administrators_only
def set_marks(channel_id: int) -> ResponseReturnValue:
    """Whether mail that the server marked as spam goes among the spam."""
    channel = db.session.get(Channel, channel_id)
    if channel is None:
        raise NotFound(_("There is no such channel."))
    rule_changes.believe_marks(me(), channel, request.form.get("files_marked_spam") == "1")
    told(_("Saved."))
    return redirect(url_for("rules.index", _anchor=f"channel-{channel_id}"), 303)


def _form(rule: Rule) -> RuleForm:
    """What was sent about the rule."""
    queue_ids = [queue.id for queue in _queues(rule)]
    return rule_form.from_request(request.form, queue_ids, rule.actions.get("fields", {}))


def _save(rule: Rule) -> ResponseReturnValue:
    form = _form(rule)
    if not form.valid or form.actions is None:
        return _page(rule, form), 422
    try:
        rule_changes.save_rule(me(), rule, form.name, form.conditions, form.actions, form.go_on)
    except Refused as refusal:
        form.faults.append(refusal.message)
        db.session.rollback()
        return _page(rule, form), 422
    told(_("Saved.") if rule.active else _("Saved as a draft. Try it, then switch it on."))
    return redirect(url_for("rules.show", rule_id=rule.id), 303)


def _page(rule: Rule, form: RuleForm, tried: trial.Trial | None = None) -> str:
    names = _queue_names()
    place = db.session.get(Channel, rule.channel_id) if rule.channel_id else None
    return render_template(
        "rules/show.html",
        rule=rule,
        form=form,
        more=0 if form.lines and tried else rule_form.BLANK_ROWS,
        channel=place,
        project=db.session.get_one(Project, rule.project_id),
        features=rule_words.FEATURES,
        headers=rule_words.COMMON_HEADERS,
        fates=rule_words.FATES,
        queues=_queues(rule),
        request_types=definitions().type_names(),
        own_fields=_own_fields(form),
        priorities=[(priority, words.priority_name(priority)) for priority in (1, 2, 3, 4)],
        trial=tried,
        left_out=trial.left_out(rule) if rule.id and form.fate == "drop" and tried is None else [],
        sums=_sums(tried, names) if tried else [],
        outcome=lambda where: rule_words.outcome(where, names),
        fault=" ".join(form.faults),
    )


def _own_fields(form: RuleForm) -> list[dict[str, Any]]:
    """The ticket's own fields with what the form holds; a rule need not fill in what closing requires."""
    fields = rule_form.offered_fields(form.fields)
    return [own_field(field, form.fields.get(field.key)) | {"wanted": False} for field in fields]


def _sums(tried: trial.Trial, names: dict[int, str]) -> list[str]:
    """What the rule would have done, a sentence each."""
    said = [
        ngettext("%(num)s would go to %(queue)s", "%(num)s would go to %(queue)s", count, queue=names.get(queue, "?"))
        for queue, count in sorted(tried.moved.items(), key=lambda pair: -pair[1])
    ]
    if tried.dropped:
        said.append(ngettext("%(num)s would be left out", "%(num)s would be left out", tried.dropped))
    if tried.spam:
        said.append(ngettext("%(num)s would be filed as spam", "%(num)s would be filed as spam", tried.spam))
    if tried.kept:
        said.append(ngettext("%(num)s would be kept", "%(num)s would be kept", tried.kept))
    if tried.otherwise:
        said.append(ngettext("%(num)s would change otherwise", "%(num)s would change otherwise", tried.otherwise))
    said.append(ngettext("%(num)s stays as it is", "%(num)s stay as they are", tried.same))
    return said


def _queues(rule: Rule) -> list[Queue]:
    query = select(Queue).where(Queue.active, Queue.project_id == rule.project_id)
    return list(db.session.scalars(query.order_by(func.sort_key(Queue.name))))


def _queue_names() -> dict[int, str]:
    return dict(db.session.execute(select(Queue.id, Queue.name)).tuples().all())


def _fresh(project_id: int | None, channel_id: int | None) -> Rule:
    """A new rule of a channel, or of a project; without either, of the first project."""
    if channel_id is not None:
        channel = db.session.get(Channel, channel_id)
        if channel is None:
            raise NotFound(_("There is no such channel."))
        return Rule(project_id=channel.project_id, channel_id=channel.id, conditions=[], actions={}, active=False)
    project = db.session.get(Project, project_id) if project_id is not None else None
    project = project or db.session.scalars(select(Project).order_by(Project.id).limit(1)).one()
    return Rule(project_id=project.id, channel_id=None, conditions=[], actions={}, active=False)


def _rule(rule_id: int) -> Rule:
    rule = db.session.get(Rule, rule_id)
    if rule is None:
        raise NotFound(_("There is no such rule."))
    return rule


def _back(rule: Rule) -> ResponseReturnValue:
    return redirect(url_for("rules.index", _anchor=rule.list_key), 303)
