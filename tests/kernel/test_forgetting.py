"""Forgetting what is over, a batch at a time.

How it can fail: one statement takes all; what fills the last batch exactly is left, or asked for without end; what is not
over goes; a row that somebody holds stops the rest; a go takes for ever.
"""

import pytest
from sqlalchemy import Engine, func, text

from helpdesk.kernel import forgetting
from helpdesk.kernel.forgetting import forget
from helpdesk.kernel.idempotency import IdempotentAnswer

_OVER = IdempotentAnswer.created_at < func.now() - text("interval '1 day'")


@pytest.fixture
def answers(engine: Engine) -> Engine:
    """Ten that are over, and one that is not."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO idempotent_answer (scope, fingerprint, status, headers, body, created_at) "
                "SELECT n::text::bytea, '', 201, '{}', '', now() - make_interval(days => CASE WHEN n = 10 THEN 0 ELSE 2 END) "
                "FROM generate_series(0, 10) AS n"
            )
        )
    return engine


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM idempotent_answer")).scalar_one())


@pytest.mark.parametrize("together", [1, 3, 5, 10, 11])
def test_all_and_no_more(answers: Engine, together: int) -> None:
    assert [forget(answers, IdempotentAnswer, _OVER, together=together) for _ in range(2)] == [10, 0]
    assert left(answers) == 1


def test_a_go_has_an_end(answers: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "STEPS", 2)
    assert [forget(answers, IdempotentAnswer, _OVER, together=3) for _ in range(3)] == [6, 4, 0]


def test_one_that_is_held_is_left_to_the_next(answers: Engine) -> None:
    with answers.connect() as holder:
        holder.execute(text("SELECT FROM idempotent_answer WHERE scope = '4' FOR UPDATE"))
        assert forget(answers, IdempotentAnswer, _OVER, together=3) == 9
        holder.rollback()
    assert forget(answers, IdempotentAnswer, _OVER, together=3) == 1
