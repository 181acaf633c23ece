"""Settings of a mailbox: what `channel.settings` holds for the kind "email". Secrets are kept apart, encrypted.

Secrets (`channel.secrets`, all optional): `password`, `smtp_password` (absent: as `password`), and with OAuth2
`oauth_client_secret`, `oauth_refresh_token`, `oauth_access_token`, `oauth_expires_at` (Unix time as text).
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from queues.channels.email.addresses import normalise
from queues.channels.email.presets import preset
from queues.channels.email.problems import N_

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[\w.-]+|\[?[0-9A-Fa-f:.]+\]?")


def _one_line(value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if _CONTROL.search(value):
            raise ValueError(N_("must be one line without control characters"))
    return value


def _host(value: str) -> str:
    if value and (len(value) > 253 or not _HOST.fullmatch(value)):
        raise ValueError(N_("must be the name or address of a server, such as imap.example.com"))
    return value.strip("[]").lower()


def _address(value: str) -> str:
    found = normalise(value)
    if found is None:
        raise ValueError(N_("must be a mail address such as support@example.com"))
    return found.lower()


def _web_address(value: str) -> str:
    if value and not re.match(r"https?://[^\s/]+(/|$)", value):
        raise ValueError(N_("must be an address that begins with https://"))
    return value


def _lines(value: Any) -> Any:
    return [part for part in re.split(r"[\s,;]+", value) if part] if isinstance(value, str) else value


Line = Annotated[str, BeforeValidator(_one_line)]
Host = Annotated[Line, AfterValidator(_host)]
Address = Annotated[Line, AfterValidator(_address)]
WebAddress = Annotated[Line, AfterValidator(_web_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Tls = Literal["ssl", "starttls"]


class MailboxSettings(BaseModel):
    """A mailbox.

    Without `imap_host` mail comes by LMTP or pipe alone; without `smtp_host` outgoing mail lands in the local folder
    of the installation. `aliases` are further addresses of our own that reach this mailbox. `plus_addressing` says that
    mail to address+anything arrives here: then replies and bounces come to signed addresses.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    address: Address
    from_name: Line = ""
    aliases: Annotated[list[Address], BeforeValidator(_lines)] = []
    provider: Line = "own"

    imap_host: Host = ""
    imap_port: Port = 993
    imap_tls: Tls = "ssl"
    user: Line = ""
    auth: Literal["password", "oauth2"] = "password"
    folder: Line = "INBOX"
    done_action: Literal["move", "mark", "delete"] = "move"
    done_folder: Line = "Processed"

    smtp_host: Host = ""
    smtp_port: Port = 465
    smtp_tls: Tls = "ssl"
    smtp_user: Line = ""
    plus_addressing: bool = False

    oauth_client_id: Line = ""
    oauth_tenant: Annotated[Line, Field(pattern=r"^[A-Za-z0-9.-]*$")] = ""
    oauth_authorize_url: WebAddress = ""
    oauth_token_url: WebAddress = ""
    oauth_scopes: Line = ""

    @field_validator("folder", "done_folder")
    @classmethod
    def _named(cls, value: str, info: ValidationInfo) -> str:
        return value or {"folder": "INBOX", "done_folder": "Processed"}[info.field_name or "folder"]

    @property
    def login(self) -> str:
        """The user name at the IMAP server."""
        return self.user or self.address

    @property
    def smtp_login(self) -> str:
        """The user name at the SMTP server."""
        return self.smtp_user or self.login

    @property
    def own_addresses(self) -> frozenset[str]:
        """All addresses under which this mailbox receives, in lower case."""
        return frozenset({self.address, *self.aliases})

    @property
    def tenant(self) -> str:
        """The tenant at the identity provider."""
        return self.oauth_tenant or "common"

    @property
    def authorize_url(self) -> str:
        """Where a person is sent to sign in, of the settings or of the preset."""
        return (self.oauth_authorize_url or preset(self.provider).authorize_url).replace("{tenant}", self.tenant)

    @property
    def token_url(self) -> str:
        """Where codes and refresh tokens are exchanged."""
        return (self.oauth_token_url or preset(self.provider).token_url).replace("{tenant}", self.tenant)

    @property
    def scopes(self) -> str:
        """Scopes to ask for, separated by blanks."""
        return self.oauth_scopes or preset(self.provider).scopes


def password_for_smtp(secrets: dict[str, str]) -> str:
    """The password of the outgoing server: its own one, or that of the mailbox."""
    return secrets.get("smtp_password") or secrets.get("password", "")


def told_to(settings: MailboxSettings, has_smtp_password: bool) -> dict[str, set[tuple[str, str]]]:
    """Which servers get to know each secret, and by which user name; what nobody gets to know has an empty set."""
    incoming = {(settings.imap_host, settings.login)} if settings.imap_host else set()
    outgoing = {(settings.smtp_host, settings.smtp_login)} if settings.smtp_host else set()
    if settings.auth == "password":
        return {
            "password": incoming | (set() if has_smtp_password else outgoing),
            "smtp_password": outgoing,
        }
    provider = {(settings.token_url, settings.oauth_client_id)} if settings.token_url else set()
    return {
        "oauth_client_secret": provider,
        "oauth_refresh_token": provider,
        "oauth_access_token": incoming | outgoing,
    }
