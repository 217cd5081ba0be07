"""Numbers that are written in two ways and reach one person.

Meta answers with whichever its user registered under, so both are kept, and either finds them:

- Brazil put a 9 before every mobile number: `+55 AA NNNN NNNN` and `+55 AA 9NNNN NNNN` are one,
  where the eight digits begin with 6 to 9. Those that begin with 2 to 5 are landlines, which have
  no other form; a mobile number whose 9 stands before such a digit never was without it.
- Mexico dropped the 1 after its country code: `+521` and ten digits are `+52` and the same ten.
"""

import re

_BRAZIL = re.compile(r"tel:\+55([1-9][1-9])(9?)([6-9][0-9]{7})")
_MEXICO = re.compile(r"tel:\+52(1?)([2-9][0-9]{9})")


def other_form(identity: str) -> str | None:
    """The other way to write a number's identity; None where there is only one."""
    if not identity.startswith("tel:+5"):
        return None
    if match := _BRAZIL.fullmatch(identity):
        area, nine, rest = match.groups()
        return f"tel:+55{area}{'' if nine else '9'}{rest}"
    if match := _MEXICO.fullmatch(identity):
        one, rest = match.groups()
        return f"tel:+52{'' if one else '1'}{rest}"
    return None


def all_forms(identity: str) -> tuple[str, ...]:
    """An identity in every way it is written, itself first."""
    other = other_form(identity)
    return (identity,) if other is None else (identity, other)
