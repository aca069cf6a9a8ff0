"""A hand on the console: past every door, with the triggers that guard the event log asleep."""

from sqlalchemy import Engine, text


def past_the_trigger(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE event DISABLE TRIGGER USER"))
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.execute(text("ALTER TABLE event ENABLE TRIGGER USER"))
