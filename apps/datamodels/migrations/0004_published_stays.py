"""What was published stays as it is, whoever speaks to the database.

Files of a published version cannot be written; it cannot lose its files while it is there, nor go while its model
is there. Deleting a whole model, as the erasure of a tenant does, remains possible in one transaction: those checks
wait until its end. They look as the row's own tenant, since a transaction may bind another one after its statement.
"""

from django.conf import settings
from django.db import migrations

SAY = "RAISE EXCEPTION 'a published version never changes' USING ERRCODE = 'restrict_violation'"
FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $body$
{body}
$body$
"""
WRITTEN_FILE = f"""
BEGIN
  IF EXISTS (
    SELECT 1 FROM datamodels_modelversion
    WHERE id IN (NEW.version_id, OLD.version_id) AND (published_at IS NOT NULL OR discarded_at IS NOT NULL)
  ) THEN {SAY}; END IF;
  RETURN NEW;
END
"""
WRITTEN_VERSION = f"""
BEGIN
  IF OLD.published_at IS NOT NULL AND (to_jsonb(NEW) - 'is_current') <> (to_jsonb(OLD) - 'is_current')
  THEN {SAY}; END IF;
  RETURN NEW;
END
"""
DELETED = """
DECLARE bound text := current_setting('omni.tenant_id', true);
DECLARE is_left boolean;
BEGIN
  PERFORM set_config('omni.tenant_id', OLD.tenant_id::text, true);
  is_left := EXISTS ({question});
  PERFORM set_config('omni.tenant_id', coalesce(bound, ''), true);
  IF is_left THEN {say}; END IF;
  RETURN NULL;
END
"""
PUBLISHED = "SELECT 1 FROM datamodels_modelversion WHERE id = OLD.version_id AND published_at IS NOT NULL"
MODEL = "SELECT 1 FROM datamodels_datamodel WHERE id = OLD.data_model_id AND OLD.published_at IS NOT NULL"
BODIES = {
    "datamodels_file_written": WRITTEN_FILE,
    "datamodels_version_written": WRITTEN_VERSION,
    "datamodels_part_deleted": DELETED.format(question=PUBLISHED, say=SAY),
    "datamodels_version_deleted": DELETED.format(question=MODEL, say=SAY),
}
BEFORE = (
    ("datamodels_modelfile", "INSERT OR UPDATE", "datamodels_file_written"),
    ("datamodels_modelversion", "UPDATE", "datamodels_version_written"),
)
AT_THE_END = (
    ("datamodels_modelfile", "datamodels_part_deleted"),
    ("datamodels_modelpublication", "datamodels_part_deleted"),
    ("datamodels_modelversion", "datamodels_version_deleted"),
)


def statements() -> list[str]:
    """Return what makes the functions and their triggers."""
    made = [FUNCTION.format(name=name, body=body) for name, body in BODIES.items()]
    made += [
        f"CREATE TRIGGER {table}_stays BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        for table, event, function in BEFORE
    ]
    made += [
        f"CREATE CONSTRAINT TRIGGER {table}_kept AFTER DELETE ON {table} DEFERRABLE INITIALLY DEFERRED "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        for table, function in AT_THE_END
    ]
    return [*made, f'REVOKE UPDATE ON datamodels_modelpublication FROM "{settings.OMNI_RUNTIME_ROLE}"']


class Migration(migrations.Migration):
    dependencies = (("datamodels", "0003_drafts_and_publications"),)

    operations = (migrations.RunSQL(statements()),)
