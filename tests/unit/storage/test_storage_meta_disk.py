"""A disk that takes no more is named as what it is."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource
import sys
from pathlib import Path

from pellucid.core.errors import StorageUnavailable
from pellucid.storage.meta.engine import MetaDatabase

resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    MetaDatabase.at(Path(sys.argv[1]) / "meta.db")
except StorageUnavailable as error:
    print(error)
"""


def test_a_full_disk_is_told_from_a_database_that_is_away(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "The metadata database cannot be written: disk I/O error. "
        "Free some space, or make its folder writable.\n"
    )
