from tests.chat.dialects.page import PAGE, page


def test_the_page_is_what_the_declarations_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.chat.dialects.page writes it anew"
