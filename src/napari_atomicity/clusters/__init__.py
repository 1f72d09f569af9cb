"""The table of clusters: one row a cluster, the same columns in memory, in napari and in files."""

from napari_atomicity.clusters.classes import (
    OTHER,
    OTHER_PROBABILITY,
    atoms_of,
    class_label,
    class_size,
    class_sizes_of,
    is_label,
    probability_column,
)
from napari_atomicity.clusters.columns import (
    COLUMNS,
    FLAGS,
    MEASURED,
    NO_TRACK,
    PLACE,
    PREDICTED,
    SIZEABLE,
    TEXTS,
    UNITS,
    WHOLE_NUMBERS,
    Column,
    columns,
    rest_to_one,
    table_columns,
)
from napari_atomicity.clusters.matching import find_rows, matched, near
from napari_atomicity.clusters.rows import written_rows
from napari_atomicity.clusters.table import ClusterTable

__all__ = [
    "COLUMNS",
    "FLAGS",
    "MEASURED",
    "NO_TRACK",
    "OTHER",
    "OTHER_PROBABILITY",
    "PLACE",
    "PREDICTED",
    "SIZEABLE",
    "TEXTS",
    "UNITS",
    "WHOLE_NUMBERS",
    "ClusterTable",
    "Column",
    "atoms_of",
    "class_label",
    "class_size",
    "class_sizes_of",
    "columns",
    "find_rows",
    "is_label",
    "matched",
    "near",
    "probability_column",
    "rest_to_one",
    "table_columns",
    "written_rows",
]
