from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('timers', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=32)),
                ('process', models.CharField(help_text='host:pid', max_length=120)),
                ('at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'process'), name='heartbeat_once')],
            },
        ),
        migrations.AddIndex(
            model_name='timer',
            index=models.Index(condition=models.Q(('state', 'quarantined')), fields=['state'], name='timer_quarantined'),
        ),
    ]
