"""What every message of an error is: one sentence on one line, which ends where it should."""


def assert_one_sentence(message):
    text = str(message)
    assert text.splitlines() == [text], "more than one line, or none"
    assert text == text.strip()
    assert "  " not in text
    assert text[-1].isalnum() or text[-1] in ")]'\"", "cut off, or with a full stop that no other message has"
    assert not any(mark in text for mark in ("Traceback", "<class", "object at 0x", ". "))
    for opening, closing in ("()", "[]"):
        assert text.count(opening) == text.count(closing), "cut off in the middle"
    assert len(text.split()) > 4
