import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.digest import digest_bytes
from pellucid.core.errors import InvalidInput
from pellucid.core.snapshot import (
    FORMAT,
    EntryKind,
    Manifest,
    TreeEntry,
    TreeFile,
    build_tree,
    decode_manifest,
    decode_tree,
    encode_json,
    encode_tree,
    iter_files,
)

DIGEST = "ab" * 32
UNSAFE = ("..", ".", "", "a/b", "a\\b", "a\0b", "x" * 256)

names = st.text(
    st.characters(blacklist_characters="/\\\0", blacklist_categories=["Cs"]),
    min_size=1,
    max_size=6,
).filter(lambda name: name not in {".", ".."})
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@st.composite
def projects(draw: st.DrawFn) -> list[TreeFile]:
    chosen: dict[str, TreeFile] = {}
    for path in draw(st.lists(paths, max_size=12, unique=True)):
        inside = any(
            path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in chosen
        )
        if not inside:
            kind = draw(st.sampled_from([EntryKind.FILE, EntryKind.EXECUTABLE, EntryKind.LINK]))
            data = draw(st.binary(max_size=4))
            chosen[path] = TreeFile(path, kind, digest_bytes(data), len(data))
    return list(chosen.values())


@given(projects(), st.randoms())
def test_a_tree_holds_its_files_whatever_their_order(files: list[TreeFile], random: object) -> None:
    tree = build_tree(files)
    random.shuffle(files)  # type: ignore[attr-defined]
    assert build_tree(files) == tree
    found = list(iter_files(tree.digest, tree.objects.__getitem__))
    assert sorted(found, key=lambda f: f.path) == sorted(files, key=lambda f: f.path)
    assert all(digest_bytes(data) == digest for digest, data in tree.objects.items())


@given(projects())
def test_another_file_is_another_tree(files: list[TreeFile]) -> None:
    more = [*files, TreeFile("zzzzzzzzzz", EntryKind.FILE, DIGEST, 1)]
    assert build_tree(more).digest != build_tree(files).digest


def test_one_changed_file_shares_all_other_folders() -> None:
    files = [
        TreeFile(f"d{n % 10}/f{n}", EntryKind.FILE, digest_bytes(str(n).encode()), 1)
        for n in range(100)
    ]
    before = build_tree(files)
    files[7] = TreeFile("d7/f7", EntryKind.FILE, DIGEST, 1)
    assert len(before.objects.keys() - build_tree(files).objects.keys()) == 2


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        decode_tree(msgspec.json.encode([TreeEntry(name, EntryKind.FILE, DIGEST)]))
    if "/" not in name:
        with pytest.raises(InvalidInput):
            build_tree([TreeFile(f"folder/{name}", EntryKind.FILE, DIGEST, 1)])


@pytest.mark.parametrize(
    "entries",
    [
        [TreeEntry("a", EntryKind.FILE, "../../etc")],
        [TreeEntry("a", EntryKind.FILE, DIGEST), TreeEntry("a", EntryKind.TREE, DIGEST)],
        [TreeEntry("b", EntryKind.FILE, DIGEST), TreeEntry("a", EntryKind.FILE, DIGEST)],
    ],
)
def test_a_tree_that_is_not_canonical_is_refused(entries: list[TreeEntry]) -> None:
    with pytest.raises(InvalidInput):
        decode_tree(msgspec.json.encode(entries))


def test_a_file_is_no_folder() -> None:
    files = [TreeFile(path, EntryKind.FILE, DIGEST, 1) for path in ("a", "a/b")]
    with pytest.raises(InvalidInput):
        build_tree(files)
    with pytest.raises(InvalidInput):
        build_tree(files[::-1])


def test_folders_without_end_are_refused() -> None:
    data = encode_tree([TreeEntry("a", EntryKind.TREE, DIGEST)])
    with pytest.raises(InvalidInput, match="levels"):
        list(iter_files(DIGEST, lambda _: data))


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = Manifest(tree=DIGEST, config=DIGEST, command=["python", "a.py"])
    assert decode_manifest(encode_json(manifest)) == manifest
    for wrong in (
        b"",
        b"[]",
        b"\xff",
        encode_json(Manifest(tree="../x")),
        encode_json(Manifest(tree=DIGEST, packages="x")),
        encode_json(Manifest(tree=DIGEST, format=FORMAT + 1)),
    ):
        with pytest.raises(InvalidInput):
            decode_manifest(wrong)
