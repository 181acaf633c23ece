"""The button "Check": the settings of a mailbox tried for real, step by step, each told in words.

Nothing is changed on the servers and no mail is sent.
"""

from collections.abc import Callable, Iterator

from flask_babel import gettext as _

from helpdesk import outbound
from helpdesk.config import settings as installation
from queues.channels.base import CheckStep, DeliveryError, Secrets, SourceTrouble
from queues.channels.email import imap, oauth
from queues.channels.email.done import Done, choose
from queues.channels.email.settings import MailboxSettings

PATIENCE = 8.0  # seconds for each step; somebody waits for the page

FAULTS = (outbound.OutboundRefused, SourceTrouble, DeliveryError, *imap.FAULTS)


def check(settings: MailboxSettings, secrets: Secrets) -> list[CheckStep]:
    """All steps, those of one server only up to its first failure."""
    return [*_until_failure(_incoming(settings, secrets)), *_until_failure(_outgoing(settings, secrets))]


Step = tuple[str, Callable[[], str]]


def _until_failure(steps: Iterator[Step]) -> Iterator[CheckStep]:
    for name, act in steps:
        try:
            yield CheckStep(name, True, act())
        except FAULTS as error:
            yield CheckStep(name, False, _words(error))
            return


def _words(error: BaseException) -> str:
    if isinstance(error, outbound.OutboundRefused):
        return error.message
    return str(error) if isinstance(error, SourceTrouble | DeliveryError) else imap.in_words(error)


def _incoming(settings: MailboxSettings, secrets: Secrets) -> Iterator[Step]:
    if not settings.imap_host:
        yield _("Incoming mail"), lambda: _("No incoming server: mail comes in by LMTP or pipe alone.")
        return
    yield _("Name of the incoming server"), lambda: _resolve(settings.imap_host)
    yield _("Encryption of the incoming server"), lambda: _encrypt(settings)
    clients: list[imap.Imap] = []
    try:
        yield _("Sign-in at the incoming server"), lambda: _sign_in(settings, secrets, clients)
        yield _("Folder"), lambda: _look(clients[0], settings)
    finally:
        for client in clients:
            client.end()


def _outgoing(settings: MailboxSettings, secrets: Secrets) -> Iterator[Step]:
    if not settings.smtp_host:
        folder = str(installation().outgoing)
        yield (
            _("Outgoing mail"),
            lambda: _("No outgoing server: mail lands in the folder %(folder)s of this installation.", folder=folder),
        )
        return
    yield _("Name of the outgoing server"), lambda: _resolve(settings.smtp_host)
    yield _("Sign-in at the outgoing server"), lambda: _greet(settings, secrets)


def _resolve(host: str) -> str:
    return _("%(host)s is at %(addresses)s.", host=host, addresses=", ".join(outbound.check_host(host)))


def _encrypt(settings: MailboxSettings) -> str:
    client = imap.connect(settings, PATIENCE)
    try:
        return _("The connection is encrypted (%(version)s) and the certificate is valid.", version=client.encryption)
    finally:
        client.end()


def _sign_in(settings: MailboxSettings, secrets: Secrets, clients: list[imap.Imap]) -> str:
    clients.append(oauth.signed_in_imap(settings, secrets, PATIENCE))
    return _("Signed in as %(user)s.", user=settings.login)


def _look(client: imap.Imap, settings: MailboxSettings) -> str:
    client.allow()
    try:
        answer = client.select_folder(settings.folder)
    except client.ReadOnlyError:
        answer = client.select_folder(settings.folder, readonly=True)
    done = choose(client, settings.done_action, set(answer.get(b"PERMANENTFLAGS", ())))
    found = _("%(count)s mails in “%(folder)s”.", count=answer.get(b"EXISTS", 0), folder=settings.folder)
    return f"{found} {_what_follows(done, settings)}"


def _what_follows(done: Done, settings: MailboxSettings) -> str:
    sentences = {
        Done.MOVE: _("Taken mail is moved to “%(folder)s”.", folder=settings.done_folder),
        Done.COPY: _("Taken mail is moved to “%(folder)s”.", folder=settings.done_folder),
        Done.EXPUNGE: _("Taken mail is deleted."),
        Done.DELETED: _("Taken mail is marked as deleted; the server removes it when the folder is cleaned up."),
        Done.KEYWORD: _("Taken mail stays there and is marked with a keyword."),
        Done.SEEN: _("Taken mail stays there and is marked as read, because the server can do no more."),
        Done.NOTHING: _("Taken mail stays there as it is, because the folder may not be changed."),
    }
    return str(sentences[done])


def _greet(settings: MailboxSettings, secrets: Secrets) -> str:
    from queues.channels.email import smtp

    session = smtp.open_session(settings, secrets, PATIENCE)
    session.wire.close()
    return _("The outgoing server lets us in and would take mail.")
