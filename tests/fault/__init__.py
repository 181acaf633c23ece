"""A whole helpdesk under fire: mail comes in and answers go out while every process of it is killed again and again.

`python -m tests.fault` (or `make fault`) starts a private Dovecot, an SMTP sink and a helpdesk like `helpdesk run`,
delivers mails, writes replies through the web, and kills processes by SIGKILL meanwhile. What had to come of it is
decided from this program's own log of what it asked for, compared with the database, the mailbox and the sink.
"""
