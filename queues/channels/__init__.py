"""The kinds of channels; each folder knows one wire. A new kind is a folder and one line here."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # importing one folder, such as the mail parser, must not load the others' libraries
    from queues.channels.base import Adapter


def adapters() -> "dict[str, Adapter]":
    """All kinds of channels by name."""
    from queues.channels.desk.adapter import DeskAdapter
    from queues.channels.email.adapter import EmailAdapter
    from queues.channels.http.adapter import HttpAdapter

    return {"desk": DeskAdapter(), "email": EmailAdapter(), "http": HttpAdapter()}


def adapter_for(kind: str) -> "Adapter":
    """The adapter of a kind. Raises KeyError for a kind that is not installed."""
    return adapters()[kind]
