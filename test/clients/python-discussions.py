"""Every method of huggingface_hub on discussions and pull requests, asserted on what the client returns."""

import json
import os
import subprocess
from pathlib import Path

import huggingface_hub
from huggingface_hub import (
    CommitOperationAdd,
    DiscussionComment,
    DiscussionCommit,
    DiscussionStatusChange,
    DiscussionTitleChange,
    HfApi,
)
from huggingface_hub.utils import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
ENDPOINT = os.environ["HF_ENDPOINT"]
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


def status(call, *args, **kwargs):
    return raises(HfHubHTTPError, call, *args, **kwargs).response.status_code


def story(details):
    return [it.type + (f" {it.new_status}" if isinstance(it, DiscussionStatusChange) else "") for it in details.events]


def git(where, *args):
    return subprocess.run(["git", *args], cwd=where, check=True, capture_output=True, text=True).stdout.strip()


def clone(name, token, repo):
    git(".", "clone", "-q", ENDPOINT.replace("://", f"://user:{token}@") + f"/{repo}", name)
    for key, value in (("user.name", name), ("user.email", f"{name}@example.org")):
        git(name, "config", key, value)
    return Path(name)


def discussions():
    for kind in ("model", "dataset", "space"):
        repo = f"ada/{kind}"
        api.create_repo(repo, repo_type=kind, space_sdk="static" if kind == "space" else None)
        at = {"repo_id": repo, "repo_type": kind}
        same(list(api.get_repo_discussions(**at)), [])
        talk = eve.create_discussion(title=" A question ", description="why?", **at)
        same((talk.num, talk.title, talk.author, talk.status), (1, "A question", "eve", "open"))
        same((talk.is_pull_request, talk.repo_id, talk.repo_type), (False, repo, kind))
        same((talk.diff, talk.conflicting_files, talk.target_branch, talk.merge_commit_oid), (None, None, None, None))
        same(talk.events[0].content, "why?")
        same(len(talk.events), 1)

        said = api.comment_discussion(discussion_num=1, comment="because", **at)
        assert isinstance(said, DiscussionComment)
        same((said.author, said.content, said.edited, said.hidden), ("ada", "because", False, False))
        edited = api.edit_discussion_comment(discussion_num=1, comment_id=said.id.upper(), new_content="so", **at)
        same((edited.id, edited.content, edited.edited, edited.number_of_edits), (said.id, "so", True, 1))
        same((edited.last_edited_by, edited.edit_history[0]["raw"]), ("ada", "because"))
        assert edited.last_edited_at >= said.created_at
        assert "so" in edited.rendered

        renamed = eve.rename_discussion(discussion_num=1, new_title="A good question", **at)
        assert isinstance(renamed, DiscussionTitleChange)
        same((renamed.old_title, renamed.new_title), ("A question", "A good question"))
        closed = eve.change_discussion_status(discussion_num=1, new_status="closed", comment="clear", **at)
        assert isinstance(closed, DiscussionStatusChange)
        same(closed.new_status, "closed")
        same([it.num for it in api.get_repo_discussions(discussion_status="open", **at)], [])
        same([it.num for it in api.get_repo_discussions(discussion_status="closed", **at)], [1])
        api.change_discussion_status(discussion_num=1, new_status="open", **at)
        hidden = api.hide_discussion_comment(discussion_num=1, comment_id=talk.events[0].id, **at)
        same((hidden.hidden, "why?" in hidden.content), (True, False))

        details = stranger.get_discussion_details(discussion_num=1, **at)
        same(details.title, "A good question")
        same(
            story(details),
            ["comment", "comment", "title-change", "comment", "status-change closed", "status-change open"],
        )
        same(details.events[3].content, "clear")


def pages():
    # one of each kind was opened before; lists come in pages of 50
    for n in range(55):
        (eve if n % 2 else api).create_discussion("ada/dataset", title=f"Number {n}", repo_type="dataset")
    pull = eve.create_pull_request("ada/dataset", title="A change", repo_type="dataset")
    at = {"repo_id": "ada/dataset", "repo_type": "dataset"}
    same([it.num for it in api.get_repo_discussions(**at)], list(range(57, 0, -1)))
    same([it.num for it in api.get_repo_discussions(discussion_type="pull_request", **at)], [pull.num])
    same(len(list(api.get_repo_discussions(discussion_type="discussion", author="eve", **at))), 28)
    same(len(list(api.get_repo_discussions(author="nobody", **at))), 0)
    same(len(list(api.get_repo_discussions(discussion_type="all", discussion_status="all", **at))), 57)


def drafts():
    repo = "ada/model"
    api.upload_file(path_or_fileobj=b"one\n", path_in_repo="shared.txt", repo_id=repo)
    draft = eve.create_pull_request(repo, title="By hand", description="See the change")
    same((draft.num, draft.status, draft.git_reference), (2, "draft", "refs/pr/2"))
    same((draft.target_branch, draft.conflicting_files, draft.diff), ("refs/heads/main", [], ""))
    same(draft.events[0].content, "See the change")
    same(draft.url, f"{ENDPOINT}/ada/model/discussions/2")
    eve.create_commit(repo, [CommitOperationAdd("eve.txt", b"eve\n")], commit_message="Add eve", revision="refs/pr/2")
    same(status(api.merge_pull_request, repo, 2), 409)
    eve.change_discussion_status(repo, 2, "open")
    same(status(eve.merge_pull_request, repo, 2), 403)
    api.merge_pull_request(repo, 2, comment="welcome")
    done = api.get_discussion_details(repo, 2)
    same((done.status, done.merge_commit_oid), ("merged", api.model_info(repo).sha))
    same(story(done), ["comment", "commit", "status-change open", "comment", "status-change merged"])
    (commit,) = [it for it in done.events if isinstance(it, DiscussionCommit)]
    same((commit.summary, commit.author), ("Add eve", "eve"))
    same(commit.oid, api.list_repo_commits(repo, revision="refs/pr/2")[0].commit_id)
    same(done.events[3].content, "welcome")
    assert "+eve" in done.diff, done.diff
    assert "eve.txt" in api.list_repo_files(repo)
    same(status(api.merge_pull_request, repo, 2), 409)
    same(status(api.change_discussion_status, repo, 2, "open"), 409)


def three_clients():
    """One pull request: opened by the client, filled by git and by create_commit, merged by the API, pulled by git."""
    repo = "ada/model"
    pull = eve.create_pull_request(repo, title="Three clients")
    ref = pull.git_reference
    hers = clone("eve", FACTS["eve"], repo)
    git(hers, "fetch", "-q", "origin", f"{ref}:three")
    git(hers, "checkout", "-q", "three")
    (hers / "git.txt").write_text("by git\n")
    git(hers, "add", ".")
    git(hers, "commit", "-qm", "By git")
    git(hers, "push", "-q", "origin", f"three:{ref}")
    api.create_commit(
        repo,
        [CommitOperationAdd("owner.txt", b"by the owner\n"), CommitOperationAdd("weights.bin", os.urandom(6_000))],
        commit_message="By the owner",
        revision=ref,
    )
    same(sorted(it.summary for it in api.get_discussion_details(repo, pull.num).events if it.type == "commit"), ["By git", "By the owner"])
    git(hers, "pull", "-q", "--ff-only", "origin", ref)
    (hers / "git.txt").write_text("by git again\n")
    git(hers, "commit", "-qam", "By git again")
    git(hers, "push", "-q", "origin", f"HEAD:{ref}")
    # the base moves meanwhile, by another git
    his = clone("ada", FACTS["ada"], repo)
    (his / "meanwhile.txt").write_text("meanwhile\n")
    git(his, "add", ".")
    git(his, "commit", "-qm", "Meanwhile")
    git(his, "push", "-q", "origin", "main")
    before = api.get_discussion_details(repo, pull.num)
    same([it.summary for it in before.events if it.type == "commit"], ["By git", "By the owner", "By git again"])
    same(before.conflicting_files, [])
    assert "git.txt" in before.diff and "meanwhile" not in before.diff, before.diff
    eve.change_discussion_status(repo, pull.num, "open")
    api.merge_pull_request(repo, pull.num)
    after = api.get_discussion_details(repo, pull.num)
    git(his, "pull", "-q", "--ff-only", "origin", "main")
    same(git(his, "rev-parse", "HEAD"), after.merge_commit_oid)
    same(git(his, "rev-parse", "HEAD^2"), git(hers, "rev-parse", "HEAD"))
    same((his / "git.txt").read_text(), "by git again\n")
    same((his / "meanwhile.txt").read_text(), "meanwhile\n")
    same((his / "owner.txt").read_text(), "by the owner\n")
    assert ref in git(his, "ls-remote", "origin")


def conflicts():
    repo = "ada/model"
    done = eve.create_commit(
        repo, [CommitOperationAdd("shared.txt", b"hers\n")], commit_message="Hers", commit_description="mine!", create_pr=True
    )
    num = done.pr_num
    api.upload_file(path_or_fileobj=b"his\n", path_in_repo="shared.txt", repo_id=repo)
    stuck = api.get_discussion_details(repo, num)
    same((stuck.status, stuck.conflicting_files, stuck.events[0].content), ("open", ["shared.txt"], "mine!"))
    head = api.model_info(repo).sha
    same(status(api.merge_pull_request, repo, num), 409)
    same((api.model_info(repo).sha, api.get_discussion_details(repo, num).status), (head, "open"))
    hers = Path("eve")
    git(hers, "fetch", "-q", "origin", f"refs/pr/{num}", "main")
    git(hers, "checkout", "-q", "-B", "fix", "origin/main")
    git(hers, "pull", "-q", "--no-rebase", "-X", "theirs", "--no-edit", "origin", f"refs/pr/{num}")
    git(hers, "push", "-q", "origin", f"fix:refs/pr/{num}")
    same(api.get_discussion_details(repo, num).conflicting_files, [])
    api.merge_pull_request(repo, num)
    same(Path(api.hf_hub_download(repo, "shared.txt")).read_text(), "hers\n")


def refusals():
    repo = "ada/model"
    before = eve.get_discussion_details(repo, 1)
    comment = before.events[1].id
    for who, wanted in ((stranger, 401), (reader, 403)):
        same(status(who.create_discussion, repo, title="Let me"), wanted)
        same(status(who.create_pull_request, repo, title="Let me"), wanted)
        same(status(who.comment_discussion, repo, 1, "hello"), wanted)
        same(status(who.edit_discussion_comment, repo, 1, comment, "x"), wanted)
        same(status(who.hide_discussion_comment, repo, 1, comment), wanted)
        same(status(who.rename_discussion, repo, 1, "Another"), wanted)
        same(status(who.change_discussion_status, repo, 1, "closed"), wanted)
        same(status(who.merge_pull_request, repo, 1), wanted)
    same(status(eve.edit_discussion_comment, repo, 1, comment, "not hers"), 403)
    same(status(eve.hide_discussion_comment, repo, 1, comment), 403)
    same(status(eve.comment_discussion, repo, 999, "hello"), 404)
    same(status(eve.get_discussion_details, repo, 999), 404)
    same(status(api.merge_pull_request, repo, 1), 409)
    raises(BadRequestError, eve.create_discussion, repo, title="ab")
    raises(BadRequestError, eve.rename_discussion, repo, 1, "x" * 201)
    raises(BadRequestError, eve.comment_discussion, repo, 1, " ")
    assert "200" in str(raises(BadRequestError, eve.rename_discussion, repo, 1, "x" * 201))
    api.create_repo("ada/hidden", private=True)
    for call in (eve.create_discussion, eve.create_pull_request):
        raises(RepositoryNotFoundError, call, "ada/hidden", title="Let me in")
    raises(RepositoryNotFoundError, lambda: list(eve.get_repo_discussions("ada/hidden")))
    raises(RepositoryNotFoundError, eve.get_discussion_details, "ada/hidden", 1)
    after = eve.get_discussion_details(repo, 1)
    same((after.title, story(after), after.events[1].content), (before.title, story(before), before.events[1].content))


def moved():
    api.move_repo("ada/model", "ada/renamed")
    same(api.get_discussion_details("ada/renamed", 2).repo_id, "ada/renamed")
    same(api.get_discussion_details("ada/model", 2).status, "merged")
    said = eve.comment_discussion("ada/model", 2, "still here")
    same(said.content, "still here")
    assert "refs/pr/2" in [it.ref for it in api.list_repo_refs("ada/renamed", include_pull_requests=True).pull_requests]


for group in (discussions, pages, drafts, three_clients, conflicts, refusals, moved):
    group()
    print("ok", group.__name__.replace("_", " "), flush=True)
