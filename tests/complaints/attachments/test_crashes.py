"""How it can fail: the process dies between the bytes and the row, or between the row and the bytes; what lies in the
store is not what the row says.
"""

import io
import os
from typing import Any

import pytest

from helpdesk.complaints import attachments
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, files, uploads
from helpdesk.kernel.errors import DomainError
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import path_of, perform, rows, send, sent, stored
from tests.conftest import Caller
from tests.recovery import helpers


class TestCrash:
    """The process dies at each place; then what the sweep finds is put right."""

    @pytest.mark.parametrize("place", uploads.FAULT_POINTS)
    def test_while_it_is_added(self, agent: Caller, complaint: dict[str, Any], program: Program, place: str) -> None:
        self._dying(place, lambda: send(agent, complaint))
        assert agent.get(path_of(complaint)).json["items"] == []
        assert [row["state"] for row in rows(program.engine, "SELECT state FROM stored_file")] == ["receiving"]
        assert files.remove_abandoned(program.database) == 0  # it may still be coming
        helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '25 hours'")
        assert files.remove_abandoned(program.database) == 1
        assert files.remove_abandoned(program.database) == 0
        perform(program, files.TOPIC)
        assert stored(program) == set()
        assert rows(program.engine, "SELECT 1 FROM stored_file") == []

    def test_while_it_is_removed(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = sent(senior, complaint)
        senior.post(f"{path_of(complaint)}/{shown['id']}/redact", {"reason": "A mistake."})
        self._dying(files.REMOVED, lambda: perform(program, files.TOPIC))
        assert stored(program) == set()
        assert len(rows(program.engine, "SELECT 1 FROM stored_file")) == 1
        perform(program, files.TOPIC)
        assert rows(program.engine, "SELECT 1 FROM stored_file") == []

    @staticmethod
    def _dying(place: str, call: Any) -> None:
        child = os.fork()
        if child == 0:
            os.environ[faults.VARIABLE] = place
            try:
                call()
            finally:
                os._exit(1)  # it did not come so far
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == faults.EXIT_STATUS

    def test_the_sweep_took_it_while_it_was_still_coming(
        self, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        """A sender of more than a day: told to send it again, instead of a row without bytes."""
        form = uploads.Sent(
            io.BytesIO(b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--'),
            {"Content-Type": "multipart/form-data; boundary=b"},
        )
        terms = attachments.terms_for(program.settings, agent.actor)
        with uploads.received(program.database, program.tools.store, agent.actor, form, terms) as upload:
            helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '25 hours'")
            assert files.remove_abandoned(program.database) == 1
            with pytest.raises(DomainError) as refused, program.database.unit_of_work(SYSTEM) as uow:
                upload.claim(uow)
        assert refused.value.code == "storage_unavailable"

    def test_a_kept_file_is_never_swept(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        sent(agent, complaint)
        helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '25 hours'")
        assert files.remove_abandoned(program.database) == 0
        assert len(stored(program)) == 1


def test_files_that_are_not_as_they_were(agent: Caller, complaint: dict[str, Any], program: Program) -> None:
    for content in (b"first", b"second", b"third"):
        sent(agent, complaint, content)
    store = program.tools.store

    def found() -> list[str]:
        return [item.detail for item in violations(program.database, ["files"], store)]

    assert found() == []
    names = sorted(row["id"].hex for row in rows(program.engine, "SELECT id FROM stored_file"))
    store.remove(names[0])
    with (store._folder / names[1][:2] / names[1]).open("ab") as file:  # type: ignore[attr-defined]
        file.write(b"!")
    assert [detail.partition(" ")[0] for detail in found()] == ["is", "has"]
    assert list(violations(program.database)) == []  # they are read when they are named
