"""`python -m studio extras`: the list, and names that are none."""

import json

from studio.__main__ import main
from studio.extras.known import EXTRAS


def test_the_list_names_each_with_its_licence_and_origin(tmp_path, capsys):
    assert main(["extras", "--extras", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["extras"]
    assert [row["name"] for row in rows] == list(EXTRAS)
    assert not any(row["installed"] for row in rows)
    assert all(row["licence"] and row["from"].split()[0] in ("npm", "PyPI") for row in rows)
    assert main(["extras", "--extras", str(tmp_path), "list"]) == 0
    said = capsys.readouterr().out
    assert "MB to fetch" in said and all(name in said for name in EXTRAS)


def test_a_name_that_is_none_and_an_empty_folder_are_said_in_words(tmp_path, capsys):
    assert main(["extras", "--extras", str(tmp_path), "install", "sam"]) == 2
    assert "There is no extra “sam”; there are depth" in capsys.readouterr().err
    folder = ["--extras", str(tmp_path / "made")]
    assert main(["extras", *folder, "install", "lines", "--from", str(tmp_path)]) == 2
    assert "jp.keijiro.mlsd-1.0.0.tgz is not in" in capsys.readouterr().err
