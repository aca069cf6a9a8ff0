"""Asking for an evidence pack, having it made, and looking into it."""

import io
import json
import zipfile
from typing import Any

from helpdesk.complaints import evidence_jobs, pack_check
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.duties import Performer
from helpdesk.wiring import HANDLERS, Program
from tests.complaints.attachments.sending import get
from tests.conftest import Caller
from tests.recovery import helpers

ASKED = {"reason": "Asked for by the ombudsman."}
HOSTILE = '<script>alert(1)</script> \u202eevil & "quotes" \'</pre>'


def ask(caller: Caller, complaint: dict[str, Any], **given: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{complaint['reference']}/evidence", ASKED | given)
    assert answer.status_code == 202, answer.text
    return dict(answer.json)


def perform(program: Program, *topics: str) -> None:
    performer = Performer(program.database, HANDLERS, SYSTEM, program.tools)
    for topic in topics or (evidence_jobs.TOPIC,):
        performer.perform(helpers.duties(program.database, topic))


def packs(caller: Caller, complaint: dict[str, Any]) -> list[dict[str, Any]]:
    return list(caller.get(f"/complaints/{complaint['reference']}/evidence").json["items"])


def had(caller: Caller, complaint: dict[str, Any], evidence_id: str) -> bytes:
    """The pack's bytes, by link."""
    link = caller.post(f"/complaints/{complaint['reference']}/evidence/{evidence_id}/link", {})
    assert link.status_code == 200, link.text
    answer = get(caller, link.json["url"])
    assert answer.status_code == 200, answer.text
    return bytes(answer.data)


def made(program: Program, caller: Caller, complaint: dict[str, Any], **given: Any) -> zipfile.ZipFile:
    job = ask(caller, complaint, **given)
    perform(program)
    done = caller.get(f"/jobs/{job['id']}").json
    assert done["state"] == "done", done
    return zipfile.ZipFile(io.BytesIO(had(caller, complaint, done["result"]["evidence_id"])))


def of(pack: zipfile.ZipFile, name: str) -> Any:
    return json.loads(pack.read(name))


class Archive(pack_check.Archive):
    def __init__(self, pack: zipfile.ZipFile) -> None:
        self.archive = pack
