"""How long a refused sign-in takes, for an account that exists and for one that does not, and a refused look at a complaint:
whether the one can be told from the other by a clock.

A report, not a gate: on a machine that others use too, chance says yes now and then. That both do the same statements and make
the same hash is what `tests/identity/test_sessions.py` and `tests/complaints/tracking/test_session.py` hold on to.
"""

import os
import time
from collections.abc import Callable
from math import sqrt
from statistics import mean, median, variance
from typing import Final

import pytest
from flask import Flask
from sqlalchemy import Engine

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, complaint_body
from tests.identity.doors import Browser, Member, execute

pytestmark = pytest.mark.bench

SAMPLES: Final = int(os.environ.get("HELPDESK_TIMING_SAMPLES", "100" if os.environ.get("HELPDESK_BENCH") else "1000"))


def taken(ask: Callable[[], int], wanted: int) -> float:
    begun = time.perf_counter()
    status = ask()
    ended = time.perf_counter()
    assert status == wanted
    return 1000 * (ended - begun)


def welch(left: list[float], right: list[float]) -> float:
    """Welch's t: beyond about 4.5 either way, the two are told apart; below 2 nothing is seen."""
    return (mean(left) - mean(right)) / sqrt(variance(left) / len(left) + variance(right) / len(right))


def compared(what: str, left: Callable[[], float], right: Callable[[], float]) -> str:
    """By turns, so that a slow moment of the machine wrongs both; the slowest twentieth of each is left out."""
    pairs = [(left(), right()) for _ in range(SAMPLES)]
    kept = SAMPLES * 19 // 20
    first, second = (sorted(side)[:kept] for side in zip(*pairs, strict=True))
    return f"{what:<42}{median(first):>10.2f}{median(second):>10.2f}{welch(first, second):>10.2f}"


def test_report(app: Flask, database: Database, engine: Engine, admin: Caller) -> None:
    known, left = Member(database), Member(database)
    admin.patch(f"/agents/{left.id}", {"active": False}, if_match="*")
    without = Member(database, password=False)
    browser = Browser(app)

    def sign_in(email: str) -> Callable[[], float]:
        def once() -> float:
            execute(engine, "DELETE FROM sign_in_throttle")
            return taken(lambda: browser.try_to_sign_in(email, "not-the-password-at-all").status_code, 401)

        return once

    def reset(email: str) -> Callable[[], float]:
        def once() -> float:
            execute(engine, "DELETE FROM sign_in_throttle")
            return taken(lambda: browser.post("/public/password-resets", {"email": email}).status_code, 202)

        return once

    def look(reference: str) -> Callable[[], float]:
        tried = {"reference": reference, "secret": "0" * 27}
        return lambda: taken(lambda: browser.post("/public/tracking", tried).status_code, 403)

    complaint = str(admin.post("/complaints", complaint_body()).json["reference"])
    nobody = "nobody@example.com"
    rows = [
        compared("sign-in: known, unknown", sign_in(known.email), sign_in(nobody)),
        compared("sign-in: left, unknown", sign_in(left.email), sign_in(nobody)),
        compared("sign-in: no password, unknown", sign_in(without.email), sign_in(nobody)),
        compared("sign-in: unknown, unknown", sign_in(nobody), sign_in("somebody@example.com")),
        compared("password reset: known, unknown", reset(known.email), reset(nobody)),
        compared("tracking: a complaint's, no complaint's", look(complaint), look("0000-0000-000")),
    ]
    head = f"{'median milliseconds':<42}{'one':>10}{'other':>10}{'Welch t':>10}"
    print("\n" + "\n".join([head, *rows]))
