"""The table of clusters: one row a cluster, the same columns in memory, in napari and in files."""

from napari_atomicity.clusters.classes import (
    OTHER,
    atoms_of,
    class_label,
    class_size,
    class_sizes_of,
    probability_column,
)
from napari_atomicity.clusters.columns import (
    COLUMNS,
    FLAGS,
    MEASURED,
    PLACE,
    PREDICTED,
    SIZEABLE,
    TEXTS,
    UNITS,
    WHOLE_NUMBERS,
    Column,
    columns,
    table_columns,
)
from napari_atomicity.clusters.matching import find_rows, matched, near
from napari_atomicity.clusters.table import ClusterTable

__all__ = [
    "COLUMNS",
    "FLAGS",
    "MEASURED",
    "OTHER",
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
    "matched",
    "near",
    "probability_column",
    "table_columns",
]
