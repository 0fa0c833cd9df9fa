"""Python runs this before a story: it notes which methods of HfApi the story itself calls (not what they call in turn).

$CLIENT_CALLS names a directory. A process writes one file: a JSON line {"version", "story", "methods": [every public one]},
then a line for each method called, at once, because a story may end without the usual goodbyes.
"""

import functools
import json
import os
import sys
import uuid


def note_calls(directory):
    import huggingface_hub
    from huggingface_hub import HfApi, hf_api

    methods = [name for name in dir(HfApi) if not name.startswith("_") and callable(getattr(HfApi, name))]
    story = os.path.basename(sys.argv[0])
    file = open(os.path.join(directory, f"{story}-{uuid.uuid4().hex}"), "w", buffering=1)
    print(json.dumps({"version": huggingface_hub.__version__, "story": story, "methods": methods}), file=file)
    calls = set()

    def noted(name, method):
        @functools.wraps(method)
        def call(*args, **kwargs):
            if sys._getframe(1).f_globals.get("__name__") == "__main__":
                if name not in calls:
                    calls.add(name)
                    print(name, file=file)
            return method(*args, **kwargs)

        return call

    for name in methods:
        setattr(HfApi, name, noted(name, getattr(HfApi, name)))
    # the functions of the package are methods bound to one HfApi, before it was changed
    for name, value in list(vars(hf_api).items()):
        if isinstance(getattr(value, "__self__", None), HfApi) and hasattr(HfApi, name):
            setattr(hf_api, name, getattr(value.__self__, name))
    for name in ("hf_hub_download", "snapshot_download"):
        setattr(huggingface_hub, name, noted(name, getattr(huggingface_hub, name)))


if os.environ.get("CLIENT_CALLS") and sys.argv and not sys.argv[0].startswith("-"):
    note_calls(os.environ["CLIENT_CALLS"])
