"""How the page is wired, without a browser."""

import gradio as gr

from studio.settings import Settings
from studio.ui import shell
from tests.ui.scripted import ScriptedEngine


def test_no_upload_leaves_a_file_of_gradios_own_behind():
    # gr.File's own preprocessing makes an empty temporary file for each upload and forgets it.
    demo = shell.build(ScriptedEngine(), Settings.from_env({}))
    takers = [fn for fn in demo.fns.values() if any(isinstance(c, gr.File) for c in fn.inputs)]
    assert takers
    assert not any(fn.preprocess for fn in takers)
