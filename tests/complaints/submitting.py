"""What a page does that shows a form: it solves the challenge, and sends what was filled in."""

from typing import Any, Final

import altcha

from tests.conftest import Caller

SUBMITTED: Final[dict[str, Any]] = {"subject": "Parcel a week late", "description": "My parcel came on Friday."}


def solved(challenge: dict[str, Any]) -> str:
    found = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(found)
    assert solution is not None
    return altcha.Payload(found, solution).to_base64()


class Page:
    """A form as it stands somewhere, and whoever fills it in."""

    def __init__(self, caller: Caller, form: dict[str, Any]) -> None:
        self.caller = caller
        self.form = form

    def altcha(self, **headers: str) -> str:
        answer = self.caller.post("/public/challenges", {"form": self.form["key"]}, **headers)
        assert answer.status_code == 201, answer.text
        return solved(answer.json)

    def body(self, **complaint: Any) -> dict[str, Any]:
        proof = {"altcha": self.altcha()} if self.form["difficulty"] else {}
        return {"form": self.form["key"], **proof, "complaint": SUBMITTED | complaint}

    def send(self, body: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.caller.post("/public/complaints", self.body() if body is None else body, **headers)
