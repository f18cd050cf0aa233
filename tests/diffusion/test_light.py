"""What carries choices imports no torch."""

import subprocess
import sys

LIGHT = ("path", "schedules", "spacing", "densities", "drive", "samplers.registry")


def test_choices_are_offered_without_torch():
    code = "import sys\n" + "".join(f"import studio.diffusion.{name}\n" for name in LIGHT)
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
