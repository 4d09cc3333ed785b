"""The ground rule: “human error” is where the questions begin, not a root cause. Pure."""

import re

GROUND_RULE = (
    "“Human error” is no root cause: everybody did their best with what they knew. "
    "Ask what in the system made it easy to do, and hard to notice."
)
ASK_BEHIND = "What in the system made that possible, and what let nobody notice?"

_WHO = (
    r"(?:human|operator|operators|user|pilot|people|engineer|engineers|developer|developers|"
    r"employee|admin|administrator|administrators|personal|personnel|manual)"
)
_PATTERNS = [
    rf"\b{_WHO}(?:['’]s?)?\s+(?:\w+\s+)?(?:error|errors|mistake|mistakes|failure|fault|negligence)\b",
    r"\b(?:made|makes|making)\s+(?:a|an|some)\s+(?:\w+\s+)?(?:mistake|error|typo)s?\b",
    r"\b(?:error|mistake|fault|failure)\s+(?:of|by)\s+(?:(?:an?|the|our|one)\s+)?"
    r"(?:human|operator|engineer|developer|person|colleague|admin(?:istrator)?|employee)s?\b",
    r"\b(?:some(?:body|one)|he|she|they|we|i|engineers?|developers?|operators?|colleagues?)\s+"
    r"(?:simply\s+|just\s+)?(?:forgot|forgets|messed\s+up|screwed\s+up|was\s+careless|"
    r"were\s+careless|did\s+not\s+pay\s+attention|didn['’]t\s+pay\s+attention|slipped\s+up)\b",
    r"\b(?:careless(?:ness)?|negligen(?:t|ce)|incompeten(?:t|ce)|inattenti(?:ve|on)|sloppy|"
    r"fat[- ]finger(?:ed)?|to\s+blame|at\s+fault)\b",
    r"\b(?:menschliches|menschlicher)\s+(?:versagen|fehler)\b",
]
_BLAME = re.compile("|".join(_PATTERNS), re.IGNORECASE)
NEARBY = 100  # characters in which a denial may stand before it
_DENIED = re.compile(
    r"\b(?:not|no|never|isn['’]t|rather than|instead of|beyond|behind)\s+(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)


def blames(text: str) -> bool:
    """Whether `text` gives people as the cause. “Not human error, but …” does not."""
    text = " ".join(text.split())  # so that no pattern looks at the same blanks twice
    return any(
        not _DENIED.search(text[max(0, found.start() - NEARBY) : found.start()])
        for found in _BLAME.finditer(text)
    )
