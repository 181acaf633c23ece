"""Send mail to the people who work here. The row leaves with the transaction that wrote it; a worker sends it later."""

from helpdesk.db import db
from helpdesk.models.system_mail import SystemMail


def send_system_mail(to: str, subject: str, body: str) -> SystemMail:
    """Write one plain-text mail into the table that the workers empty. `to` is one bare address."""
    mail = SystemMail(to=to, subject=" ".join(subject.split()), body=body)
    db.session.add(mail)
    return mail
