"""What verbs ask for: forms in the house's looks, fields that cannot be misread."""

from typing import Any

from django import forms
from django.db import models


class ClearDuration(forms.DurationField):
    """Refuses a bare number: nobody who writes 5 for a timeout means five seconds."""

    def clean(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip().isdigit():
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().clean(value)

    default_error_messages = {
        "invalid": "Write hours, minutes and seconds: 00:05:00 is five minutes."
    }


class _DayInput(forms.DateInput):
    input_type = "date"


class _TimeInput(forms.TimeInput):
    input_type = "time"


class MomentWidget(forms.SplitDateTimeWidget):
    """The browser's own pickers for day and time."""

    template_name = "admin/house/moment.html"

    def __init__(self) -> None:
        forms.MultiWidget.__init__(
            self,
            [
                _DayInput({"aria-label": "Day"}, format="%Y-%m-%d"),
                _TimeInput({"aria-label": "Time", "step": "1"}, format="%H:%M:%S"),
            ],
        )


class MomentField(forms.SplitDateTimeField):
    """A moment in the zone of whoever is asked."""

    widget = MomentWidget
    default_error_messages = {
        "invalid_date": "Write the day as 2026-03-31.",
        "invalid_time": "Write the time as 14:05.",
    }


DURATIONS = {models.DurationField: {"form_class": ClearDuration}}
MOMENTS = {models.DateTimeField: {"form_class": MomentField, "widget": MomentWidget}}


class VerbForm(forms.Form):
    """Asks for what one verb needs; `self.subject` and `self.user` are known to the fields."""

    def __init__(self, *args: Any, subject: Any = None, user: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subject, self.user = subject, user
        self.prepare()
        for field in self.fields.values():
            _dress(field.widget)

    def prepare(self) -> None:
        """Narrow choices or set initial values by the subject."""

    def present(self) -> dict[str, object]:
        """Field name → what is stored now, shown beside the answer when others acted meanwhile."""
        return {}

    @property
    def rows(self) -> list[tuple[forms.BoundField, object]]:
        """Each field with what is stored now."""
        present = self.present()
        return [(field, present.get(field.name, "")) for field in self.visible_fields()]

    @property
    def written(self) -> list[tuple[str, str]]:
        """What the person has typed into text fields, with its label: not to be lost."""
        texts = [field for field in self if isinstance(field.field.widget, WRITTEN)]
        return [(str(field.label), value) for field in texts if (value := str(field.value() or ""))]


WRITTEN = (forms.TextInput, forms.Textarea)


def _dress(widget: forms.Widget) -> None:
    for part in getattr(widget, "widgets", [widget]):
        is_tick = isinstance(part, forms.CheckboxInput | forms.RadioSelect)
        part.attrs["class"] = "t-tick" if is_tick else "t-input"
