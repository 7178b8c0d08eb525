"""
Text as it is compared: compatibility forms and case made one (Unicode Standard, section 3.13, D145 "compatibility caseless match"), accents
taken off, what nobody sees left out.

Accents are those of Latin and Greek, and the points of Hebrew and Arabic, which most writers leave out. Marks that make another letter
stay: those of Cyrillic (but for \u0451, which is written \u0435), of kana, and of the scripts of India and South-East Asia.
"""

import functools
import re
import unicodedata

# Characters that nobody sees inside a word: soft hyphen, joiners, variation selectors, byte order mark.
IGNORED = re.compile("[\u00ad\u034f\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
_MARKS = (
    (0x300, 0x36F), (0x591, 0x5BD), (0x5BF, 0x5BF), (0x5C1, 0x5C2), (0x5C4, 0x5C5), (0x5C7, 0x5C7), (0x640, 0x640), (0x64B, 0x652),
    (0x670, 0x670), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF),
)
_LETTERS = ((0xC0, 0x24F), (0x370, 0x52F), (0x1E00, 0x1FFF))
_CYRILLIC = range(0x400, 0x530)
# Letters with a stroke or joined, which Unicode does not take apart.
_WHOLE = {
    "\u00e6": "ae", "\u00f0": "d", "\u00f8": "o", "\u00fe": "th", "\u0111": "d", "\u0127": "h", "\u0131": "i", "\u0142": "l",
    "\u0153": "oe", "\u0167": "t",
}


@functools.cache
def _unaccented() -> tuple[re.Pattern[str], dict[int, str]]:
    """What is taken off or changed, as a pattern that finds any of it, and as a table for C{str.translate}."""
    marks = {code for first, last in _MARKS for code in range(first, last + 1)}
    table = dict.fromkeys(sorted(marks), "")
    for first, last in _LETTERS:
        for code in range(first, last + 1):
            apart = unicodedata.normalize("NFD", chr(code))
            kept = "".join(one for one in apart if ord(one) not in marks)
            if kept != apart and (code not in _CYRILLIC or code == 0x451):
                table[code] = kept
    table.update({ord(letter): plain for letter, plain in _WHOLE.items()})
    return re.compile("[" + "".join(map(chr, sorted(table))) + "]"), table


def fold(text: str) -> str:
    """The text as it is compared: NFKC, without case, accents, and what nobody sees."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = IGNORED.sub("", folded)
    accented, table = _unaccented()
    if accented.search(folded) is None:
        return folded
    return unicodedata.normalize("NFC", folded.translate(table))
