"""Complaints to learn from, in English and Chinese, and the steps that the tests of suggestions share."""

import itertools
import random
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import intake
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.suggestions import training
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.recovery import helpers

SAID: Final = {
    "DEL": ("parcel courier doorstep depot shipment van", "快递 包裹 配送 派送员 物流 驿站"),
    "BIL": ("invoice overcharged fee interest statement tariff", "账单 扣款 收费 手续费 滞纳金 发票"),
    "PRV": ("identity theft bureau inquiry stolen leaked", "隐私 泄露 盗用 征信 身份证 冒用"),
}
"""Words that tell of a category, in both languages."""
FILLER: Final = (
    "please help i have been waiting since they told me about the and my",
    "请问 我们 已经 时候 希望 这个 问题",
)
_numbers = itertools.count(1)


def text(category: str, number: int) -> str:
    """Some of the category's words among others that say nothing; every third in Chinese."""
    chance = random.Random(f"{category} {number}")
    which = int(number % 3 == 0)
    words = chance.sample(SAID[category][which].split(), 3) + chance.sample(FILLER[which].split(), 4)
    chance.shuffle(words)
    return ("。" if which else " ").join(words)


def body(category: str | None, description: str, **more: Any) -> dict[str, Any]:
    given = complaint_body(subject="Complaint", description=description, issues=[{"category": category}])
    if category is None:
        del given["issues"]
    given |= more
    return given | ({"source": more["source"], "external_id": f"x{next(_numbers)}"} if "source" in more else {})


def teach(database: Database, count: int = 20, categories: tuple[str, ...] = tuple(SAID), **more: Any) -> list[UUID]:
    """So many complaints of each category, entered with it; their ids."""
    with database.unit_of_work(SYSTEM) as uow:
        return [
            intake.receive(uow, SYSTEM, ComplaintIn().load(body(category, text(category, number), **more)))
            for number in range(count)
            for category in categories
        ]


def trained(program: Program, caller: Caller) -> dict[str, Any]:
    """What the job tells."""
    answer = caller.post("/category-model/trainings")
    assert answer.status_code == 202, answer.text
    helpers.perform(program, training.TOPIC)
    job = caller.get(f"/jobs/{answer.json['id']}").json
    assert job["state"] == "done", job
    return dict(job["result"])


def arrived(caller: Caller, description: str, **more: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", body(None, description, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def suggested(caller: Caller, complaint: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = caller.get(f"/complaints/{complaint['reference']}/category-suggestions", **headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def triage(caller: Caller, complaint: dict[str, Any], category: str, issue: str) -> None:
    given = {"impact": 3, "urgency": 2, "category": category, "issue": issue, "track": "investigate"}
    answer = caller.post(f"/complaints/{complaint['reference']}/actions/triage", given)
    assert answer.status_code == 200, answer.text
