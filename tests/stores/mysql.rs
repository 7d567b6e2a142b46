//! MariaDB, and the store in it.

use std::process::Command;
use std::sync::LazyLock;

use cloakroom::{MysqlStore, Result, SessionKey};

use crate::backend::{Backend, Choice, Database};
use crate::server::{Kind, Place, Server};

fn client(place: &Place) -> Command {
    let mut command = Command::new("mariadb");
    command.arg("--no-defaults").arg("--socket").arg(place.directory.join("m.sock")).args(["-uroot", "-BN", "-e"]);
    command
}

pub const KIND: Kind = Kind {
    name: "MariaDB",
    package: "mariadb-server",
    user: "mysql",
    init: |place| {
        let mut command = Command::new("mariadb-install-db");
        command.arg("--no-defaults").arg(format!("--datadir={}", place.directory.join("data").display()));
        // A server that starts removes temporary tables, also those of others.
        command.arg(format!("--tmpdir={}", place.directory.display()));
        command.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        command
    },
    run: |place| {
        let mut command = Command::new("/usr/sbin/mariadbd");
        let path = |option: &str, name: &str| format!("--{option}={}", place.directory.join(name).display());
        command.arg("--no-defaults").arg(path("datadir", "data")).arg(path("socket", "m.sock"));
        command
            .arg(path("tmpdir", ""))
            .arg(path("pid-file", "m.pid"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
        command.arg(format!("--port={}", place.port)).args(["--innodb-buffer-pool-size=64M", "--max-connections=300"]);
        // The suite judges what a crash of the process leaves; a test of its own judges what is stated of power losses.
        command.arg("--innodb-flush-log-at-trx-commit=2");
        command
    },
    ask: |place| {
        let mut command = client(place);
        command.arg(
            "CREATE DATABASE IF NOT EXISTS sess; CREATE USER IF NOT EXISTS 't'@'127.0.0.1' IDENTIFIED BY 'not-shown'; \
             GRANT ALL ON sess.* TO 't'@'127.0.0.1'",
        );
        command
    },
    pid_file: "m.pid",
};

static ALONE: Kind = KIND;

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&ALONE));

/// Runs statements by the database's own client.
pub fn sql(server: &Server, statements: &str) -> String {
    let output = client(server.place()).arg(statements).arg("sess").output().unwrap();
    assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub struct Mysql;

impl Backend for Mysql {
    type Store = MysqlStore;

    const SCHEME: &str = "mysql";

    fn start() -> Server {
        Server::start(&ALONE)
    }

    fn shared() -> &'static Server {
        &SHARED
    }

    fn url(port: u16) -> String {
        format!("mysql://t:not-shown@127.0.0.1:{port}/sess")
    }

    async fn open(port: u16, table: &str, choice: Choice) -> MysqlStore {
        let options = MysqlStore::options().table(table).limits(choice.limits).deadline(choice.deadline);
        let store = options.connections(choice.connections).connect(&Self::url(port)).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    async fn try_open(url: &str) -> Result<MysqlStore> {
        MysqlStore::connect(url).await
    }

    fn table(store: &MysqlStore) -> String {
        store.table().to_owned()
    }

    fn damage(server: &Server, table: &str, key: &SessionKey) {
        sql(server, &format!("UPDATE {table} SET body = LEFT(body, 5) WHERE `key` = UNHEX('{key}')"));
    }
}

impl Database for Mysql {
    async fn unmigrated(table: &str) -> Result<MysqlStore> {
        let url = format!("mysql://t:not-shown@127.0.0.1:{}/sess", SHARED.port());
        MysqlStore::options().table(table).connect(&url).await
    }

    async fn migrate(store: &MysqlStore) -> Result<()> {
        store.migrate().await
    }

    async fn open_limited(table: &str) -> MysqlStore {
        let user = format!("'user_of_{table}'@'127.0.0.1'");
        sql(
            &SHARED,
            &format!(
                "CREATE USER {user}; GRANT SELECT, INSERT, UPDATE, DELETE ON sess.{table} TO {user}; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON sess.{table}_locks TO {user}; \
                 GRANT EXECUTE ON sess.* TO {user}"
            ),
        );
        let url = format!("mysql://user_of_{table}@127.0.0.1:{}/sess", SHARED.port());
        MysqlStore::options().table(table).connect(&url).await.unwrap()
    }

    fn mark(server: &Server, table: &str, mark: &str) {
        sql(server, &format!("ALTER TABLE {table} COMMENT = '{mark}'"));
    }

    fn move_slowly(server: &Server, table: &str, from: SessionKey, to: SessionKey) {
        sql(
            server,
            &format!(
                "START TRANSACTION; UPDATE {table} SET `key` = UNHEX('{to}') WHERE `key` = UNHEX('{from}'); \
                 SELECT SLEEP(0.5); COMMIT"
            ),
        );
    }

    fn is_waiting(server: &Server, table: &str) -> bool {
        let waiting = format!("trx_state = 'LOCK WAIT' AND trx_query LIKE '%{table}%'");
        sql(server, &format!("SELECT count(*) FROM information_schema.innodb_trx WHERE {waiting}")) != "0"
    }

    fn is_locked(server: &Server, table: &str, key: SessionKey) -> bool {
        let select = format!("SELECT 1 FROM {table} WHERE `key` = UNHEX('{key}') FOR UPDATE SKIP LOCKED");
        sql(server, &select).is_empty()
    }
}
