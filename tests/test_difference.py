from tests.difference import difference

LINES = [f"line {number}" for number in range(10)]


def test_the_same_lines() -> None:
    """Nothing is said."""
    assert difference(LINES, LINES) == ""


def test_lines_that_are_missing_repeated_foreign_and_out_of_order() -> None:
    """What came is shown in runs, by the numbers of the lines."""
    given = [*LINES[:4], "what?", *LINES[7:9], *LINES[5:8]]
    assert difference(given, LINES) == (
        "of 10 lines 2 missing, 1 repeated, 1 foreign; in this order came: 0-3, 'what?', 7-8, 5-7"
    )


def test_a_list_that_differs_everywhere() -> None:
    """Only its beginning is shown."""
    lines = [f"{number}" for number in range(1000)]
    shown = ", ".join(str(number) for number in range(999, 969, -1))
    assert difference(lines[::-1], lines) == (
        f"of 1000 lines 0 missing, 0 repeated, 0 foreign; in this order came: {shown} …"
    )
