"""Small files of every format, good and crafted ones, byte by byte where a library would not write them."""
