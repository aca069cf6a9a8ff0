"""A client generated from the committed document drives a whole journey: what the document says is enough to write a
program with. Its requests go to the application without a network; whole journeys through real processes are in
`tests/journeys`.
"""

import fcntl
import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from flask import Flask

from helpdesk.integrations import service as imports
from helpdesk.recovery import kinds
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.contract.document import COMMITTED, IDS, OPERATIONS
from tests.recovery import helpers

PACKAGE = "generated_helpdesk_client"

CSV = """channel,subject,description,source,external_id,impact,urgency
EMAIL,Parcel late,It came on Friday.,shop,1,3,2
PHONE,Parcel lost,It never came.,shop,2,4,3
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The generated package's folder; while the fixture lives it can be imported. Generated once for all the processes
    of a test run: that takes longer than all the tests here.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "generated-client"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _generate(folder)
            (folder / "done").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder / PACKAGE
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def _generate(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps({"post_hooks": []}), encoding="utf-8")  # its formatting is nobody's concern
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(COMMITTED), "--meta", "none"]
    command += ["--output-path", str(folder / PACKAGE), "--config", str(config), "--fail-on-warning", "--overwrite"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


class Client:
    """Calls operations by their id, as somebody does who has the generated package and nothing else."""

    def __init__(self, app: Flask, token: str) -> None:
        self.models = _module("models")
        self.types = _module("types")
        made = _module("client")
        # A failure inside is answered, as a server would, not raised here.
        inside = {"transport": httpx.WSGITransport(app=app.wsgi_app, raise_app_exceptions=False)}
        options = {"base_url": "http://helpdesk.test", "raise_on_unexpected_status": True, "httpx_args": inside}
        self._agent = made.AuthenticatedClient(token=token, **options)
        self._public = made.Client(**options)
        self._keys = itertools.count(1)

    def answer(self, operation_id: str, *path: Any, **given: Any) -> Any:
        """The whole answer: status, headers, what was parsed. What guards a change is always sent: a fresh key, and
        whatever version there is.
        """
        operation = OPERATIONS[IDS.index(operation_id)]
        for header, value in (("Idempotency-Key", f"key-{next(self._keys)}"), ("If-Match", "*")):
            if operation.parameter("header", header):
                given.setdefault(header.lower().replace("-", "_"), value)
        client = self._agent if operation.secured else self._public
        call = _module(f"api.{operation.definition['tags'][0]}.{operation_id}")
        return call.sync_detailed(*path, client=client, **given)

    def call(self, operation_id: str, *path: Any, **given: Any) -> Any:
        """What a successful operation answers."""
        answer = self.answer(operation_id, *path, **given)
        assert answer.status_code < 300, answer.content
        return answer.parsed

    def close(self) -> None:
        self._agent.get_httpx_client().close()
        self._public.get_httpx_client().close()


def _module(name: str) -> Any:
    found: ModuleType = importlib.import_module(f"{PACKAGE}.{name}")
    return found


@pytest.fixture
def client(package: Path, app: Flask, admin: Caller) -> Iterator[Client]:
    made = Client(app, str(admin.token))
    yield made
    made.close()


def test_every_operation_has_its_module(package: Path) -> None:
    modules = [path.stem for path in (package / "api").glob("*/*.py") if path.stem != "__init__"]
    assert sorted(modules) == sorted(IDS)


def test_shared_words_have_one_name(package: Path) -> None:
    """No `ComplaintSeverityType1` beside `ClockSeverityType1`."""
    names = [path.stem for path in (package / "models").glob("*.py")]
    assert {"severity", "stage", "complaint_status", "offer_status", "money"} <= set(names)
    assert [name for name in names if "_type_1" in name or "_type_2" in name] == []


def test_a_whole_journey(client: Client, program: Program) -> None:
    models = client.models
    complaint = receive(client)
    ref = complaint.reference
    assert (complaint.status, complaint.price.amount) == (models.ComplaintStatus.RECEIVED, "200.00")

    act(client, "acknowledge_complaint", ref, models.AcknowledgeIn(channel="EMAIL"))
    triage = models.TriageIn(
        impact=3,
        urgency=2,
        category="DEL",
        issue="DEL.LATE",
        track=models.Track.INVESTIGATE,
    )
    act(client, "triage_complaint", ref, triage)

    resolution = models.ResolveIn(
        outcomes=[models.OutcomeIn(outcome=models.IssueOutcome.UPHELD)],
        letter=models.LetterIn(
            finding="Your parcel was four days late.",
            reasons="Our depot missed a scan.",
            remedy="We offer you a voucher.",
            next_stage="Write to our complaints director within two months.",
        ),
        remedy=models.RemedyIn(),
    )
    refused = client.answer("resolve_complaint", ref, body=resolution)
    assert (refused.status_code, refused.parsed.code) == (409, "action_not_allowed")
    assert "allowed_actions" in refused.parsed.additional_properties

    findings = models.InvestigateIn(
        findings=[models.FindingIn(finding="The depot missed the scan.", evidence="Carrier log.")],
        root_cause="RC.HAND",
        fault=models.Fault.FIRM,
    )
    act(client, "investigate_complaint", ref, findings)
    assert client.call("get_complaint_suggestion", ref).lines

    budget = open_budget(client)
    offer = put_before_the_customer(client, ref)
    resolved = act(client, "resolve_complaint", ref, resolution)
    assert (resolved.outcome, resolved.remedies_undelivered) == (models.IssueOutcome.UPHELD, 1)

    token = offer.link.rpartition("/")[2]
    assert client.call("get_public_offer", token).amount.amount == "40.00"
    client.call("accept_public_offer", token, body=models.PublicAcceptIn())
    assert helpers.perform(program)["done"] == 1
    issued = client.call("get_offer", offer.id)
    assert issued.status == models.OfferStatus.ISSUED
    assert client.call("get_voucher", issued.issued_reference).amount.currency == "EUR"
    assert client.call("get_budget", budget.id).committed.amount == "40.00"

    assert client.call("get_public_offer", token).voucher_code == issued.issued_reference
    assert helpers.perform(program, kinds.SEEN)["done"] == 1
    followed_up = models.FollowUpIn(result=models.FollowUpInResult.CONTACT_MADE, note="Content.")
    assert act(client, "follow_up_complaint", ref, followed_up).status == models.ComplaintStatus.FOLLOWED_UP

    timeline = client.call("get_complaint_timeline", ref, limit=200).items
    assert [entry.sequence for entry in timeline] == list(range(1, len(timeline) + 1))
    types = {entry.type_ for entry in timeline}
    assert {"complaint.received", "complaint.acknowledged", "offer.issued", "complaint.followed_up"} <= types
    assert client.call("verify_complaint_timeline", ref).valid
    assert client.call("list_complaint_clocks", ref).items


def receive(client: Client) -> Any:
    models = client.models
    body = models.ComplaintIn(
        channel="EMAIL",
        subject="Parcel a week late",
        description="My parcel was promised for Monday and came on Friday.",
        complainant=models.PersonIn(name="Li Wei", email="li.wei@example.com", language="en"),
        issues=[models.IssueIn(category="DEL", issue="DEL.LATE")],
        price=models.Money(amount="200.00", currency="EUR"),
    )
    return client.call("create_complaint", body=body)


def act(client: Client, operation_id: str, ref: str, body: Any) -> Any:
    return client.call(operation_id, ref, body=body)


def open_budget(client: Client) -> Any:
    models = client.models
    body = models.BudgetIn(name="Goodwill", currency="EUR", starts_on=date(2000, 1, 1), ends_on=date(2999, 12, 31))
    budget = client.call("open_budget", body=body)
    allocation = models.AllocationIn(amount=models.Money(amount="1000.00", currency="EUR"))
    return client.call("allocate_budget", budget.id, body=allocation)


def put_before_the_customer(client: Client, ref: str) -> Any:
    models = client.models
    body = models.OfferIn(
        kind=models.RemedyKind.VOUCHER,
        amount=models.Money(amount="40.00", currency="EUR"),
        reason="Your parcel came four days late.",
    )
    offer = client.call("draft_offer", ref, body=body)
    for operation_id in ("submit_offer", "send_offer"):
        seen = client.answer("get_offer", offer.id).headers["ETag"]
        given = {"if_match": seen} if takes(operation_id, "If-Match") else {}
        offer = client.call(operation_id, offer.id, body=models.OfferNoteIn(), **given)
    return offer


def takes(operation_id: str, header: str) -> bool:
    return OPERATIONS[IDS.index(operation_id)].parameter("header", header) is not None


def test_a_file_is_sent_and_imported(client: Client, program: Program) -> None:
    """The one operation whose body is not JSON."""
    models = client.models
    body = models.ImportIn(mapping=models.ImportInMapping.GENERIC, file_name="complaints.csv")
    created = client.call("create_import", body=body)
    client.call("put_import_content", created.id, body=client.types.File(payload=BytesIO(CSV.encode())))
    assert helpers.perform(program, imports.TOPIC)["done"] == 1
    done = client.call("get_import", created.id)
    assert (done.state, done.accepted, done.rejected) == (models.JobState.DONE, 2, 0)


def test_pages_are_turned_with_the_cursor(client: Client) -> None:
    for _ in range(3):
        receive(client)
    seen: list[Any] = []
    cursor: Any = client.types.UNSET
    while cursor is not None:
        page = client.call("list_complaints", limit=2, cursor=cursor)
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen)) >= 3


def test_an_edit_is_guarded_by_the_version(client: Client) -> None:
    """The version that was read is the ETag that the change is made against."""
    models = client.models
    complaint = receive(client)
    seen = client.answer("get_complaint", complaint.reference).headers["ETag"]
    patch = models.ComplaintPatch(subject="Parcel lost")
    edited = client.call("edit_complaint", complaint.reference, body=patch, if_match=seen)
    assert (edited.subject, edited.version) == ("Parcel lost", complaint.version + 1)
    late = client.answer("edit_complaint", complaint.reference, body=patch, if_match=seen)
    assert (late.status_code, late.parsed.code) == (412, "precondition_failed")
