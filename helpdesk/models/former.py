"""What came with us from a former system: how its subjects are marked, and which tickets bear its numbers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Now, db, forget, remembered
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.former import DIGITS, FormerMark, find_marks, read_template

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MOST_PATTERNS = 20


class FormerPattern(Model):
    """A mark that a project's former system put into subjects; see `helpdesk.former` for its template."""

    __tablename__ = "former_patterns"
    __table_args__ = (
        CheckConstraint("alphabet IN ('digits', 'mixed')", name="alphabet"),
        UniqueConstraint("project_id", "template", "alphabet"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    template: Mapped[str]
    alphabet: Mapped[str] = mapped_column(default=DIGITS, server_default="digits")
    created_at: Mapped[Now]

    @classmethod
    def add(cls, project_id: int, written: str, alphabet: str) -> "FormerPattern":
        """Know another mark from now on. Raises Refused with the reason, Conflict when it is known already."""
        template = read_template(written, alphabet)
        present = patterns_of(project_id)
        if (template, alphabet) in present:
            raise Conflict(_("This pattern is in the list already."))
        if len(present) >= MOST_PATTERNS:
            raise Refused(_("A project has at most 20 patterns."))
        row = cls(project_id=project_id, template=template, alphabet=alphabet)
        db.session.add(row)
        db.session.flush()
        forget("former_patterns")
        return row


class FormerNumber(Model):
    """The number that a ticket, or what it goes on with, had in a former system."""

    __tablename__ = "former_numbers"
    __table_args__ = (
        UniqueConstraint("project_id", "number_key"),
        Index("ix_former_numbers_number_key", "number_key"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), index=True)
    number: Mapped[str]
    number_key: Mapped[str]
    created_at: Mapped[Now]

    ticket: Mapped["Ticket"] = relationship()


def patterns_of(project_id: int) -> list[tuple[str, str]]:
    """(template, alphabet) of a project's patterns, the oldest first."""

    def read() -> dict[int, list[tuple[str, str]]]:
        found: dict[int, list[tuple[str, str]]] = {}
        rows = select(FormerPattern.project_id, FormerPattern.template, FormerPattern.alphabet)
        for project, template, alphabet in db.session.execute(rows.order_by(FormerPattern.id)):
            found.setdefault(project, []).append((template, alphabet))
        return found

    return remembered("former_patterns", read).get(project_id, [])


def marks_in(project_id: int, subject: str) -> list[FormerMark]:
    """The numbers of the project's former system that a subject bears."""
    patterns = patterns_of(project_id)
    return find_marks(patterns, subject) if patterns else []


def carry_numbers(ticket: "Ticket", marks: Iterable[FormerMark]) -> None:
    """Let the ticket carry numbers of a former system that no ticket of its project carries yet; found by them too."""
    rows = [
        {"project_id": ticket.project_id, "ticket_id": ticket.id, "number": mark.number, "number_key": mark.key}
        for mark in marks
    ]
    if not rows:
        return
    db.session.flush()  # the ticket's row must stand before one that points at it
    db.session.execute(insert(FormerNumber).values(rows).on_conflict_do_nothing())
    ticket.reindex()


def former_numbers_of(ticket_id: int) -> list[str]:
    """The numbers that the ticket had in a former system, as they were written."""
    query = select(FormerNumber.number).where(FormerNumber.ticket_id == ticket_id)
    return list(db.session.scalars(query.order_by(FormerNumber.id)))


def remove_pattern(project_id: int, pattern_id: int) -> str:
    """Forget a pattern of a project; returns its template. Raises NotFound."""
    row = db.session.scalar(
        select(FormerPattern).where(FormerPattern.id == pattern_id, FormerPattern.project_id == project_id)
    )
    if row is None:
        raise NotFound(_("There is no such pattern."))
    db.session.delete(row)
    db.session.flush()
    forget("former_patterns")
    return row.template
