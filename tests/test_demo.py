"""The demo: its stories can be read and told, only an empty installation takes them, and only once."""

from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk.config import settings
from helpdesk.errors import StartError
from helpdesk.models import InboundEvent, Message, Ticket, User, write_setting
from queues.demo import fill, furniture, oddities, reader
from queues.demo.script import Bounce, Echo, Mail, Story


def everything() -> list[Story]:
    return [*reader.stories(), *oddities.STORIES]


def test_stories_speak_of_what_there_is() -> None:
    people = {row[0] for row in furniture.PEOPLE}
    for story in everything():
        assert story.queue in furniture.QUEUES, story.subject
        assert story.category in {"", *furniture.CATEGORIES}, story.subject
        assert isinstance(story.steps[0], Mail), story.subject
        assert {step.who for step in story.steps if not isinstance(step, Mail | Bounce | Echo)} <= people
        minutes = sum(step.after for step in story.steps)
        assert minutes <= story.ago * 60, f"{story.subject} ends in the future"
    assert len(everything()) >= 60


def test_a_part_of_it_is_told(committed: Any, monkeypatch: Any) -> None:
    odd = [story for story in oddities.STORIES if story.name in {"Вадим Крюков", "Карина Вебер", "Alina", "?"}]
    odd += [story for story in oddities.STORIES if any(isinstance(step, Echo) for step in story.steps)]
    monkeypatch.setattr(oddities, "STORIES", odd)
    monkeypatch.setattr(fill, "stories", lambda: reader.stories()[:2])
    lines = fill.fill()
    committed.rollback()
    assert any("dora@vesna.example" in line for line in lines)
    states = {row.title: row.state for row in committed.execute(select(Ticket.title, Ticket.state))}
    assert states["Посылка пришла порванная"] == "solved"
    assert states["Списали деньги два раза"] == "open"
    assert committed.scalar(select(func.count()).where(Message.delivery == "bounced")) == 1
    ends = committed.scalars(select(InboundEvent.state)).all()
    assert ends.count("dropped") == 1 and set(ends) == {"dropped", "ticketed"}
    ages = committed.scalars(select(func.helpdesk_now() - Ticket.arrived_at)).all()
    assert max(age.total_seconds() for age in ages) > 90 * 3600
    assert any(settings().outgoing.glob("*.eml"))
    before = committed.scalar(select(func.count(Ticket.id)))
    assert fill.fill() == lines
    assert committed.scalar(select(func.count(Ticket.id))) == before


def test_an_installation_in_use_is_left_alone(committed: Any, make_committed: Any) -> None:
    make_committed.user("Ann")
    committed.commit()
    with pytest.raises(StartError, match="in use"):
        fill.fill()
    assert committed.scalar(select(func.count(User.id))) == 1


def test_an_interrupted_demo_says_so(committed: Any) -> None:
    write_setting(fill.STATE, "begun")
    committed.commit()
    with pytest.raises(StartError, match="interrupted"):
        fill.fill()
