"""What an operator copies from `deploy/` names only what the program has.

How it can fail: a command, an option or a setting is renamed and the files go on naming the old one; a part is missing; a
limit at the proxy is below the program's; a file that is copied into the image is not there.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml

from helpdesk.cli import main
from helpdesk.kernel.doorbell import QUEUES
from helpdesk.kernel.settings import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
DEPLOY: Final = ROOT / "deploy"
PARTS: Final = [
    ["migrate"],
    ["relay"],
    ["scheduler"],
    ["serve"],
    ["worker"],
    *(["worker", "--queue", queue] for queue in sorted(QUEUES[1:])),
]
SAMPLES: Final = {
    "POSTGRES_PASSWORD": "p" * 48,
    "HELPDESK_SECRET_KEY": "s" * 64,
    "HELPDESK_PUBLIC_URL": "https://help.example.com",
}
"""What the operator writes into `.env`."""


def parse(command: Sequence[str]) -> None:
    """As the command line would, without doing it. Raises `click.UsageError`."""
    context = click.Context(main)
    group: click.Command = main
    rest = list(command)
    while isinstance(group, click.Group):
        name, found, rest = group.resolve_command(context, rest)
        assert found is not None
        group = found
        context = click.Context(group, parent=context, info_name=name)
    group.make_context(context.info_name, rest)


def load(environment: dict[str, str]) -> Settings:
    """Every variable of ours is a setting, and its value can be used."""
    ours = {name: value for name, value in environment.items() if name.startswith("HELPDESK_")}
    assert {name.removeprefix("HELPDESK_").lower() for name in ours} <= set(Settings.__dataclass_fields__)
    return Settings.from_environment(ours)


def filled(value: str) -> str:
    """`${NAME:?}` and `${NAME:-default}` as compose puts them in."""
    return re.sub(r"\$\{(\w+)(:\?|:-)([^}]*)\}", lambda found: SAMPLES.get(found[1], found[3]), value)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def parts() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose()["services"].items() if service["image"] == "helpdesk"}


class TestCompose:
    def test_every_part_and_no_other_command(self) -> None:
        commands = [service["command"] for service in parts().values()]
        assert sorted(commands) == PARTS
        for command in commands:
            parse(command)

    def test_settings(self) -> None:
        for service in parts().values():
            settings = load({name: filled(value) for name, value in service["environment"].items()})
            assert settings.secret_key == SAMPLES["HELPDESK_SECRET_KEY"]
            assert settings.database_url
            assert settings.redis_url
        required = set(re.findall(r"\$\{(\w+):\?\}", (DEPLOY / "compose.yaml").read_text()))
        assert required == set(SAMPLES)
        assert all(f"{name}=" in (DEPLOY / "README.md").read_text() for name in required)

    def test_the_names_lead_somewhere(self) -> None:
        """Hosts in addresses, services waited for and volumes are those of the file."""
        found = compose()
        for name, service in parts().items():
            for variable in ("HELPDESK_DATABASE_URL", "HELPDESK_REDIS_URL"):
                address = re.search(r"[@/](\w+):\d+", filled(service["environment"][variable]))
                assert address, name
                assert address[1] in found["services"]
            assert set(service["depends_on"]) <= set(found["services"])
            assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(found["volumes"])
        port = Settings.__dataclass_fields__["port"].default
        assert parts()["serve"]["ports"] == [f"127.0.0.1:{port}:{port}"]

    def test_the_image(self) -> None:
        text = (DEPLOY / "Dockerfile").read_text()
        allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        for source in re.findall(r"^COPY (\S+)", text, re.MULTILINE):
            assert (ROOT / source).exists()
            assert f"!{source}" in allowed
        environment = dict(re.findall(r"(HELPDESK_\w+)=(\S+)", text))
        settings = load(environment)
        assert f"VOLUME {settings.data_dir}" in text
        assert all(f"data:{settings.data_dir}" in service["volumes"] for service in parts().values())
        assert 'ENTRYPOINT ["python", "-P", "-m", "helpdesk"]' in text
        command = re.search(r"^CMD \[(.*)\]$", text, re.MULTILINE)
        assert command
        parse([yaml.safe_load(word) for word in command[1].split(",")])


def units() -> Iterator[tuple[str, ConfigParser]]:
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = ConfigParser(interpolation=None, delimiters=("=",))
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd tells capitals apart
        unit.read(path)
        yield path.name, unit


def said(unit: ConfigParser) -> list[str]:
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[:4] == ["/opt/helpdesk/.venv/bin/python", "-P", "-m", "helpdesk"]
    return words[4:]


class TestSystemd:
    def test_every_part_and_no_other_command(self) -> None:
        commands = [said(unit) for _, unit in units()]
        assert sorted(commands) == PARTS
        for command in commands:
            parse(command)

    def test_the_names_lead_somewhere(self) -> None:
        ours = {path.name for path in (DEPLOY / "systemd").iterdir()}
        elsewhere = {"network-online.target", "postgresql.service", "redis-server.service"}
        for name, unit in units():
            named = {
                word for key in ("Requires", "Wants", "After", "PartOf") for word in unit["Unit"].get(key, "").split()
            } | set(unit["Install"]["WantedBy"].split() if unit.has_section("Install") else [])
            assert named <= ours | elsewhere, name
        readme = (DEPLOY / "README.md").read_text()
        assert all(name.partition(".")[0] in readme for name in ours)

    def test_settings(self) -> None:
        lines = (DEPLOY / "helpdesk.env.example").read_text().splitlines()
        environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        settings = load(environment)
        for _, unit in units():
            assert unit["Service"]["EnvironmentFile"] == "/etc/helpdesk/helpdesk.env"
            assert settings.data_dir == Path("/var/lib") / unit["Service"]["StateDirectory"]


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_the_proxys_limits_are_not_below_ours(name: str) -> None:
    text = (DEPLOY / name).read_text()
    settings = Settings()
    units_of = {"m": 1 << 20, "MB": 10**6, "GB": 10**9}
    limits = [
        int(number) * units_of[unit]
        for number, unit in re.findall(r"(?:client_max_body_size|max_size) (\d+)(m|MB|GB)", text)
    ]
    assert (min(limits) >= settings.max_body_bytes, max(limits) >= settings.max_import_bytes) == (True, True)
    assert f"{settings.host}:{settings.port}" in text
    assert set(re.findall(r"HELPDESK_\w+", text)) <= {f"HELPDESK_{field.upper()}" for field in Settings.__slots__}


def test_the_readme_names_only_commands_and_settings_that_exist() -> None:
    text = (DEPLOY / "README.md").read_text()
    for line in re.findall(r"(?:run --rm serve|^as_helpdesk) (\w.*)$", text, re.MULTILINE):
        parse(shlex.split(line))
    names = {name.removeprefix("HELPDESK_").lower() for name in re.findall(r"HELPDESK_[A-Z_]+", text)}
    assert names <= set(Settings.__dataclass_fields__)
    for name in re.findall(r"^\| (`.*`) \|", text, re.MULTILINE):
        assert all((DEPLOY / file).exists() for file in re.findall(r"`([^`]+)`", name))
