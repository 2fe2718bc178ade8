from tools import house


def test_the_page_has_the_drawing_of_the_code_as_it_is() -> None:
    """`make reference` brings it up to date."""
    text = house.PAGE.read_text()
    assert house.FENCED.search(text)
    assert house.page(text) == text


def test_every_room_stands_in_the_drawing_and_on_the_page() -> None:
    text = house.PAGE.read_text()
    for room in house.rooms():
        assert room in house.drawing()
        assert f"`{room}`" in text
