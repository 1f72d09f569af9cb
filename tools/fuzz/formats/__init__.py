"""Small files of every format, good ones and crafted ones, written byte by byte where a library would not write them."""
