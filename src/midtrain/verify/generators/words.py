"""Names and things that fill problems: short, common words that are not part of what is asked."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words("Tom Ann Bob Sam Max Eve Ben Kim Leo Mia Dan Amy Joe Ida Ray Zoe Ian Liv Roy Sue Gus Liz Ted Pam")
THINGS = _words("apples books coins cards pens cups stones shells stamps eggs keys balls")
KINDS = _words(
    "wugs daks blips zorks tovs fleps glims krebs lomps mips norks plims "
    "quafs rints snebs trocks vims yorps zims dreps fribs gants hobs jems"
)
"""Invented, so that nothing known of the world answers for the premises."""
LETTERS = _words("a b c d e f g h i j k l m n o p q r s t u v w x y z")
