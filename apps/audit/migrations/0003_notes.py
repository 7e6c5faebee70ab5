"""Events without a place in the chain yet, and the lock that lets each be given one once."""

from django.conf import settings
from django.db import migrations, models

TRIGGER = """
CREATE FUNCTION audit_place_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
     OR (to_jsonb(OLD) - ARRAY['sequence', 'previous_hash', 'hash'])
        IS DISTINCT FROM (to_jsonb(NEW) - ARRAY['sequence', 'previous_hash', 'hash']) THEN
    RAISE EXCEPTION 'an audit event is never changed' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER audit_place_once BEFORE UPDATE ON audit_auditevent FOR EACH ROW EXECUTE FUNCTION audit_place_once();
ALTER TABLE audit_auditevent ENABLE ALWAYS TRIGGER audit_place_once;
"""


class Migration(migrations.Migration):
    dependencies = (("audit", "0002_isolation"),)

    operations = (
        migrations.AlterField(
            "auditevent", "sequence",
            models.BigIntegerField(help_text="1, 2, 3 … within the tenant; empty for a moment in a note", null=True),
        ),
        migrations.AlterField("auditevent", "previous_hash", models.BinaryField(default=b"")),
        migrations.AlterField("auditevent", "hash", models.BinaryField(default=b"")),
        migrations.AddIndex(
            "auditevent",
            models.Index(
                condition=models.Q(("sequence", None)), fields=["tenant", "happened_at"], name="audit_event_unplaced"
            ),
        ),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER audit_place_once ON audit_auditevent; DROP FUNCTION audit_place_once"),
        migrations.RunSQL(
            "GRANT UPDATE (sequence, previous_hash, hash) ON audit_auditevent TO "
            f'"{settings.OMNI_RUNTIME_ROLE}"'
        ),
    )  # fmt: skip
