"""A complaint that was merged into another one takes no changes: of every operation of the document that changes something
below `/complaints/{ref}`.

How it can fail: a new route does not ask; one refuses too late, after its own checks or after the body, or too early,
before it is known whether the caller may; what the law asks for (redaction) is refused with the rest; a refused one leaves
something behind.
"""

import io
from typing import Any, Final
from urllib.parse import quote

from flask import Flask
from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, complaint_body
from tests.contract.document import OPERATIONS, Operation
from tests.contract.world import World

ALLOWED: Final = {
    "redact_complaint": "what must not be known must go, wherever it stands",
    "redact_complaint_message": "likewise",
    "redact_complaint_attachment": "likewise",
    "issue_tracking_secret": "whoever knows only the old reference follows the matter by it",
    "add_complaint_message": "what the complainant says arrives in the survivor; all else is refused (merges)",
    "watch_complaint": "oneself; others are refused (merges)",
    "unwatch_complaint": "likewise",
    "note_complaint_presence": "says who looks, and changes nothing",
    "end_complaint_presence": "likewise",
    "request_complaint_evidence": "reads it",
    "link_complaint_evidence": "reads it",
    "link_complaint_attachment": "reads it",
    "preview_canned_reply": "reads it",
    "record_recovery_facts": "what is owed by its facts is owed in the survivor",
    "unmerge_complaint": "ends it",
}
"""Everything else is refused. A new route that is to be allowed belongs here, with its reason."""

CHANGES: Final = [
    operation
    for operation in OPERATIONS
    if operation.method != "get" and "/complaints/{ref}" in operation.path and operation.id != "unmerge_complaint"
]
_MERGED: Final = """
    UPDATE complaint SET status = 'dismissed', dismissal = 'duplicate', waiting_on = 'nobody', merged_into_id = :other
    WHERE id::text = :ref OR reference = :ref
"""


def test_what_is_allowed_is_there() -> None:
    assert set(ALLOWED) - {operation.id for operation in CHANGES} == {"unmerge_complaint"}


def asked(caller: Caller, operation: Operation, values: dict[str, str]) -> Any:
    path = operation.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    kinds = operation.body or {}
    headers = {"Authorization": f"Bearer {caller.token}", "If-Match": "*"}
    given: dict[str, Any] = {}
    if "multipart/form-data" in kinds:
        given["data"] = {"file": (io.BytesIO(b"%PDF-1.4"), "letter.pdf")}
    elif "application/json" in kinds:
        given["json"] = {}
    return caller.client.open(path, method=operation.method.upper(), headers=headers, **given)


def test_no_change_of_a_merged_complaint(
    app: Flask, program: Program, admin: Caller, join: Join, database: Database
) -> None:
    world = World(app, program, admin)
    other = admin.post("/complaints", complaint_body()).json
    auditor = join("auditor")
    wrong = []
    for operation in CHANGES:
        values = world.real(operation, fresh=True)
        values |= {"agent_id": str(admin.id)} if "watchers" in operation.path else {}
        with database.engine.begin() as connection:
            connection.execute(text(_MERGED), {"ref": values["ref"], "other": other["id"]})
        answer = asked(admin, operation, values)
        code = (answer.get_json(silent=True) or {}).get("code")
        if (code == "complaint_merged") == (operation.id in ALLOWED):
            wrong.append((operation.id, answer.status_code, answer.text[:300]))
        elif code == "complaint_merged":
            assert answer.json["merged_into"]["reference"] == other["reference"], operation.id
            assert asked(auditor, operation, values).status_code in {403, 404}, operation.id
    assert not wrong, "\n".join(map(str, wrong))
