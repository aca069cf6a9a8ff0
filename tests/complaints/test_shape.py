"""`include` and `fields`: more with a complaint, or less.

How it can fail: what is included is more than its own address would show this caller; a cursor given out here leads nowhere
there; a sparse answer says it is a whole one, or has no ETag to edit with; the pages of a list depend on which fields were
asked for; a name that is none is ignored.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.complaints.schemas import INCLUDES
from helpdesk.kernel.handling import READS
from helpdesk.kernel.schemas import SPARSE
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import sent
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.recovery import helpers


@pytest.fixture
def story(agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    path = f"/complaints/{complaint['reference']}"
    for number in range(30):
        assert agent.post(f"{path}/messages", {"kind": "internal_note", "body": f"Note {number}."}).status_code == 201
    helpers.draft(agent, complaint, {"kind": "apology_letter"})
    sent(agent, complaint)
    return complaint


class TestInclude:
    def test_anonymous_and_outsider(
        self, anonymous: Caller, join: Join, database: Database, story: dict[str, Any]
    ) -> None:
        path = f"/complaints/{story['reference']}?include=messages"
        assert anonymous.get(path).status_code == 401
        assert join("agent", team_ids=[make_team(database, "Elsewhere")]).get(path).status_code == 404

    def test_every_name_has_an_address(self) -> None:
        assert {f"/complaints/<ref>/{name}" for name in INCLUDES} <= READS.keys()

    @pytest.mark.parametrize("name", INCLUDES)
    def test_is_what_its_own_address_answers(self, manager: Caller, story: dict[str, Any], name: str) -> None:
        path = f"/complaints/{story['reference']}"
        shown = manager.get(f"{path}?include={name}").json
        assert shown["included"] == {name: manager.get(f"{path}/{name}").json}
        assert {key: value for key, value in shown.items() if key != "included"} == manager.get(path).json

    def test_its_cursor_goes_on_there(self, agent: Caller, story: dict[str, Any]) -> None:
        path = f"/complaints/{story['reference']}"
        first = agent.get(f"{path}?include=messages").json["included"]["messages"]
        assert len(first["items"]) == 25
        rest = agent.get(f"{path}/messages?cursor={first['next_cursor']}").json
        assert len(rest["items"]) == 5
        assert not {item["id"] for item in first["items"]} & {item["id"] for item in rest["items"]}

    def test_several_each_once(self, agent: Caller, story: dict[str, Any]) -> None:
        shown = agent.get(f"/complaints/{story['reference']}?include=offers,attachments,offers").json
        assert list(shown["included"]) == ["offers", "attachments"]

    def test_only_for_who_may_read_it_there(self, agent: Caller, story: dict[str, Any], program: Program) -> None:
        path = f"/complaints/{story['reference']}"
        assert agent.get(f"{path}?include=evidence").json["permission"] == "evidence:read"
        helpers.execute(
            program.database,
            "UPDATE role SET permissions = array_remove(permissions, 'offer:read') WHERE name = 'agent'",
        )
        assert agent.get(f"{path}?include=messages,offers").json["permission"] == "offer:read"
        assert agent.get(f"{path}?include=messages").status_code == 200

    @pytest.mark.parametrize("names", ["nothing", "messages,nothing", "", ",", "messages/x", "MESSAGES", "suggestion"])
    def test_what_is_no_name(self, agent: Caller, story: dict[str, Any], names: str) -> None:
        answer = agent.get(f"/complaints/{story['reference']}?include={names}")
        assert answer.status_code == 422
        assert answer.json["errors"][0]["parameter"] == "include"

    def test_what_is_included_changes_the_tag(self, agent: Caller, story: dict[str, Any]) -> None:
        path = f"/complaints/{story['reference']}?include=watchers"
        tag = agent.get(path).headers["ETag"]
        assert agent.get(path, if_none_match=tag).status_code == 304
        assert agent.put(f"/complaints/{story['reference']}/watchers/{agent.id}", None).status_code == 200
        assert agent.get(path, if_none_match=tag).status_code == 200


class TestFields:
    def test_some_of_one(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}"
        answer = agent.get(f"{path}?fields=reference,price")
        assert answer.content_type == SPARSE
        assert answer.json == {"reference": complaint["reference"], "price": complaint["price"]}
        assert agent.get(path).content_type == "application/json"
        tag = answer.headers["ETag"]
        assert tag.startswith(f'"v{complaint["version"]}-')
        assert agent.get(f"{path}?fields=reference,price", if_none_match=tag).status_code == 304
        assert agent.patch(path, {"language": "en-GB"}, if_match=tag).status_code == 200

    def test_with_what_is_included(self, agent: Caller, story: dict[str, Any]) -> None:
        path = f"/complaints/{story['reference']}?include=attachments"
        assert agent.get(f"{path}&fields=reference,included").json.keys() == {"reference", "included"}
        assert agent.get(f"{path}&fields=reference").json.keys() == {"reference"}

    def test_some_of_each(self, agent: Caller, team: UUID) -> None:
        for _ in range(3):
            agent.post("/complaints", complaint_body(team_id=str(team)))
        answer = agent.get("/complaints?fields=id,severity&limit=2&count=true")
        assert answer.content_type == SPARSE
        assert answer.json.keys() == {"items", "next_cursor", "total"}
        assert all(item.keys() == {"id", "severity"} for item in answer.json["items"])
        assert "fields=id" in answer.headers["Link"]
        # A page goes on whichever fields are asked for.
        rest = agent.get(f"/complaints?limit=2&cursor={answer.json['next_cursor']}")
        assert (rest.status_code, rest.content_type) == (200, "application/json")
        whole = [item["id"] for item in agent.get("/complaints").json["items"]]
        assert [item["id"] for item in [*answer.json["items"], *rest.json["items"]]] == whole

    @pytest.mark.parametrize(
        "path", ["/complaints?fields=", "/complaints?fields=id,description", "/customers?fields=nothing"]
    )
    def test_what_is_no_field(self, agent: Caller, path: str) -> None:
        answer = agent.get(path)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["parameter"] == "fields"

    def test_not_everywhere(self, agent: Caller) -> None:
        assert agent.get("/teams?fields=id").json["errors"][0]["code"] == "unknown_parameter"
