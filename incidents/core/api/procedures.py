"""How a procedure that is being followed looks from outside."""

from rest_framework import serializers

from incidents.core.api.shapes import ChecklistItemOut


class ProcedureBrief(serializers.Serializer):
    slug = serializers.CharField()
    title = serializers.CharField()


class ProcedureOut(serializers.Serializer):
    """The procedure that is being followed; slug and title are empty where there is none.

    Items are ticked as those of the checklist: POST /incidents/{reference}/checklist/{id}/tick/.
    """

    slug = serializers.CharField()
    title = serializers.CharField()
    items = ChecklistItemOut(many=True)
    roll_back = serializers.BooleanField(
        allow_null=True,
        help_text="Whether all criteria of its rollback are answered yes; null: it has none.",
    )
    document = serializers.DictField(help_text="Questions, options, causes … as its runbook says.")
    others = ProcedureBrief(many=True, help_text="What may be followed instead.")
