"""Settings from the environment.

How it can fail: a wrong value is taken silently, or only the first of several is named; a secret is repeated in the
message; two processes that start at once make two signing keys.
"""

from pathlib import Path

import pytest

from helpdesk.kernel.settings import Settings, SettingsError
from tests.racing import at_once

SECRET = "s" * 32


def test_empty_environment_is_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"HELPDESK_PORT": "  ", "UNRELATED": "x"}) == Settings()


def test_everything_given() -> None:
    found = Settings.from_environment(
        {
            "HELPDESK_DATABASE_URL": "postgres://u:p@h/d",
            "HELPDESK_REDIS_URL": "unix:///run/redis.sock",
            "HELPDESK_DATA_DIR": "~/helpdesk",
            "HELPDESK_HOST": "::1",
            "HELPDESK_PORT": " 9000 ",
            "HELPDESK_PUBLIC_URL": "https://help.example.com/",
            "HELPDESK_ADMIN_TOKEN": SECRET,
            "HELPDESK_SECRET_KEY": SECRET,
            "HELPDESK_DEMO": "no",
            "HELPDESK_SMTP_URL": "smtps://u:p%40ss@mail.example.com:465",
            "HELPDESK_LOG_LEVEL": "DEBUG",
            "HELPDESK_WEB_WORKERS": "4",
        }
    )
    assert (found.port, found.demo, found.web_workers, found.log_level) == (9000, False, 4, "DEBUG")
    assert found.data_dir == Path.home() / "helpdesk"
    assert found.base_url == "https://help.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "80.0"),
        ("DEMO", "perhaps"),
        ("WEB_WORKERS", "0"),
        ("WORKERS", "-1"),
        ("MAX_BODY_BYTES", "0"),
        ("DATABASE_URL", "mysql://h/d"),
        ("REDIS_URL", "localhost:6379"),
        ("LOG_LEVEL", "debug"),
        ("ADMIN_TOKEN", "short"),
        ("SECRET_KEY", "short"),
        ("SMTP_URL", "mail.example.com"),
        ("SMTP_URL", "http://mail.example.com"),
        ("SMTP_URL", "smtp://mail.example.com:port"),
        ("SMTP_URL", "smtp://"),
        ("PUBLIC_URL", "help.example.com"),
        ("PUBLIC_URL", "ftp://help.example.com"),
        ("TRACKING_URL", "example.com/track"),
        ("TRACKING_URL", "https://example.com/track#here"),
        ("OFFER_URL", "example.com/offer"),
        ("OFFER_URL", "https://example.com/offer#here"),
    ],
)
def test_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({f"HELPDESK_{name}": value})
    assert f"HELPDESK_{name}" in str(refused.value)


def test_every_wrong_value_at_once_and_no_secret() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(
            {
                "HELPDESK_PORT": "x",
                "HELPDESK_DEMO": "x",
                "HELPDESK_SECRET_KEY": "hunter2",
                "HELPDESK_ADMIN_TOKEN": "hunter2",
                "HELPDESK_DATABASE_URL": "mysql://u:hunter2@h/d",
                "HELPDESK_SMTP_URL": "u:hunter2@h",
            }
        )
    message = str(refused.value)
    for name in ("PORT", "DEMO", "SECRET_KEY", "ADMIN_TOKEN", "DATABASE_URL", "SMTP_URL"):
        assert f"HELPDESK_{name}" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(), "http://127.0.0.1:8000"),
        (Settings(host="::1", port=9), "http://[::1]:9"),
        (Settings(public_url="https://a.example//"), "https://a.example"),
    ],
)
def test_base_url(settings: Settings, address: str) -> None:
    assert settings.base_url == address


class TestSigningKey:
    def test_given(self, tmp_path: Path) -> None:
        assert Settings(secret_key=SECRET, data_dir=tmp_path).signing_key() == SECRET
        assert list(tmp_path.iterdir()) == []

    def test_made_once_and_kept(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path / "new" / "folder")
        key = settings.signing_key()
        assert len(key) >= 32
        assert settings.signing_key() == key
        [path] = (tmp_path / "new" / "folder").iterdir()
        assert path.stat().st_mode & 0o077 == 0

    def test_many_start_at_once(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)
        assert len(set(at_once(*[settings.signing_key] * 8))) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
