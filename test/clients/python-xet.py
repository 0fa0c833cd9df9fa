"""Uploads and downloads of huggingface_hub with hf_xet at work: everything that takes or gives files stored in chunks."""

import hashlib
import inspect
import json
import os
import random
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationCopy, HfApi, hf_hub_download, snapshot_download

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
api = HfApi()


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def upload():
    """One file, made from a recipe: noise with a stretch of other noise in it."""
    content = bytearray(noise(FACTS["seed"], FACTS["size"]))
    if "patch" in FACTS:
        at, length = FACTS["patch"]
        content[at : at + length] = noise(FACTS["seed"] + 1, length)
    path = write("upload.bin", bytes(content))
    api.upload_file(path_or_fileobj=path, path_in_repo="upload.bin", repo_id=FACTS["repo"])
    print(sha256(path))


def download():
    print(sha256(hf_hub_download(FACTS["repo"], "upload.bin")))


def story():
    repo = FACTS["repo"]
    api.create_repo(repo)

    one = write("one/model.safetensors", noise(1, 5_000_000))
    api.upload_file(path_or_fileobj=one, path_in_repo="model.safetensors", repo_id=repo)
    assert sha256(hf_hub_download(repo, "model.safetensors")) == sha256(one)
    print("ok upload_file")

    folder = Path("folder")
    for n in range(5):
        write(folder / f"f{n}.bin", noise(n, 1_500_000))
    write(folder / "zeros.bin", bytes(3_000_000))
    write(folder / "floats.bin", b"".join(noise(n, 3) + b"\x3d" for n in range(400_000)))
    write(folder / "deep/note.txt", b"hello")
    write(folder / "empty.bin", b"")
    api.upload_folder(folder_path=str(folder), repo_id=repo)
    copy = Path(snapshot_download(repo))
    for path in folder.rglob("*.*"):
        assert sha256(copy / path.relative_to(folder)) == sha256(path), path
    print("ok upload_folder")

    proposal = write("two/proposal.bin", noise(77, 2_000_000))
    api.upload_file(
        path_or_fileobj=proposal, path_in_repo="proposal.bin", repo_id=repo, create_pr=True
    )
    found = hf_hub_download(repo, "proposal.bin", revision="refs/pr/1")
    assert sha256(found) == sha256(proposal)
    assert not api.file_exists(repo, "proposal.bin")
    print("ok create_pr")

    if hasattr(api, "upload_large_folder"):
        for n in range(3):
            write(f"large/l{n}.bin", noise(100 + n, 2_000_000))
        api.upload_large_folder(repo_id=repo, folder_path="large", repo_type="model")
        assert sha256(hf_hub_download(repo, "l2.bin")) == sha256("large/l2.bin")
    print("ok upload_large_folder")

    if "src_repo_id" in inspect.signature(CommitOperationCopy).parameters:
        api.create_repo(repo + "-copy")
        operation = CommitOperationCopy(
            src_path_in_repo="model.safetensors",
            path_in_repo="copied.safetensors",
            src_repo_id=repo,
            src_repo_type="model",
        )
        api.create_commit(repo + "-copy", [operation], commit_message="copy")
        assert sha256(hf_hub_download(repo + "-copy", "copied.safetensors")) == sha256(one)
    print("ok copy")


globals()[FACTS["do"]]()
