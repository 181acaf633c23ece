"""A parsed mail as plain JSON for people and scripts: everything but the contents of its files."""

from typing import Any

from queues.channels.email.parsed import ParsedMail


def describe(mail: ParsedMail) -> dict[str, Any]:
    """The JSON object of ``helpdesk mail inspect --json``, without the name of the file."""
    return {
        "subject": mail.subject,
        "from": mail.from_addr,
        "from_name": mail.from_name,
        "reply_to": [address.addr for address in mail.reply_to],
        "to": [address.addr for address in mail.to],
        "cc": [address.addr for address in mail.cc],
        "date": mail.date.isoformat() if mail.date else None,
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "text": mail.text,
        "reply": mail.reply_text,
        "html": mail.html,
        "attachments": [
            {"name": each.name, "type": each.content_type, "size": each.size, "inline": each.inline}
            for each in mail.attachments
        ],
        "kind": mail.kind,
        "may_auto_reply": mail.may_auto_reply,
        "dsn": _dsn(mail),
        "language": mail.language,
        "thread_hints": {
            "message_ids": list(mail.thread_hints.message_ids),
            "plus_tokens": list(mail.thread_hints.plus_tokens),
            "subject_numbers": list(mail.thread_hints.subject_numbers),
            "markers": list(mail.thread_hints.markers),
        },
        "problems": [{"code": problem.code, "text": problem.sentence} for problem in mail.problems],
    }


def _dsn(mail: ParsedMail) -> dict[str, Any] | None:
    if mail.dsn is None:
        return None
    return {
        "status": mail.dsn.status,
        "action": mail.dsn.action,
        "recipient": mail.dsn.recipient,
        "original_message_id": mail.dsn.original_message_id,
        "diagnostic": mail.dsn.diagnostic,
    }


def as_text(description: dict[str, Any]) -> str:
    """The same for a terminal: headers, verdicts, files, problems, and the answer without quotes."""
    sender = f"<{description['from']}>" if description["from"] else "(unknown sender)"
    answered = "may" if description["may_auto_reply"] else "must not"
    lines = [
        f"File:       {description['file']}",
        f"From:       {description['from_name']} {sender}".replace(":        ", ":       "),
        f"To:         {', '.join(description['to'])}",
        f"Cc:         {', '.join(description['cc'])}",
        f"Subject:    {description['subject']}",
        f"Date:       {description['date'] or 'none'}",
        f"Message-ID: {description['message_id'] or 'none'}",
        f"Kind:       {description['kind']}; {answered} be answered automatically",
    ]
    if report := description["dsn"]:
        lines.append(f"Delivery:   {report['action']} {report['status'] or ''} for {report['recipient'] or 'unknown'}")
    lines += [
        f"Attached:   {each['name']} ({each['type']}, {each['size']} bytes{', inline' if each['inline'] else ''})"
        for each in description["attachments"]
    ]
    lines += [f"Problem:    {problem['text']}" for problem in description["problems"]]
    return "\n".join([*lines, "", description["reply"], ""])
