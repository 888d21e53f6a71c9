"""The full-text index of titles and messages, and the triggers that keep it.

Neither is known to Django. On SQLite a later migration that changes chat_message or chat_conversation makes the
table anew, which loses its triggers; on PostgreSQL one that changes a column named here is refused. Such a migration
first runs `remove` and at its end `install` again.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SQLITE = [
    """CREATE VIRTUAL TABLE chat_message_search USING fts5(
        conversation UNINDEXED, text, thinking, tokenize = "unicode61 remove_diacritics 2", prefix = '1 2 3'
    )""",
    """INSERT INTO chat_message_search (rowid, conversation, text, thinking)
        SELECT id, conversation_id, text, thinking FROM chat_message WHERE status <> 'streaming'""",
    """CREATE TRIGGER chat_message_search_insert AFTER INSERT ON chat_message WHEN NEW.status <> 'streaming' BEGIN
        INSERT INTO chat_message_search (rowid, conversation, text, thinking)
        VALUES (NEW.id, NEW.conversation_id, NEW.text, NEW.thinking);
    END""",
    """CREATE TRIGGER chat_message_search_update AFTER UPDATE OF text, thinking, status ON chat_message
        WHEN NEW.status <> 'streaming' BEGIN
        DELETE FROM chat_message_search WHERE rowid = OLD.id;
        INSERT INTO chat_message_search (rowid, conversation, text, thinking)
        VALUES (NEW.id, NEW.conversation_id, NEW.text, NEW.thinking);
    END""",
    """CREATE TRIGGER chat_message_search_delete AFTER DELETE ON chat_message BEGIN
        DELETE FROM chat_message_search WHERE rowid = OLD.id;
    END""",
    # The key is a word of the index, too, so that a title's row is found without reading all of them.
    """CREATE VIRTUAL TABLE chat_title_search USING fts5(
        conversation, title, tokenize = "unicode61 remove_diacritics 2", prefix = '1 2 3'
    )""",
    "INSERT INTO chat_title_search (conversation, title) SELECT id, title FROM chat_conversation WHERE title <> ''",
    """CREATE TRIGGER chat_title_search_insert AFTER INSERT ON chat_conversation WHEN NEW.title <> '' BEGIN
        INSERT INTO chat_title_search (conversation, title) VALUES (NEW.id, NEW.title);
    END""",
    """CREATE TRIGGER chat_title_search_update AFTER UPDATE OF title ON chat_conversation
        WHEN NEW.title <> OLD.title BEGIN
        DELETE FROM chat_title_search WHERE chat_title_search MATCH 'conversation: "' || OLD.id || '"';
        INSERT INTO chat_title_search (conversation, title) VALUES (NEW.id, NEW.title);
    END""",
    """CREATE TRIGGER chat_title_search_delete AFTER DELETE ON chat_conversation BEGIN
        DELETE FROM chat_title_search WHERE chat_title_search MATCH 'conversation: "' || OLD.id || '"';
    END""",
]

SQLITE_BACK = [
    *(
        f"DROP TRIGGER IF EXISTS chat_{name}_search_{event}"
        for name in ("message", "title")
        for event in ("insert", "update", "delete")
    ),
    "DROP TABLE chat_message_search",
    "DROP TABLE chat_title_search",
]

# Words as the other database has them: without accents, and separated by any punctuation. PostgreSQL's parser alone
# would take "a/b.c" for a file. Of a very long text only the beginning is indexed: a row's words take at most 1 MB;
# should they take more in spite of that, the message is saved all the same, and cannot be found.
# An index collects what is new and each search reads all of that, so it must not become much.
POSTGRESQL = [
    """CREATE FUNCTION chat_search_words(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT to_tsvector('simple', translate(
            normalize(regexp_replace(normalize(left(content, 100000), NFD), '[\\u0300-\\u036f]', '', 'g'), NFC),
            '!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~', '                                '
        ))
    $$""",
    "ALTER TABLE chat_message ADD COLUMN search tsvector",
    """CREATE FUNCTION chat_message_search() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.search := setweight(chat_search_words(NEW.text), 'A') || setweight(chat_search_words(NEW.thinking), 'D');
        RETURN NEW;
    EXCEPTION WHEN program_limit_exceeded THEN
        NEW.search := NULL;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER chat_message_search BEFORE INSERT OR UPDATE OF text, thinking, status ON chat_message
        FOR EACH ROW WHEN (NEW.status <> 'streaming') EXECUTE FUNCTION chat_message_search()""",
    """UPDATE chat_message SET search =
        setweight(chat_search_words(text), 'A') || setweight(chat_search_words(thinking), 'D')
        WHERE status <> 'streaming'""",
    "CREATE INDEX chat_message_search ON chat_message USING gin (search) WITH (gin_pending_list_limit = 256)",
    """ALTER TABLE chat_conversation ADD COLUMN search tsvector
        GENERATED ALWAYS AS (chat_search_words(title)) STORED""",
    "CREATE INDEX chat_conversation_search ON chat_conversation USING gin (search) WITH (gin_pending_list_limit = 256)",
]

POSTGRESQL_BACK = [
    "DROP TRIGGER chat_message_search ON chat_message",
    "DROP FUNCTION chat_message_search()",
    "ALTER TABLE chat_message DROP COLUMN search",
    "ALTER TABLE chat_conversation DROP COLUMN search",
    "DROP FUNCTION chat_search_words(text)",
]

# What waits for Undo is looked for often, and is next to nothing.
WAITING = "CREATE INDEX chat_conversation_waiting ON chat_conversation (deleted_at) WHERE deleted_at IS NOT NULL"
WAITING_BACK = "DROP INDEX IF EXISTS chat_conversation_waiting"


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in [WAITING, *(POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE)]:
        schema_editor.execute(statement, params=None)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    for statement in [WAITING_BACK, *(POSTGRESQL_BACK if vendor == "postgresql" else SQLITE_BACK)]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_people_and_history")]

    operations = [migrations.RunPython(install, remove)]
