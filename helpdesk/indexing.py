"""Bringing the search index to its present version, online: a job does a batch at a time, newest first."""

from sqlalchemy import select, update

from helpdesk.db import db, transaction
from helpdesk.models import Customer, Message, SearchDocument, Ticket, read_setting, write_setting
from helpdesk.models.search import INDEX_VERSION, index_document

BATCH = 500
PROGRESS = "search_index"  # {"version": the one aimed at, "below": documents from this id on are done}


def reindex_old(batch: int = BATCH) -> int:
    """Index anew up to `batch` documents that an older version of the program wrote; returns how many. Commits."""
    with transaction() as session:
        progress = read_setting(PROGRESS, {"version": 0, "below": None})
        below = progress["below"] if progress["version"] == INDEX_VERSION else None
        if below == 0:
            return 0
        query = select(SearchDocument).where(SearchDocument.version < INDEX_VERSION)
        if below is not None:
            query = query.where(SearchDocument.id < below)
        query = query.order_by(SearchDocument.id.desc()).limit(batch).with_for_update(skip_locked=True)
        old = list(session.scalars(query))
        for document in old:
            _index(document)
        lowest = min((document.id for document in old), default=0)
        write_setting(PROGRESS, {"version": INDEX_VERSION, "below": lowest})
    return len(old)


def _index(document: SearchDocument) -> None:
    match document.kind:
        case "message":
            message = db.session.get(Message, document.ref_id)
            if message is not None:
                index_message(message)
        case "ticket":
            ticket = db.session.get(Ticket, document.ref_id)
            if ticket is not None:
                ticket.reindex()
        case "customer":
            customer = db.session.get(Customer, document.ref_id)
            if customer is not None:
                customer.reindex()
    mark = update(SearchDocument).where(SearchDocument.id == document.id).values(version=INDEX_VERSION)
    db.session.execute(mark.execution_options(synchronize_session=False))


def index_message(message: Message) -> None:
    """Make a stored message findable by its subject, words, file names and sender."""
    names = " ".join(file.name for file in message.attachments[:20])
    ticket = message.ticket
    index_document(
        "message",
        message.id,
        (ticket.shown_on_id or ticket.id) if ticket is not None else None,
        f"{message.subject}\n{message.visible_text or message.text}\n{names}",
        f"{message.sender} {message.sender_name}",
    )
