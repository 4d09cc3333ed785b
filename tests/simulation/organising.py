"""What managers and administrators change while people are being asked."""

from datetime import date, time, timedelta

from django.db import transaction
from django.db.models import ProtectedError
from hypothesis import strategies as st
from hypothesis.stateful import rule

from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Membership, User
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.escalation import services as escalation
from incidents.escalation.models import PolicyAssignment
from incidents.notifications import services as notifications
from incidents.notifications.models import LastResortAddress
from incidents.oncall import services as oncall
from incidents.oncall.models import Override
from tests.simulation.base import Base, people
from tests.simulation.world import (
    DUTY,
    MINUTE,
    POLICIES,
    RULES,
    SERVICES,
    SEVERITIES,
    TEAMS,
    give_phone,
)

DOCUMENTS = {"rules": RULES, "none": {}, "broken": {"escalation": {"ladder": 7}}}
policies, teams = st.sampled_from(POLICIES), st.sampled_from(TEAMS)
minutes = st.sampled_from([1, 5, 10, 60])
target = st.one_of(
    st.builds(lambda team: {"kind": "schedule", "schedule": team}, st.none() | teams),
    st.builds(lambda name: {"kind": "person", "user": name}, people),
    st.builds(
        lambda kind, team: {"kind": kind, "team": team},
        st.sampled_from(["team_members", "team_manager"]),
        st.none() | teams,
    ),
    st.builds(
        lambda team: {"kind": "function", "function": "director", "team": team}, st.none() | teams
    ),
)
ladders = st.lists(
    st.tuples(minutes, st.lists(target, min_size=1, max_size=2)), min_size=1, max_size=4
)


class Organising(Base):
    # --- Policies ---------------------------------------------------------------------------------

    @rule(slug=policies, levels=ladders)
    def set_levels(self, slug, levels):
        """Added, removed, reordered: all levels are replaced."""
        if (policy := self.world.policy(slug)) is None:
            return
        rows = [
            {"timeout": n * MINUTE, "targets": [self._target(one) for one in targets]}
            for n, targets in levels
        ]
        self.attempt(lambda: escalation.set_levels(policy, levels=rows, actor=None))

    def _target(self, given):
        """The names in it become rows."""
        found = dict(given)
        if given.get("user"):
            found["user"] = self.person(given["user"])
        if given.get("team"):
            found["team"] = self.world.team(given["team"])
        if given.get("schedule"):
            found["schedule"] = self.world.schedule(given["schedule"])
        return found

    @rule(slug=policies)
    def empty_policy(self, slug):
        if policy := self.world.policy(slug):
            policy.levels.all().delete()

    @rule(slug=policies)
    def delete_policy(self, slug):
        """No verb does it, but the tables allow it."""
        if policy := self.world.policy(slug):
            try:
                with transaction.atomic():
                    PolicyAssignment.objects.filter(policy=policy).delete()
                    policy.delete()
            except ProtectedError:
                return

    @rule(slug=policies, repeats=st.integers(0, 2), expiry=st.none() | minutes)
    def update_policy(self, slug, repeats, expiry):
        if policy := self.world.policy(slug):
            escalation.update_policy(
                policy,
                repeats=repeats,
                acknowledgement_expiry=expiry * MINUTE if expiry else None,
                actor=None,
            )

    @rule(slug=policies, is_active=st.booleans())
    def switch_policy(self, slug, is_active):
        if policy := self.world.policy(slug):
            escalation.set_active(policy, is_active=is_active, actor=None)

    @rule(
        slug=policies,
        team=st.none() | teams,
        service=st.none() | st.sampled_from(SERVICES),
        severity=st.sampled_from(["", *SEVERITIES]),
    )
    def assign_policy(self, slug, team, service, severity):
        if policy := self.world.policy(slug):
            where = {
                "team": self.world.team(team) if team else None,
                "service": self.world.service(service) if service else None,
            }
            self.attempt(
                lambda: escalation.assign_policy(policy, severity=severity, actor=None, **where)
            )

    @rule(number=st.integers(0, 5))
    def unassign_policy(self, number):
        rows = list(PolicyAssignment.objects.order_by("pk"))
        if rows:
            escalation.unassign_policy(rows[number % len(rows)], actor=None)

    @rule(
        responses=st.lists(st.sampled_from(["page", "ticket"]), min_size=4, max_size=4),
        window=st.none() | minutes,
        document=st.sampled_from(["rules", "none", "broken"]),
    )
    def publish_runbook(self, responses, window, document):
        rows = [
            {**facts, "response": response}
            for facts, response in zip(DEFAULT_POLICIES, responses, strict=True)
        ]
        core.publish_revision(
            slug="default",
            title="Default",
            policies=rows,
            reopen_window=window * MINUTE if window else None,
            document=DOCUMENTS[document],
        )

    # --- People -----------------------------------------------------------------------------------

    @rule(name=people)
    def deactivate(self, name):
        self.attempt(lambda: core.deactivate_person(self.person(name), actor=None))

    @rule(name=people)
    def reactivate(self, name):
        self.attempt(lambda: core.reactivate_person(self.person(name), actor=None))

    @rule(
        name=people,
        team=teams,
        role=st.sampled_from(["manager", "responder", "viewer", ""]),
        function=st.sampled_from(["", "director"]),
    )
    def change_membership(self, name, team, role, function):
        """As the admin's inline does it; an empty role: no longer a member."""
        where = {"user": self.person(name), "team": self.world.team(team)}
        if role:
            facts = {"role": role, "function": function}
            Membership.objects.update_or_create(**where, defaults=facts)
        else:
            Membership.objects.filter(**where).delete()

    @rule(name=people, number=st.integers(1, 2))
    def add_contact(self, name, number):
        give_phone(self.person(name), f"{name}-{number}")

    @rule(name=people)
    def add_unverified_contact(self, name):
        notifications.add_contact_method(
            self.person(name), kind="recorder", address=f"{name}-new", actor=None
        )

    @rule(name=people, number=st.integers(0, 3))
    def remove_contact(self, name, number):
        methods = list(self.person(name).contact_methods.filter(is_active=True).order_by("pk"))
        if methods:
            notifications.remove_contact_method(methods[number % len(methods)], actor=None)

    @rule(name=people, delays=st.lists(st.sampled_from([0, 1, 10]), max_size=3))
    def set_rules(self, name, delays):
        user = self.person(name)
        methods = user.contact_methods.filter(is_active=True).order_by("pk")
        rules = [(m, n * MINUTE) for m, n in zip(methods, delays, strict=False)]
        self.attempt(lambda: notifications.set_rules(user, urgency="page", rules=rules, actor=None))

    @rule(name=people, number=st.sampled_from(["", "1", "2"]))
    def change_email(self, name, number):
        """As the profile's form does it."""
        User.objects.filter(username=name).update(email=f"{name}{number}@example.org")

    @rule(is_active=st.booleans())
    def switch_last_resort(self, is_active):
        LastResortAddress.objects.filter(address=DUTY).update(is_active=is_active)

    # --- Schedules, sources -----------------------------------------------------------------------

    @rule(slug=teams, names=st.lists(people, max_size=3, unique=True), kind=st.booleans())
    def set_rotation(self, slug, names, kind):
        """An empty list is a gap."""
        self.attempt(
            lambda: oncall.set_rotation(
                self.world.schedule(slug),
                kind="daily" if kind else "weekly",
                handover_time=time(9),
                starts_on=date(2026, 1, 5),
                people=[self.person(name) for name in names],
            )
        )

    @rule(slug=teams, name=people, length=minutes)
    def add_override(self, slug, name, length):
        self.attempt(
            lambda: oncall.add_override(
                self.world.schedule(slug),
                user=self.person(name),
                starts_at=self.clock.at,
                ends_at=self.clock.at + length * MINUTE,
            )
        )

    @rule(number=st.integers(0, 3))
    def remove_override(self, number):
        rows = list(Override.objects.select_related("schedule", "user").order_by("pk"))
        if rows:
            self.attempt(lambda: oncall.remove_override(rows[number % len(rows)]))

    @rule(team=teams, schedule=st.none() | teams)
    def assign_schedule(self, team, schedule):
        chosen = self.world.schedule(schedule) if schedule else None
        oncall.assign_schedule(self.world.team(team), schedule=chosen)

    @rule(service=st.none() | st.sampled_from(SERVICES))
    def change_source(self, service):
        chosen = self.world.service(service) if service else None
        alerts.change_source(self.world.monitor(), actor=None, service=chosen)

    @rule(service=st.sampled_from(SERVICES), team=teams)
    def move_service(self, service, team):
        """As the admin's form does it: another team owns it now."""
        row = self.world.service(service)
        row.team = self.world.team(team)
        row.save(update_fields=["team"])

    @rule()
    def a_day_off(self):
        """Nobody of Payments is there for an hour."""
        schedule = self.world.schedule("payments")
        at = self.clock.at
        self.attempt(
            lambda: oncall.add_override(
                schedule, user=self.person("eve"), starts_at=at, ends_at=at + timedelta(hours=1)
            )
        )
