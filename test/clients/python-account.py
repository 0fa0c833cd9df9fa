"""Who one is, and what the client does around one file: the small methods that no other story needs."""

import hashlib
import json
import os
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, hf_hub_url, login, logout
from huggingface_hub.utils import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
ENDPOINT = os.environ["HF_ENDPOINT"]
FIRST = huggingface_hub.__version__.startswith("0.")
api = HfApi(token=FACTS["ada"])
reader = HfApi(token=FACTS["reader"])


def same(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def raises(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as err:
        return err
    raise AssertionError(f"{call} did not raise {kind}")


def identity():
    me = api.whoami()
    same((me["type"], me["name"], me["fullname"]), ("user", "ada", "ada"))
    same([(org["name"], org["roleInOrg"]) for org in me["orgs"]], [("lab", "admin")])
    same(me["auth"]["accessToken"]["role"], "write")
    same(reader.whoami()["auth"]["accessToken"]["role"], "read")
    assert "Invalid user token" in str(raises(OSError, HfApi(token="hf_wrong").whoami))
    if FIRST:
        same(api.get_token_permission(), "write")
        same(reader.get_token_permission(), "read")
    same(api.get_full_repo_name("m"), "ada/m")
    same(api.get_full_repo_name("m", organization="lab"), "lab/m")


def log_in():
    raises(LocalTokenNotFoundError, huggingface_hub.whoami)
    raises((OSError, ValueError), login, token="hf_wrong")
    login(token=FACTS["ada"])
    same(huggingface_hub.whoami()["name"], "ada")
    same(str(HfApi().create_repo("logged-in")), f"{ENDPOINT}/ada/logged-in")
    logout()
    raises(LocalTokenNotFoundError, huggingface_hub.whoami)


def one_file():
    content = bytes(range(256)) * 50
    api.create_repo("m")
    later = api.run_as_future(api.upload_file, path_or_fileobj=content, path_in_repo="dir/w.bin", repo_id="ada/m")
    commit = later.result()
    meta = api.get_hf_file_metadata(url=hf_hub_url("ada/m", "dir/w.bin"))
    same((meta.commit_hash, meta.size), (commit.oid, len(content)))
    same(meta.etag, hashlib.sha256(content).hexdigest())
    raises(RepositoryNotFoundError, api.get_hf_file_metadata, url=hf_hub_url("ada/missing", "w.bin"))
    if FIRST:
        return
    resolved = api.resolve_revision("ada/m")
    same((str(resolved), resolved.resolved), ("main", commit.oid))
    folder = api.snapshot_download("ada/m", local_dir="checked")
    same(api.verify_repo_checksums("ada/m", local_dir=folder).mismatches, [])
    (Path(folder) / "dir/w.bin").write_bytes(b"not it")
    same([it["path"] for it in api.verify_repo_checksums("ada/m", local_dir=folder).mismatches], ["dir/w.bin"])
    [kept] = api.list_lfs_files("ada/m")
    same((kept.file_oid, kept.filename, kept.ref, kept.size), (meta.etag, "dir/w.bin", "refs/heads/main", len(content)))
    same(raises(HfHubHTTPError, lambda: list(reader.list_lfs_files("ada/m"))).response.status_code, 403)
    found = {it.id: it for it in api.list_user_repos()}
    same(set(found), {"ada/m", "ada/logged-in"})
    same((found["ada/m"].type, found["ada/m"].visibility), ("model", "public"))
    assert found["ada/m"].storage > len(content) and 50 < found["ada/m"].storage_percent < 100, found
    same(list(api.list_user_repos(namespace="lab")), [])
    api.create_repo("copied")
    api.copy_files("hf://ada/m/dir/", "hf://ada/copied/there/")
    same(sorted(api.list_repo_files("ada/copied")), [".gitattributes", "there/w.bin"])
    same(Path(api.hf_hub_download("ada/copied", "there/w.bin")).read_bytes(), content)


for group in (identity, log_in, one_file):
    group()
    print(f"ok {group.__name__.replace('_', ' ')}", flush=True)
