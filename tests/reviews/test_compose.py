"""The document as data and as text. Nothing here needs a database."""

import pytest
import yaml

from incidents.core import records
from incidents.core.models import Kind
from incidents.reviews.document import (
    Edition,
    as_html,
    as_markdown,
    as_record,
    as_yaml,
    compose,
    lay,
)
from incidents.reviews.document.facts import Mark, Phase, Step, Written
from incidents.reviews.document.timeline import gaps, told
from tests.reviews.making import at, entry, facts


def titles(document):
    return [section["title"] for section in document["sections"]]


def section(document, key):
    return next(one for one in document["sections"] if one["key"] == key)


def markdown(**changes):
    return as_markdown(lay(compose(facts(**changes)), Edition()))


def test_its_sections_are_the_runbooks_in_its_order_and_names():
    document = compose(facts())

    assert titles(document)[:7] == [
        *("Incident summary", "Impact", "Timeline", "Root cause", "Contributing factors"),
        *("What went well", "Action items"),
    ]


@pytest.mark.parametrize(
    ("title", "key"),
    [
        *(("Incident summary", "summary"), ("What we can improve", "to_improve")),
        *(("What could be improved", "to_improve"), ("Lessons learned", "lessons")),
        *(("Prevention measures", "prevention"), ("Customers' view", "customers_view")),
    ],
)
def test_it_knows_a_section_by_its_words(title, key):
    assert section(compose(facts(sections=(title,))), key)["title"] == title


def test_the_summary_tells_what_happened_to_whom_and_how_it_went():
    text = section(compose(facts()), "summary")["text"]

    assert text == (
        "On 5 March 2026 Checkout (Payments) had an incident of SEV-1 for 32 minutes, from 14:02 "
        "to 14:34 UTC: “Payments fail”. Customers could not pay. 8,400 users were affected, USD "
        "45,000 of revenue was lost and no data was lost.\n\n"
        "It was noticed by Prometheus 3 minutes after it began, Ben acknowledged it at 14:07 and "
        "Ana commanded. The cause (found at 14:24): Release 4.18.0 waits for the card provider "
        "inside a transaction. The mitigation (rollback): Rolled back to 4.17.3. It was watched "
        "for 30 minutes and resolved at 15:04."
    )


def test_what_people_wrote_takes_the_place_of_what_it_says_itself():
    document = compose(facts(written=(Written("summary", "In *our* words."),)))

    assert section(document, "summary")["text"] == "In *our* words."
    assert section(document, "summary")["is_composed"] is False


def test_a_silence_is_pointed_out_and_an_added_entry_closes_it():
    silent = facts(entries=(entry(3, Kind.DECLARED), entry(30, Kind.IDENTIFIED)))
    added = Mark(1, None, True, at(16), "Waited for the provider's answer.", "Ana")

    assert [(gap.after, gap.until) for gap in gaps(told(silent), silent)] == [(at(3), at(30))]
    closed = facts(entries=silent.entries, marks=(added,))
    assert gaps(told(closed), closed) == []
    assert "Nothing is written down for 27 minutes" in markdown(entries=silent.entries)


def test_what_people_mark_is_left_out_or_moved():
    entries = (entry(3, Kind.DECLARED), entry(12, text="Lunch", id=5), entry(20, text="It", id=6))
    marks = (
        Mark(1, 5, False, None, "", "Ana"),
        Mark(2, 6, True, at(18), "It was the pool", "Ana"),
    )

    document = compose(facts(entries=entries, marks=marks))

    shown = {one["text"]: one for one in document["timeline"]["entries"]}
    assert "Lunch" not in shown
    assert shown["It was the pool"]["at"] == "2026-03-05T14:20:00Z"
    assert shown["It was the pool"]["recorded_at"] == "2026-03-05T14:22:00Z"


def test_a_corrected_milestone_moves_its_entry():
    entries = (
        entry(24, Kind.IDENTIFIED, "Identified", id=3),
        entry(70, Kind.MILESTONE_CORRECTED, "corrected", data={"milestone": "identified"}),
    )

    document = compose(facts(entries=entries))

    found = next(e for e in document["timeline"]["entries"] if e["kind"] == "identified")
    assert found["at"] == "2026-03-05T14:24:00Z"
    assert found["recorded_at"] == "2026-03-05T14:26:00Z"


def test_pages_and_ticks_are_not_part_of_the_story_unless_somebody_says_so():
    entries = (entry(3, Kind.PAGED, "Paged Ben", id=4), entry(5, Kind.CHECKLIST_TICKED, id=5))

    assert [row.text for row in told(facts(entries=entries)) if row.entry] == []
    marked = facts(entries=entries, marks=(Mark(1, 4, True, None, "", "Ana"),))
    assert [row.text for row in told(marked) if row.entry] == ["Paged Ben"]


def test_what_nobody_knows_is_said_and_never_zero():
    known = {"declared": at(3), "resolved": at(62)}
    text = markdown(
        milestones=known, users_affected=None, revenue_lost=None, data_lost="unknown", slo=None
    )

    assert "It is not known when it began" in text
    assert "- **Users**: Not known" in text
    assert "- **Revenue lost**: Not known" in text


def test_the_error_budget_is_what_the_promise_leaves():
    budget = compose(facts())["impact"]["error_budget"]

    assert (budget["budget_minutes"], budget["used_minutes"]) == (21.6, 32.0)
    assert "32 of 21.6 minutes (148 %) at 99.95 % in 30 days, if all of it was down" in (
        markdown().replace("\\", "")
    )


def test_the_figures_stand_beside_their_targets():
    text = markdown()

    assert "| Detection | 3 minutes | 5 minutes | Met |" in text
    assert "| Resolution | 29 minutes | 15 minutes | **Missed** |" in text


def test_met_targets_went_well_and_missed_ones_could_be_better():
    document = compose(facts(sections=("What went well", "What we can improve")))

    assert (
        "It was noticed after 3 minutes, within the target of 5 minutes."
        in (section(document, "went_well")["text"])
    )
    assert (
        "It worked again after 29 minutes, the target of 15 minutes was missed."
        in (section(document, "to_improve")["text"])
    )


def test_the_whys_are_a_tree_with_what_is_done_about_each():
    document = compose(facts())

    [root] = document["whys"]
    assert [why["ask"] for why in root["whys"]] == [
        "Why was none free?",
        "Why did all of the shop stop?",
    ]
    assert "   1. **Why was none free?** Calls waited inside transactions.\n" in markdown()
    assert "Action: Call the provider outside of transactions" in markdown()


def test_without_action_items_it_says_why():
    assert "None, because: It cannot happen again." in markdown(
        actions=(), whys=(), no_actions_reason="It cannot happen again."
    )


def test_the_same_facts_make_the_same_document():
    assert compose(facts()) == compose(facts())


def test_a_published_one_says_which_revision_it_is():
    edition = Edition(2, "Ana", at(1440), "The number of users was too low.")
    text = as_markdown(lay(compose(facts()), edition)).replace("\\", "")

    assert "*Revision 2, published by Ana on 2026-03-06 14:02 UTC.*" in text
    assert "*Correction: The number of users was too low.*" in text


def test_the_html_is_one_file_that_loads_and_runs_nothing():
    html = as_html(lay(compose(facts(title="<script>x</script>")), Edition()))

    assert "<script" not in html
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
    assert "src=" not in html and "@import" not in html
    assert "@media print" in html


def test_the_yaml_is_what_the_import_reads():
    document = yaml.safe_load(as_yaml(compose(facts())))

    record = records.read(document)

    assert (record.reference, record.severity) == ("INC-2026-03-05-001", "SEV1")
    assert (record.began_at, record.resolved_at) == (at(0), at(62))
    assert record.facts["users_affected"] == 8_400
    assert str(record.facts["revenue_lost"]) == "45000.00"
    assert record.told[0].event == "It began."
    assert document["incident"]["impact"]["duration_minutes"] == 32
    assert document["incident"]["action_items"] == [
        "Call the provider outside of transactions (Ben, due 2026-03-12)"
    ]


def test_a_record_leaves_out_what_is_not_known():
    assert "started_at" not in as_record(compose(facts(milestones={"declared": at(3)})))["incident"]


def test_a_drill_says_so():
    assert "This was a drill: nothing real was harmed." in markdown(is_drill=True)


def test_steps_afterwards_show_their_evidence():
    steps = (Step("Keep the logs", at(120), "Ben", at(90), "In the archive.", "https://a.example"),)

    assert "| Keep the logs. *In the archive.* <https://a.example> | Ben | 2026-03-05 16:02 |" in (
        markdown(steps=steps)
    )


def test_a_phase_without_target_is_told_without_judgement():
    assert "| Identification | 19 minutes | None |  |" in markdown(
        phases=(Phase("identify", 1140, None, None),)
    )
