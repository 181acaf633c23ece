"""Signatures of HTTP requests between this helpdesk and other systems, in both directions.

The sender signs the moment and the raw body: HMAC-SHA256 over `<timestamp>.<body>`, sent as

    Helpdesk-Timestamp: 1767225600
    Helpdesk-Signature: v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd

The moment keeps a recorded request from being sent again later. While a secret is being replaced, requests may carry
one signature for each secret, separated by commas.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

TIMESTAMP_HEADER = "Helpdesk-Timestamp"
SIGNATURE_HEADER = "Helpdesk-Signature"
TOLERANCE = 300  # seconds
MOST_SIGNATURES = 10

_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(r"v1=[0-9a-f]{64}", re.ASCII)


class SignatureRefused(Exception):
    """A request is not proved to come from who knows the secret now; `reason` is a sentence in English for its sender.

    English, because it is read by programmers in an answer or a log; it is the same whoever asks.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def sign(secret: bytes, body: bytes, at: int) -> str:
    """The value of the header `Helpdesk-Signature` for a raw body sent at a moment in unix seconds."""
    return f"v1={_digest(secret, str(at), body)}"


def headers(secrets: Sequence[bytes], body: bytes, at: int) -> dict[str, str]:
    """Both headers for a raw body, with one signature for each secret that is valid now."""
    return {
        TIMESTAMP_HEADER: str(at),
        SIGNATURE_HEADER: ",".join(sign(secret, body, at) for secret in secrets),
    }


def check(
    secrets: Sequence[bytes], body: bytes, timestamp: str, signature: str, now: int, tolerance: int = TOLERANCE
) -> None:
    """Refuse a raw body that was not signed with one of `secrets`, or not within `tolerance` seconds of `now`.

    `timestamp` and `signature` are the headers as they came, "" where there is none. Raises SignatureRefused.
    """
    if not timestamp or not signature:
        raise SignatureRefused(f"The headers {TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are needed.")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureRefused(f"{TIMESTAMP_HEADER} has to be a time in whole unix seconds.")
    given = [one.strip(" \t") for one in signature.split(",", MOST_SIGNATURES)]
    if len(given) > MOST_SIGNATURES or not all(_SIGNATURE.fullmatch(one) for one in given):
        raise SignatureRefused(f"{SIGNATURE_HEADER} has to be v1= and 64 hexadecimal digits in lower case.")
    if abs(now - int(timestamp)) > tolerance:
        raise SignatureRefused(
            f"{TIMESTAMP_HEADER} is more than {tolerance} seconds away from our clock. Sign each try anew."
        )
    expected = [f"v1={_digest(secret, timestamp, body)}" for secret in secrets]
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    if not any(matches):
        raise SignatureRefused("The signature does not belong to this body, time and secret.")


def _digest(secret: bytes, timestamp: str, body: bytes) -> str:
    return hmac.new(secret, timestamp.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()
