"""What a schema version added and SQL alone cannot make, made for older stores when they open."""

import apsw

from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.statements import statements
from pellucid.storage.spans.sqlite.write import SpanWriter

_SQL = statements("write")


def derive(db: apsw.Connection, writer: SpanWriter) -> None:
    """Derive all that is missing, in transactions of a few traces; resumable at any of them."""
    while True:
        db.execute("BEGIN IMMEDIATE")
        try:
            found = rows(db, _SQL["underived"])
            for _, trace_id in found:
                writer.derive(trace_id)
            if found:
                db.execute(_SQL["set_counter"], (found[-1][0], "derived"))
        except BaseException:
            db.execute("ROLLBACK")
            writer.forget()
            raise
        db.execute("COMMIT")
        if not found:
            return
