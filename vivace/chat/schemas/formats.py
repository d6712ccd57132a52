"""Formats of strings as lark terminals that whole texts have to match, each by the RFC that JSON Schema names."""

_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DATE = (  # RFC 3339, section 5.6, with the days that a month has
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP}-02-29)"
)
_TIME = (
    r"((([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    r"|23:59:60(\.[0-9]+)?[Zz])"
)
_DURATION_TIME = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"  # RFC 3339, appendix A
_DURATION_DATE = "([0-9]+D|[0-9]+M([0-9]+D)?|[0-9]+Y([0-9]+M([0-9]+D)?)?)"

_LABEL = "[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?"  # RFC 1123
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_H16 = "[0-9A-Fa-f]{1,4}"


def _ipv6() -> str:
    """RFC 3986, section 3.2.2: eight groups, the last two perhaps as IPv4, and `::` for some of them."""
    last = f"({_H16}:{_H16}|{_IPV4})"
    options = [f"({_H16}:){{6}}{last}"]
    for behind in range(6):
        options.append(f"({_before(5 - behind)})?::({_H16}:){{{behind}}}{last}")
    return "|".join([*options, f"({_before(6)})?::{_H16}", f"({_before(7)})?::"])


def _before(most: int) -> str:
    """Groups before the `::`."""
    return f"({_H16}:){{0,{most - 1}}}{_H16}" if most else ""


_ATOM = r"[0-9A-Za-z!#$%&'*+\u{2f}=?^_`{|}~-]+"  # RFC 5321, section 4.1.2
_LOCAL = rf'({_ATOM}(\.{_ATOM})*|"([ !#-\[\]-~]|\\[ -~])*")'

_ESCAPED = "%[0-9A-Fa-f]{2}"  # RFC 3986, appendix A
_PLAIN = r"0-9A-Za-z\-._~!$&'()*+,;="
_PATH_CHARS = rf"([{_PLAIN}:@]|{_ESCAPED})"
_SEGMENTS = rf"(\u{{2f}}{_PATH_CHARS}*)*"
_AUTHORITY = (
    rf"(([{_PLAIN}:]|{_ESCAPED})*@)?(\[({_ipv6()}|v[0-9A-Fa-f]+\.[{_PLAIN}:]+)\]|([{_PLAIN}]|{_ESCAPED})*)(:[0-9]*)?"
)
_TAIL = rf"(\?([{_PLAIN}:@\u{{2f}}?]|{_ESCAPED})*)?(#([{_PLAIN}:@\u{{2f}}?]|{_ESCAPED})*)?"
_ABSOLUTE = rf"\u{{2f}}({_PATH_CHARS}+{_SEGMENTS})?"
_ROOTED = rf"\u{{2f}}\u{{2f}}{_AUTHORITY}{_SEGMENTS}|{_ABSOLUTE}"
_URI = rf"[A-Za-z][0-9A-Za-z+.\-]*:({_ROOTED}|{_PATH_CHARS}+{_SEGMENTS})?{_TAIL}"
_RELATIVE = rf"({_ROOTED}|([{_PLAIN}@]|{_ESCAPED})+{_SEGMENTS})?{_TAIL}"
_POINTER = r"(\u{2f}([^~\u{2f}]|~[01])*)*"  # RFC 6901

FORMATS: dict[str, str] = {
    name: f"/({pattern})/"
    for name, pattern in {
        "date": _DATE,
        "time": _TIME,
        "date-time": f"{_DATE}[Tt]{_TIME}",
        "duration": f"P({_DURATION_DATE}({_DURATION_TIME})?|{_DURATION_TIME}|[0-9]+W)",
        "email": rf"{_LOCAL}@({_HOST}|\[{_IPV4}\]|\[IPv6:({_ipv6()})\])",
        "ipv4": _IPV4,
        "ipv6": _ipv6(),
        "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",  # RFC 4122
        "uri": _URI,
        "uri-reference": f"{_URI}|{_RELATIVE}",
        "json-pointer": _POINTER,
    }.items()
} | {"hostname": f"(/{_HOST}/ & /.{{1,253}}/)"}
