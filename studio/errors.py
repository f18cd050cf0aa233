"""What can go wrong for a visitor. Every message is one sentence or two: what happened, what to do.

    StudioError
    ├── BadRequest          a field of the request is out of range or does not exist
    │   └── OverBudget      every field is fine, their product is not
    ├── BadPicture          an uploaded file is not a picture we open
    ├── BadRecipe           a recipe (PNG metadata, JSON) does not parse
    ├── BadCheckpoint       a checkpoint is missing, damaged or of a family we do not know
    ├── NotFound            a run, frame or checkpoint that is not (or no longer) here
    ├── Busy                the queue is full
    ├── Stopped             a load or a fetch that nobody waits for any more
    ├── OutOfMemory         the device had no room, after every fallback
    └── BadData             training data: an archive is damaged or missing

Anything else that is raised is a bug and keeps its traceback.
"""


class StudioError(Exception):
    """Something a visitor can act on; `str(error)` is the whole message, fit to be shown."""


class BadRequest(StudioError):
    """A field of the request is out of range or names something that does not exist."""


class OverBudget(BadRequest):
    """Each field is in range but width × height × steps × count is more than this studio allows."""


class BadPicture(StudioError):
    """A file that is not a PNG, JPEG or WebP picture of at most 16 megapixels."""


class BadRecipe(StudioError):
    """A recipe that does not parse, or is of a version that this studio does not know."""


class BadCheckpoint(StudioError):
    """A checkpoint that is missing, damaged, unsafe or of an unknown family."""


class NotFound(StudioError):
    """A run, a frame or a checkpoint that is not, or no longer, here."""


class Busy(StudioError):
    """The queue is full."""


class Stopped(StudioError):
    """What was asked for was stopped by whoever asked."""


class OutOfMemory(StudioError):
    """The device had no room for this, after every fallback."""


class BadData(StudioError):
    """Training data that is missing or damaged."""
