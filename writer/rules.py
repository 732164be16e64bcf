"""The rules that readers of an archive rely on, under names that stay as they are."""

from __future__ import annotations

from enum import Enum


class Rule(Enum):
    """A rule of the archive; its value is its stable name.

    Attributes
    ----------
    meaning : str
        What is so where the rule is broken.
    effect : str
        What readers make of it.
    is_remark : bool
        Whether it is worth a remark only: no reader is harmed.
    """

    meaning: str
    effect: str
    is_remark: bool

    def __new__(cls, name: str, meaning: str, effect: str, *kind: str) -> Rule:
        """Take name, meaning and effect apart."""
        rule = object.__new__(cls)
        rule._value_ = name
        rule.meaning = meaning
        rule.effect = effect
        rule.is_remark = "remark" in kind
        return rule

    FRAME_TORN = "frame-torn", "A frame ends too early.", "They stop there; `load_range` fails as a whole."
    ZERO_BYTES = "zero-bytes", "Zero bytes stand where a frame should begin.", "They read frames without content."
    NOT_A_FRAME = "not-a-frame", "Bytes do not begin a frame.", "They stop there; `load_range` fails as a whole."
    CHECKSUM = "checksum", "A frame's checksum is wrong.", "They stop there; `load_range` fails as a whole."
    UNREADABLE = "unreadable-frame", "The G3 library cannot read a frame.", "They stop there."
    FRAME_TYPE = "frame-type", "A frame is not of type Housekeeping.", "hkdb fails on it."

    FILE_NAME = "file-name", "A file is not named by a whole number and .g3.", "They fail on it or pass it over."
    FOLDER = "folder", "A file is not in the folder of its first five digits.", "They do not find it by time."
    STRANGER = "stranger", "Something else is in the data directory.", "hkdb and the imprinter fail on it."
    FILE_REACH = (
        "file-reach",
        "Rows are more than two hours from the time that names the file.",
        "`load_range` does not find them by their time.",
    )
    ROW_TIME = "row-time", "Rows have times before 1970 or after 2200.", "They are not found by time."
    FOLDER_END = (
        "folder-end",
        "A frame is later than the end of its folder's 100 000 s.",
        "The imprinter may have packed the folder before the frame came.",
        "remark",
    )

    HEAD = "head", "A file does not begin with a session and a status frame.", "They fail with KeyError."
    ONLY_SESSION = (
        "only-session",
        "A file has no more than a session frame, or is empty.",
        "Nothing: there is no data in it.",
        "remark",
    )
    HKAGG_TYPE = "hkagg-type", "`hkagg_type` is not 0, 1 or 2.", "hkdb fails on the frame."
    HKAGG_VERSION = "hkagg-version", "`hkagg_version` is not 2.", "Translated by some, refused by others."
    FRAME_KEYS = "frame-keys", "A frame's keys are not those of its kind.", "They fail with KeyError or TypeError."
    SESSION_ID = "session-id", "A frame is of another session than the file.", "They forget the providers."

    PROVIDERS = "providers", "A status frame's providers are not in order of prov_id, each once.", "They mix them up."
    ADDRESS = "address", "An address is not four ASCII words with dots between them.", "Fields are not found by name."
    PROVIDER_UNKNOWN = (
        "provider-unknown",
        "A data frame's prov_id is not in the status frame before it.",
        "They fail with KeyError.",
    )
    PROVIDER_IDENTITY = (
        "provider-identity",
        "A prov_id stands for another address or provider session than before.",
        "They file rows under the wrong name.",
    )
    PROVIDER_RETURNS = (
        "provider-returns",
        "A prov_id is active again after it was not.",
        "so3g's HKScanner warns.",
        "remark",
    )

    BLOCKS = "blocks", "Blocks and block names do not go together.", "They file rows under the wrong name."
    NO_ROWS = "no-rows", "A block has no rows.", "They fail with IndexError."
    NO_FIELDS = "no-fields", "A block has no fields.", "Its rows cannot be asked for."
    COLUMN_LENGTH = "column-length", "A column has more or fewer values than the block rows.", "They fail."
    COLUMN_TYPE = "column-type", "A column is not of doubles, integers, strings or booleans.", "They fail."
    FIELD_NAME = "field-name", "A field's name is not valid.", "It cannot be asked for."
    FIELD_SET = (
        "field-set",
        "A provider's block has other fields than before.",
        "New ones are not seen, missing ones fail.",
    )
    FIELD_IN_TWO_BLOCKS = "field-in-two-blocks", "A provider has one field in two blocks.", "They show one of them."
    TYPE_CHANGE = "type-change", "A column's type changes within a provider.", "Values are cut, or reading fails."
    TYPE_WIDENING = (
        "type-widening",
        "A column widens from bool to int to double within a provider.",
        "The first type counts: fractions are cut off, numbers become True.",
    )
    TYPE_DRIFT = (
        "type-drift",
        "A field has another type than it had in the provider or file before.",
        "The first type counts: values are cut, or reading fails.",
    )

    ROW_ORDER = "row-order", "Rows of a block go back in time within a frame.", "The bookbinder refuses them."
    ROW_REPEAT = "row-repeat", "Rows of a block have the same time within a frame.", "The bookbinder refuses them."
    ROWS_OVERLAP = (
        "rows-overlap",
        "Rows of a block begin at or before the last row of the frame before, in the same file or another.",
        "The bookbinder refuses them.",
    )

    FRAME_ORDER = (
        "frame-order",
        "A provider's data frames are not in order of `timestamp`.",
        "so3g's HKScanner warns.",
        "remark",
    )
    FRAME_EARLY = (
        "frame-early",
        "A data frame's `timestamp` is before its provider became active.",
        "so3g's HKScanner warns.",
        "remark",
    )
    FRAME_TIME = (
        "frame-time",
        "A data frame's `timestamp` is more than 60 s from its first row.",
        "so3g's HKScanner warns.",
        "remark",
    )
    SCANNER_ERROR = "scanner-error", "so3g's HKScanner has an error to tell.", "As it says."
    SCANNER_WARNING = "scanner-warning", "so3g's HKScanner has a warning to tell.", "None.", "remark"


BY_NAME = {rule.value: rule for rule in Rule}
"""Every rule by its stable name."""
