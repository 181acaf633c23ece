"""The operators of the week: they come, take what waits longest, answer, pass on, fall ill and go home."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from sqlalchemy import select

from helpdesk.db import db, transaction
from helpdesk.errors import HelpdeskError
from helpdesk.models import Availability, Queue, Reply, State, Ticket, User
from helpdesk.models.availability import Cause, change
from helpdesk.models.ticket.states import Kind
from queues import fifo, shifts
from tests.week.clockwork import Clockwork
from tests.week.world import Worker, World

ANSWER = "Здравствуйте! Мы всё проверили, ответ ниже. С уважением, команда поддержки."
IDLE_MINUTES = 4.0
ILLNESS = 0.04
LUNCH_MINUTES = 30


class Desk:
    """All operators at their work."""

    def __init__(self, world: World, random: Random, clock: Clockwork) -> None:
        self.world, self.random, self.clock = world, random, clock
        self.done: dict[str, int] = {}
        self.refusals: list[str] = []

    def plan(self) -> None:
        """Plan the shifts of everybody, with lunch, and some illness."""
        for worker in self.world.workers:
            for begins, ends in worker.shifts:
                turn = Turn(self, worker, ends)
                self.clock.at(begins + timedelta(minutes=self.random.uniform(0, 10)), turn.begin)
                self.clock.at(begins + timedelta(hours=4), turn.lunch)
                if self.random.random() < ILLNESS:
                    ill = begins + (ends - begins) * self.random.uniform(0.2, 0.8)
                    self.clock.at(ill, turn.fall_ill)
                self.clock.at(ends, turn.go_home)

    def count(self, what: str) -> None:
        """Count one act, for the report."""
        self.done[what] = self.done.get(what, 0) + 1


class Turn:
    """One shift of one operator."""

    def __init__(self, desk: Desk, worker: Worker, ends: object) -> None:
        self.desk, self.worker, self.ends = desk, worker, ends
        self.here = False

    def begin(self) -> None:
        """Come in."""
        self._change(Availability.AVAILABLE, cause=Cause.SIGN_IN)
        self.here = True
        self.desk.clock.after(1, self.work)

    def lunch(self) -> None:
        """Be away for half an hour; a ticket in hand stays in hand."""
        if self.here:
            self.here = False
            self._change(Availability.AWAY, "Lunch")
            self.desk.clock.after(LUNCH_MINUTES, self._back)

    def fall_ill(self) -> None:
        """Leave in the middle of work: sometimes a supervisor gives the tickets back, sometimes nobody notices."""
        if not self.here:
            return
        self.here = False
        self._change(Availability.OFFLINE, "sick", cause=Cause.LEFT)
        self.desk.count("fell ill")
        if self.desk.random.random() < 0.5:
            self.desk.clock.after(self.desk.random.uniform(5, 60), self._released_by_supervisor)

    def go_home(self) -> None:
        """End the shift: keep what is open, or give all of it back with one note."""
        if not self.here:
            return
        self.here = False
        if self.desk.random.random() < 0.6:
            self._act(self._release_all, "released all on going home")
        self._change(Availability.OFFLINE, cause=Cause.SIGN_OUT)

    def work(self) -> None:
        """Look after one's own tickets whose customers wait, then take the next one."""
        if not self.here:
            return
        with transaction():
            ticket_id = self._own_waiting() or self._next()
        if ticket_id is None:
            self.desk.clock.after(IDLE_MINUTES, self.work)
            return
        minutes = self.desk.random.uniform(3, 14)
        self.desk.clock.after(minutes, lambda: self._treat(ticket_id))

    def _back(self) -> None:
        if self.desk.clock.now < self.ends:  # type: ignore[operator]
            self._change(Availability.AVAILABLE, cause=Cause.BACK)
            self.here = True
            self.work()

    def _own_waiting(self) -> int | None:
        mine = select(Ticket.id).where(
            Ticket.owner_id == self.worker.user_id,
            Ticket.kind == Kind.ACTIVE,
            Ticket.first_unanswered_at.is_not(None),
        )
        return db.session.scalar(mine.order_by(Ticket.line_at, Ticket.id).limit(1))

    def _next(self) -> int | None:
        ticket = fifo.claim_next(self._me())
        if ticket is not None:
            self.desk.count("claimed")
        return ticket.id if ticket else None

    def _treat(self, ticket_id: int) -> None:
        if not self.here:
            return
        ways: list[tuple[float, str, Callable[[Ticket], None]]] = [
            (0.58, "solved", self._solve),
            (0.20, "asked back", self._ask_back),
            (0.05, "snoozed", self._snooze),
            (0.06, "moved", self._move),
            (0.05, "handed over", self._hand_over),
            (0.04, "given back", self._give_back),
            (0.02, "not solved", self._give_up),
        ]
        _share, what, act = self.desk.random.choices(ways, weights=[share for share, _w, _a in ways])[0]
        with transaction():
            ticket = db.session.get(Ticket, ticket_id)
            mine = ticket is not None and ticket.owner_id == self.worker.user_id and ticket.kind == Kind.ACTIVE
        if mine:
            self._act(lambda: act(self._locked(ticket_id)), what)
        self.desk.clock.after(self.desk.random.uniform(0.2, 1.5), self.work)

    def _locked(self, ticket_id: int) -> Ticket:
        from helpdesk import permissions

        return permissions.get_ticket(self._me(), ticket_id, lock=True)

    def _solve(self, ticket: Ticket) -> None:
        self._reply(ticket)
        ticket.finish(self._me(), State.SOLVED)

    def _ask_back(self, ticket: Ticket) -> None:
        self._reply(ticket)
        ticket.pause(self._me())

    def _snooze(self, ticket: Ticket) -> None:
        self._reply(ticket)
        ticket.pause(self._me(), self.desk.clock.now + timedelta(hours=self.desk.random.uniform(1, 30)))

    def _give_up(self, ticket: Ticket) -> None:
        ticket.note(self._me(), "Клиент не отвечает, закрываю.")
        ticket.finish(self._me(), State.UNSOLVED)

    def _move(self, ticket: Ticket) -> None:
        others = db.session.scalars(
            select(Queue).where(Queue.project_id == ticket.project_id, Queue.id != ticket.queue_id)
        ).all()
        if others:
            ticket.note(self._me(), "Это вопрос коллег.")
            ticket.move(self._me(), others[0])

    def _hand_over(self, ticket: Ticket) -> None:
        team = [one for one in self.desk.world.workers if one.team == self.worker.team and one != self.worker]
        to = db.session.get_one(User, self.desk.random.choice(team).user_id)
        fifo.hand_over(self._me(), ticket.id, to, "знает этого клиента")

    def _give_back(self, ticket: Ticket) -> None:
        ticket.note(self._me(), "Не успеваю, возвращаю в очередь.")
        ticket.release(self._me())

    def _reply(self, ticket: Ticket) -> None:
        """Write to the customer; who called is called back, and a note says so."""
        if ticket.conversation.channel.kind != "email":
            ticket.note(self._me(), "Перезвонил клиенту, вопрос обсудили.")
            return
        ticket.reply(self._me(), Reply(ANSWER, to=[ticket.customer.identities[0].value]))

    def _release_all(self) -> None:
        open_ids = self._open_ids()
        if open_ids:
            shifts.release_all(self._me(), self._me(), open_ids, "Смена закончилась.")

    def _released_by_supervisor(self) -> None:
        def act() -> None:
            sue = db.session.get_one(User, self.desk.world.supervisor_id)
            if open_ids := self._open_ids():
                shifts.release_all(sue, self._me(), open_ids, "Заболел.")

        self._act(act, "released by the supervisor")

    def _open_ids(self) -> list[int]:
        query = select(Ticket.id).where(
            Ticket.owner_id == self.worker.user_id, Ticket.kind.in_([Kind.ACTIVE, Kind.PAUSED])
        )
        return list(db.session.scalars(query.order_by(Ticket.id)))

    def _me(self) -> User:
        return db.session.get_one(User, self.worker.user_id)

    def _change(self, state: Availability, reason: str = "", cause: str = "") -> None:
        with transaction():
            change(self._me(), state, reason, by=self._me(), cause=cause)

    def _act(self, act: Callable[[], None], what: str) -> None:
        """One act in a transaction; a refusal is part of a day's work and is looked at in the report."""
        try:
            with transaction():
                act()
        except HelpdeskError as refusal:
            self.desk.refusals.append(f"{what}: {refusal.message}")
            return
        self.desk.count(what)
