//! PostgreSQL, and the store in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use cloakroom::{PostgresStore, Result, SessionKey};

use crate::backend::{Backend, Choice, Database};
use crate::server::{Kind, Place, Server, newest};

fn program(name: &str) -> PathBuf {
    newest(Path::new("/usr/lib/postgresql")).join("bin").join(name)
}

fn client(place: &Place) -> Command {
    let mut command = Command::new(program("psql"));
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", place.port);
    command.args([&url, "-v", "ON_ERROR_STOP=1", "-qtA", "-c"]);
    command
}

pub const KIND: Kind = Kind {
    name: "PostgreSQL",
    package: "postgresql",
    user: "postgres",
    init: |place| {
        let mut command = Command::new(program("initdb"));
        let data = place.directory.join("data");
        command.arg("-D").arg(data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        command
    },
    run: |place| {
        let mut command = Command::new(program("postgres"));
        command.arg("-D").arg(place.directory.join("data")).args(["-p", &place.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300", "-c", "shared_buffers=64MB"]);
        command.arg("-c").arg(format!("unix_socket_directories={}", place.directory.display()));
        // The suite judges what a crash of the process leaves; a test of its own judges what is stated of power losses.
        command.args(["-c", "fsync=off"]);
        command
    },
    ask: |place| {
        let mut command = client(place);
        command.arg("SELECT 1");
        command
    },
    pid_file: "data/postmaster.pid",
};

static ALONE: Kind = KIND;

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&ALONE));

/// Runs a statement by the database's own client.
pub fn sql(server: &Server, statement: &str) -> String {
    let output = client(server.place()).arg(statement).output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub struct Postgres;

impl Backend for Postgres {
    type Store = PostgresStore;

    const SCHEME: &str = "postgres";

    fn start() -> Server {
        Server::start(&ALONE)
    }

    fn shared() -> &'static Server {
        &SHARED
    }

    fn url(port: u16) -> String {
        format!("postgres://postgres:not-shown@127.0.0.1:{port}/postgres")
    }

    async fn open(port: u16, table: &str, choice: Choice) -> PostgresStore {
        let options = PostgresStore::options().table(table).limits(choice.limits).deadline(choice.deadline);
        let store = options.connections(choice.connections).connect(&Self::url(port)).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    async fn try_open(url: &str) -> Result<PostgresStore> {
        PostgresStore::connect(url).await
    }

    fn table(store: &PostgresStore) -> String {
        store.table().rsplit('.').next().unwrap().to_owned()
    }

    fn damage(server: &Server, table: &str, key: &SessionKey) {
        sql(server, &format!("UPDATE cloakroom.{table} SET body = substring(body FOR 5) WHERE key = '\\x{key}'"));
    }
}

impl Database for Postgres {
    async fn unmigrated(table: &str) -> Result<PostgresStore> {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", SHARED.port());
        PostgresStore::options().table(table).connect(&url).await
    }

    async fn migrate(store: &PostgresStore) -> Result<()> {
        store.migrate().await
    }

    async fn open_limited(table: &str) -> PostgresStore {
        let user = format!("user_of_{table}");
        sql(
            &SHARED,
            &format!(
                "CREATE ROLE {user} LOGIN; GRANT USAGE ON SCHEMA cloakroom TO {user}; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom.{table} TO {user}"
            ),
        );
        let url = format!("postgres://{user}@127.0.0.1:{}/postgres", SHARED.port());
        PostgresStore::options().table(table).connect(&url).await.unwrap()
    }

    fn mark(server: &Server, table: &str, mark: &str) {
        sql(server, &format!("COMMENT ON TABLE cloakroom.{table} IS '{mark}'"));
    }

    fn move_slowly(server: &Server, table: &str, from: SessionKey, to: SessionKey) {
        sql(
            server,
            &format!(
                "BEGIN; UPDATE cloakroom.{table} SET key = '\\x{to}' WHERE key = '\\x{from}'; \
                 SELECT pg_sleep(0.5); COMMIT"
            ),
        );
    }

    fn is_waiting(server: &Server, table: &str) -> bool {
        let waiting = format!("wait_event_type = 'Lock' AND query LIKE '%.{table}\\_%'");
        sql(server, &format!("SELECT count(*) FROM pg_stat_activity WHERE {waiting}")) != "0"
    }

    fn is_locked(server: &Server, table: &str, key: SessionKey) -> bool {
        sql(server, &format!("SELECT 1 FROM cloakroom.{table} WHERE key = '\\x{key}' FOR UPDATE SKIP LOCKED"))
            .is_empty()
    }
}
