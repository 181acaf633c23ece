"""Settings of one installation: where things are, and the secrets that open them.

Everything a person changes in daily life (channels, queues, people, texts) is in the database, on screens.
What stands here is read once at start; a wrong value stops the start with a sentence that names the variable.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from helpdesk.errors import StartError

EMBEDDED_DATABASE = "helpdesk"


class Settings(BaseSettings):
    """Typed settings; each field is one environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", env_ignore_empty=True)

    helpdesk_data: Path = Field(Path("var"), description="Folder for the embedded engines, files, and keys.")
    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the web server listens on.")
    base_url: str = Field(
        "", description="Address people open, for links in mail. Default: http://HOST:PORT."
    )
    files_url: str = Field(
        "", description="Separate origin for files and HTML mail, e.g. https://files.example."
    )
    database_url: str = Field("", repr=False, description="PostgreSQL 15 to 18. Empty: the embedded one is started.")
    redis_url: str = Field("", repr=False, description="Redis or Valkey. Empty: the embedded one is started.")
    lmtp_host: str = Field("127.0.0.1", description="Address of the LMTP door.")
    lmtp_port: int = Field(0, ge=0, le=65535, description="Port of the LMTP door; 0 keeps it shut.")
    web_workers: int = Field(2, ge=1, le=64, description="Web server processes.")
    intake_workers: int = Field(1, ge=1, le=16, description="Worker processes of the intake lane.")
    trusted_proxies: int = Field(
        0, ge=0, le=5, description="Reverse proxies in front whose headers are believed."
    )
    outbound_allow: Annotated[list[str], NoDecode] = Field(
        [], description="Private hosts or networks that mail and web requests may reach, comma separated."
    )
    outgoing_folder: Path | None = Field(
        None,
        description="Mail of channels without a server lands here as files. Default: HELPDESK_DATA/outgoing.",
    )
    raw_retention_days: int = Field(90, ge=1, description="Days that raw input of finished events is kept.")
    metrics_token: str = Field(
        "", repr=False, description="Secret that /metrics asks for. Empty: it answers this machine alone."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="How much is logged.")
    api_requests_per_minute: int = Field(600, ge=1, description="Requests that one token of the API may make a minute.")
    undo_seconds: int = Field(8, ge=0, le=120, description="Seconds in which a reply can be taken back.")

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("base_url", "files_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
            raise ValueError("must be an address such as https://help.example.com")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _name_driver(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                return "postgresql+psycopg://" + value.removeprefix(prefix)
        if value and not value.startswith("postgresql+psycopg://"):
            raise ValueError("must be a PostgreSQL address such as postgresql://user@host/helpdesk")
        return value

    @property
    def public_url(self) -> str:
        """The address that people open, without a slash at its end."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether people reach us over TLS, which decides cookie names, Secure and HSTS."""
        return self.public_url.startswith("https://")

    @property
    def data(self) -> Path:
        """The data folder as an absolute path."""
        return self.helpdesk_data.resolve()

    @property
    def outgoing(self) -> Path:
        """Folder where mail of channels without an outgoing server is put."""
        return (self.outgoing_folder or self.data / "outgoing").resolve()


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Raises StartError with one sentence per wrong variable.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()} {e['msg']}" for e in error.errors())
        raise StartError(f"The settings cannot be used: {faults}.") from error


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()
