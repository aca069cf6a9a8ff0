"""Settings, read once from the environment, frozen, and handed to whoever needs them.

What a manager changes at run time (policies, playbooks, budgets) is data with an audit trail, not a setting.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helpdesk.kernel.limits import rates


class SettingsError(ValueError):
    """One or more variables cannot be used; the message names each of them and says what would be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the environment may say. The names are the variables': `port` is `HELPDESK_PORT`."""

    database_url: str | None = field(default=None, metadata={"help": "PostgreSQL 15 or newer; embedded when absent"})
    redis_url: str | None = field(default=None, metadata={"help": "Redis or Valkey; embedded when absent"})
    data_dir: Path = field(default=Path(".data"), metadata={"help": "embedded servers, secret key, files"})
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(default=8000, metadata={"help": "port to listen on, 1-65535"})
    public_url: str | None = field(default=None, metadata={"help": "how the outside reaches us; used in links"})
    tracking_url: str | None = field(
        default=None, metadata={"help": "page that complainants are sent to, instead of our own `/track`"}
    )
    offer_url: str | None = field(
        default=None, metadata={"help": "page on which customers answer offers, instead of our own `/offers/...`"}
    )
    admin_token: str | None = field(
        default=None,
        metadata={
            "help": "bootstrap administrator token, 32+ characters; another value revokes it, leaving it out does not"
        },
    )
    secret_key: str | None = field(default=None, metadata={"help": "signs links and cursors, 32+ characters"})
    demo: bool = field(default=True, metadata={"help": "0: no demo data on the first start"})
    web_workers: int = field(default=2, metadata={"help": "API server processes"})
    web_threads: int = field(default=8, metadata={"help": "threads per API server process"})
    workers: int = field(default=1, metadata={"help": "RQ worker processes that `up` starts"})
    smtp_url: str | None = field(
        default=None,
        metadata={
            "help": "smtp[s]://user:password@host:port; when absent, no mail is sent: the log names it, without a word of it"
        },
    )
    mail_from: str = field(default="Helpdesk <helpdesk@localhost>", metadata={"help": "sender of outbound mail"})
    log_level: str = field(default="INFO", metadata={"help": "DEBUG, INFO, WARNING or ERROR"})
    max_body_bytes: int = field(default=1_000_000, metadata={"help": "largest JSON body, bytes"})
    max_import_bytes: int = field(default=1_000_000_000, metadata={"help": "largest import file, bytes"})
    max_attachment_bytes: int = field(default=25_000_000, metadata={"help": "largest attachment, bytes"})
    max_attachments: int = field(default=100, metadata={"help": "attachments that one complaint may have"})
    max_attachments_bytes: int = field(
        default=250_000_000, metadata={"help": "all attachments of one complaint together, bytes"}
    )
    max_public_attachment_bytes: int = field(
        default=10_000_000, metadata={"help": "largest attachment that a complainant may send, bytes"}
    )
    max_public_attachments: int = field(
        default=20, metadata={"help": "attachments that a complainant may add to one complaint"}
    )
    mail_attachments_bytes: int = field(
        default=10_000_000, metadata={"help": "files that go with one mail together, bytes; of others a link does"}
    )
    mail_link_days: int = field(default=14, metadata={"help": "how long such a link is good for"})
    clamd_url: str | None = field(
        default=None,
        metadata={
            "help": "virus scanner, tcp://host:3310 or unix:///run/clamav/clamd.ctl; when absent, nothing is scanned"
        },
    )
    s3_bucket: str | None = field(
        default=None, metadata={"help": "files go into this bucket instead of the data folder (needs the extra s3)"}
    )
    s3_prefix: str | None = field(default=None, metadata={"help": "what their names in the bucket begin with"})
    s3_endpoint: str | None = field(
        default=None, metadata={"help": "http[s]://host of the store; Amazon's when absent"}
    )
    s3_region: str | None = field(default=None, metadata={"help": "region of the bucket"})
    s3_access_key: str | None = field(
        default=None, metadata={"help": "with s3_secret_key; when absent, boto3 looks where it always does"}
    )
    s3_secret_key: str | None = field(default=None, metadata={"help": "secret of s3_access_key"})
    s3_redirect: bool = field(
        default=False,
        metadata={"help": "1: downloads are redirected to the store, which must be reachable from outside"},
    )
    merge_undo_days: int = field(default=7, metadata={"help": "days in which a merge can be undone, 0-365"})
    limits: bool = field(default=True, metadata={"help": "0: nobody is asked to slow down"})
    limit_credential: str = field(
        default="600/minute", metadata={"help": "requests of one token; `off`, or several: `5/minute;50/hour`"}
    )
    limit_public: str = field(default="120/minute", metadata={"help": "requests of one address without a token"})
    limit_intake: str = field(default="20/10minutes", metadata={"help": "complaints of one address through forms"})
    limit_tracking: str = field(
        default="10/10minutes", metadata={"help": "tries to find a complaint, of one address and for one reference"}
    )
    limit_voucher: str = field(
        default="20/10minutes", metadata={"help": "wrong voucher codes of one credential, and of one address"}
    )
    limit_callback: str = field(
        default="600/minute",
        metadata={"help": "callbacks of remedy providers from one address, apart from the public's"},
    )
    automation_log_days: int = field(
        default=90, metadata={"help": "days for which it is kept what triggers did, and why"}
    )
    infected_days: int = field(
        default=90,
        metadata={"help": "days after which an attachment with a virus is deleted (size and digest stay); 0: never"},
    )
    offer_reminder_hours: int = field(
        default=72, metadata={"help": "hours before an offer ends that the customer is reminded, 0-720; 0: never"}
    )
    reopen_window_days: int = field(
        default=90, metadata={"help": "how long after it was closed a complainant can reopen a complaint"}
    )
    tracking_names: str = field(
        default="first_name", metadata={"help": "who handles it, to the complainant: first_name or team"}
    )
    trusted_proxies: int = field(
        default=0, metadata={"help": "proxies in front that write `X-Forwarded-For`; with 0 it decides nothing"}
    )

    session_idle_minutes: int = field(default=30, metadata={"help": "minutes after which an unused session ends"})
    session_hours: int = field(default=12, metadata={"help": "hours after which any session ends"})
    second_factor: str = field(
        default="optional", metadata={"help": "`required`: who signs in without one can do nothing but enrol one"}
    )

    oidc_insecure: bool = field(
        default=False, metadata={"help": "1: identity providers over http:// on this machine too, for development"}
    )

    private_addresses: bool = field(
        default=False,
        metadata={"help": "1: remedy providers at addresses that are not public, and over http://, are asked too"},
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read `HELPDESK_*`. Raises `SettingsError` naming every variable that cannot be used, at once."""
        environ = os.environ if environ is None else environ
        given: dict[str, Any] = {}
        problems: list[str] = []
        for spec in fields(cls):
            name = f"HELPDESK_{spec.name.upper()}"
            text = environ.get(name, "").strip()
            if not text:
                continue
            try:
                given[spec.name] = _parse(str(spec.type), text)
            except ValueError as error:
                problems.append(f"{name}={text!r}: {error}")
        problems += [f"HELPDESK_{name.upper()}: {why}" for name, why in _range_problems(given)]
        if problems:
            raise SettingsError("Settings cannot be used:\n  " + "\n  ".join(problems))
        return cls(**given)

    @property
    def base_url(self) -> str:
        """The address to put into links, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def tracking_page(self) -> str:
        """Where complainants follow their complaint; reference and secret come after its `#`."""
        return self.tracking_url or f"{self.base_url}/track"

    @property
    def offer_page(self) -> str:
        """What the token of an offer's link comes right behind."""
        return f"{self.offer_url}#offer=" if self.offer_url else f"{self.base_url}/offers/"

    def signing_key(self) -> str:
        """The key for signed links and cursors: the setting, else one made once and kept in the data folder.

        Several machines must share it, so production sets `HELPDESK_SECRET_KEY`.
        """
        if self.secret_key:
            return self.secret_key
        path = self.data_dir / "secret_key"
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="ascii")


def own_command() -> str:
    """How whoever reads our messages starts this program: the launcher beside this Python, else the module."""
    launcher = Path(sys.executable).parent / "helpdesk"
    if not launcher.is_file():
        return "python -m helpdesk"
    here = Path.cwd()
    return str(launcher.relative_to(here) if launcher.is_relative_to(here) else launcher)


def _write_once(path: Path, text: str) -> None:
    """Create `path` whole or not at all; of several processes that try at once, the first wins and the rest read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    try:
        Path(path).hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink()


def _parse(kind: str, text: str) -> object:
    if kind == "<class 'int'>":
        try:
            return int(text)
        except ValueError:
            raise ValueError("write a whole number") from None
    if kind == "<class 'bool'>":
        if text.lower() not in {"0", "1", "true", "false", "yes", "no"}:
            raise ValueError("write 0 or 1")
        return text.lower() in {"1", "true", "yes"}
    if "Path" in kind:
        return Path(text).expanduser()
    return text


def _bad_limits(given: dict[str, object]) -> list[str]:
    found = []
    for name in [spec.name for spec in fields(Settings) if spec.name.startswith("limit_")]:
        try:
            rates(str(given.get(name, "off")))
        except ValueError:
            found.append(name)
    return found


_RANGES = (
    ("port", 1, 65535),
    ("trusted_proxies", 0, 10),
    ("merge_undo_days", 0, 365),
    ("automation_log_days", 1, 3650),
    ("infected_days", 0, 3650),
    ("offer_reminder_hours", 0, 720),
    ("reopen_window_days", 0, 3650),
    ("session_idle_minutes", 1, 1440),
    ("session_hours", 1, 720),
)
_WORDS = (
    ("log_level", ("DEBUG", "INFO", "WARNING", "ERROR")),
    ("second_factor", ("optional", "required")),
    ("tracking_names", ("first_name", "team")),
)
_COUNTS = (
    "web_workers",
    "web_threads",
    "workers",
    "max_body_bytes",
    "max_import_bytes",
    "max_attachment_bytes",
    "max_attachments",
    "max_attachments_bytes",
    "max_public_attachment_bytes",
    "max_public_attachments",
    "mail_attachments_bytes",
    "mail_link_days",
)
_URLS = (
    ("smtp_url", "smtp://user:password@host:25 or smtps://user:password@host:465"),
    ("public_url", "http://host or https://host"),
    ("tracking_url", "http://host/page or https://host/page, without a #"),
    ("offer_url", "http://host/page or https://host/page, without a #"),
    ("s3_endpoint", "http://host or https://host"),
)
_BEHIND_THE_SIGN = (("tracking_url", "reference and secret come"), ("offer_url", "the link's token comes"))


def _is_url(url: object, what: str) -> bool:
    """Whether it begins like one of the examples in `what` and names a host; absent is well."""
    if not isinstance(url, str):
        return True
    schemes = {word.partition("://")[0] for word in what.split() if "://" in word}
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _problems_of_files(given: dict[str, object]) -> list[tuple[str, str]]:
    found = []
    url = given.get("clamd_url")
    if isinstance(url, str) and not _is_clamd(url):
        found.append(("clamd_url", "write tcp://host:3310 or unix:///run/clamav/clamd.ctl"))
    if ("s3_access_key" in given) != ("s3_secret_key" in given):
        found.append(("s3_access_key", "set it together with HELPDESK_S3_SECRET_KEY, or neither"))
    return found


def _is_clamd(url: str) -> bool:
    if url.startswith("unix:///"):
        return len(url) > len("unix:///")
    return url.startswith("tcp://") and _is_url(url, "tcp://host")


def _range_problems(given: dict[str, object]) -> list[tuple[str, str]]:
    found = []
    for name in ("admin_token", "secret_key"):
        value = given.get(name)
        if isinstance(value, str) and len(value) < 32:
            found.append((name, "write at least 32 characters that nobody can guess"))
    for name, least, most in _RANGES:
        value = given.get(name, least)
        if isinstance(value, int) and not least <= value <= most:
            found.append((name, f"write a number from {least} to {most}"))
    for name in _COUNTS:
        value = given.get(name, 1)
        if isinstance(value, int) and value < 1:
            found.append((name, "write a number from 1 up"))
    found += [(name, "write 600/minute, 20/10minutes, 5/minute;50/hour or off") for name in _bad_limits(given)]
    found += _problems_of_files(given)
    url = given.get("database_url")
    if isinstance(url, str) and not url.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
        found.append(("database_url", "write postgresql://user:password@host:port/database"))
    url = given.get("redis_url")
    if isinstance(url, str) and not url.startswith(("redis://", "rediss://", "unix://")):
        found.append(("redis_url", "write redis://host:port/0, rediss://... or unix:///path"))
    found += [
        (name, f"leave out the # and what follows: {what} there")
        for name, what in _BEHIND_THE_SIGN
        if "#" in str(given.get(name) or "")
    ]
    found += [(name, f"write {what}") for name, what in _URLS if not _is_url(given.get(name), what)]
    found += [
        (name, f"write {', '.join(words[:-1])} or {words[-1]}")
        for name, words in _WORDS
        if given.get(name, words[0]) not in words
    ]
    return found
