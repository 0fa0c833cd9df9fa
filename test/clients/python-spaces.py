"""Every method about Spaces and inference endpoints, against a hub with the example runner."""

import json
import os
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

FACTS = json.loads(Path(os.environ["FACTS"]).read_text())
ENDPOINT = os.environ["HF_ENDPOINT"]
FIRST = huggingface_hub.__version__.startswith("0.")
# what every user has to do once: the host of this API is written into the client
constants.INFERENCE_ENDPOINTS_ENDPOINT = f"{ENDPOINT}/v2"
api = HfApi(token=FACTS["ada"])
eve = HfApi(token=FACTS["eve"])
reader = HfApi(token=FACTS["reader"])
APP = "ada/app"
README = b"---\nsdk: gradio\napp_file: app.sh\n---\n"
SCRIPT = b'echo "got $COLOR and $TOKEN"\nwhile :; do sleep 0.2; done\n'


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


def refused(call, *args, **kwargs):
    """By a stranger who may read, and by the owner's read-only token."""
    for who in (eve, reader):
        same(status(raises(HfHubHTTPError, getattr(who, call), *args, **kwargs)), 403)


def wait(what, expected):
    import time

    for _ in range(450):
        if what() == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"{what()!r} did not become {expected!r}")


def stage(repo_id=APP):
    return api.get_space_runtime(repo_id).stage


def creation():
    url = api.create_repo(
        APP,
        repo_type="space",
        space_sdk="gradio",
        space_hardware="cpu-upgrade",
        space_sleep_time=3600,
        space_secrets=[{"key": "TOKEN", "value": "hidden"}],
        space_variables=[{"key": "COLOR", "value": "red", "description": "of the sky"}],
        **({"space_storage": "small"} if FIRST else {}),
    )
    same(str(url), f"{ENDPOINT}/spaces/{APP}")
    runtime = api.get_space_runtime(APP)
    same((runtime.stage, runtime.hardware), ("NO_APP_FILE", None))
    same((runtime.requested_hardware, runtime.sleep_time), ("cpu-upgrade", 3600))
    same(runtime.storage, "small" if FIRST else None)
    same(api.space_info(APP).runtime.stage, "NO_APP_FILE")
    bad = {"repo_type": "space", "space_sdk": "gradio", "space_hardware": "abacus"}
    raises(BadRequestError, api.create_repo, "ada/bad", **bad)
    assert not api.repo_exists("ada/bad", repo_type="space")


def values():
    variables = api.get_space_variables(APP)
    same((variables["COLOR"].value, variables["COLOR"].description), ("red", "of the sky"))
    variables = api.add_space_variable(APP, "SIZE", "big", description="how big")
    same(sorted(variables), ["COLOR", "SIZE"])
    assert variables["SIZE"].updated_at is not None
    same(sorted(eve.get_space_variables(APP)), ["COLOR", "SIZE"])
    same(sorted(api.delete_space_variable(APP, "SIZE")), ["COLOR"])
    same(status(raises(HfHubHTTPError, api.delete_space_variable, APP, "SIZE")), 404)
    api.add_space_secret(APP, "OTHER", "hidden", description="another")
    if not FIRST:
        secrets = api.get_space_secrets(APP)
        same(sorted(secrets), ["OTHER", "TOKEN"])
        same(secrets["OTHER"].description, "another")
        refused("get_space_secrets", APP)
    api.delete_space_secret(APP, "OTHER")
    same(status(raises(HfHubHTTPError, api.delete_space_secret, APP, "OTHER")), 404)
    raises(BadRequestError, api.add_space_secret, APP, "no good", "x")
    raises(BadRequestError, api.add_space_variable, APP, "A=B", "x")
    refused("add_space_secret", APP, "K", "x")
    refused("delete_space_secret", APP, "TOKEN")
    refused("add_space_variable", APP, "K", "x")
    refused("delete_space_variable", APP, "COLOR")
    same(sorted(api.get_space_variables(APP)), ["COLOR"])


def hardware():
    runtime = api.request_space_hardware(APP, "t4-small", sleep_time=600)
    same((runtime.requested_hardware, runtime.sleep_time), ("t4-small", 600))
    same(api.set_space_sleep_time(APP, 1200).sleep_time, 1200)
    same(api.set_space_sleep_time(APP, -1).sleep_time, None)
    raises(BadRequestError, api.request_space_hardware, APP, "abacus")
    raises(BadRequestError, api.set_space_sleep_time, APP, -7)
    refused("request_space_hardware", APP, "t4-small")
    refused("set_space_sleep_time", APP, 60)
    if FIRST:
        same(api.request_space_storage(APP, "large").storage, "large")
        same(api.delete_space_storage(APP).storage, None)
        raises(BadRequestError, api.delete_space_storage, APP)
        raises(BadRequestError, api.request_space_storage, APP, "endless")
        refused("request_space_storage", APP, "small")
        refused("delete_space_storage", APP)
        return
    from huggingface_hub import Volume

    same(api.enable_space_dev_mode(APP).dev_mode, True)
    same(api.disable_space_dev_mode(APP).dev_mode, False)
    refused("enable_space_dev_mode", APP)
    refused("disable_space_dev_mode", APP)
    api.create_repo("ada/weights", private=True)
    api.set_space_volumes(APP, [Volume(type="model", source="ada/weights", mount_path="/weights")])
    [volume] = api.get_space_runtime(APP).volumes
    same((volume.source, volume.mount_path, volume.read_only), ("ada/weights", "/weights", True))
    bad = [Volume(type="bucket", source="ada/b", mount_path="/b")]
    raises(BadRequestError, api.set_space_volumes, APP, bad)
    refused("set_space_volumes", APP, [])
    refused("delete_space_volumes", APP)
    api.delete_space_volumes(APP)
    raises(BadRequestError, api.delete_space_volumes, APP)
    assert "cpu-basic" in [it.name for it in api.list_spaces_hardware()]
    same(api.list_space_templates(), [])
    raises(ValueError, api.create_repo, "t", repo_type="space", space_template="JupyterLab")
    quota = api.get_zero_gpu_quota()
    same((quota.base, quota.remaining), (0, 0))


def running():
    api.upload_file(path_or_fileobj=README, path_in_repo="README.md", repo_id=APP, repo_type="space")
    api.upload_file(path_or_fileobj=SCRIPT, path_in_repo="app.sh", repo_id=APP, repo_type="space")
    wait(stage, "RUNNING")
    same(api.get_space_runtime(APP).hardware, "t4-small")
    paused = api.pause_space(APP)
    same((paused.stage, paused.hardware), ("PAUSED", None))
    refused("pause_space", APP)
    refused("restart_space", APP)
    raises(RepositoryNotFoundError, api.pause_space, "ada/none")
    same(api.restart_space(APP, factory_reboot=True).stage, "BUILDING")
    if FIRST:
        wait(stage, "RUNNING")
        return
    same(api.wait_for_space(APP, timeout=60).stage, "RUNNING")
    same(next(iter(api.fetch_space_logs(APP, follow=True))), "got red and hidden\n")
    assert next(iter(api.fetch_space_logs(APP, build=True))).endswith("factory 1\n")
    for who in (eve, reader):
        same(status(raises(HfHubHTTPError, list, who.fetch_space_logs(APP))), 403)
    same([it.id for it in api.search_spaces("app")], [APP])


def static():
    api.create_repo("ada/page", repo_type="space", space_sdk="static")
    same(stage("ada/page"), "RUNNING")
    raises(BadRequestError, api.pause_space, "ada/page")
    raises(BadRequestError, api.restart_space, "ada/page")
    raises(BadRequestError, api.request_space_hardware, "ada/page", "t4-small")


def copies():
    names = ["hardware", "sleep_time", "secrets", "variables"]
    if FIRST:
        call, more = api.duplicate_space, {}
    else:
        call, more = api.duplicate_repo, {"repo_type": "space"}
        names = [f"space_{it}" for it in names]
    wanted = ["cpu-upgrade", 60, [{"key": "MINE", "value": "x"}], [{"key": "SIZE", "value": "s"}]]
    url = call(APP, to_id="ada/copy", private=True, **more, **dict(zip(names, wanted)))
    same(str(url), f"{ENDPOINT}/spaces/ada/copy")
    same(sorted(api.get_space_variables("ada/copy")), ["COLOR", "SIZE"])
    runtime = api.get_space_runtime("ada/copy")
    same((runtime.requested_hardware, runtime.sleep_time), ("cpu-upgrade", 60))
    same(str(call(APP, to_id="ada/copy", exist_ok=True, **more)), str(url))
    raises(BadRequestError, call, APP, to_id="ada/bad", **more, **{names[0]: "abacus"})
    api.pause_space("ada/copy")
    api.pause_space(APP)


def order(**more):
    asked = {
        "repository": "ada/m",
        "framework": "pytorch",
        "task": "text-generation",
        "accelerator": "cpu",
        "vendor": "us",
        "region": "here",
        "type": "protected" if FIRST else "authenticated",
        "instance_size": "x2",
        "instance_type": "intel-icl",
    }
    return {**asked, **more}


def endpoints():
    api.create_repo("ada/m")
    made = api.create_inference_endpoint("mine", **order(), secrets={"KEY": "hidden"})
    same((made.name, made.namespace, made.repository), ("mine", "ada", "ada/m"))
    same((made.framework, made.task, made.status), ("pytorch", "text-generation", "pending"))
    assert "hidden" not in json.dumps(made.raw)
    found = lambda: api.get_inference_endpoint("mine")  # noqa: E731
    wait(lambda: found().status, "running")
    same([it.name for it in api.list_inference_endpoints()], ["mine"])
    same(api.list_inference_endpoints(namespace="lab"), [])
    same(api.resume_inference_endpoint("mine").status, "running")
    raises(BadRequestError, api.resume_inference_endpoint, "mine", running_ok=False)
    updated = api.update_inference_endpoint("mine", instance_size="x4", min_replica=0, task="other")
    same((updated.task, updated.raw["compute"]["instanceSize"]), ("other", "x4"))
    same(updated.raw["compute"]["instanceType"], "intel-icl")
    same(api.pause_inference_endpoint("mine").status, "paused")
    raises(BadRequestError, api.scale_to_zero_inference_endpoint, "mine")
    resumed = api.resume_inference_endpoint("mine")
    same(resumed.status, "pending")
    same(api.scale_to_zero_inference_endpoint("mine").status, "scaledToZero")
    same(resumed.fetch().status, "scaledToZero")
    same(status(raises(HfHubHTTPError, api.create_inference_endpoint, "mine", **order())), 409)
    raises(BadRequestError, api.create_inference_endpoint, "Not Good", **order())
    raises(BadRequestError, api.create_inference_endpoint, "a", **order(repository="gpt2"))
    absent = order(repository="ada/none")
    same(status(raises(HfHubHTTPError, api.create_inference_endpoint, "a", **absent)), 404)
    raises(BadRequestError, api.update_inference_endpoint, "mine", min_replica=5, max_replica=1)
    for call in ("get", "pause", "resume", "scale_to_zero", "delete"):
        method = getattr(eve, f"{call}_inference_endpoint")
        same(status(raises(HfHubHTTPError, method, "mine", namespace="ada")), 403)
        own = getattr(api, f"{call}_inference_endpoint")
        same(status(raises(HfHubHTTPError, own, "none")), 404)
    same(status(raises(HfHubHTTPError, eve.list_inference_endpoints, "ada")), 403)
    mine = {"namespace": "ada", "task": "x"}
    same(status(raises(HfHubHTTPError, eve.update_inference_endpoint, "mine", **mine)), 403)
    same(status(raises(HfHubHTTPError, reader.create_inference_endpoint, "b", **order())), 403)
    if not FIRST:
        same(api.list_inference_endpoints_hardware(), [])
    api.delete_inference_endpoint("mine")
    same(api.list_inference_endpoints(), [])


for group in (creation, values, hardware, running, static, copies, endpoints):
    group()
    print(f"ok {group.__name__}", flush=True)
