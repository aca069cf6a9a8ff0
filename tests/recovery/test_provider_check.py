"""The contract test that any provider can run: passes one that keeps it, and catches each way of breaking it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helpdesk.cli import main
from helpdesk.kernel import outgoing, signatures
from helpdesk.recovery.provider_check import PROMISES, Probe, check
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.helpers import accepted
from tests.recovery.providing import refund, work
from tests.recovery.reference_provider import ReferenceProvider, running

BROKEN = {
    "doubles": {
        "the same key and body again give the same reference",
        "the same key with another body is refused (409 or 422)",
    },
    "any_body": {"the same key with another body is refused (409 or 422)"},
    "any_time": {"a timestamp of an hour ago is refused"},
    "any_signature": {
        "a wrong signature is refused (401 or 403)",
        "another's secret is refused",
        "a body that was changed after it was signed is refused",
        "a timestamp of an hour ago is refused",
        "what was refused for its signature was not done",
        "GET with another's secret is refused",
    },
    "no_status": {
        "what was refused for its signature was not done",
        "GET {url}/{key} tells how it stands",
        'GET of a key that never came is 404 with {"status": "unknown"}',
    },
    "any_kind": {"a kind that it does not issue is refused for good (4xx), each time"},
}


def broken(provider: ReferenceProvider) -> set[str]:
    probe = Probe(url=provider.url, secret=provider.secret, private=True, timeout=5)
    return {finding.what for finding in check(probe) if not finding.holds}


def test_one_that_keeps_it_passes() -> None:
    with running(ReferenceProvider(signatures.new_secret())) as provider:
        assert broken(provider) == set()


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_caught(fault: str) -> None:
    with running(ReferenceProvider(signatures.new_secret(), faults=frozenset({fault}))) as provider:
        assert broken(provider) == BROKEN[fault]


def test_of_one_that_is_away_nothing_is_said() -> None:
    with running(ReferenceProvider(signatures.new_secret())) as provider:
        pass
    with pytest.raises(outgoing.NotReached):
        broken(provider)


def test_what_is_written_down_is_what_is_sent(
    program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider, budget: str
) -> None:
    """The README's example for whoever writes a provider, the request of the check, and that of an offer have the same fields."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```json\n(.*?remedy\.issue.*?)```", readme, re.DOTALL)
    probe = Probe(url=provider.url, secret=provider.secret, private=True)
    checked = json.loads(probe.body("0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10-1"))
    accepted(agent, complaint, refund())
    work(program)
    (sent,) = (json.loads(done.body) for done in provider.done.values())
    assert json.loads(written).keys() == checked.keys() == sent.keys()


class TestCommand:
    def run(self, provider: ReferenceProvider, *more: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["provider", "check", provider.url, "--secret", provider.secret, *more])
        return done.exit_code, done.output

    def test_passes(self) -> None:
        with running(ReferenceProvider(signatures.new_secret())) as provider:
            status, said = self.run(provider, "--private")
        assert (status, said.count("pass  "), "FAIL" in said) == (0, len(PROMISES), False)
        assert "keeps the contract" in said

    def test_fails(self) -> None:
        with running(ReferenceProvider(signatures.new_secret(), faults=frozenset({"any_body"}))) as provider:
            status, said = self.run(provider, "--private")
        assert (status, said.count("FAIL  ")) == (1, 1)

    def test_our_own_network_is_not_asked_by_a_slip(self) -> None:
        with running(ReferenceProvider(signatures.new_secret())) as provider:
            status, said = self.run(provider)
        assert (status, provider.asked) == (1, [])
        assert "not one that we send to (--private" in said
        assert ("FAIL" in said, "was not tried" in said) == (False, True)

    def test_where_nobody_is(self) -> None:
        with running(ReferenceProvider(signatures.new_secret())) as provider:
            pass
        status, said = self.run(provider, "--private")
        assert (status, said) == (
            1,
            "Error: Nothing can be sent there: ConnectionRefusedError. What follows was not tried.\n",
        )

    def test_a_secret_that_is_none(self) -> None:
        status, said = self.run(ReferenceProvider("geheim", url="https://pay.example.com"))
        assert status == 2
        assert "whsec_" in said
