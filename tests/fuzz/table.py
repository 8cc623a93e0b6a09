"""The table of targets, and what of the package they must cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import (
    between_targets,
    device_targets,
    export_targets,
    helper_targets,
    log_targets,
    node_targets,
    object_targets,
    processor_targets,
    reader_targets,
    record_targets,
    session_target,
    shared_targets,
    stream_targets,
    token_targets,
    value_targets,
)
from .target import Target

_ROWS: Final = (
    *value_targets.TARGETS,
    *token_targets.TARGETS,
    *processor_targets.TARGETS,
    *object_targets.TARGETS,
    *record_targets.TARGETS,
    *session_target.TARGETS,
    *stream_targets.TARGETS,
    *node_targets.TARGETS,
    *reader_targets.TARGETS,
    *export_targets.TARGETS,
    *log_targets.TARGETS,
    *shared_targets.TARGETS,
    *between_targets.TARGETS,
    *device_targets.TARGETS,
    *helper_targets.TARGETS,
)
TARGETS: Final[Mapping[str, Target]] = {target.name: target for target in _ROWS}
