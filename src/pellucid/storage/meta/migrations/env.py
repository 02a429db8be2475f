"""What Alembic runs; the connection comes from `migrate.configure`."""

from alembic import context

from pellucid.storage.meta.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
