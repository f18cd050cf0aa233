"""Archives: pinned bytes or a sentence."""

import pytest

from studio.errors import BadData
from studio.training import sources


def test_an_archive_with_the_pinned_checksum_is_taken(world):
    package = world["sets"]["noto"]
    assert sources.checked(package, world["folder"]).name == package.archive


def test_a_damaged_archive_is_noticed_by_its_checksum(world, tmp_path):
    package = world["sets"]["noto"]
    (tmp_path / package.archive).write_bytes(b"not what was pinned")
    with pytest.raises(BadData, match=r"damaged.*\s*delete it and run again"):
        sources.checked(package, tmp_path)


def test_a_missing_archive_is_named(world, tmp_path):
    with pytest.raises(BadData, match=r"iconify-json-noto-1\.0\.0\.tgz is not in"):
        sources.checked(world["sets"]["noto"], tmp_path)


def test_an_archive_cut_short_is_damaged_not_a_traceback(world, tmp_path):
    whole = (world["folder"] / world["sets"]["noto"].archive).read_bytes()
    short = tmp_path / "short.tgz"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadData, match=r"short\.tgz is damaged"):
        sources.read_json(short, "icons.json")


def test_a_changed_licence_stops_the_packing(world):
    package = world["sets"]["noto"]
    expected = sources.Package(
        package.name, package.version, package.integrity, "Apache-2.0", "noto"
    )
    with pytest.raises(BadData, match=r"licence is MIT, not Apache-2\.0"):
        sources.licence(expected, world["archives"]["noto"])


def test_every_pinned_package_has_a_full_checksum():
    for package in (*sources.SETS.values(), *sources.WORDS.values()):
        assert package.integrity.startswith("sha512-") and len(package.integrity) == 95


def test_share_alike_sets_are_left_out():
    assert {p.licence for p in sources.SETS.values()} == {"Apache-2.0", "MIT", "CC-BY-4.0"}
