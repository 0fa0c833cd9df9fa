"""Gated repositories, collections, papers, users and organisations by huggingface_hub, asserted on what the client returns."""

import json
import os
import urllib.request
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.utils import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
ENDPOINT = os.environ["HF_ENDPOINT"]
OLD = huggingface_hub.__version__.startswith("0.")
api = HfApi()
bob = HfApi(token=FACTS["bob"])
reader = HfApi(token=FACTS["reader"])
stranger = HfApi(token=False)

CARD = b"""---
arxiv: 2307.09288
extra_gated_fields:
  Company: text
  I agree: checkbox
---
"""


def same(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def raises(kind, call, *args, **kwargs):
    try:
        result = call(*args, **kwargs)
        if hasattr(result, "__next__"):
            list(result)
    except kind as err:
        return err
    raise AssertionError(f"{call} did not raise {kind}")


def status(err):
    return err.response.status_code


def refused(code, call, *args, **kwargs):
    same(status(raises(HfHubHTTPError, call, *args, **kwargs)), code)


def call(method, path, token, body=None):
    """What the client has no method for."""
    request = urllib.request.Request(
        ENDPOINT + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read())


def names(requests):
    return [it.username for it in requests]


def gated():
    for kind in ["model", "dataset", "space"]:
        sdk = {"space_sdk": "static"} if kind == "space" else {}
        api.create_repo("ada/gated", repo_type=kind, **sdk)
        api.upload_file(repo_id="ada/gated", repo_type=kind, path_in_repo="a.txt", path_or_fileobj=b"secret")
        refused(400, api.list_pending_access_requests, "ada/gated", repo_type=kind)
        refused(400, api.accept_access_request, "ada/gated", "bob", repo_type=kind)
        refused(400, api.grant_access, "ada/gated", "bob", repo_type=kind)
    api.upload_file(repo_id="ada/gated", path_in_repo="README.md", path_or_fileobj=CARD)
    api.update_repo_settings("ada/gated", gated="manual")
    raises(GatedRepoError, bob.auth_check, "ada/gated")
    raises(GatedRepoError, hf_hub_download, "ada/gated", "a.txt", token=FACTS["bob"])
    raises(GatedRepoError, hf_hub_download, "ada/gated", "a.txt", token=False)
    same(bob.model_info("ada/gated").gated, "manual")
    same(bob.repo_exists("ada/gated"), True)

    fields = {"Company": "ACME", "I agree": True}
    same(call("POST", "/ada/gated/ask-access", FACTS["bob"], fields)["status"], "pending")
    (request,) = api.list_pending_access_requests("ada/gated")
    same((request.username, request.fullname, request.email), ("bob", "bob", "bob@example.org"))
    same((request.status, request.fields), ("pending", fields))
    same(request.timestamp.year > 2000, True)
    refused(404, api.cancel_access_request, "ada/gated", "bob")
    api.accept_access_request("ada/gated", "bob")
    refused(404, api.accept_access_request, "ada/gated", "bob")
    same(names(api.list_accepted_access_requests("ada/gated")), ["bob"])
    bob.auth_check("ada/gated")
    same(Path(hf_hub_download("ada/gated", "a.txt", token=FACTS["bob"])).read_text(), "secret")
    api.cancel_access_request("ada/gated", "bob")
    raises(GatedRepoError, bob.auth_check, "ada/gated")
    if OLD:
        api.reject_access_request("ada/gated", "bob", rejection_reason=None)
    else:
        refused(400, api.reject_access_request, "ada/gated", "bob", rejection_reason="x" * 201)
        api.accept_access_request("ada/gated", request_id=request.request_id)
        api.cancel_access_request("ada/gated", request_id=request.request_id)
        api.reject_access_request("ada/gated", request_id=request.request_id, rejection_reason="not you")
    same(names(api.list_rejected_access_requests("ada/gated")), ["bob"])
    refused(404, api.reject_access_request, "ada/gated", "bob", rejection_reason=None)
    raises(GatedRepoError, bob.auth_check, "ada/gated")

    refused(404, api.accept_access_request, "ada/gated", "eve")
    refused(404, api.accept_access_request, "ada/gated", "nobody")
    refused(404, api.grant_access, "ada/gated", "nobody")
    for other in [bob, reader]:
        refused(403, other.list_pending_access_requests, "ada/gated")
        refused(403, other.accept_access_request, "ada/gated", "bob")
        refused(403, other.reject_access_request, "ada/gated", "bob", rejection_reason=None)
        refused(403, other.cancel_access_request, "ada/gated", "bob")
        refused(403, other.grant_access, "ada/gated", "eve")
    refused(401, stranger.list_accepted_access_requests, "ada/gated")
    raises(RepositoryNotFoundError, api.list_rejected_access_requests, "ada/none")
    api.grant_access("ada/gated", "eve")
    refused(400, api.grant_access, "ada/gated", "eve")
    (granted,) = api.list_accepted_access_requests("ada/gated")
    same((granted.username, granted.email), ("eve", None))

    for kind in ["dataset", "space"]:
        kwargs = {"repo_type": kind}
        if kind == "space":
            call("PUT", "/api/spaces/ada/gated/settings", FACTS["ada"], {"gated": "auto"})
        else:
            api.update_repo_settings("ada/gated", gated="auto", **kwargs)
        raises(GatedRepoError, bob.auth_check, "ada/gated", **kwargs)
        same(call("POST", f"/{kind}s/ada/gated/ask-access", FACTS["bob"], {})["status"], "accepted")
        bob.auth_check("ada/gated", **kwargs)
        same(names(api.list_accepted_access_requests("ada/gated", **kwargs)), ["bob"])
    print("ok gated")


def items(collection):
    return [(it.item_type, it.item_id, it.position, it.note) for it in collection.items]


def collections():
    api.create_repo("ada/hidden", private=True)
    one = api.create_collection("My best of", description="best", private=False)
    same((one.title, one.description, one.owner["name"]), ("My best of", "best", "ada"))
    same((one.private, one.position, one.theme, one.upvotes, one.items), (False, 0, "orange", 0, []))
    same(one.url, f"{ENDPOINT}/collections/{one.slug}")
    refused(409, api.create_collection, "My best of")
    same(api.create_collection("My best of", exists_ok=True).slug, one.slug)
    secret = api.create_collection("Secret", private=True)
    other = api.create_collection("Other", namespace="lab")
    same(other.owner["type"], "org")

    added = api.add_collection_item(one.slug, item_id="ada/gated", item_type="model", note="look")
    same(items(added), [("model", "ada/gated", 0, "look")])
    for kind in ["dataset", "space"]:
        api.add_collection_item(one.slug, item_id="ada/gated", item_type=kind)
    api.add_collection_item(one.slug, item_id="2307.09288", item_type="paper")
    api.add_collection_item(one.slug, item_id="ada/hidden", item_type="model")
    if not OLD:
        api.add_collection_item(one.slug, item_id=other.slug, item_type="collection")
    refused(409, api.add_collection_item, one.slug, item_id="ada/gated", item_type="model")
    again = api.add_collection_item(one.slug, item_id="ada/gated", item_type="model", exists_ok=True)
    expected = [
        ("model", "ada/gated", 0, "look"),
        ("dataset", "ada/gated", 1, None),
        ("space", "ada/gated", 2, None),
        ("paper", "2307.09288", 3, None),
        ("model", "ada/hidden", 4, None),
    ] + ([] if OLD else [("collection", other.slug, 5, None)])
    same(items(again), expected)
    seen = bob.get_collection(one.slug)
    same([it.item_id for it in seen.items].count("ada/hidden"), 0)
    same([it.position for it in seen.items], list(range(len(seen.items))))

    api.update_collection_item(one.slug, again.items[3].item_object_id, note="read", position=0)
    same(items(api.get_collection(one.slug))[:2], [("paper", "2307.09288", 0, "read"), ("model", "ada/gated", 1, "look")])
    api.delete_collection_item(one.slug, again.items[4].item_object_id)
    refused(404, api.delete_collection_item, one.slug, again.items[4].item_object_id)
    api.delete_collection_item(one.slug, again.items[4].item_object_id, missing_ok=True)
    same(len(api.get_collection(one.slug).items), len(expected) - 1)

    changed = api.update_collection_metadata(one.slug, title="Best", theme="pink", position=1, description="all")
    same((changed.title, changed.theme, changed.position, changed.description), ("Best", "pink", 1, "all"))
    same(changed.slug, f"ada/best-{one.slug[-24:]}")
    same(api.get_collection(one.slug).slug, changed.slug)
    same(api.get_collection(secret.slug).position, 0)

    same({it.slug for it in api.list_collections()}, {changed.slug, secret.slug, other.slug})
    same({it.slug for it in bob.list_collections()}, {changed.slug, other.slug})
    same([it.slug for it in stranger.list_collections(owner="lab")], [other.slug])
    same({it.slug for it in api.list_collections(owner=["ada", "lab"], sort="lastModified")}, {changed.slug, secret.slug, other.slug})
    same([it.slug for it in bob.list_collections(item="papers/2307.09288", sort="upvotes")], [changed.slug])
    same([it.slug for it in bob.list_collections(item=["models/ada/hidden"])], [])
    same(len(list(api.list_collections(limit=1))), 1)
    same(max(len(it.items) for it in api.list_collections()), 4)

    refused(404, bob.get_collection, secret.slug)
    refused(404, api.get_collection, f"ada/none-{'0' * 24}")
    refused(403, bob.create_collection, "Theirs", namespace="ada")
    refused(403, reader.create_collection, "Mine")
    refused(400, api.create_collection, " ")
    refused(400, api.update_collection_metadata, changed.slug, theme="brown")
    refused(403, bob.update_collection_metadata, changed.slug, title="Theirs")
    refused(404, api.add_collection_item, changed.slug, item_id="ada/none", item_type="model")
    refused(404, api.add_collection_item, changed.slug, item_id="1111.22222", item_type="paper")
    refused(403, bob.add_collection_item, changed.slug, item_id="ada/gated", item_type="model")
    refused(404, api.update_collection_item, changed.slug, "none", note="x")
    refused(403, bob.update_collection_item, changed.slug, again.items[0].item_object_id, note="x")
    refused(403, bob.delete_collection_item, changed.slug, again.items[0].item_object_id)
    refused(403, bob.delete_collection, changed.slug)
    same(api.get_collection(changed.slug).title, "Best")

    for it in [changed, secret, other]:
        api.delete_collection(it.slug)
    refused(404, api.delete_collection, changed.slug)
    api.delete_collection(changed.slug, missing_ok=True)
    same(list(api.list_collections()), [])
    print("ok collections")


def papers():
    same([it.id for it in api.list_papers()], ["2307.09288"])
    paper = api.paper_info("2307.09288")
    same((paper.id, paper.title, paper.authors), ("2307.09288", "arXiv:2307.09288", None))
    if not OLD:
        same(([it.id for it in paper.linked_models], paper.num_total_models), (["ada/gated"], 1))
    refused(404, api.paper_info, "1111.22222")
    body = {
        "title": "Llama 2",
        "summary": "Open models.",
        "authors": [{"name": "Ada L.", "user": "ada"}],
        "publishedAt": "2023-07-18",
        "submittedOnDailyAt": "2026-11-18T08:00:00Z",
        "submittedOnDailyBy": "bob",
    }
    call("PUT", "/api/admin/papers/2307.09288", FACTS["admin"], body)
    paper = api.paper_info("2307.09288")
    same((paper.title, paper.summary, paper.published_at.year), ("Llama 2", "Open models.", 2023))
    same(paper.authors[0] if OLD else (paper.authors[0].name, paper.authors[0].user.username), "Ada L." if OLD else ("Ada L.", "ada"))
    same(paper.submitted_by.username, "bob")
    for query, found in [("llama", ["Llama 2"]), ("ada l", ["Llama 2"]), ("nothing like it", [])]:
        same([it.title for it in stranger.list_papers(query=query)], found)
    if not OLD:
        same(len(list(api.list_papers(limit=1))), 1)
        same([it.id for it in api.list_daily_papers(date="2026-11-18", submitter="bob")], ["2307.09288"])
        same(list(api.list_daily_papers(month="2020-01")), [])
        refused(400, api.list_daily_papers, date="someday")
        text = api.read_paper("2307.09288")
        assert "# Llama 2" in text and "Open models." in text and "Ada L." in text, text
        refused(404, api.read_paper, "1111.22222")
    print("ok papers")


def people():
    call("POST", "/api/users/ada/follow", FACTS["bob"])
    call("POST", "/api/organizations/lab/follow", FACTS["bob"])
    user = bob.get_user_overview("ada")
    same((user.username, user.fullname, user.user_type), ("ada", "ada", "user"))
    same((user.is_following, user.num_followers, user.num_following), (True, 1, 0))
    same((user.num_models, user.num_datasets, user.num_spaces), (1, 1, 1))
    same([it.name for it in user.orgs], ["lab"])
    same(user.avatar_url, f"{ENDPOINT}/api/users/ada/avatar")
    same(api.get_user_overview("ada").num_models, 2)
    same([it.username for it in api.list_user_followers("ada")], ["bob"])
    same([it.username for it in api.list_user_following("bob")], ["ada"])
    same(sorted(it.username for it in api.list_organization_members("lab")), ["ada", "eve"])
    refused(404, api.get_user_overview, "nobody")
    refused(404, api.list_user_followers, "nobody")
    refused(404, api.list_user_following, "nobody")
    refused(404, api.list_organization_members, "nobody")
    if not OLD:
        lab = bob.get_organization_overview("lab")
        same((lab.name, lab.num_users, lab.is_following, lab.num_followers), ("lab", 2, True, 1))
        same([it.username for it in api.list_organization_followers("lab")], ["bob"])
        refused(404, api.get_organization_overview, "ada")
        refused(404, api.list_organization_followers, "nobody")
    same([(it["name"], it["roleInOrg"]) for it in api.whoami()["orgs"]], [("lab", "admin")])
    call("POST", "/api/models/ada/gated/like", FACTS["bob"])
    call("POST", "/api/models/ada/hidden/like", FACTS["ada"])
    call("POST", "/api/datasets/ada/gated/like", FACTS["ada"])
    same([it.username for it in api.list_repo_likers("ada/gated")], ["bob"])
    liked = api.list_liked_repos("ada")
    same((liked.total, liked.models, liked.datasets), (2, ["ada/hidden"], ["ada/gated"]))
    same(bob.list_liked_repos("ada").total, 1)
    same(bob.list_liked_repos("bob").models, ["ada/gated"])
    refused(404, api.list_liked_repos, "nobody")
    raises(RepositoryNotFoundError, bob.list_repo_likers, "ada/hidden")
    print("ok people")


gated()
collections()
papers()
people()
