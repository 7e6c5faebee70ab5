"""The database's locks on this app's tenant-owned tables."""

from django.conf import settings
from django.db import migrations

from apps.tenants.isolation import Isolate

# Tables that libraries bring along and that hold no tenant: the application never writes them, most it never reads.
NOT_FOR_THE_RUNTIME_ROLE = {
    "account_emailaddress": "ALL",
    "account_emailconfirmation": "ALL",
    "socialaccount_socialaccount": "INSERT, UPDATE, DELETE",
    "socialaccount_socialapp": "INSERT, UPDATE, DELETE",
    "socialaccount_socialtoken": "ALL",
    "guardian_userobjectpermission": "ALL",
    "guardian_groupobjectpermission": "ALL",
    "auth_group": "ALL",
    "auth_group_permissions": "ALL",
    "auth_permission": "INSERT, UPDATE, DELETE",
    "django_content_type": "INSERT, UPDATE, DELETE",
    "django_migrations": "INSERT, UPDATE, DELETE",
    "django_admin_log": "INSERT, UPDATE",
}


class Migration(migrations.Migration):
    dependencies = (
        ("accounts", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
        ("guardian", "0003_remove_groupobjectpermission_guardian_gr_content_ae6aec_idx_and_more"),
    )

    operations = (
        Isolate(),
        *(
            migrations.RunSQL(f'REVOKE {rights} ON "{table}" FROM "{settings.OMNI_RUNTIME_ROLE}"')
            for table, rights in NOT_FOR_THE_RUNTIME_ROLE.items()
        ),
    )
