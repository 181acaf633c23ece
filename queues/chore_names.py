"""What the chores of the timetable are called on pages."""

from flask_babel import gettext as _


def chore_name(name: str) -> str:
    """A chore in words."""
    return {
        "wake-tickets": _("Wake tickets whose time has come"),
        "return-tickets": _("Give back tickets of those who are away"),
        "mark-absent": _("Notice who is gone"),
        "watch-promises": _("Warn before due times, record what is overdue"),
        "review-promises": _("Count promises again after an edit"),
        "keep-absences": _("Begin and end times out of office"),
        "remind-tasks": _("Remind people of their tasks"),
        "forget-notices": _("Forget notices seen long ago"),
        "promote-tickets": _("Let passed-over tickets go first"),
        "mark-handled": _("Mark everything as handled, where somebody asked for it"),
        "fold-tallies": _("Add up counters"),
        "purge-raw": _("Forget old raw input"),
        "forget-sessions": _("Forget ended sessions"),
        "paint-pictures": _("Make safe copies of pictures"),
        "reindex-search": _("Bring the search index up to date"),
        "sweep-files": _("Remove files that nothing uses"),
        "forget-keys": _("Forget which clicks were repeated"),
        "forget-deliveries": _("Forget what webhooks were told"),
        "forget-counts": _("Forget how much senders wrote"),
        "reconcile-ledger": _("Compare counters with rows"),
        "finish-restore": _("Set aside what a restored copy must not send"),
    }.get(name, name)
