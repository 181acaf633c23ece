"""OAuth2 of mailboxes: authorization code with PKCE (RFC 7636), refresh, and signing in by XOAUTH2.

Sources: RFC 6749 4.1 and 6; Google "OAuth 2.0 for web server applications"; Microsoft identity platform, "OAuth 2.0
authorization code flow". Refresh tokens may rotate: each answer may bring a new one, and the old one is worth nothing.
"""

from queues.channels.base import Secrets
from queues.channels.email import imap
from queues.channels.email.settings import MailboxSettings


def signed_in_imap(settings: MailboxSettings, secrets: Secrets, timeout: float = imap.CONNECT_SECONDS) -> imap.Imap:
    """A signed-in connection to the mailbox. Raises SourceTrouble or one of `imap.FAULTS`."""
    client = imap.connect(settings, timeout)
    try:
        imap.sign_in(client, settings, secrets.get("password", ""))
    except BaseException:
        client.end()
        raise
    return client
