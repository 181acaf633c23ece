"""The migrations, run one after another on an empty database, make what the models describe, and nothing else."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

# What Alembic's own comparison does not look at: checks, the WHERE of partial indexes, expressions, defaults.
FACTS = {
    "constraints": """
        SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "columns": """
        SELECT table_name || '.' || column_name,
               concat_ws(', ', data_type, 'null ' || is_nullable, column_default, identity_generation)
        FROM information_schema.columns WHERE table_schema = 'public'""",
}

# What only migrations make, and the tables of both need.
FUNCTIONS = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
SEQUENCES = """
    SELECT 'CREATE SEQUENCE IF NOT EXISTS ' || c.oid::regclass FROM pg_class c
    WHERE c.relkind = 'S' AND c.relnamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))"""


@pytest.fixture(scope="module")
def migrated(app):
    from helpdesk.db import db

    with app.app_context():
        yield db.engine


@pytest.fixture(scope="module")
def modelled(migrated):
    """An engine on a database that the models made, without any migration."""
    from helpdesk.db import db

    url = migrated.url.set(database=f"{migrated.url.database}_models")
    with migrated.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{url.database}"'))
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with migrated.connect() as connection:
            needed = [*connection.scalars(sa.text(FUNCTIONS)), *connection.scalars(sa.text(SEQUENCES))]
        with engine.begin() as connection:
            for statement in needed:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            db.metadata.create_all(connection)
        yield engine
    finally:
        with migrated.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f'DROP DATABASE "{url.database}" WITH (FORCE)'))


def facts(engine, question: str) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text(question)).all()
    return {name: text for name, text in rows if "alembic_version" not in name}


def test_there_is_one_line_of_migrations(app):
    from helpdesk.cli import MIGRATIONS

    script = ScriptDirectory(MIGRATIONS)
    assert len(script.get_heads()) == 1
    assert [r.revision for r in script.walk_revisions() if r.is_branch_point or r.is_merge_point] == []


def test_models_and_migrated_tables_are_alike(migrated):
    from helpdesk.db import db

    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


@pytest.mark.parametrize("kind", FACTS)
def test_models_and_migrations_make_the_same(migrated, modelled, kind):
    by_migrations, by_models = facts(migrated, FACTS[kind]), facts(modelled, FACTS[kind])
    differences = {
        name: {"migrations": by_migrations.get(name), "models": by_models.get(name)}
        for name in by_migrations | by_models
        if by_migrations.get(name) != by_models.get(name)
    }
    assert differences == {}


def test_migrating_again_changes_nothing(app, migrated):
    from helpdesk.cli import migrate_database

    before = {kind: facts(migrated, question) for kind, question in FACTS.items()}
    migrate_database()
    assert {kind: facts(migrated, question) for kind, question in FACTS.items()} == before
