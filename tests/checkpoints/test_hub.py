"""Fetching from a hub that runs in the test: announced, bounded, pinned, resumed, refused."""

import hashlib
import http.server
import json
import threading

import pytest

from studio.checkpoints.hub import File, Hub, chosen
from studio.engine.fetching import Fetches
from studio.errors import BadRequest, NotFound, Stopped, StudioError
from studio.holding import Fetched, Fetching
from studio.settings import Settings

SHA = "a1b2c3d4" * 5
WEIGHTS = bytes(range(256)) * 40_000  # ten megabytes
FILES = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "README.md": b"---\nlicense: mit\n---\n",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/diffusion_pytorch_model.bin": b"pickled",
    "all-in-one.safetensors": b"again",
    "safety_checker/model.safetensors": b"checks",
    "run.py": b"print('code')",
}
TAKEN = {
    "model_index.json", "README.md", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
}  # fmt: skip


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        hub.asked.append((self.path, self.headers.get("Range", "")))
        if hub.status:
            self.send_response(hub.status)
            self.send_header("X-Error-Code", hub.code)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.path.startswith("/api/models/"):
            return self.reply(json.dumps(self.listing()).encode())
        data = FILES[self.path.split(f"/resolve/{SHA}/")[1]]
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        return self.reply(data[start:], 206 if start else 200)

    def listing(self):
        siblings = []
        for name, data in FILES.items():
            lfs = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1}
            told = {"rfilename": name, "size": len(data)}
            siblings.append(told | ({"lfs": lfs} if name.endswith(".safetensors") else {}))
        return {"id": "owner/name", "sha": SHA, "siblings": siblings, "gated": False,
                "cardData": {"license": "mit"}, "tags": []}  # fmt: skip

    def reply(self, data, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 2**20)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.status, server.code = [], 0, ""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def hub(server, tmp_path):
    return Hub(tmp_path / "hub", 2**30, f"http://127.0.0.1:{server.server_port}")


def quiet(file, done, total):
    pass


def test_a_hub_id_is_pinned_to_a_commit_and_its_size_announced(hub):
    found = hub.find("owner/name")
    assert found.revision == SHA and found.licence == "mit" and not found.gated
    assert {file.name for file in found.files} == TAKEN
    assert found.bytes == sum(len(FILES[name]) for name in TAKEN) and hub.here(found) == 0


def test_a_fetch_tells_how_far_it_is_and_keeps_what_it_took(hub):
    told = []
    place = hub.fetch(hub.find("owner/name"), lambda *t: told.append(t))
    assert {str(f.relative_to(place)) for f in place.rglob("*") if f.is_file()} == {
        *TAKEN, "hub.json"
    }  # fmt: skip
    assert (place / "unet/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    assert json.loads((place / "hub.json").read_text())["revision"] == SHA
    done = [d for _, d, _ in told]
    assert done == sorted(done) and done[-1] == told[-1][2]


def test_an_interrupted_fetch_goes_on_where_it_was(hub, server):
    found = hub.find("owner/name")

    def stop(file, done, total):
        if done > 3_000_000:
            raise Stopped("Fetching was stopped.")

    with pytest.raises(Stopped):
        hub.fetch(found, stop)
    assert not (hub.folder / found.id).exists()
    have = hub.here(found)
    assert 0 < have < found.bytes
    server.asked.clear()
    place = hub.fetch(found, quiet)
    assert (place / "unet/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    ranges = [said for path, said in server.asked if "safetensors" in path]
    assert len(ranges) == 1 and ranges[0] > "bytes=0"
    assert len(server.asked) == 1  # what was whole is not asked for again


def test_what_is_here_is_not_fetched_again(hub, server):
    found = hub.find("owner/name")
    hub.fetch(found, quiet)
    server.asked.clear()
    hub.fetch(found, quiet)
    assert server.asked == [] and hub.here(found) == found.bytes


def test_damaged_weights_are_thrown_away(hub, monkeypatch):
    found = hub.find("owner/name")
    monkeypatch.setitem(FILES, "unet/diffusion_pytorch_model.safetensors", WEIGHTS[::-1])
    with pytest.raises(StudioError, match="came damaged; fetch it again"):
        hub.fetch(found, quiet)
    monkeypatch.undo()
    assert not list(hub.folder.rglob("*.safetensors*"))


def test_what_is_larger_than_may_be_filled_is_not_begun(hub, server):
    hub.most = 1_000_000
    found = hub.find("owner/name")
    server.asked.clear()
    with pytest.raises(StudioError, match="--hub-bytes"):
        hub.fetch(found, quiet)
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "GatedRepo", "accepted its licence"),
        (401, "RepoNotFound", "There is no owner/name on the hub"),
        (404, "RepoNotFound", "There is no owner/name on the hub"),
        (404, "RevisionNotFound", "has no revision “main2”"),
        (503, "", "answered with error 503"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(hub, server, status, code, said):
    server.status, server.code = status, code
    with pytest.raises(StudioError, match=said):
        hub.find("owner/name", "main2")


def test_a_full_disk_keeps_what_was_fetched(hub):
    def full(file, done, total):
        raise OSError(28, "No space left on device")

    with pytest.raises(StudioError, match="The disk is full"):
        hub.fetch(hub.find("owner/name"), full)


def test_a_hub_that_is_not_there_is_said_to_be(tmp_path, server):
    server.shutdown()
    server.server_close()
    hub = Hub(tmp_path, 2**30, f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(StudioError, match="cannot be reached"):
        hub.find("owner/name")


def test_offline_it_says_so(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(StudioError, match="cannot be reached"):
        hub.find("owner/name")


@pytest.mark.parametrize("repo", ["", "name", "../..", "a/b/c", "https://x/y", "a/..", "a b/c"])
def test_what_is_no_hub_id_is_refused(hub, server, repo):
    with pytest.raises(BadRequest, match="owner/name"):
        hub.find(repo)
    assert server.asked == []


def test_names_that_lead_anywhere_are_not_taken():
    names = ("../x.json", "/etc/x.json", "a/../../x.json", "a//b.json", ".git/x.json", "x\n.json")
    assert chosen([File(name, 1, "") for name in names]) == ()


def test_nothing_is_asked_where_a_setting_does_not_allow_it(tmp_path):
    fetches = Fetches(Settings(hub_folder=tmp_path), lambda: None)
    for ask in (fetches.offer, fetches.fetch):
        with pytest.raises(BadRequest, match="--allow-hub"):
            ask("owner/name")


@pytest.fixture
def fetches(hub, tmp_path):
    arrived = []
    made = Fetches(Settings(allow_hub=True, hub_folder=hub.folder), lambda: arrived.append(1))
    made._hub, made.arrived = hub, arrived
    return made


def test_a_fetch_is_streamed_and_its_checkpoint_arrives(fetches):
    offer = fetches.offer("owner/name")
    assert offer.bytes > 10_000_000 and offer.here == 0 and offer.free > 0
    *told, last = fetches.fetch("owner/name")
    assert told and all(isinstance(t, Fetching) for t in told)
    assert isinstance(last, Fetched) and last.id == offer.id and fetches.arrived == [1]


def test_a_closed_fetch_lets_the_next_one_begin(fetches):
    stream = fetches.fetch("owner/name")
    next(stream)
    stream.close()
    for _ in range(200):
        try:
            *_, last = fetches.fetch("owner/name")
            break
        except StudioError:
            threading.Event().wait(0.05)
    assert isinstance(last, Fetched)


def test_a_refusal_reaches_whoever_asked(fetches, server):
    server.status, server.code = 404, "RepoNotFound"
    with pytest.raises(NotFound):
        list(fetches.fetch("owner/name"))
