"""How many open tickets somebody may have at once, by kind of channel: one call, three chats, ten mails."""

from collections.abc import Mapping

from flask_babel import gettext as _

from helpdesk import capabilities
from helpdesk.errors import Refused
from helpdesk.models.project import read_setting

# Setting: {kind of channel: number} for everybody who has no figure of their own.
CLAIM_LIMITS = "claim_limits"
MOST = 1000


def default_limits() -> dict[str, int]:
    """The limits of the installation by kind of channel; a kind that is absent has none."""
    return dict(read_setting(CLAIM_LIMITS, {}))


def limits_of(own: Mapping[str, int], defaults: Mapping[str, int]) -> dict[str, int]:
    """What holds for one person: their own figures, else those of the installation."""
    return {**defaults, **own}


def kind_names() -> dict[str, str]:
    """The kinds of channel that can be limited, with their names."""
    return capabilities.kinds()


def checked(typed: Mapping[str, str]) -> dict[str, int]:
    """Limits from the fields of a form, by kind. Empty ones are left out. Raises Refused for what is no number."""
    found = {}
    for kind, name in kind_names().items():
        text = typed.get(f"limit_{kind}", "").strip()
        if not text:
            continue
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MOST):
            raise Refused(_("The limit for %(kind)s is a number from 1 to %(most)s, or empty.", kind=name, most=MOST))
        found[kind] = int(text)
    return found
