"""Signed marks in our mail that prove, when they come back, which ticket or outbox item they belong to.

Message-IDs, reply addresses (RFC 5233 sub-addresses), bounce addresses (VERP), and the mark of our own robots. All are
plain functions over the keyring. They survive a change of case on the way, and local parts stay within the 64
characters of RFC 5321 4.5.3.1.1.
"""

import re

from helpdesk.keyring import keyring

LONGEST_LOCAL_PART = 64
_ADDRESS_LENGTH = 26  # 130 bits: whoever can guess one may add to a ticket
_MESSAGE_ID = re.compile(r"<?[ \t]*t(\d{1,19})\.(\d{1,19})\.([a-z0-9]+\.[a-z2-7]+)@[^@<>\s]+?[ \t]*>?", re.IGNORECASE)
_SYSTEM_ID = re.compile(r"<?[ \t]*s(\d{1,19})\.([a-z0-9]+\.[a-z2-7]+)@[^@<>\s]+?[ \t]*>?", re.IGNORECASE)
_TICKET_TOKEN = re.compile(r"t(\d{1,19})\.([a-z0-9]+\.[a-z2-7]+)", re.IGNORECASE)
_BOUNCE_TOKEN = re.compile(r"b(\d{1,19})\.([a-z0-9]+\.[a-z2-7]+)", re.IGNORECASE)
_MARK = re.compile(r"helpdesk\.([a-z0-9]+\.[a-z2-7]+)", re.IGNORECASE)


def make_message_id(ticket_id: int | None, message_id: int, domain: str) -> str:
    """The fixed Message-ID of an outgoing message; a message on no ticket has 0 there."""
    number = ticket_id or 0
    return f"<t{number}.{message_id}.{keyring().sign('message-id', number, message_id)}@{domain}>"


def make_system_id(mail_id: int, domain: str) -> str:
    """The fixed Message-ID of a mail to somebody who works here; it belongs to no ticket."""
    return f"<s{mail_id}.{keyring().sign('system-id', mail_id)}@{domain}>"


def system_mail_of_id(header_id: str) -> int | None:
    """The mail of the helpdesk itself that has this Message-ID."""
    found = _SYSTEM_ID.fullmatch(header_id.strip())
    if found is None or not keyring().verify(found[2], "system-id", int(found[1])):
        return None
    return int(found[1])


def read_message_id(header_id: str) -> tuple[int, int] | None:
    """(ticket id or 0, message id) of a Message-ID that we made; None for anybody else's."""
    found = _MESSAGE_ID.fullmatch(header_id.strip())
    if found is None:
        return None
    ticket_id, message_id = int(found[1]), int(found[2])
    return (ticket_id, message_id) if keyring().verify(found[3], "message-id", ticket_id, message_id) else None


def ticket_of_message_id(header_id: str) -> int | None:
    """The ticket of a Message-ID that we made."""
    ids = read_message_id(header_id)
    return ids[0] or None if ids else None


def make_reply_address(address: str, ticket_id: int) -> str | None:
    """`address` with the signed ticket behind a plus; None when the local part would become too long."""
    token = f"t{ticket_id}.{keyring().sign('reply-address', ticket_id, length=_ADDRESS_LENGTH)}"
    return _with_token(address, token)


def ticket_of_address(token: str) -> int | None:
    """The ticket of what stood behind the plus of an address (or of the whole address)."""
    return _read(_TICKET_TOKEN, "reply-address", token)


def make_bounce_address(address: str, item_id: int) -> str | None:
    """The envelope sender for an outbox item; None when the local part would become too long."""
    return _with_token(address, bounce_token(item_id))


def bounce_token(item_id: int) -> str:
    """What stands behind the plus of an envelope sender, and as ENVID (RFC 3461) in reports on the item."""
    return f"b{item_id}.{keyring().sign('bounce-address', item_id, length=_ADDRESS_LENGTH)}"


def item_of_bounce_token(token: str) -> int | None:
    """The outbox item of what stood behind the plus of an envelope sender (or of the whole address)."""
    return _read(_BOUNCE_TOKEN, "bounce-address", token)


def split_address(address: str) -> tuple[str, str | None]:
    """An address without its sub-address, and the sub-address (None when there is none)."""
    local, _, domain = address.rpartition("@")
    base, plus, token = local.partition("+")
    return (f"{base}@{domain}", token) if plus and base else (address, None)


def make_loop_mark() -> str:
    """The value of the X-Loop header by which this installation knows its own automatic mail."""
    return f"helpdesk.{keyring().sign('loop', length=_ADDRESS_LENGTH)}"


def is_loop_mark(value: str) -> bool:
    """Whether an X-Loop header is ours."""
    found = _MARK.fullmatch(value.strip())
    return found is not None and keyring().verify(found[1], "loop", length=_ADDRESS_LENGTH)


def _with_token(address: str, token: str) -> str | None:
    base, _ = split_address(address)
    local, _, domain = base.rpartition("@")
    longer = f"{local}+{token}"
    return f"{longer}@{domain}" if len(longer) <= LONGEST_LOCAL_PART and not local.startswith('"') else None


def _read(pattern: re.Pattern[str], purpose: str, token: str) -> int | None:
    behind_plus = split_address(token)[1] if "@" in token else token.removeprefix("+")
    found = pattern.fullmatch((behind_plus or "").strip())
    if found is None:
        return None
    number = int(found[1])
    return number if keyring().verify(found[2], purpose, number, length=_ADDRESS_LENGTH) else None
