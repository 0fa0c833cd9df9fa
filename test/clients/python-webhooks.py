"""Every webhook method of huggingface_hub, and deliveries held against the client's own model of the payload."""

import hashlib
import hmac
import json
import os
import threading
import types
import typing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import huggingface_hub
from huggingface_hub import HfApi, WebhookPayload, WebhookWatchedItem
from huggingface_hub.utils import HfHubHTTPError

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
ENDPOINT = os.environ["HF_ENDPOINT"]
api = HfApi()
eve = HfApi(token=FACTS["eve"])
reader = HfApi(token=FACTS["reader"])
stranger = HfApi(token=False)
SECRET = "my-secret"
inbox = Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        inbox.put((self.path, self.headers, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}"


def same(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except HfHubHTTPError as err:
        same(err.response.status_code, code)
        return err
    raise AssertionError(f"{call} was not refused")


def fits(value, kind, where="payload"):
    """As pydantic would check it, which the client needs only for its server."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        options = [it for it in typing.get_args(kind) if it is not type(None)]
        assert len(options) == 1, where
        return fits(value, options[0], where)
    if origin is typing.Literal:
        assert value in typing.get_args(kind), f"{where}: {value!r}"
    elif origin is list:
        for n, item in enumerate(value):
            fits(item, typing.get_args(kind)[0], f"{where}[{n}]")
    elif kind in (str, int, bool):
        assert type(value) is kind, f"{where}: {value!r}"
    else:
        for name, field in typing.get_type_hints(kind).items():
            optional = type(None) in typing.get_args(field)
            if name in value and not (optional and value[name] is None):
                fits(value[name], field, f"{where}.{name}")
            else:
                assert optional, f"{where}.{name} is missing"


def take(path):
    """The next delivery, checked: signature, secret, shape."""
    got, headers, body = inbox.get(timeout=60)
    same(got, path)
    same(headers["X-Webhook-Secret"], SECRET)
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    same(headers["X-Webhook-Signature"], f"sha256={digest}")
    payload = json.loads(body)
    fits(payload, WebhookPayload)
    return payload


def methods():
    same(api.list_webhooks(), [])
    ada, one = {"type": "user", "name": "ada"}, WebhookWatchedItem(type="model", name="ada/one")
    api.create_repo("ada/one")
    made = api.create_webhook(url=f"{URL}/a", watched=[ada, one], domains=["repo"], secret=SECRET)
    same((made.url, made.domains, made.secret, made.disabled), (f"{URL}/a", ["repo"], SECRET, False))
    same(made.watched, [WebhookWatchedItem(type="user", name="ada"), one])
    same(api.get_webhook(made.id), made)
    same(api.list_webhooks(), [made])
    # what is not named stays
    moved = api.update_webhook(made.id, url=f"{URL}/b")
    same((moved.url, moved.watched, moved.domains, moved.secret), (f"{URL}/b", made.watched, ["repo"], SECRET))
    fewer = api.update_webhook(made.id, watched=[one], domains=["discussion"])
    same((fewer.url, fewer.watched, fewer.domains), (f"{URL}/b", [one], ["discussion"]))
    same(bool(api.disable_webhook(made.id).disabled), True)
    same(bool(api.get_webhook(made.id).disabled), True)
    same(bool(api.enable_webhook(made.id).disabled), False)
    bare = api.create_webhook(url=f"{URL}/c", watched=[ada])
    same((bare.domains, bare.secret), (["repo", "discussion"], None))
    same([it.id for it in api.list_webhooks()], [made.id, bare.id])
    for webhook in (made, bare):
        api.delete_webhook(webhook.id)
    same(api.list_webhooks(), [])
    refused(404, api.get_webhook, made.id)
    api.delete_repo("ada/one")


def wrong():
    ada = [{"type": "user", "name": "ada"}]
    refused(401, stranger.list_webhooks)
    refused(401, stranger.create_webhook, url=URL, watched=ada)
    refused(403, reader.create_webhook, url=URL, watched=ada)
    refused(400, api.create_webhook, url="ftp://example.org/", watched=ada)
    refused(400, api.create_webhook, url=URL, watched=[])
    refused(400, api.create_webhook, url=URL, watched=[{"type": "planet", "name": "ada"}])
    refused(404, api.create_webhook, url=URL, watched=[{"type": "model", "name": "ada/none"}])
    refused(403, api.create_webhook, url=URL, watched=[{"type": "site", "name": "models"}])
    made = api.create_webhook(url=URL, watched=ada)
    for call in (eve.get_webhook, eve.enable_webhook, eve.disable_webhook, eve.delete_webhook):
        refused(404, call, made.id)
    refused(404, eve.update_webhook, made.id, url=f"{URL}/eve")
    refused(400, api.update_webhook, made.id, url="nowhere")
    same(api.list_webhooks(), [made])
    same(eve.list_webhooks(), [])
    api.delete_webhook(made.id)


def deliveries():
    watched = [{"type": "user", "name": "ada"}]
    made = api.create_webhook(url=f"{URL}/d", watched=watched, secret=SECRET)
    api.create_repo("ada/two", repo_type="dataset")
    payload = take("/d")
    same(payload["event"], {"action": "create", "scope": "repo"})
    same(payload["repo"]["url"]["web"], f"{ENDPOINT}/datasets/ada/two")
    same(payload["webhook"], {"id": made.id, "version": 3})
    two = {"repo_id": "ada/two", "repo_type": "dataset"}
    done = api.upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", **two)
    payload = take("/d")
    same(payload["event"], {"action": "update", "scope": "repo.content"})
    same([it["ref"] for it in payload["updatedRefs"]], ["refs/heads/main"])
    same(payload["updatedRefs"][0]["newSha"], done.oid)
    same(payload["repo"]["headSha"], done.oid)
    api.create_tag(tag="v1", **two)
    same(take("/d")["updatedRefs"][0]["ref"], "refs/tags/v1")
    talk = eve.create_discussion(title="Why", description="Because", **two)
    payload = take("/d")
    same(payload["event"], {"action": "create", "scope": "discussion"})
    same((payload["discussion"]["num"], payload["discussion"]["title"]), (talk.num, "Why"))
    eve.comment_discussion(discussion_num=talk.num, comment="More", **two)
    payload = take("/d")
    same(payload["event"], {"action": "create", "scope": "discussion.comment"})
    same(payload["comment"]["content"], "More")
    api.change_discussion_status(discussion_num=talk.num, new_status="closed", **two)
    seen = take("/d")
    same((seen["event"]["scope"], seen["discussion"]["status"]), ("discussion", "closed"))
    api.move_repo("ada/two", "ada/three", repo_type="dataset")
    payload = take("/d")
    same((payload["event"]["action"], payload["movedTo"]["name"]), ("move", "ada/three"))
    api.delete_repo("ada/three", repo_type="dataset")
    same(take("/d")["event"], {"action": "delete", "scope": "repo"})
    same(inbox.qsize(), 0)
    api.delete_webhook(made.id)


for name, group in [("methods", methods), ("wrong", wrong), ("deliveries", deliveries)]:
    group()
    print(f"ok {name}")
print(f"huggingface_hub {huggingface_hub.__version__}")
