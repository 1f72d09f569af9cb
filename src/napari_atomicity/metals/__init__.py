"""Metals: class sets as data, counts in units of another metal, and alloys."""

from napari_atomicity.metals.alloys import Pair, Second, covered, ridge, size_and_composition
from napari_atomicity.metals.class_sets import ClassSet, class_set, class_set_of, class_sets
from napari_atomicity.metals.composition import Composition, Part, read_composition
from napari_atomicity.metals.elements import atomic_number, metal_named_in, symbol_of
from napari_atomicity.metals.equivalents import Conversion, unit_name
from napari_atomicity.metals.exponent import Exponent, read_exponent
from napari_atomicity.metals.sizes import likeliest_sizes

__all__ = [
    "ClassSet",
    "Composition",
    "Conversion",
    "Exponent",
    "Pair",
    "Part",
    "Second",
    "atomic_number",
    "class_set",
    "class_set_of",
    "class_sets",
    "covered",
    "likeliest_sizes",
    "metal_named_in",
    "read_composition",
    "read_exponent",
    "ridge",
    "size_and_composition",
    "symbol_of",
    "unit_name",
]
