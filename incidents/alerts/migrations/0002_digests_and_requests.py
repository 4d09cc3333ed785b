import hashlib

import django.db.models.deletion
from django.db import migrations, models


def hash_keys(apps, schema_editor):
    """Keys given out go on working; from now on nobody reads them here."""
    for source in apps.get_model("alerts", "Source").objects.all():
        source.digest = hashlib.sha256(source.key.encode()).hexdigest()
        source.prefix = source.key[:6]
        source.save(update_fields=["digest", "prefix"])


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0001_initial'),
        ('incidents', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='source',
            name='digest',
            field=models.CharField(editable=False, max_length=64, null=True),
        ),
        migrations.AddField(
            model_name='source',
            name='prefix',
            field=models.CharField(default='', editable=False, max_length=8, verbose_name='key begins with'),
            preserve_default=False,
        ),
        migrations.RunPython(hash_keys),  # a hash leads back to no key
        migrations.AlterField(
            model_name='source',
            name='digest',
            field=models.CharField(editable=False, max_length=64, unique=True),
        ),
        migrations.RemoveField(
            model_name='source',
            name='key',
        ),
        migrations.CreateModel(
            name='IntakeRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('status', models.PositiveSmallIntegerField(help_text='The HTTP status of the answer.')),
                ('outcome', models.CharField(choices=[('declared', 'Declared an incident'), ('counted', 'Counted as a repeat'), ('recovered', 'Recovered'), ('relapsed', 'Fires again'), ('reopened', 'Reopened the incident'), ('ignored', 'Ignored, there is nothing to do'), ('refused', 'Refused')], max_length=16)),
                ('dedup_key', models.CharField(blank=True, max_length=255)),
                ('problem', models.TextField(blank=True, help_text='What was wrong, or not understood.')),
                ('body', models.TextField(blank=True, help_text='How it began.')),
                ('incident', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='incidents.incident')),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='requests', to='alerts.source')),
            ],
            options={
                'indexes': [models.Index(fields=['source', '-id'], name='request_newest_of_source')],
            },
        ),
    ]
