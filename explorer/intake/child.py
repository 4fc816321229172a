"""The decoding child: a process that is given bytes, limits itself, and answers with pixels or a refusal.

It is started by `explorer.intake.sandbox` and ends when its input does.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings

from PIL import Image

from explorer.errors import IntakeError
from explorer.intake import wire
from explorer.intake.decode import decode
from explorer.settings import Limits


def main(limits_as_json: str) -> None:
    """Decode files from standard input until it closes. The first refusal is the last answer."""
    limits = Limits(**json.loads(limits_as_json))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a codec that prints must not reach the answers
    confine(limits)
    while (data := wire.receive_file(sys.stdin.buffer)) is not None:
        _allow_seconds(limits.sandbox_cpu_seconds)
        try:
            wire.send_film(answers, decode(data, limits))
        except IntakeError as refusal:
            wire.send_error(answers, refusal)
            return
        del data


def confine(limits: Limits) -> None:
    """Give up memory beyond the limit, writing files, and core dumps (they would hold the film)."""
    memory = limits.sandbox_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.MAX_IMAGE_PIXELS = limits.pixels  # for pictures inside DICOM, which pydicom hands to Pillow
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _allow_seconds(seconds: int) -> None:
    """Let the process use so many more seconds of processor time; the kernel ends it when they are gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
