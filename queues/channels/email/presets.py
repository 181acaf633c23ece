"""Known mail providers: where their servers are and how one signs in. Everything can still be changed on the screen.

Sources: Google "IMAP, POP and SMTP" and "OAuth 2.0 for web server applications", Microsoft "Authenticate an IMAP,
POP or SMTP connection using OAuth", and the help pages of Yandex 360 and Mail.ru about app passwords.
"""

from dataclasses import dataclass

from queues.channels.email.problems import N_


@dataclass(frozen=True)
class Preset:
    """What a provider's mailbox needs. Empty text means: the administrator knows. `hint` is a sentence for the form.

    In `authorize_url` and `token_url` the word `{tenant}` is replaced by the tenant of the settings.
    """

    name: str
    label: str
    imap_host: str = ""
    imap_port: int = 993
    imap_tls: str = "ssl"
    smtp_host: str = ""
    smtp_port: int = 465
    smtp_tls: str = "ssl"
    auth: str = "password"
    authorize_url: str = ""
    token_url: str = ""
    scopes: str = ""
    hint: str = ""


OWN = "own"

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(OWN, N_("Own mail server"), hint=N_("Ask whoever runs the mail server for these values.")),
        Preset(
            "gmail",
            "Gmail",
            imap_host="imap.gmail.com",
            smtp_host="smtp.gmail.com",
            auth="oauth2",
            authorize_url="https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent",
            token_url="https://oauth2.googleapis.com/token",  # noqa: S106 -- an address, no password
            scopes="https://mail.google.com/",
            hint=N_(
                "Make an OAuth client of type “Web application” in the Google Cloud console; enter its id and secret. "
                "With two-step verification an app password works as well."
            ),
        ),
        Preset(
            "microsoft",
            "Microsoft 365",
            imap_host="outlook.office365.com",
            smtp_host="smtp.office365.com",
            smtp_port=587,
            smtp_tls="starttls",
            auth="oauth2",
            authorize_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
            token_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",  # noqa: S106 -- an address
            scopes=(
                "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access"
            ),
            hint=N_(
                "Register an application in Microsoft Entra and enter its id and secret. "
                "Passwords no longer work for IMAP."
            ),
        ),
        Preset(
            "yandex",
            "Yandex 360",
            imap_host="imap.yandex.com",
            smtp_host="smtp.yandex.com",
            hint=N_("Allow access by mail programs in the settings of the mailbox, and make an app password for it."),
        ),
        Preset(
            "mailru",
            "Mail.ru",
            imap_host="imap.mail.ru",
            smtp_host="smtp.mail.ru",
            hint=N_("Make a password for external applications in the security settings of the mailbox."),
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name; an unknown name is an own server."""
    return PRESETS.get(name, PRESETS[OWN])
