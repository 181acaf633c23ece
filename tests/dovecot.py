"""A private Dovecot on random loopback ports, in a folder of its own: real IMAP, LMTP, TLS and OAuth2 for tests."""

import contextlib
import datetime
import imaplib
import ipaddress
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "пароль с пробелом"  # any characters must do
FULL = "+ LITERAL+ IDLE MOVE UIDPLUS"

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
listen = 127.0.0.1
protocols = imap lmtp
ssl = required
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = {plaintext}
auth_mechanisms = plain login{mechanisms}
mail_location = maildir:{folder}/mail/%u
mail_plugins =
mail_max_userip_connections = 100
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login}
imap_idle_notify_interval = 2 mins
mailbox_idle_check_interval = 1 s
{capability}
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
{oauth}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home/%u allow_all_users=yes
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service stats {{
  chroot =
}}
"""

OAUTH = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth.conf
}}
"""


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder: Path, *names: str) -> None:
    """A self-signed certificate `cert.pem` with its key `key.pem`; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = []
    for each in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(each)))
        except ValueError:
            alternatives.append(x509.DNSName(each))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Dovecot:
    """One server. `imap_port` offers STARTTLS, `imaps_port` speaks TLS, `lmtp_port` takes mail for any user."""

    def __init__(self, folder: Path, *, capability: str = "", introspection: str = "") -> None:
        self.folder = folder
        self.capability = capability
        self.introspection = introspection
        self.imap_port, self.imaps_port, self.lmtp_port = free_port(), free_port(), free_port()
        self.host = "127.0.0.1"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        make_certificate(folder, "127.0.0.1", "localhost")
        self._write_config()

    @property
    def ca_file(self) -> str:
        """What SSL_CERT_FILE has to name for clients to trust this server."""
        return str(self.folder / "cert.pem")

    def _write_config(self) -> None:
        root = os.geteuid() == 0
        me = "root" if root else _own_name()
        user, login = ("dovecot", "dovenull") if root else (me, me)
        for name in ("run", "mail", "home"):
            (self.folder / name).mkdir(exist_ok=True)
            if root:
                shutil.chown(self.folder / name, "dovecot", "dovecot")
        # made at once, because Dovecot looks for changes of the file only once a second
        self.users = {f"box{number}@desk.example" for number in range(1, 400)}
        (self.folder / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in sorted(self.users)))
        oauth = mechanisms = ""
        if self.introspection:
            oauth, mechanisms = OAUTH.format(folder=self.folder), " xoauth2 oauthbearer"
            (self.folder / "oauth.conf").write_text(
                f"introspection_mode = post\nintrospection_url = {self.introspection}\n"
                "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
            )
        config = CONFIG.format(
            folder=self.folder,
            user=user,
            group="dovecot" if root else _own_group(),
            login=login,
            imap=self.imap_port,
            imaps=self.imaps_port,
            lmtp=self.lmtp_port,
            mechanisms=mechanisms,
            oauth=oauth,
            plaintext="yes",
            capability=f"imap_capability = {self.capability}" if self.capability else "",
        )
        (self.folder / "dovecot.conf").write_text(config)

    def start(self) -> "Dovecot":
        """Start and wait until it answers."""
        binary = shutil.which("dovecot") or "/usr/sbin/dovecot"
        self.process = subprocess.Popen(
            [binary, "-F", "-c", str(self.folder / "dovecot.conf")], start_new_session=True, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 15
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.imap_port), 1) as probe:
                if probe.recv(100).startswith(b"* OK"):
                    return self
            if self.process.poll() is not None:
                raise RuntimeError(f"Dovecot does not start: {(self.process.stderr or b'').read()!r} {self.log()}")
            time.sleep(0.05)
        raise RuntimeError(f"Dovecot does not answer: {self.log()}")

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End the server and everything below it; `signal.SIGKILL` for a crash."""
        if self.process is None:
            return
        tree: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            tree = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(sign)
        if sign == signal.SIGKILL:
            for child in tree:
                with contextlib.suppress(psutil.Error):
                    child.kill()
        self.process.wait(10)
        psutil.wait_procs(tree, 5)
        if self.process.stderr:
            self.process.stderr.close()
        self.process = None
        (self.folder / "run" / "master.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """End the server and forget everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of the server's log."""
        path = self.folder / "log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def add_user(self, user: str) -> str:
        """Make the mailbox of a user, whose password is PASSWORD; returns its name.

        box1 to box399 at desk.example are there from the start; others may need a second to be known.
        """
        if user not in self.users:
            self.users.add(user)
            with (self.folder / "users").open("a") as file:
                file.write(f"{user}:{{PLAIN}}{PASSWORD}\n")
        return user

    def settings(self, user: str, **more: object) -> dict[str, object]:
        """Settings of a channel that reads this user's mailbox."""
        return {
            "address": user,
            "imap_host": self.host,
            "imap_port": self.imaps_port,
            "imap_tls": "ssl",
            **more,
        }

    def deliver(self, user: str, *mails: bytes | EmailMessage) -> None:
        """Hand mails over by LMTP, as a mail server would."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as door:
            for mail in mails:
                raw = mail if isinstance(mail, bytes) else mail.as_bytes()
                door.sendmail("eve@customer.example", [user], raw, ["BODY=8BITMIME"])

    @contextlib.contextmanager
    def client(self, user: str, folder: str | None = "INBOX", password: str = PASSWORD) -> Iterator[imaplib.IMAP4_SSL]:
        """A second mail program that looks into the same mailbox."""
        context = ssl.create_default_context(cafile=self.ca_file)
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=context, timeout=20) as client:
            client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            if folder:
                client.select(f'"{folder}"')
            yield client

    def append(self, user: str, *mails: bytes, folder: str = "INBOX") -> None:
        """Put mails into a folder byte by byte as they are, without a Received line."""
        with self.client(user, None) as client:
            for mail in mails:
                kind, answer = client.append(folder, None, None, mail)
                assert kind == "OK", answer

    def count(self, user: str, folder: str = "INBOX") -> int:
        """How many mails lie in a folder; 0 when there is no such folder."""
        with self.client(user, None) as client:
            kind, answer = client.status(f'"{folder}"', "(MESSAGES)")
            return int(answer[0].split(b"MESSAGES ")[1].rstrip(b")")) if kind == "OK" else 0


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _own_group() -> str:
    import grp

    return grp.getgrgid(os.getegid()).gr_name


def need_dovecot() -> None:
    """Skip loudly where there is no Dovecot; fail where everything is demanded."""
    if shutil.which("dovecot") or Path("/usr/sbin/dovecot").exists():
        return
    words = "Dovecot is not installed (Debian: apt-get install dovecot-imapd dovecot-lmtpd)"
    if os.environ.get("HELPDESK_REQUIRE_ALL") == "1":
        pytest.fail(words)
    pytest.skip(words)


def wait_until(condition: object, seconds: float = 30.0, what: str = "") -> None:
    """Look until `condition()` holds; fails with `what` after that time."""
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > until:
            raise AssertionError(f"did not happen within {seconds} s: {what}")
        time.sleep(0.05)


def letter(subject: str = "Не приходит код", body: str = "Здравствуйте!", **headers: str) -> EmailMessage:
    """A mail of the customer."""
    mail = EmailMessage()
    mail["From"] = headers.pop("From", "Ева Иванова <eve@customer.example>")
    mail["To"] = headers.pop("To", "support@desk.example")
    mail["Subject"] = subject
    mail["Date"] = headers.pop("Date", "Sat, 21 Nov 2026 12:00:00 +0000")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body)
    return mail
