"""Templates: {variable} and nothing else; what is unknown is found when the runbook is checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from incidents.comms import language, letters
from incidents.comms.models import Audience, Occasion
from incidents.comms.section import Communication
from incidents.core.documents import complaints


def wrong(**section: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Communication.model_validate(section)
    return complaints(caught.value)


def test_it_fills_in_what_is_known_and_says_what_is_not():
    text = language.fill("{severity}: {title}, ETA {eta}. {{kept}}", {"severity": "P1"})

    assert text == "P1: not known yet, ETA not known yet. {kept}"


@pytest.mark.parametrize(
    "template",
    ["{title.__class__}", "{title!r}", "{title:>10}", "{0}", "{}", "{ title }", "{title[0]}"],
)
def test_it_knows_no_attributes_calls_or_formats(template: str):
    assert list(language.complaints(template)) != []
    assert language.fill(template, {"title": "secret"}) == template.strip()


@given(st.text(max_size=200))
def test_it_never_raises_whatever_the_template(text: str):
    language.fill(text, {})
    list(language.complaints(text))


def test_a_value_is_not_read_as_a_template():
    assert language.fill("{title}", {"title": "{impact}", "impact": "no"}) == "{impact}"


def test_an_unknown_variable_is_found_in_the_runbook_with_what_is_allowed():
    (line,) = wrong(templates={"update": {"internal": {"body": "{titel}"}}})

    assert line.startswith("templates.update.internal.body: {titel} is unknown; allowed are ")
    assert "title" in line


@pytest.mark.parametrize("variable", ["title", "root_cause", "commander", "impact", "bridge"])
def test_what_colleagues_wrote_cannot_stand_in_a_template_for_outside(variable: str):
    for occasion in ["initial", "status_page"]:
        (line,) = wrong(templates={occasion: {"external": {"body": f"{{{variable}}}"}}})

        assert f"{{{variable}}} is for colleagues only" in line


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"zones": {"internal": "Mars/Base"}}, 'zones.internal: "Mars/Base" is no time zone'),
        ({"cadence": [{"every": "15"}]}, 'cadence[0].every: "15" is no duration'),
        ({"cadence": [{"every": "5 min", "remind": "5 min"}]}, "cadence[0]: remind must be"),
        ({"cadence": [{"every": "5 min", "severities": ["P1"]}]}, "cadence[0].severities[0]"),
        ({"posts": [{"on": "noon"}]}, 'posts[0].on: "noon" is not allowed'),
        ({"customers": [{"when": "sometimes"}]}, "customers[0].when"),
        ({"cadense": []}, 'did you mean "cadence"?'),
    ],
)
def test_a_broken_section_is_told_in_one_line_each(section: dict, said: str):
    assert any(said in line for line in wrong(**section))


def test_every_built_in_letter_reads_well_with_nothing_known():
    for audience in Audience.values:
        for occasion in [*Occasion.values, letters.ESCALATION]:
            draft = letters.write(Communication(), audience, occasion, {"known": "It is down."})

            assert draft.subject
            assert "{" not in draft.text + draft.subject
            assert "It is down." in draft.text


def test_the_built_in_letters_for_outside_have_nothing_that_is_for_colleagues():
    for (audience, _occasion), paragraphs in letters._BODIES.items():
        if audience == Audience.EXTERNAL:
            text = "\n".join(line for lines in paragraphs for line in lines)
            assert list(language.complaints(text, outside=True)) == []
    for (audience, _occasion), subject in letters._SUBJECTS.items():
        assert list(language.complaints(subject, outside=audience == Audience.EXTERNAL)) == []


def test_a_list_of_several_lines_begins_below_its_name():
    values = {"known": "Down.", "done": "- one\n- two", "next": "three"}

    draft = letters.write(Communication(), Audience.INTERNAL, Occasion.UPDATE, values)

    assert "Done:\n- one\n- two\n\nNext: three" in draft.text
    assert language.as_html(draft.text).count("<li>") == 2


def test_text_becomes_safe_html():
    html = language.as_html("IMPACT:\n<b>All</b> & more\n\n- one\n- two\n\nhttps://x.test/?a=1&b=2")

    assert "<b>" not in html and "&lt;b&gt;All&lt;/b&gt; &amp; more" in html
    assert "<ul" in html and html.count("<li>") == 2
    assert 'href="https://x.test/?a=1&amp;b=2"' in html
