"""One LFS file and a snapshot, wherever the hub sends the client for the bytes."""

import hashlib
import json
import os
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())

path = Path(hf_hub_download("ada/m", "w.bin"))
assert hashlib.sha256(path.read_bytes()).hexdigest() == FACTS["sha256"]
folder = Path(snapshot_download("ada/m", local_dir="snap"))
assert (folder / "w.bin").stat().st_size == FACTS["size"]
assert (folder / "a.txt").read_text() == "hello"
