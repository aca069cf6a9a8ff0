"""What tests of playbooks do over the API: drafts, their publishing, a suggestion."""

from copy import deepcopy
from typing import Any

from helpdesk.recovery.playbook_spec import shipped_spec
from tests.conftest import Caller


def spec(**more: Any) -> dict[str, Any]:
    return deepcopy(shipped_spec()) | more


def banded(amount: str, **more: Any) -> dict[str, Any]:
    """The shipped one with another band for S3, which the complaints here have."""
    made = spec(**more)
    made["formula"]["band"]["S3"] = amount
    return made


def rule(name: str = "mine", **more: Any) -> dict[str, Any]:
    return {"name": name, "condition": {"all": []}} | more


def default(caller: Caller) -> str:
    return str(next(item["id"] for item in caller.get("/playbooks").json["items"] if item["is_default"]))


def made(caller: Caller, playbook_id: str, given: dict[str, Any]) -> Any:
    answer = caller.post(f"/playbooks/{playbook_id}/versions", {"spec": given})
    assert answer.status_code == 201, answer.text
    return answer.json


def act(caller: Caller, version: dict[str, Any], action: str, **given: Any) -> Any:
    path = f"/playbooks/{version['playbook_id']}/versions/{version['number']}/{action if action == 'dry-run' else f'actions/{action}'}"
    return caller.post(path, given, if_match=f'"v{version["version"]}"')


def published(caller: Caller, playbook_id: str, given: dict[str, Any], **days: Any) -> Any:
    answer = act(caller, made(caller, playbook_id, given), "publish", **days)
    assert answer.status_code == 200, answer.text
    return answer.json


def suggestion(caller: Caller, complaint: dict[str, Any], query: str = "") -> Any:
    return caller.get(f"/complaints/{complaint['reference']}/suggestion{query}").json
