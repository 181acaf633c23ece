"""What can be wrong with a mail: stable codes, and one sentence each for people.

The sentences are marked for translation only: this package must import without Flask, so that
``helpdesk mail inspect`` starts fast. Screens translate them with ``gettext(SENTENCES[code])``.
"""


def N_(sentence: str) -> str:
    """Mark a sentence for translation without translating it."""
    return sentence


SENTENCES: dict[str, str] = {
    # the whole mail
    "empty": N_("The mail is empty."),
    "too-large": N_("The mail is larger than what is read: only its headers were read."),
    "no-headers": N_("The mail has no headers: everything is shown as text."),
    "parse-timeout": N_("The mail took too long to read: only its headers were read."),
    "parse-crashed": N_("The mail could not be read: only its headers were read."),
    "file-unreadable": N_("The file could not be read."),
    # headers
    "headers-repaired": N_("The headers were malformed and have been repaired."),
    "headers-cut": N_("The headers were too long or too many: what is over the limit was left out."),
    "recipients-cut": N_("There were too many recipients: only the first ones are shown."),
    "references-cut": N_("There were too many references to earlier mails: only some are used."),
    "date-missing": N_("The mail has no date."),
    "date-absurd": N_("The date of the mail could not be understood."),
    "message-id-missing": N_("The mail has no identifier of its own."),
    # sender
    "sender-missing": N_("The mail does not say who it is from."),
    "sender-unreadable": N_("The address of the sender could not be understood."),
    "sender-guessed": N_("The sender was taken from another header, because From has no address."),
    "several-from-headers": N_("The mail has more than one From header: the sender may be forged."),
    "several-senders": N_("The mail names more than one sender: the first one is used."),
    "name-is-address": N_("The name of the sender looks like another address: the sender may be forged."),
    # body
    "charset-unknown": N_("The character set of the text is unknown: it was guessed."),
    "charset-wrong": N_("The text is not in the character set that it claims: it was guessed."),
    "mime-broken": N_("The structure of the mail is broken: some parts may be missing."),
    "mime-depth": N_("Parts are nested too deeply: the deepest ones were left out."),
    "mime-parts": N_("The mail has too many parts: the last ones were left out."),
    "attachments-cut": N_("There were too many attachments: the last ones were left out."),
    "encoding-broken": N_("The encoding of a part is broken: it may be incomplete."),
    "tnef-unreadable": N_("The file winmail.dat could not be unpacked."),
    "text-cut": N_("The text was too long: its end was left out."),
    "html-cut": N_("The formatted text was too long: its end was left out."),
    "html-too-complex": N_("The formatted text was too complex: it is shown as plain text."),
}
