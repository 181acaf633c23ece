"""Ready answers for those who write: which of them somebody may use, and who may change them."""

from sqlalchemy import ColumnElement, exists, func, or_, select

from helpdesk.db import db
from helpdesk.models import CannedReply, CannedReplyGroup, Membership, User

MOST_ANSWERS = 2000


def usable(user: User) -> ColumnElement[bool]:
    """The condition on `CannedReply` that says whether `user` may use it: it has no groups, or one of theirs."""
    limited = exists().where(CannedReplyGroup.canned_reply_id == CannedReply.id)
    mine = exists().where(
        CannedReplyGroup.canned_reply_id == CannedReply.id,
        Membership.group_id == CannedReplyGroup.group_id,
        Membership.user_id == user.id,
    )
    return or_(~limited, mine)


def answers_for(user: User, queue_id: int) -> list[CannedReply]:
    """The ready answers that `user` may use in the queue, by name; those of the queue and those of all."""
    here = or_(CannedReply.queue_id.is_(None), CannedReply.queue_id == queue_id)
    query = select(CannedReply).where(here, usable(user)).order_by(func.sort_key(CannedReply.name), CannedReply.id)
    return list(db.session.scalars(query.limit(MOST_ANSWERS)))
