"""Where runs, artifacts and snapshots are asked for, and what requests about runs carry.

Apart from the views, which take long to load: a client that only sends spans needs the names.
"""

RUN_WRITES_PATH = "/api/v1/runs/writes"
ARTIFACTS_PATH = "/api/v1/artifacts"
SNAPSHOTS_PATH = "/api/v1/snapshots"
SENT_HEADER = "x-pellucid-sent"
"""The client's clock when it sent the request, in nanoseconds since 1970: by how much a write in
it is older, the server knows without trusting that clock."""
