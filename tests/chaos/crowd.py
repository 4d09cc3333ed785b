"""Many incidents at once, copied in the database from some that were declared by alerts."""

from tests.chaos.installation import CALM_WORLDS, Installation

COPY = """
INSERT INTO incidents_incident ({columns}, reference)
SELECT {columns}, reference || '~' || g FROM incidents_incident, generate_series(1, {each}) g;

INSERT INTO escalation_escalation ({steps}, incident_id)
SELECT {steps}, copy.id FROM incidents_incident copy
  JOIN incidents_incident one ON copy.reference LIKE one.reference || '~%'
  JOIN escalation_escalation e ON e.incident_id = one.id;

INSERT INTO timers_timer (kind, subject_type, subject_id, key, pending_key, epoch, due_at, payload,
                          state, attempts, failures, scheduled_at, last_error)
SELECT t.kind, t.subject_type, copy.id, t.key, 'escalation.step|incidents.incident|' || copy.id
       || '|', t.epoch, {due_at}, t.payload, t.state, 0, 0, t.scheduled_at, ''
  FROM (SELECT *, row_number() OVER (ORDER BY reference) AS number FROM incidents_incident
         WHERE reference LIKE '%~%') copy
  JOIN incidents_incident one ON copy.reference LIKE one.reference || '~%'
  JOIN timers_timer t ON t.subject_id = one.id AND t.kind = 'escalation.step'
       AND t.state = 'pending';
"""


def copies(house: Installation, count: int, due_at: str) -> None:
    """At least `count` incidents that wait for their second level at `due_at`.

    `due_at` is SQL: it may use `copy.number`, 1 for the first. The web has to run.
    """
    worlds = min(CALM_WORLDS, count)
    for number in range(worlds):
        answer = house.alert(f"original-{number}", f"calm-{number}")
        assert answer.status_code == 202, answer.text
    house.tell(
        COPY.format(
            columns=columns(house, "incidents_incident", "id", "reference"),
            steps=columns(house, "escalation_escalation", "incident_id"),
            each=-(-count // worlds),
            due_at=due_at,
        )
    )


def columns(house: Installation, table: str, *but: str) -> str:
    found = house.ask(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", table
    )
    return ", ".join(sorted({name for (name,) in found} - set(but)))
