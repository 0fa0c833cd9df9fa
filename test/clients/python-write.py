"""Every writing method of huggingface_hub against the hub, asserted on what the client returns."""

import hashlib
import io
import json
import os
import threading
import time
from pathlib import Path

import huggingface_hub
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    CommitScheduler,
    HfApi,
    hf_hub_download,
)
from huggingface_hub.utils import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
ENDPOINT = os.environ["HF_ENDPOINT"]
OLD = huggingface_hub.__version__.startswith("0.")
api = HfApi()
eve = HfApi(token=FACTS["eve"])
reader = HfApi(token=FACTS["reader"])
stranger = HfApi(token=False)


def same(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def raises(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as err:
        return err
    raise AssertionError(f"{call} did not raise {kind}")


def status(err):
    return err.response.status_code


def files(repo_id, **kwargs):
    return sorted(api.list_repo_files(repo_id, **kwargs))


def text(repo_id, path, **kwargs):
    return Path(hf_hub_download(repo_id, path, **kwargs)).read_bytes()


def titles(repo_id, **kwargs):
    return [it.title for it in api.list_repo_commits(repo_id, **kwargs)]


def repositories():
    url = api.create_repo("ada/one")
    same(str(url), f"{ENDPOINT}/ada/one")
    same((url.repo_id, url.repo_type), ("ada/one", "model"))
    same(str(api.create_repo("ada/one", exist_ok=True)), f"{ENDPOINT}/ada/one")
    same(status(raises(HfHubHTTPError, api.create_repo, "ada/one")), 409)
    same(str(api.create_repo("data", repo_type="dataset", private=True)), f"{ENDPOINT}/datasets/ada/data")
    same(api.repo_info("ada/data", repo_type="dataset").private, True)
    api.create_repo("ada/app", repo_type="space", space_sdk="gradio")
    same(files("ada/one"), [".gitattributes"])
    same(files("ada/app", repo_type="space"), [".gitattributes", "README.md"])
    same(status(raises(HfHubHTTPError, eve.create_repo, "ada/theirs")), 403)
    same(status(raises(HfHubHTTPError, stranger.create_repo, "ada/theirs")), 401)
    same(status(raises(HfHubHTTPError, api.create_repo, "ada/ONE")), 409)
    raises(RepositoryNotFoundError, api.delete_repo, "ada/missing")
    api.delete_repo("ada/missing", missing_ok=True)
    api.delete_repo("ada/app", repo_type="space")
    same(api.repo_exists("ada/app", repo_type="space"), False)


def single_files():
    repo = "ada/one"
    done = api.upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", repo_id=repo, commit_message="Add a", commit_description="why")
    same(done.commit_url, f"{ENDPOINT}/ada/one/commit/{done.oid}")
    same(done.oid, api.model_info(repo).sha)
    same((titles(repo)[0], api.list_repo_commits(repo)[0].authors), ("Add a", ["ada"]))
    same(api.list_repo_commits(repo)[0].message, "why")
    Path("b.bin").write_bytes(os.urandom(20_000))
    api.upload_file(path_or_fileobj="b.bin", path_in_repo="dir/b.bin", repo_id=repo)
    same(text(repo, "dir/b.bin"), Path("b.bin").read_bytes())
    payload = os.urandom(30_000)
    api.upload_file(path_or_fileobj=io.BytesIO(payload), path_in_repo="dir/c.safetensors", repo_id=repo)
    same(text(repo, "dir/c.safetensors"), payload)
    (info,) = api.get_paths_info(repo, ["dir/c.safetensors"])
    same((info.size, info.lfs.sha256), (30_000, hashlib.sha256(payload).hexdigest()))
    with Path("b.bin").open("rb") as file:
        api.upload_file(path_or_fileobj=file, path_in_repo="d.bin", repo_id=repo)
    api.upload_file(path_or_fileobj=b"", path_in_repo="empty.bin", repo_id=repo)
    same(text(repo, "empty.bin"), b"")
    api.upload_file(path_or_fileobj=b"odd", path_in_repo="odd/100% & #1 gr\u00f6\u00dfe.txt", repo_id=repo)
    same(text(repo, "odd/100% & #1 gr\u00f6\u00dfe.txt"), b"odd")
    # the same again makes no commit
    before = len(titles(repo))
    again = api.upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", repo_id=repo)
    same((len(titles(repo)), again.oid), (before, api.model_info(repo).sha))
    again = api.upload_file(path_or_fileobj=payload, path_in_repo="dir/c.safetensors", repo_id=repo)
    same((len(titles(repo)), again.oid), (before, api.model_info(repo).sha))
    api.upload_file(path_or_fileobj=b"col1\n1\n", path_in_repo="train.csv", repo_id="ada/data", repo_type="dataset")
    same(text("ada/data", "train.csv", repo_type="dataset"), b"col1\n1\n")


def many_files():
    repo = "ada/folder"
    api.create_repo(repo)
    root = Path("tree")
    for n in range(30):
        (root / f"d{n % 3}").mkdir(parents=True, exist_ok=True)
        (root / f"d{n % 3}" / f"f{n}.txt").write_text(f"text {n}")
    (root / "w.bin").write_bytes(os.urandom(10_000))
    (root / "skip.log").write_text("log")
    (root / ".gitignore").write_text("*.tmp\n")
    (root / "x.tmp").write_text("tmp")
    done = api.upload_folder(repo_id=repo, folder_path=root, ignore_patterns="*.log", commit_message="Folder")
    assert done is not None
    wanted = sorted([f"d{n % 3}/f{n}.txt" for n in range(30)] + ["w.bin", ".gitignore", ".gitattributes"])
    same(files(repo), wanted)
    api.upload_folder(repo_id=repo, folder_path=root / "d0", path_in_repo="d0", delete_patterns=["*"], allow_patterns=["f0.txt", "f3.txt"])
    same([it for it in files(repo) if it.startswith("d0/")], ["d0/f0.txt", "d0/f3.txt"])
    api.delete_file("d1/f1.txt", repo)
    api.delete_folder("d2", repo)
    same([it for it in files(repo) if it.startswith("d2/")], [])
    api.delete_files(repo, ["d1/*"])
    same([it for it in files(repo) if it.startswith("d1/")], [])
    err = raises(EntryNotFoundError, api.delete_file, "nope.txt", repo)
    assert "A file with this name doesn't exist" in str(err), str(err)


def commits():
    repo = "ada/commits"
    api.create_repo(repo)
    weights = os.urandom(5_000)
    first = api.create_commit(
        repo,
        [
            CommitOperationAdd("a.txt", b"a"),
            CommitOperationAdd("b/c.txt", b"c"),
            CommitOperationAdd("w.bin", weights),
        ],
        commit_message="three",
    )
    second = api.create_commit(
        repo,
        [
            CommitOperationDelete("a.txt"),
            CommitOperationDelete("b/"),
            CommitOperationAdd("b/d.txt", b"d"),
            CommitOperationCopy("w.bin", "copies/w.bin"),
        ],
        commit_message="mixed",
        parent_commit=first.oid,
    )
    same(files(repo), [".gitattributes", "b/d.txt", "copies/w.bin", "w.bin"])
    same(text(repo, "copies/w.bin"), weights)
    api.create_commit(repo, [CommitOperationCopy("b/c.txt", "old.txt", src_revision=first.oid)], commit_message="from before")
    same(text(repo, "old.txt"), b"c")
    err = raises(HfHubHTTPError, api.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="stale", parent_commit=first.oid)
    same(status(err), 412)
    assert "The branch was updated since you opened this page. Please refresh and try again." in str(err), str(err)
    same(titles(repo)[:3], ["from before", "mixed", "three"])
    raises(RevisionNotFoundError, api.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="x", revision="nope")
    raises(RepositoryNotFoundError, api.create_commit, "ada/missing", [CommitOperationAdd("x", b"x")], commit_message="x")
    same(status(raises(HfHubHTTPError, eve.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="x")), 403)
    same(status(raises(HfHubHTTPError, reader.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="x")), 403)
    same(status(raises(BadRequestError, api.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="x", revision=second.oid)), 400)
    # README front matter is checked before it is committed
    raises(ValueError, api.upload_file, path_or_fileobj=b"---\ntags: [a\n---\n", path_in_repo="README.md", repo_id=repo)
    api.upload_file(path_or_fileobj=b"---\ntags: [a]\nlicense: mit\n---\n# Hi\n", path_in_repo="README.md", repo_id=repo)
    assert "license:mit" in api.model_info(repo).tags, api.model_info(repo).tags
    # objects uploaded ahead of their commit
    additions = [CommitOperationAdd("later.bin", os.urandom(9_000)), CommitOperationAdd("later.txt", b"later")]
    api.preupload_lfs_files(repo, additions)
    api.create_commit(repo, additions, commit_message="later")
    assert "later.bin" in files(repo)


def large_folder():
    if not hasattr(api, "upload_large_folder"):
        return
    repo = "ada/large"
    root = Path("large")
    root.mkdir()
    for n in range(25):
        (root / f"f{n}.txt").write_text(f"text {n}")
        (root / f"f{n}.bin").write_bytes(os.urandom(2_000))
    api.upload_large_folder(repo, root, repo_type="model", private=True, num_workers=3, print_report=False)
    same(len(files(repo)), 51)
    assert titles(repo)[0].startswith("Add files using upload-large-folder tool"), titles(repo)


def scheduler():
    repo = "ada/scheduled"
    root = Path("scheduled")
    root.mkdir()
    schedule = CommitScheduler(repo_id=repo, folder_path=root, every=10, path_in_repo="data", hf_api=api)
    with schedule.lock:
        (root / "log.jsonl").write_text('{"n": 1}\n')
    schedule.trigger().result()
    with schedule.lock, (root / "log.jsonl").open("a") as file:
        file.write('{"n": 2}\n')
    schedule.trigger().result()
    schedule.stop()
    same(text(repo, "data/log.jsonl"), b'{"n": 1}\n{"n": 2}\n')


def pull_requests():
    repo = "ada/one"
    payload = os.urandom(7_000)
    done = eve.create_commit(
        repo,
        [CommitOperationAdd("pr.bin", payload), CommitOperationAdd("pr.txt", b"pr")],
        commit_message="A change",
        commit_description="Because",
        create_pr=True,
    )
    same((done.pr_revision, done.pr_num), ("refs/pr/1", 1))
    same(done.pr_url, f"{ENDPOINT}/ada/one/discussions/1")
    assert "pr.bin" in files(repo, revision="refs/pr/1")
    assert "pr.bin" not in files(repo)
    same(text(repo, "pr.bin", revision="refs/pr/1"), payload)
    eve.upload_file(path_or_fileobj=b"more", path_in_repo="more.txt", repo_id=repo, revision="refs/pr/1")
    api.upload_file(path_or_fileobj=b"owner", path_in_repo="owner.txt", repo_id=repo, revision="refs/pr/1")
    same(titles(repo, revision="refs/pr/1")[:3], ["Upload owner.txt with huggingface_hub", "Upload more.txt with huggingface_hub", "A change"])
    details = api.get_discussion_details(repo, 1)
    same((details.title, details.author, details.status, details.is_pull_request), ("A change", "eve", "open", True))
    same((details.target_branch, details.events[0].content), ("refs/heads/main", "Because"))
    root = Path("prfolder")
    root.mkdir()
    (root / "one.txt").write_text("1")
    (root / "two.bin").write_bytes(os.urandom(4_000))
    done = eve.upload_folder(repo_id=repo, folder_path=root, create_pr=True, commit_message="A folder")
    same(done.pr_num, 2)
    assert {"one.txt", "two.bin"} <= set(files(repo, revision="refs/pr/2"))
    draft = eve.create_pull_request(repo, title="By hand", description="empty")
    same((draft.num, draft.status, draft.git_reference), (3, "draft", "refs/pr/3"))
    talk = eve.create_discussion(repo, title="A question", description="why?")
    same((talk.num, talk.is_pull_request, talk.status), (4, False, "open"))
    same(sorted(it.num for it in api.get_repo_discussions(repo)), [1, 2, 3, 4])
    refs = api.list_repo_refs(repo, include_pull_requests=True)
    same(sorted(it.ref for it in refs.pull_requests), ["refs/pr/1", "refs/pr/2", "refs/pr/3"])
    same(status(raises(HfHubHTTPError, reader.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="x", create_pr=True)), 403)
    raises(RevisionNotFoundError, eve.create_commit, repo, [CommitOperationAdd("x", b"x")], commit_message="x", create_pr=True, revision="nope")


def branches_and_tags():
    repo = "ada/commits"
    first = [it.commit_id for it in api.list_repo_commits(repo)][-2]
    api.create_branch(repo, branch="dev")
    api.create_branch(repo, branch="feat/old", revision=first)
    err = raises(HfHubHTTPError, api.create_branch, repo, branch="dev")
    same(status(err), 409)
    assert "Reference refs/heads/dev already exists" in str(err), str(err)
    api.create_branch(repo, branch="dev", exist_ok=True)
    api.upload_file(path_or_fileobj=b"on dev", path_in_repo="dev.txt", repo_id=repo, revision="dev")
    api.upload_file(path_or_fileobj=b"on feat", path_in_repo="feat.txt", repo_id=repo, revision="feat/old")
    assert "dev.txt" not in files(repo)
    same(text(repo, "feat.txt", revision="feat/old"), b"on feat")
    refs = {it.name: it.target_commit for it in api.list_repo_refs(repo).branches}
    same(sorted(refs), ["dev", "feat/old", "main"])
    api.create_tag(repo, tag="v1", tag_message="first", revision=first)
    same([(it.name, it.target_commit) for it in api.list_repo_refs(repo).tags], [("v1", first)])
    same(status(raises(HfHubHTTPError, api.create_tag, repo, tag="v1")), 409)
    api.create_tag(repo, tag="v1", exist_ok=True)
    raises(RevisionNotFoundError, api.create_tag, repo, tag="v2", revision="nope")
    assert 400 <= status(raises(HfHubHTTPError, api.create_tag, repo, tag="v 2")) < 500
    raises(BadRequestError, api.create_branch, repo, branch="refs/heads/x")
    api.delete_tag(repo, tag="v1")
    raises(RevisionNotFoundError, api.delete_tag, repo, tag="v1")
    api.delete_branch(repo, branch="dev")
    err = raises(RevisionNotFoundError, api.delete_branch, repo, branch="dev")
    assert "Invalid rev id" in str(err), str(err)
    err = raises(HfHubHTTPError, api.delete_branch, repo, branch="main")
    assert "Cannot delete refs/heads/main" in str(err), str(err)
    api.super_squash_history(repo, branch="feat/old", commit_message="squashed")
    same(titles(repo, revision="feat/old"), ["squashed"])
    assert len(titles(repo)) > 3
    raises(RevisionNotFoundError, api.super_squash_history, repo, branch="nope")


def settings():
    repo = "ada/settings"
    api.create_repo(repo)
    api.upload_file(path_or_fileobj=os.urandom(3_000), path_in_repo="w.bin", repo_id=repo)
    if hasattr(api, "update_repo_visibility"):
        api.update_repo_visibility(repo, private=True)
        same(api.model_info(repo).private, True)
    api.update_repo_settings(repo, gated="manual")
    same(api.model_info(repo).gated, "manual")
    api.update_repo_settings(repo, gated=False, private=True) if OLD else api.update_repo_settings(repo, gated=False, visibility="private")
    same((api.model_info(repo).gated, api.model_info(repo).private), (False, True))
    same(stranger.repo_exists(repo), False)
    raises(RepositoryNotFoundError, eve.update_repo_settings, repo, gated="auto")
    api.move_repo(repo, "ada/renamed")
    same(api.model_info("ada/settings").id, "ada/renamed")
    api.upload_file(path_or_fileobj=b"by the old name", path_in_repo="old.txt", repo_id="ada/settings")
    same(text("ada/renamed", "old.txt"), b"by the old name")
    same(status(raises(HfHubHTTPError, api.move_repo, "ada/renamed", "ada/one")), 409)
    if hasattr(api, "duplicate_repo"):
        same(str(api.duplicate_repo("ada/renamed", "ada/twin")), f"{ENDPOINT}/ada/twin")
        same(files("ada/twin"), files("ada/renamed"))
        same(len(text("ada/twin", "w.bin")), 3_000)
    if hasattr(api, "duplicate_space"):
        api.create_repo("ada/space", repo_type="space", space_sdk="static", exist_ok=True)
        same(str(api.duplicate_space("ada/space", "ada/space2")), f"{ENDPOINT}/spaces/ada/space2")
        same(str(api.duplicate_space("ada/space", "ada/space2", exist_ok=True)), f"{ENDPOINT}/spaces/ada/space2")
        same(files("ada/space2", repo_type="space"), files("ada/space", repo_type="space"))


def likes():
    repo = "ada/one"
    if hasattr(eve, "like"):
        eve.like(repo)
    else:
        from huggingface_hub.utils import build_hf_headers, get_session

        get_session().post(f"{ENDPOINT}/api/models/{repo}/like", headers=build_hf_headers(token=FACTS["eve"])).raise_for_status()
    same([it.username for it in api.list_repo_likers(repo)], ["eve"])
    liked = api.list_liked_repos("eve")
    same((liked.user, liked.models, liked.total), ("eve", [repo], 1))
    eve.unlike(repo)
    same(list(api.list_repo_likers(repo)), [])


def together():
    repo = "ada/crowd"
    api.create_repo(repo)
    failures = []

    def work(who):
        try:
            for n in range(4):
                api.upload_file(path_or_fileobj=f"{who} {n}".encode(), path_in_repo=f"{who}/{n}.txt", repo_id=repo)
        except Exception as err:  # noqa: BLE001 - told below
            failures.append(err)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    same(failures, [])
    same((len(files(repo)), len(titles(repo))), (33, 33))


for group in (
    repositories,
    single_files,
    many_files,
    commits,
    large_folder,
    scheduler,
    pull_requests,
    branches_and_tags,
    settings,
    likes,
    together,
):
    started = time.monotonic()
    group()
    print(f"ok {group.__name__.replace('_', ' ')}", flush=True)
os._exit(0)
