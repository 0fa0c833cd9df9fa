"""Every reading method of huggingface_hub against the hub, asserted on what the client returns."""

import hashlib
import json
import os
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, hf_hub_url, snapshot_download
from huggingface_hub.utils import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
OLD = huggingface_hub.__version__.startswith("0.")
api = HfApi()
stranger = HfApi(token=False)
other = HfApi(token=FACTS["other"])


def same(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def raises(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as err:
        return err
    raise AssertionError(f"{call} did not raise {kind}")


def identity():
    same(api.repo_exists("ada/m"), True)
    same(stranger.repo_exists("ada/missing"), False)
    same(stranger.repo_exists("ada/secret"), False)
    same(other.repo_exists("ada/secret"), False)
    same(api.repo_exists("ada/secret"), True)
    same(api.repo_exists("ada/texts", repo_type="dataset"), True)
    same(api.revision_exists("ada/m", "v1"), True)
    same(api.revision_exists("ada/m", "refs/pr/1"), True)
    same(api.revision_exists("ada/m", "nope"), False)
    same(api.file_exists("ada/m", "config.json"), True)
    same(api.file_exists("ada/m", "nope.json"), False)
    same(api.file_exists("ada/m", "config.json", revision="nope"), False)
    same(stranger.file_exists("ada/secret", "s.txt"), False)
    api.auth_check("ada/m")
    api.auth_check("ada/gated")
    raises(GatedRepoError, other.auth_check, "ada/gated")
    raises(RepositoryNotFoundError, other.auth_check, "ada/secret")
    tags = api.get_model_tags()
    assert "license:apache-2.0" in [it["id"] for it in tags["license"]], tags
    assert "task_categories:text-classification" in [
        it["id"] for it in api.get_dataset_tags()["task_categories"]
    ]


def info():
    model = api.model_info("ada/m")
    same((model.id, model.author, model.sha), ("ada/m", "ada", FACTS["head"]))
    same((model.private, model.gated, model.disabled), (False, False, False))
    same((model.pipeline_tag, model.library_name), ("text-generation", "transformers"))
    same(model.card_data.license, "apache-2.0")
    same(model.card_data.language, ["en", "fr"])
    for tag in ("transformers", "safetensors", "gpt2", "en", "fr", "tiny", "license:apache-2.0",
                "dataset:ada/texts", "base_model:ada/base", "text-generation"):
        assert tag in model.tags, (tag, model.tags)
    same(model.config["model_type"], "gpt2")
    same(model.transformers_info.auto_model, "AutoModelForCausalLM")
    same(model.safetensors.total, 207)
    same(model.safetensors.parameters, {"F32": 200, "I8": 7})
    same([it.rfilename for it in model.siblings], [it["path"] for it in FACTS["files"]])
    assert model.created_at <= model.last_modified or model.last_modified is not None

    model = api.model_info("ada/m", files_metadata=True, securityStatus=True)
    same([it.blob_id for it in model.siblings], [it["oid"] for it in FACTS["files"]])
    big = next(it for it in model.siblings if it.rfilename == "data/big.bin")
    same((big.size, big.lfs["sha256"] if OLD else big.lfs.sha256), (FACTS["size"], FACTS["sha256"]))
    assert model.security_repo_status is not None

    for revision in ("v1", "feat/x", "refs/pr/1", FACTS["first"], FACTS["first"][:10]):
        at = api.model_info("ada/m", revision=revision)
        same((revision, at.sha), (revision, FACTS["first"]))
        same(at.safetensors.total, 207)
        same(len(at.siblings), len(FACTS["files"]))
    raises(RevisionNotFoundError, api.model_info, "ada/m", revision="nope")

    expanded = api.model_info("ada/m", expand=["downloads", "siblings", "safetensors"])
    same(expanded.author, None)
    same(len(expanded.siblings), len(FACTS["files"]))
    same(expanded.safetensors.total, 207)
    raises(HfHubHTTPError, api.model_info, "ada/m", expand=["nonsense"])

    dataset = api.dataset_info("ada/texts")
    for tag in ("task_categories:text-classification", "language:en", "license:mit", "format:json"):
        assert tag in dataset.tags, dataset.tags
    space = api.space_info("ada/app")
    same((space.sdk, space.models, space.datasets), ("gradio", ["ada/m"], ["ada/texts"]))
    same(space.runtime.stage, "NO_APP_FILE")
    same(api.repo_info("ada/app", repo_type="space").id, "ada/app")


def ids(found):
    return [it.id for it in found]


def lists():
    everything = set(ids(stranger.list_models()))
    same(everything, {"ada/m", "ada/gated", "ada/many", "ada/after"})
    same(set(ids(api.list_models())), everything | {"ada/secret"})
    same(set(ids(other.list_models(author="ada"))), everything)
    same(ids(api.list_models(author="nobody")), [])
    same(ids(api.list_models(search="AFT")), ["ada/after"])
    same(ids(api.list_models(search="ad")), ids(api.list_models(author="ada")))
    same(ids(api.list_models(filter="license:apache-2.0")), ["ada/m"])
    same(ids(api.list_models(filter=["transformers", "fr"])), ["ada/m"])
    same(ids(api.list_models(filter=["transformers", "de"])), [])
    same(ids(api.list_models(pipeline_tag="text-generation")), ["ada/m"])
    same(ids(api.list_models(pipeline_tag="fill-mask")), [])
    same(ids(api.list_models(gated=True)), ["ada/gated"])
    assert "ada/gated" not in ids(api.list_models(gated=False))
    if OLD:
        same(ids(api.list_models(library="transformers", language="en", task="text-generation")), ["ada/m"])
        same(ids(api.list_models(trained_dataset="ada/texts", tags="tiny")), ["ada/m"])
        same(ids(api.list_models(model_name="m", search="ada/m", author="ada", sort="last_modified", direction=-1))[-1] in everything, True)
    same(len(ids(api.list_models(limit=2))), 2)
    newest_first = ids(api.list_models(author="ada", sort="created_at"))
    same(newest_first[0], "ada/after")
    for sort in ("downloads", "likes", "last_modified", "trending_score"):
        same(set(ids(api.list_models(author="ada", sort=sort))), everything | {"ada/secret"})
    raises(HfHubHTTPError, ids, api.list_models(sort="nonsense"))
    full = next(iter(api.list_models(filter="gpt2", full=True, cardData=True, fetch_config=True)))
    same((full.sha, full.author, full.config["model_type"]), (FACTS["head"], "ada", "gpt2"))
    same(full.card_data.license, "apache-2.0")
    same([it.rfilename for it in full.siblings], [it["path"] for it in FACTS["files"]])
    brief = next(iter(api.list_models(filter="gpt2", expand=["safetensors", "lastModified"])))
    same((brief.safetensors.total, brief.author), (207, None))
    same(ids(api.list_datasets()), ["ada/texts"])
    same(ids(api.list_datasets(filter="task_categories:text-classification", author="ada")), ["ada/texts"])
    same(ids(api.list_datasets(filter="language:de")), [])
    same(ids(api.list_spaces()), ["ada/app"])
    same(ids(api.list_spaces(models="ada/m", datasets="ada/texts", linked=True)), ["ada/app"])
    same(ids(api.list_spaces(models="ada/other")), [])


def tree():
    same(sorted(api.list_repo_files("ada/m")), sorted(it["path"] for it in FACTS["files"]))
    top = {it.path: it for it in api.list_repo_tree("ada/m")}
    same("data/big.bin" in top, False)
    assert isinstance(top["data"], huggingface_hub.hf_api.RepoFolder)
    everything = list(api.list_repo_tree("ada/m", recursive=True, expand=True))
    files = {it.path: it for it in everything if hasattr(it, "blob_id")}
    same({path: it.blob_id for path, it in files.items()}, {it["path"]: it["oid"] for it in FACTS["files"]})
    same({it.path for it in everything if not hasattr(it, "blob_id")},
         {"data", "data/deep", "data/deep/er", "odd"})
    same(files["data/big.bin"].lfs.sha256, FACTS["sha256"])
    same(files["data/big.bin"].size, FACTS["size"])
    same(files["data/deep/er/x.txt"].last_commit.title, "second")
    same(files["data/big.bin"].last_commit.oid, FACTS["first"])
    same(next(it for it in everything if it.path == "data").last_commit.oid, FACTS["head"])
    same([it.path for it in api.list_repo_tree("ada/m", "data/deep", revision="refs/pr/1", recursive=True)],
         ["data/deep/er", "data/deep/er/x.txt"])
    raises(EntryNotFoundError, list, api.list_repo_tree("ada/m", "missing"))
    raises(RevisionNotFoundError, list, api.list_repo_tree("ada/m", revision="nope"))
    same(len(list(api.list_repo_tree("ada/many", recursive=True))), 1234 + 7 + 1)
    same(len(list(api.list_repo_tree("ada/many", "d3", expand=True))), 176)
    found = api.get_paths_info("ada/m", ["data", "missing", "data/big.bin", "odd/100% & #1 größe.txt"], expand=True)
    same([it.path for it in found], ["data", "data/big.bin", "odd/100% & #1 größe.txt"])
    same(found[1].lfs.sha256, FACTS["sha256"])
    same(found[0].last_commit.oid, FACTS["head"])
    same([it.path for it in api.get_paths_info("ada/m", "empty.txt", revision="feat/x")], ["empty.txt"])


def refs():
    found = api.list_repo_refs("ada/m", include_pull_requests=True)
    same({it.name: it.target_commit for it in found.branches},
         {"main": FACTS["head"], "feat/x": FACTS["first"]})
    same([(it.name, it.ref, it.target_commit) for it in found.tags], [("v1", "refs/tags/v1", FACTS["first"])])
    same([(it.name, it.ref) for it in found.pull_requests], [("1", "refs/pr/1")])
    same(found.converts, [])
    same(api.list_repo_refs("ada/m").pull_requests, None)


def commits():
    found = api.list_repo_commits("ada/m", formatted=True)
    same([it.commit_id for it in found[:2]], [FACTS["head"], FACTS["first"]])
    same((found[0].title, found[0].message), ("second", "with a body <b>"))
    same(found[0].formatted_message, "with a body &lt;b&gt;")
    same(found[0].authors, ["Test"])
    same(found[-1].title, "initial commit")
    same([it.commit_id for it in api.list_repo_commits("ada/m", revision="refs/pr/1")][0], FACTS["first"])
    raises(RevisionNotFoundError, api.list_repo_commits, "ada/m", revision="nope")


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def downloads():
    path = hf_hub_download("ada/m", "data/big.bin")
    same(digest(path), FACTS["sha256"])
    assert f"/snapshots/{FACTS['head']}/data/big.bin" in path, path
    same(os.path.basename(os.path.realpath(path)), FACTS["sha256"])
    same(Path(hf_hub_download("ada/m", "odd/100% & #1 größe.txt")).read_text(), "odd name")
    same(Path(hf_hub_download("ada/m", "empty.txt")).read_bytes(), b"")
    same(Path(hf_hub_download("ada/m", "data/deep/er/x.txt", revision="v1")).read_text(), "deep")
    same(Path(hf_hub_download("ada/m", "data/deep/er/x.txt", revision="refs/pr/1")).read_text(), "deep")
    same(Path(hf_hub_download("ada/m", "data/deep/er/x.txt")).read_text(), "deeper")
    same(Path(hf_hub_download("ada/texts", "train.jsonl", repo_type="dataset")).read_text(), '{"a": 1}\n')
    raises(EntryNotFoundError, hf_hub_download, "ada/m", "missing.txt")
    marker = Path(os.environ["HF_HOME"]) / "hub/models--ada--m/.no_exist" / FACTS["head"] / "missing.txt"
    same(marker.exists(), True)
    raises(RevisionNotFoundError, hf_hub_download, "ada/m", "config.json", revision="nope")
    meta = huggingface_hub.get_hf_file_metadata(hf_hub_url("ada/m", "data/big.bin"))
    same((meta.commit_hash, meta.etag, meta.size), (FACTS["head"], FACTS["sha256"], FACTS["size"]))
    meta = huggingface_hub.get_hf_file_metadata(hf_hub_url("ada/m", "README.md"))
    same((meta.etag, len(meta.etag)), (next(it["oid"] for it in FACTS["files"] if it["path"] == "README.md"), 40))

    # an interrupted download goes on where it stopped: the client must not start again
    local = Path("resumed")
    etag = FACTS["sha256"]
    content = Path(path).read_bytes()
    cache = local / ".cache/huggingface/download/data"
    cache.mkdir(parents=True)
    fresh = hf_hub_download("ada/m", "data/big.bin", local_dir=local)
    same(digest(fresh), etag)
    again = hf_hub_download("ada/m", "data/big.bin", local_dir=local)
    same(digest(again), etag)
    from huggingface_hub.file_download import http_get

    with open("part.bin", "wb") as part:
        part.write(content[:1_000_000])
        part.flush()
        http_get(hf_hub_url("ada/m", "data/big.bin"), part, resume_size=1_000_000, expected_size=len(content))
    same(digest("part.bin"), etag)


def snapshot():
    folder = Path(snapshot_download("ada/m"))
    same(folder.name, FACTS["head"])
    got = sorted(str(it.relative_to(folder)) for it in folder.rglob("*") if it.is_file())
    same(got, sorted(it["path"] for it in FACTS["files"]))
    same(digest(folder / "data/big.bin"), FACTS["sha256"])
    folder = Path(snapshot_download("ada/m", revision="v1", allow_patterns="data/deep/*", local_dir="snap"))
    same((folder / "data/deep/er/x.txt").read_text(), "deep")
    folder = Path(snapshot_download("ada/many", max_workers=16))
    same(len([it for it in folder.rglob("*.txt")]), 1234)


def file_system():
    fs = HfFileSystem()
    same(sorted(it.split("/", 2)[2] for it in fs.glob("ada/m/data/**/*.bin")), ["data/big.bin"])
    same(fs.info("ada/m/data/big.bin")["size"], FACTS["size"])
    with fs.open("ada/m/data/big.bin", "rb", block_size=65536) as file:
        file.seek(1_234_567)
        piece = file.read(1000)
    same(piece, Path(hf_hub_download("ada/m", "data/big.bin")).read_bytes()[1_234_567:1_235_567])
    same(fs.read_text("ada/m@refs/pr/1/data/deep/er/x.txt"), "deep")
    same(fs.read_text("datasets/ada/texts/train.jsonl"), '{"a": 1}\n')
    same(fs.exists("ada/m/none"), False)
    raises(FileNotFoundError, fs.ls, "ada/none")
    raises(FileNotFoundError, fs.open, "ada/none/x.txt")
    raises(RepositoryNotFoundError, api.model_info, "m")
    assert fs.isdir("ada/m/data/deep")


def safetensors():
    meta = api.get_safetensors_metadata("ada/m")
    same((meta.sharded, meta.parameter_count), (False, {"F32": 200, "I8": 7}))
    file = api.parse_safetensors_file_metadata("ada/m", "model.safetensors")
    same(file.tensors["a.weight"].shape, [10, 20])


def renamed():
    same(api.model_info("ada/before").id, "ada/after")
    same(Path(hf_hub_download("ada/before", "moved.txt")).read_text(), "moved")
    same(sorted(api.list_repo_files("ada/before")), [".gitattributes", "moved.txt"])


def refusals():
    err = raises(RepositoryNotFoundError, stranger.model_info, "ada/secret")
    same(err.response.status_code, 401)
    err = raises(RepositoryNotFoundError, other.model_info, "ada/secret")
    same(err.response.status_code, 404)
    raises(RepositoryNotFoundError, hf_hub_download, "ada/secret", "s.txt", token=FACTS["other"])
    err = raises(GatedRepoError, hf_hub_download, "ada/gated", "g.txt", token=FACTS["other"])
    same(err.response.status_code, 403)
    err = raises(GatedRepoError, hf_hub_download, "ada/gated", "g.txt", token=False)
    same(err.response.status_code, 401)
    same(other.model_info("ada/gated").gated, "manual")
    same(Path(hf_hub_download("ada/gated", "g.txt")).read_text(), "gated")


for name, group in [
    ("identity", identity), ("info", info), ("lists", lists), ("tree", tree), ("refs", refs),
    ("commits", commits), ("downloads", downloads), ("snapshot", snapshot),
    ("file system", file_system), ("safetensors", safetensors), ("renamed", renamed), ("refusals", refusals),
]:
    group()
    print("ok", name)
