"""The error tree. A message says what happened and what to do; it names no path and holds no patient data.

CxrError                      (models.interfaces)
├─ TowerError                 a tower cannot be loaded or used (models.interfaces)
│  ├─ UnknownTower, WeightsMissing, WeightsDamaged
├─ BadQuery                   the query cannot be searched: empty, too long, not text
├─ BadReview                  a review, an answer to it, or a file of generated reports cannot be used
├─ IntakeError                the file cannot be read as a radiograph
│  ├─ NotAnImage              neither DICOM nor PNG nor JPEG
│  ├─ UnsupportedSyntax       a DICOM compression nothing here decodes
│  ├─ TooLarge                above a size, pixel or memory limit
│  ├─ Corrupt                 damaged, empty or flat
│  └─ TookTooLong             decoding passed its time limit
├─ FetchError                 weights cannot be brought to this machine
├─ EndpointError              the configured language model cannot be used
├─ MetricMissing              a published metric cannot be had: its package or its weights are not there
├─ CorpusError                a corpus cannot be read
│  ├─ UnknownCorpus           no corpus of that name
│  └─ CorpusMissing           its source is not on this machine
└─ StoreError                 the prepared reports or vectors cannot be used
   ├─ NotPrepared             nothing prepared yet
   ├─ Damaged                 files do not match their manifest
   └─ Foreign                 made from another corpus, or by another encoder
"""

from __future__ import annotations

from models.interfaces import CxrError, TowerError, UnknownTower, WeightsDamaged, WeightsMissing

__all__ = [
    "BadQuery",
    "BadReview",
    "CorpusError",
    "CorpusMissing",
    "Corrupt",
    "CxrError",
    "Damaged",
    "EndpointError",
    "FetchError",
    "Foreign",
    "IntakeError",
    "MetricMissing",
    "NotAnImage",
    "NotPrepared",
    "StoreError",
    "TooLarge",
    "TookTooLong",
    "TowerError",
    "UnknownCorpus",
    "UnknownTower",
    "UnsupportedSyntax",
    "WeightsDamaged",
    "WeightsMissing",
]


class BadQuery(CxrError):
    """The query cannot be searched."""


class BadReview(CxrError):
    """A review, an answer to one of its cases, or a file of generated reports cannot be used."""


class EndpointError(CxrError):
    """The configured language model cannot be used."""


class FetchError(CxrError):
    """Weights cannot be brought to this machine."""


class MetricMissing(CxrError):
    """A published metric cannot be had: its package or its weights are not there."""


class IntakeError(CxrError):
    """The file cannot be read as a radiograph."""


class NotAnImage(IntakeError):
    """The bytes are neither DICOM nor PNG nor JPEG."""


class UnsupportedSyntax(IntakeError):
    """The DICOM is compressed in a way nothing here decodes."""


class TooLarge(IntakeError):
    """The file is above a size, pixel or memory limit."""


class Corrupt(IntakeError):
    """The file is damaged, empty, or holds no picture."""


class TookTooLong(IntakeError):
    """Decoding passed its time limit."""


class CorpusError(CxrError):
    """A corpus cannot be read."""


class UnknownCorpus(CorpusError):
    """No corpus has that name."""


class CorpusMissing(CorpusError):
    """The corpus is known, but its source is not on this machine."""


class StoreError(CxrError):
    """Prepared reports or vectors cannot be used."""


class NotPrepared(StoreError):
    """Nothing has been prepared yet."""


class Damaged(StoreError):
    """Prepared files do not match their manifest."""


class Foreign(StoreError):
    """Prepared files were made from another corpus or by another encoder."""
