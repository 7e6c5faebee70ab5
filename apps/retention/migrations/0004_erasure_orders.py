"""A tenant's own requests to be erased, behind the locks of every tenant-owned table."""

import apps.tenants.binding
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):

    dependencies = [
        ('retention', '0003_erasures'),
        ('tenants', '0005_tombstones'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ErasureOrder',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('requested_at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('wait_days', models.PositiveSmallIntegerField(help_text='from the last word that was needed until it may be done')),
                ('confirm_by', models.DateTimeField(help_text='when it lapses, where a second administrator has to confirm it')),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(help_text='from when it may be carried out; nothing before it is confirmed', null=True)),
                ('ended_at', models.DateTimeField(help_text='taken back, or lapsed where nobody has', null=True)),
                ('begun_at', models.DateTimeField(help_text='when the operator began to carry it out', null=True)),
                ('confirmed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('taken_back_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(default=apps.tenants.binding.current_tenant_id, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'erasure of the whole tenant',
                'verbose_name_plural': 'erasure of the whole tenant',
                'ordering': ('-requested_at',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('tenant',), name='retention_one_order')],
            },
        ),
        Isolate('ErasureOrder'),
    ]
