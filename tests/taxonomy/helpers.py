from typing import Any

from tests.conftest import Caller


def term(caller: Caller, kind: str, code: str) -> dict[str, Any]:
    """As the list has it."""
    items = caller.get(f"/taxonomy/terms?kind={kind}&code={code}").json["items"]
    assert len(items) == 1, items
    return dict(items[0])


def change(caller: Caller, kind: str, code: str, body: dict[str, Any], **headers: str) -> Any:
    """With the version that is there."""
    row = term(caller, kind, code)
    return caller.patch(f"/taxonomy/terms/{row['id']}", body, **({"if_match": f'"v{row["version"]}"'} | headers))


def retire(caller: Caller, kind: str, code: str) -> Any:
    return change(caller, kind, code, {"retired": True})


def add(caller: Caller, kind: str, code: str, **more: Any) -> dict[str, Any]:
    answer = caller.post("/taxonomy/terms", {"kind": kind, "code": code, "labels": {"en": code}} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def codes_of(problem: Any) -> set[tuple[str, str]]:
    """Place and code of each error."""
    return {(item.get("pointer") or item.get("parameter"), item["code"]) for item in problem.json["errors"]}
