"""Letters that bring a person in, or back in: what they say, in the language of the one who reads them."""

from flask_babel import force_locale
from flask_babel import gettext as _

from helpdesk.config import settings
from helpdesk.models.session import Purpose
from helpdesk.models.user import User
from helpdesk.sign_in import make_link
from helpdesk.system_mail import send_system_mail


def invite(user: User, inviter: User) -> str:
    """Send `user` a link to set a password and start work. Returns the link, for the inviter to pass on by hand."""
    link = settings().public_url + make_link(user, Purpose.INVITE)
    with force_locale(user.language):
        subject = _("Your account at the helpdesk")
        body = _(
            "Hello, %(name)s!\n\n"
            "%(inviter)s has made an account for you at the helpdesk. Open this link and choose a password:\n\n"
            "%(link)s\n\n"
            "The link works once, for 7 days. You sign in with your address %(email)s.",
            name=user.name,
            inviter=inviter.name,
            link=link,
            email=user.email,
        )
    send_system_mail(user.email, subject, body)
    return link


def send_reset(user: User) -> str:
    """Send `user` a link to set a new password. Returns the link."""
    link = settings().public_url + make_link(user, Purpose.RESET)
    with force_locale(user.language):
        subject = _("A new password for the helpdesk")
        body = _(
            "Hello, %(name)s!\n\n"
            "Somebody, probably you, asked for a new password at the helpdesk. Open this link and choose one:\n\n"
            "%(link)s\n\n"
            "The link works once, for 2 hours. If you did not ask for it, do nothing: your password stays as it is.",
            name=user.name,
            link=link,
        )
    send_system_mail(user.email, subject, body)
    return link
