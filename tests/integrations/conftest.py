"""Files, and the doors through which they come in."""

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from helpdesk.integrations import cli, jobs, service
from helpdesk.wiring import Program
from tests.conftest import Caller

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SAMPLE = DATA / "cfpb_complaints_sample.csv"
PREAMBLE = DATA / "cfpb_with_unzip_preamble_head.csv"

needs_data = pytest.mark.skipif(
    not SAMPLE.exists(), reason=f"the real complaints are not beside the project: {SAMPLE} is missing"
)


@pytest.fixture
def uploads(program: Program) -> Path:
    """Where uploads lie, with what earlier tests left there taken away."""
    place = service.folder(program.settings.data_dir)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    return place


Command = Callable[..., Result]


@pytest.fixture
def command(program: Program) -> Command:
    """`command(path, "--mapping", "cfpb")`: the command line, in this process."""

    def run(path: Path, *options: str) -> Result:
        return CliRunner().invoke(cli.imports, ["complaints", str(path), *options], obj=lambda: program)

    return run


Ask = Callable[..., Any]


@pytest.fixture
def ask(engine: Engine) -> Ask:
    """`ask("SELECT ...", name=value)`: the first column of the first row."""

    def run(statement: str, **given: Any) -> Any:
        with engine.connect() as connection:
            return connection.execute(text(statement), given).scalar()

    return run


CFPB_COLUMNS = (
    "Date received",
    "Product",
    "Sub-product",
    "Issue",
    "Sub-issue",
    "Consumer complaint narrative",
    "Company public response",
    "Company",
    "State",
    "ZIP code",
    "Tags",
    "Consumer consent provided?",
    "Submitted via",
    "Date sent to company",
    "Company response to consumer",
    "Timely response?",
    "Consumer disputed?",
    "Complaint ID",
)


def cfpb_row(number: int, **more: str) -> dict[str, str]:
    """A made-up record in the shape of the real ones."""
    return (
        dict.fromkeys(CFPB_COLUMNS, "")
        | {
            "Date received": "2020-03-18",
            "Product": "Debt collection",
            "Issue": "Attempts to collect debt not owed",
            "Sub-issue": "Debt is not yours",
            "Consumer complaint narrative": f"They ask for a debt, number {number},\nthat I never had.",
            "Company": "EXAMPLE COLLECTORS, INC.",
            "State": "FL",
            "ZIP code": "029XX",
            "Submitted via": "Web",
            "Date sent to company": "2020-03-19",
            "Consumer disputed?": "N/A",
            "Complaint ID": str(1_000_000 + number),
        }
        | more
    )


def csv_text(rows: list[dict[str, str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture
def cfpb_file(tmp_path: Path) -> Callable[..., Path]:
    """`cfpb_file(300)`: a file of that many made-up records."""

    def make(count: int, name: str = "cfpb.csv") -> Path:
        path = tmp_path / name
        path.write_text(csv_text([cfpb_row(number) for number in range(count)]), encoding="utf-8")
        return path

    return make


def create_job(caller: Caller, **more: Any) -> UUID:
    answer = caller.post("/imports", {"mapping": "cfpb", "file_name": "complaints.csv"} | more)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json["id"])


def upload(caller: Caller, job_id: UUID | str, content: bytes, kind: str = "text/csv") -> Any:
    headers = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    return caller.client.put(f"/api/v1/imports/{job_id}/content", data=content, content_type=kind, headers=headers)


PerformAll = Callable[[], dict[str, int]]


@pytest.fixture
def perform_all(program: Program, ask: Ask) -> PerformAll:
    """Perform every import that is owed, as a worker would."""

    def run() -> dict[str, int]:
        owed = ask("SELECT array_agg(id) FROM duty WHERE topic = :topic AND done_at IS NULL", topic=jobs.TOPIC)
        return program.performer.perform(owed or [])

    return run
