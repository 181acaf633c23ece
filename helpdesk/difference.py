"""Two texts compared word by word, for people who must see at once what one says and the other does not."""

import re
from difflib import SequenceMatcher

MOST_WORDS = 1500
LEAST_ALIKE = 0.25

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")

Change = tuple[str, str]  # "both", "theirs" or "mine", and the words


def changes(theirs: str, mine: str) -> list[Change] | None:
    """The runs of words that both texts have, only `theirs` or only `mine`, in order, spaces with them.

    None where a comparison would help nobody: an empty text, very long ones, or texts that share next to nothing.
    """
    left, right = _WORDS.findall(theirs.strip()), _WORDS.findall(mine.strip())
    if not left or not right or max(len(left), len(right)) > 2 * MOST_WORDS:
        return None
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if _alike(left, right, matcher) < LEAST_ALIKE:
        return None
    made: list[Change] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            made.append(("both", "".join(left[i1:i2])))
            continue
        made += [("theirs", "".join(left[i1:i2]))] if i2 > i1 else []
        made += [("mine", "".join(right[j1:j2]))] if j2 > j1 else []
    return made


def _alike(left: list[str], right: list[str], matcher: SequenceMatcher[str]) -> float:
    """Which part of the shorter text's words the other has in the same order; spaces and signs say nothing."""
    shared = sum(
        part[:1].isalnum() for block in matcher.get_matching_blocks() for part in left[block.a : block.a + block.size]
    )
    shorter = min(sum(part[:1].isalnum() for part in words) for words in (left, right))
    return shared / shorter if shorter else 0.0
