"""Keys of this installation: signatures of mail threads and links, and encryption of stored secrets.

The keys lie in `keys/keyring.json` of the data folder, never in the database. Each has an id that stands in
everything made with it, so that a new key can be added while old signatures keep their worth: keys that sign mail
threads never expire, because a customer may answer a mail after years.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from helpdesk.config import settings
from helpdesk.errors import StartError

_NONCE = 12


class Keyring:
    """Named master keys; the active one makes new signatures and seals, all of them verify and open."""

    def __init__(self, active: str, keys: dict[str, bytes]) -> None:
        self._active = active
        self._keys = keys

    def sign(self, purpose: str, *parts: object, length: int = 26) -> str:
        """A signature of `parts` for one purpose: key id, a dot, and `length` base32 characters in lower case.

        26 characters carry 130 bits. Safe in mail addresses, Message-IDs and URLs, whatever changes their case.
        """
        return f"{self._active}.{self._digest(self._active, purpose, parts)[:length]}"

    def verify(self, signature: str, purpose: str, *parts: object, length: int = 26) -> bool:
        """Whether `signature` was made by `sign` with one of our keys for this purpose and these parts."""
        key_id, _, given = signature.lower().partition(".")
        if key_id not in self._keys or len(given) != length:
            return False
        return hmac.compare_digest(self._digest(key_id, purpose, parts)[:length].encode(), given.encode())

    def _digest(self, key_id: str, purpose: str, parts: tuple[object, ...]) -> str:
        message = json.dumps([purpose, *map(str, parts)]).encode()
        raw = hmac.new(self._derive(key_id, "sign"), message, hashlib.sha256).digest()
        return base64.b32encode(raw).decode().lower().rstrip("=")

    def seal_json(self, value: Any, scope: str) -> bytes:
        """Encrypt a JSON-safe value with AES-256-GCM, bound to `scope`, so that it opens nowhere else."""
        nonce = secrets.token_bytes(_NONCE)
        box = AESGCM(self._derive(self._active, "seal")).encrypt(
            nonce, json.dumps(value).encode(), scope.encode()
        )
        return self._active.encode() + b":" + nonce + box

    def open_json(self, sealed: bytes, scope: str) -> Any:
        """The value that `seal_json` took. Raises StartError when the key is missing or the seal is broken."""
        key_id, _, rest = bytes(sealed).partition(b":")
        try:
            cipher = AESGCM(self._derive(key_id.decode("ascii", "replace"), "seal"))
            return json.loads(cipher.decrypt(rest[:_NONCE], rest[_NONCE:], scope.encode()))
        except (KeyError, InvalidTag) as error:
            raise StartError(
                "A stored secret cannot be opened: the file keys/keyring.json does not belong to this database."
            ) from error

    def derive(self, purpose: str) -> bytes:
        """32 bytes for another use, e.g. signing session cookies; the same in every process."""
        return self._derive(self._active, purpose)

    def _derive(self, key_id: str, purpose: str) -> bytes:
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(self._keys[key_id])


def load_keyring(folder: Path) -> Keyring:
    """Read the keyring file of `folder`, making it at the first start (0600, safe with several starters)."""
    path = folder / "keyring.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path)
    content = json.loads(path.read_text())
    return Keyring(content["active"], {k: base64.b64decode(v) for k, v in content["keys"].items()})


def _create(path: Path) -> None:
    fresh = path.with_name(f".keyring-{secrets.token_hex(8)}")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"active": "k1", "keys": {"k1": key}}, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # unlike rename, this never replaces the keyring that another process just made
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


@cache
def keyring() -> Keyring:
    """The keyring of this process."""
    return load_keyring(settings().data / "keys")
