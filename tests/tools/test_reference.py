from tools import reference


def test_pages_and_schema_are_those_of_the_code() -> None:
    """`make reference` brings them up to date."""
    assert reference.SCHEMA.read_text() == reference.schema()
    assert reference.PAGE.read_text() == reference.page()
    assert reference.FAITHFULNESS.read_text() == reference.choices()
