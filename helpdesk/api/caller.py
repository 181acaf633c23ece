"""Who the token is: the first thing a program asks."""

from typing import Literal

from helpdesk.api.framework import Caller, Noun
from helpdesk.api.schemas import Id, Moment, Out
from helpdesk.models import Role, Scope

noun = Noun("token", "The token itself.")


class Me(Out):
    """A token and the user as whom it acts."""

    token: str
    kind: Literal["personal", "system"]
    scopes: list[Scope]
    expires_at: Moment | None
    user_id: Id
    user_name: str
    role: Role


@noun.get("/token", scope=None, answer=Me)
def show(caller: Caller) -> Me:
    """Say who this token is.

    Works with every living token, whatever its scopes.
    """
    token, user = caller.token, caller.user
    return Me(
        token=token.name,
        kind="system" if user.system else "personal",
        scopes=[Scope(scope) for scope in token.scopes],
        expires_at=token.expires_at,
        user_id=user.id,
        user_name=user.name,
        role=Role(user.role),
    )
