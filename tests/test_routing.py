"""Where a mail goes, as a pure function: each condition, each action, the order of rules, and what must always hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpdesk.rules import Actions, Condition, Feature, LiveRule, fold
from queues.routing import MailFacts, Route, SpamCause, address_fits, contains, file_fits, glob, route

OWN, BILLING, CLOSED = 1, 2, 3
OPEN = frozenset({OWN, BILLING})

MAIL = MailFacts(
    sender="eve@shop.example",
    recipients=("support@desk.example", "boss@other.example"),
    subject="Счёт №5 не приходит",
    text="Здравствуйте!\nПришлите, пожалуйста, счёт за ноябрь.",
    headers={"x-shop": "VIP client", "list-unsubscribe": "<mailto:x@y.example>"},
    size=300 * 1024,
    language="ru",
    files=(("договор.PDF", "application/pdf"), ("фото.jpeg", "image/jpeg")),
    organisation_id=7,
    known_customer=True,
)


def rule(*conditions: Condition, name: str = "Правило", go_on: bool = False, id: int = 1, **actions: Any) -> LiveRule:
    return LiveRule(id, name, conditions, Actions(**(actions or {"tags": ["met"]})), go_on)


def when(test: str, *values: str, **more: Any) -> Condition:
    return Condition(test=Feature(test), values=values, **more)


def go(*rules: LiveRule, mail: MailFacts = MAIL, **more: Any) -> Route:
    return route(mail, rules, OWN, OPEN, **more)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (when("sender", "eve@shop.example"), True),
        (when("sender", "Eve@SHOP.example"), True),
        (when("sender", "@shop.example"), True),
        (when("sender", "shop.example"), True),
        (when("sender", "@op.example"), False),
        (when("sender", "*@*.example"), True),
        (when("sender", "adam@shop.example", "eve*"), True),
        (when("sender", "adam@shop.example"), False),
        (when("recipient", "boss@other.example"), True),
        (when("recipient", "eve@shop.example"), False),
        (when("subject", "счет"), True),
        (when("subject", "СЧЁТ*приход"), True),
        (when("subject", "приход*счёт"), False),
        (when("text", "пожалуйста, счёт за"), True),
        (when("text", "здравствуйте! пришлите"), True),
        (when("text", "реклама"), False),
        (when("header", "vip", header="X-Shop"), True),
        (when("header", header="List-Unsubscribe:"), True),
        (when("header", header="X-Other"), False),
        (when("header", "gold", header="X-Shop"), False),
        (when("size", "299"), True),
        (when("size", "300"), False),
        (when("language", "ru"), True),
        (when("language", "en", "uk"), False),
        (when("attachment"), True),
        (when("attachment", "pdf"), True),
        (when("attachment", ".PDF"), True),
        (when("attachment", "*.jp*g"), True),
        (when("attachment", "image/*"), True),
        (when("attachment", "exe", "zip"), False),
        (when("automatic"), False),
        (when("known_customer"), True),
        (when("organisation", "7"), True),
        (when("organisation", "8"), False),
        (when("blocked"), False),
        (when("spam_mark"), False),
        (when("dmarc_fail"), False),
        (when("spam_score", "0"), False),
    ],
)
def test_each_condition_and_its_contrary(condition: Condition, met: bool) -> None:
    assert bool(go(rule(condition)).fired) is met
    assert bool(go(rule(condition.model_copy(update={"negated": True}))).fired) is not met


@pytest.mark.parametrize(
    ("headers", "marked"),
    [
        ({"x-spam-flag": "YES"}, True),
        ({"x-spam-flag": "NO"}, False),
        ({"x-spam-flag": "no\nYES"}, True),
        ({"x-spam-status": "Yes, score=15.2 required=5.0 tests=BAYES_99"}, True),
        ({"x-spam-status": "No, score=-1.9 required=5.0"}, False),
        ({"x-spam": "Yes"}, True),
        ({"x-rspamd-action": "add header"}, True),
        ({"x-rspamd-action": "no action"}, False),
        ({"x-ms-exchange-organization-scl": "5"}, True),
        ({"x-ms-exchange-organization-scl": "1"}, False),
        ({"x-ms-exchange-organization-scl": "-1"}, False),
        ({"x-forefront-antispam-report": "CIP:1.2.3.4;CTRY:;LANG:ru;SCL:9;SRV:;SFV:SPM"}, True),
        ({"x-forefront-antispam-report": "CIP:1.2.3.4;SCL:1;SFV:NSPM"}, False),
        ({"authentication-results": "mx.desk.example; dmarc=fail header.from=shop.example"}, False),
    ],
)
def test_marks_of_servers(headers: dict[str, str], marked: bool) -> None:
    mail = MailFacts(headers=headers)
    assert go(mail=mail).spam == (SpamCause.SERVER if marked else None)
    assert go(mail=mail, files_marked_spam=False).spam is None
    assert bool(go(rule(when("spam_mark")), mail=mail).fired) is marked


@pytest.mark.parametrize(
    ("headers", "points"),
    [
        ({"x-spam-status": "No, score=4.9 required=5.0"}, 4.9),
        ({"x-spam-score": "12"}, 12.0),
        ({"x-spam-level": "*******"}, 7.0),
        ({"x-spamd-result": "default: False [6.10 / 15.00];"}, 6.1),
        ({"x-rspamd-score": "3.5 / 15"}, 3.5),
        ({"x-spam-score": "2\n9.5"}, 9.5),
    ],
)
def test_points_of_servers(headers: dict[str, str], points: float) -> None:
    mail = MailFacts(headers=headers)
    assert go(rule(when("spam_score", f"{points - 0.1:.1f}")), mail=mail).fired
    assert not go(rule(when("spam_score", f"{points:.1f}")), mail=mail).fired


def test_forged_sender_is_found_by_dmarc() -> None:
    mail = MailFacts(headers={"authentication-results": "mx.desk.example; spf=pass; dmarc=fail (p=REJECT)"})
    assert go(rule(when("dmarc_fail"), fate="spam"), mail=mail).spam == SpamCause.RULE


def test_without_rules_the_channel_decides() -> None:
    assert go() == Route(OWN)


def test_all_conditions_must_hold() -> None:
    assert not go(rule(when("subject", "счёт"), when("language", "en"))).fired


def test_first_rule_wins_and_ends_the_list() -> None:
    first, second = rule(queue_id=BILLING), rule(queue_id=OWN, priority=1, id=2)
    where = go(first, second)
    assert (where.queue_id, where.priority) == (BILLING, 3)
    assert [fired.rule_id for fired in where.fired] == [1]


def test_going_on_lets_later_rules_add_what_is_open() -> None:
    first = rule(queue_id=BILLING, tags=["деньги"], go_on=True)
    second = rule(queue_id=OWN, priority=1, tags=["Деньги", "vip"], id=2)
    where = go(first, second)
    assert (where.queue_id, where.priority, where.tags) == (BILLING, 1, ("деньги", "vip"))
    assert where.fired[1].queue_id is None
    assert where.fired[1].tags == ("vip",)


def test_own_fields_add_up_and_the_first_to_name_one_decides() -> None:
    first = LiveRule(1, "один", (), Actions(fields={"3": "А", "4": True}), go_on=True)
    second = LiveRule(2, "два", (), Actions(fields={"3": "Б", "5": 7}))
    where = route(MailFacts(), [first, second], 1, {1})
    assert where.fields == {"3": "А", "4": True, "5": 7}
    assert [one.fields for one in where.fired] == [{"3": "А", "4": True}, {"5": 7}]


def test_a_queue_that_cannot_be_used_leaves_the_channels_own() -> None:
    where = go(rule(queue_id=CLOSED, priority=2))
    assert (where.queue_id, where.priority) == (OWN, 2)
    assert where.fired[0].queue_refused == CLOSED


def test_a_refused_queue_stays_open_for_later_rules() -> None:
    assert go(rule(queue_id=CLOSED, go_on=True), rule(queue_id=BILLING, id=2)).queue_id == BILLING


def test_dropping_ends_the_list_and_names_the_rule() -> None:
    where = go(rule(fate="drop", name="Реклама", go_on=True), rule(priority=1, id=2))
    assert (where.dropped_by, where.spam, len(where.fired)) == ("Реклама", None, 1)


def test_what_belongs_to_a_ticket_is_never_left_out() -> None:
    where = go(rule(fate="drop"), keep=True)
    assert (where.dropped_by, where.spam) == (None, SpamCause.RULE)


@pytest.mark.parametrize(
    ("mail", "cause"),
    [
        (MailFacts(blocked=True, flooding=True), SpamCause.BLOCKED),
        (MailFacts(flooding=True), SpamCause.FLOOD),
        (MailFacts(headers={"x-spam-flag": "YES"}, flooding=True), SpamCause.SERVER),
    ],
)
def test_trust_beats_every_suspicion(mail: MailFacts, cause: SpamCause) -> None:
    assert go(mail=mail).spam == cause
    assert go(rule(fate="trusted"), mail=mail).spam is None
    assert go(rule(fate="trusted", go_on=True), rule(fate="drop", id=2), mail=mail).dropped_by is None


@pytest.mark.parametrize(
    "given",
    [
        {"test": "size", "values": ["много"]},
        {"test": "size"},
        {"test": "subject"},
        {"test": "subject", "values": [" "]},
        {"test": "subject", "values": ["x" * 301]},
        {"test": "subject", "values": ["x"] * 31},
        {"test": "header", "values": ["x"]},
        {"test": "header", "header": "bad name", "values": ["x"]},
        {"test": "known_customer", "values": ["x"]},
        {"test": "sender", "values": ["two words"]},
        {"test": "sender", "values": ["@"]},
        {"test": "regex", "values": ["(a+)+"]},
        {"test": "subject", "values": ["x"], "more": 1},
    ],
)
def test_conditions_that_make_no_sense_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(given)


@pytest.mark.parametrize("given", [{}, {"priority": 9}, {"fate": "burn"}, {"tags": ["x" * 51]}])
def test_actions_that_make_no_sense_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Actions.model_validate(given)


def test_patterns() -> None:
    assert glob("abcabc", "a*bc") and glob("ab", "a*b") and glob("", "*") and glob("aXbYc", "a*b*c")
    assert not glob("ab", "ab*b") and not glob("abc", "ab") and not glob("a", "a*a")
    assert contains("один два три", "дин*три") and not contains("abc", "c*a")
    assert address_fits("a@x.example", "@x.example") and not address_fits("a@yx.example", "@x.example")
    assert file_fits("архив.tar.gz", "application/gzip", "gz") and not file_fits("gz", "text/plain", ".gz2")
    assert fold("  ЁЖ\n и  ё ") == "еж и е"


words = st.text("абв *@.", max_size=12)
facts = st.builds(
    MailFacts,
    sender=st.sampled_from(["", "eve@shop.example", "a@b.example"]),
    subject=words,
    text=words,
    headers=st.dictionaries(st.sampled_from(["x-spam-flag", "x-shop"]), st.sampled_from(["YES", "NO", "vip"])),
    known_customer=st.booleans(),
    blocked=st.booleans(),
    flooding=st.booleans(),
)
conditions = st.one_of(
    st.builds(when, st.sampled_from(["known_customer", "blocked", "spam_mark"]), negated=st.booleans()),
    st.builds(when, st.sampled_from(["subject", "text"]), words.filter(str.strip), negated=st.booleans()),
    st.builds(when, st.just("sender"), st.sampled_from(["@shop.example", "a@b.example", "*"])),
)
rules = st.lists(
    st.builds(
        LiveRule,
        st.integers(1, 9),
        st.sampled_from(["A", "B"]),
        st.lists(conditions, max_size=3).map(tuple),
        st.builds(
            Actions,
            queue_id=st.sampled_from([None, OWN, BILLING, CLOSED]),
            priority=st.sampled_from([None, 1, 2, 3, 4]),
            tags=st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=3).map(tuple),
            fate=st.sampled_from([None, "spam", "trusted", "drop"]),
        ),
        st.booleans(),
    ),
    max_size=6,
)


@given(facts, rules, st.booleans(), st.booleans())
def test_what_always_holds(mail: MailFacts, given_rules: list[LiveRule], marked: bool, keep: bool) -> None:
    where = route(mail, given_rules, OWN, OPEN, marked, keep)
    assert where == route(mail, given_rules, OWN, OPEN, marked, keep), "the same question has the same answer"
    assert where.queue_id in OPEN, "never a queue that cannot be used"
    assert where.priority in {1, 2, 3, 4}
    assert len(set(where.tags)) == len(where.tags)
    assert not (where.spam and where.dropped_by), "filed or left out, not both"
    assert not (keep and where.dropped_by), "what belongs to a ticket stays"
    assert where.dropped_by is None or any(fired.fate == "drop" for fired in where.fired)
    assert sum(1 for fired in where.fired if fired.fate) <= 1, "one rule decides the fate"
    assert sum(1 for fired in where.fired if fired.queue_id) <= 1


@given(facts, rules, st.integers(0, 6))
def test_a_rule_that_never_fires_changes_nothing(mail: MailFacts, given_rules: list[LiveRule], at: int) -> None:
    never = LiveRule(99, "never", (when("language", "zz"),), Actions(priority=1, fate="drop"))
    assert go(*given_rules, mail=mail) == go(*given_rules[:at], never, *given_rules[at:], mail=mail)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_globs_agree_with_fnmatch(pattern: str, text: str) -> None:
    from fnmatch import fnmatchcase

    assert glob(text, pattern) == fnmatchcase(text, pattern)
