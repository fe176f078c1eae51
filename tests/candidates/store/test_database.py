"""Whose database it is, and what is said when it can't be used; on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from candidates.store import Step, Store, revision, schema
from evaluator.errors import StoreError
from tests.candidates.store import postgres
from tests.candidates.store.processes import engine, execute, python


def test_migrations_make_the_tables_that_the_code_expects(store: Store, root: Path, url: str) -> None:
    with engine(url, root).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": revision.VERSION_TABLE})
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_revision() == revision.REVISION


def test_opening_a_current_store_does_not_import_alembic(store: Store, root: Path, url: str) -> None:
    code = "import sys; from pathlib import Path; from candidates.store import Store\n"
    code += "Store.open(sys.argv[2], Path(sys.argv[1])).runs(); print('alembic' in sys.modules, 'torch' in sys.modules)"
    out, err = python(code, root, url).communicate(timeout=60)
    assert out.split() == ["False", "False"], err


def test_a_database_of_another_program_is_left_alone(root: Path, url: str) -> None:
    root.mkdir()
    execute(url, root, "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(StoreError, match="another program: it holds the table invoices") as raised:
        Store.open(url, root)
    assert "store.root" in raised.value.remedy
    with engine(url, root).connect() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == ["invoices"]
    assert sorted(path.name for path in root.iterdir()) == ([] if url else ["harness.db"])


def test_a_newer_version_is_left_alone(store: Store, root: Path, url: str) -> None:
    store.close()
    execute(url, root, f"UPDATE {revision.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"newer version .*revision 9999") as raised:
        Store.open(url, root)
    assert "Update" in raised.value.remedy


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense", "not a database URL"),
        ("nodatabase://host/name", "not a database URL|not installed"),
        ("sqlite:////nowhere/at/all/x.db", "can't be opened"),
    ],
)
def test_a_url_that_can_not_be_used(root: Path, address: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as raised:
        Store.open(address, root)
    assert raised.value.remedy


def test_a_server_that_does_not_answer(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed here (pip install 'psycopg[binary]')")
    with pytest.raises(StoreError, match="can't be used") as raised:
        Store.open(f"postgresql://somebody:geheim@/name?host={tmp_path}", root)
    assert "geheim" not in str(raised.value)
    assert "somebody" not in raised.value.problem.partition(" can't be used")[0]
    assert "store.url" in raised.value.remedy


def test_a_database_that_does_not_exist(root: Path, server: postgres.Server) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        Store.open(server.create_database().replace("/test_", "/nowhere_"), root)


def test_a_database_that_takes_no_writes(root: Path, server: postgres.Server) -> None:
    url = server.create_database()
    with Store.open(url, root) as store:
        digest = store.put_candidate("x = 1")
    name = url.partition("@/")[2].partition("?")[0]
    execute(url, root, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with Store.open(url, root) as store:
        assert store.source(digest) == "x = 1"
        with pytest.raises(StoreError, match="can't be written to") as raised:
            store.put_candidate("x = 2")
    assert raised.value.remedy


def test_a_connection_that_was_cut_is_made_anew(root: Path, server: postgres.Server) -> None:
    url = server.create_database()
    with Store.open(url, root) as store:
        run = store.open_run("key", {})
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        execute(url, root, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        store.add_step(run.id, Step(index=0, decision="failed"))
        assert len(store.steps(run.id)) == 1


def test_a_password_in_the_url_is_kept_nowhere(root: Path, server: postgres.Server) -> None:
    url = server.create_database().replace("@/", ":geheim@/") + "&sslpassword=heimlich"
    with Store.open(url, root) as store:
        run = store.open_run("key", {})
        step = Step(index=0, candidate="0" * 64, decision="failed")
        with pytest.raises(StoreError, match="refuses an entry") as raised:
            store.add_step(run.id, step)
    assert "on /tmp/" in raised.value.problem
    left = server.run("pg_dump", "-h", str(server.folder), url.partition("@/")[2].partition("?")[0])
    left += "".join(path.read_text() for path in root.rglob("*") if path.is_file())
    assert [word for word in ("geheim", "heimlich") if word in left + str(raised.value)] == []


def test_a_server_whose_disk_is_full_loses_nothing(root: Path, server: postgres.Server) -> None:
    """The server's own error, raised by a trigger: writes fail in the same place, with the same code."""
    url = server.create_database()
    with Store.open(url, root) as store:
        run = store.open_run("key", {})
        store.add_step(run.id, Step(index=0, decision="failed"))
        fail = "BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END"
        execute(
            url,
            root,
            f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {fail} $$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON step FOR EACH ROW EXECUTE FUNCTION full_disk()",
        )
        with pytest.raises(StoreError, match="no space left") as raised:
            store.add_step(run.id, Step(index=1, decision="failed"))
        assert "what was saved before is intact" in raised.value.remedy
        execute(url, root, "DROP TRIGGER full_disk ON step")
        store.add_step(run.id, Step(index=1, decision="failed"))
        assert len(store.steps(run.id)) == 2
