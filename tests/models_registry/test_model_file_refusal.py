"""Files that are no models, or models built to do harm, are refused with one sentence and a code."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile

import numpy as np
import pytest

from models_registry import archives, model_files
from models_registry.errors import ReviewHubError
from tests.models_registry import model_makers

LIMIT = 50 * 1024**2


class Bomb:
    """Unpickling it would write a file; nothing may."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture(scope="module")
def forest() -> bytes:
    return model_makers.forest()


@pytest.fixture(scope="module")
def boosting() -> bytes:
    return model_makers.boosting()


def refusal(content: bytes, *, max_bytes: int = LIMIT) -> tuple[str, str]:
    with pytest.raises(ReviewHubError) as caught:
        archives.check_archive(content, max_bytes=max_bytes)
        model_files.load(content)
    assert "\n" not in caught.value.detail
    return caught.value.code, caught.value.detail


def test_a_pickle_named_skops_is_refused_by_its_first_bytes_and_never_unpickled(tmp_path):
    import pickle  # noqa: TID251

    proof = tmp_path / "unpickled"
    for protocol in range(6):
        assert refusal(pickle.dumps(Bomb(str(proof)), protocol))[0] == "unsupported_format"
    assert not proof.exists()


def test_a_pickle_inside_an_archive_is_never_unpickled(tmp_path, forest):
    import pickle  # noqa: TID251

    proof = tmp_path / "unpickled"
    buffer = io.BytesIO()
    array = np.empty(1, dtype=object)
    array[0] = Bomb(str(proof))
    np.save(buffer, array, allow_pickle=True)
    parts = model_makers.members(forest)
    name = next(name for name in parts if name.endswith(".npy"))
    code, reason = refusal(model_makers.zipped({**parts, name: buffer.getvalue()}))
    assert (code, "Python objects" in reason) == ("invalid_model", True)
    assert refusal(model_makers.zipped({"model.pkl": pickle.dumps(1)}))[0] == "unsupported_format"
    assert not proof.exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(200), b"GGUF" + bytes(50), b"\x93NUMPY"])
def test_what_is_no_archive_is_refused(content):
    assert refusal(content)[0] == "unsupported_format"


def test_a_truncated_or_extended_archive_is_refused(forest):
    assert refusal(forest[:-30])[0] == "unsupported_format"
    assert refusal(forest + b"more")[0] == "unsupported_format"


def test_an_archive_without_a_usable_schema_is_refused(forest):
    parts = model_makers.members(forest)
    for schema in (b"", b"[]", b"{}", b'{"__loader__": "ObjectNode"}', b"[" * 100_000):
        code, _ = refusal(model_makers.zipped({**parts, "schema.json": schema}))
        assert code in ("unsupported_format", "invalid_model")
    del parts["schema.json"]
    assert refusal(model_makers.zipped(parts)) == (
        "unsupported_format",
        "the archive has no schema.json: it was not written by skops.io.dump",
    )


def test_an_oversized_file_is_refused_before_it_is_looked_at(forest):
    assert refusal(forest, max_bytes=len(forest) - 1)[0] == "too_large"


def test_a_small_archive_with_a_huge_schema_is_refused_unread():
    bomb = model_makers.zipped({"schema.json": b" " * (archives.MAX_SCHEMA_BYTES + 1)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 300_000
    code, reason = refusal(bomb)
    assert code == "too_large"
    assert "schema.json would unpack" in reason


def test_a_high_ratio_archive_is_refused():
    bomb = model_makers.zipped({"schema.json": b"{}", "1.bin": bytes(40 * 1024**2)}, zipfile.ZIP_DEFLATED)
    code, reason = refusal(bomb)
    assert (code, "times its size" in reason) == ("too_large", True)


def test_a_member_that_declares_less_than_it_holds_is_refused(forest):
    parts = model_makers.members(forest)
    content = bytearray(model_makers.zipped(parts, zipfile.ZIP_DEFLATED))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 16)
    assert refusal(bytes(content))[0] in ("unsupported_format", "invalid_model")


def test_too_many_members_are_refused():
    many = model_makers.zipped({"schema.json": b"{}", **{f"{n}.bin": b"" for n in range(archives.MAX_MEMBERS + 1)}})
    assert refusal(many)[0] == "too_large"


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/passwd", "a/b.npy", "C:\\x.npy", "evil.py", "x.npy/"])
def test_a_member_with_a_path_or_a_foreign_name_is_refused(forest, name):
    parts = model_makers.members(forest)
    assert refusal(model_makers.zipped({**parts, name: b""}))[0] == "invalid_model"


def test_an_unreferenced_or_missing_member_is_refused(forest):
    parts = model_makers.members(forest)
    code, reason = refusal(model_makers.zipped({**parts, "99.bin": b"x"}))
    assert (code, "does not name" in reason) == ("invalid_model", True)
    del parts[next(name for name in parts if name.endswith(".npy"))]
    code, reason = refusal(model_makers.zipped(parts))
    assert (code, "lacks" in reason) == ("invalid_model", True)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_doubled_member_a_link_and_an_encrypted_one_are_refused(forest):
    buffer = io.BytesIO(forest)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("schema.json", "{}")
    assert "two members" in refusal(buffer.getvalue())[1]
    link = zipfile.ZipInfo("1.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO(forest)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "symbolic link" in refusal(buffer.getvalue())[1]
    encrypted = bytearray(forest)
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refusal(bytes(encrypted))[1]


def test_an_unlisted_type_is_refused_by_name(forest):
    def swap(schema):
        schema["__class__"], schema["__module__"] = "Popen", "subprocess"

    code, reason = refusal(model_makers.with_schema(forest, swap))
    assert (code, "subprocess.Popen" in reason) == ("untrusted_type", True)


def test_a_scikit_learn_type_that_nobody_reviewed_is_refused_by_name():
    from sklearn.cluster import KMeans

    kmeans = KMeans(2, n_init=1, random_state=0).fit(model_makers.rows()[["amount", "age"]])
    code, reason = refusal(model_makers.as_skops(kmeans))
    assert (code, "sklearn.cluster._kmeans.KMeans" in reason) == ("untrusted_type", True)


@pytest.mark.parametrize("kind", ["MethodNode", "OperatorFuncNode", "ConstructorFromReduceNode", "NoSuchNode"])
def test_a_node_kind_that_calls_what_the_file_names_is_refused(forest, kind):
    code, reason = refusal(model_makers.with_schema(forest, lambda schema: schema.update(__loader__=kind)))
    assert (code, kind in reason) == ("untrusted_type", True)


def test_a_function_that_is_no_known_arithmetic_is_refused():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = make_pipeline(FunctionTransformer(json.loads, validate=False))
    code, reason = refusal(model_makers.as_skops(model))
    assert (code, "json.loads" in reason) == ("untrusted_type", True)


@pytest.mark.parametrize("protocol", [0, 3, True, "2", None])
def test_an_unknown_protocol_is_refused(forest, protocol):
    changed = model_makers.with_schema(forest, lambda schema: schema.update(protocol=protocol))
    assert refusal(changed)[0] == "unsupported_format"


def spoiled(value):
    def change(column):
        column[0] = value
        return column

    return change


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", 10**6),
        ("left_child", 0),
        ("right_child", -1),
        ("right_child", -7),
        ("right_child", 1),
        ("feature", 99),
        ("feature", -2),
        ("threshold", np.nan),
    ],
)
def test_a_forest_with_a_damaged_tree_is_refused_before_it_predicts(forest, field, value):
    code, reason = refusal(model_makers.with_nodes(forest, field, spoiled(value)))
    assert (code, "damaged" in reason) == ("invalid_model", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("left", 10**6), ("left", 0), ("right", 1), ("feature_idx", 99), ("num_threshold", np.nan), ("value", np.inf)],
)
def test_a_boosting_model_with_a_damaged_tree_is_refused_before_it_predicts(boosting, field, value):
    code, reason = refusal(model_makers.with_nodes(boosting, field, spoiled(value)))
    assert (code, "damaged" in reason) == ("invalid_model", True)


def test_a_tree_with_another_width_than_its_forest_is_refused(forest):
    def narrow(schema):
        # A node with an id that skops has met would be taken from its memory instead.
        schema["content"]["content"]["n_features_in_"].update(content="1", __id__=1)

    assert refusal(model_makers.with_schema(forest, narrow))[0] == "invalid_model"


def test_an_array_that_declares_more_than_its_bytes_is_refused(forest):
    parts = model_makers.members(forest)
    name = next(name for name in parts if name.endswith(".npy"))
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    code, reason = refusal(model_makers.zipped({**parts, name: buffer.getvalue()}))
    assert (code, "declares a shape" in reason) == ("invalid_model", True)


def test_a_pipeline_loses_its_cache_folder_and_its_threads():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

    steps = [("forest", RandomForestClassifier(2, n_jobs=2, random_state=0))]
    model = Pipeline(steps, memory="/tmp/cache").fit(model_makers.rows()[["amount"]], model_makers.rows()["label"])
    loaded = model_files.load(model_makers.as_skops(model))
    assert loaded.memory is None
    assert loaded.named_steps["forest"].n_jobs is None
