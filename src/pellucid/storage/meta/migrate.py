"""Bring the tables up to date with Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Run the migrations that a database lacks, each in one transaction."""
    with engine.connect().execution_options(pellucid_writes=True) as connection:
        command.upgrade(configure(connection), revision)
        connection.commit()


def configure(connection: sa.Connection) -> Config:
    """Return Alembic's configuration over an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
