//! PostgreSQL behind pgbouncer, which hands each transaction the connection that happens to be free.

use std::process::Command;
use std::sync::LazyLock;

use cloakroom::{PostgresStore, Result, SessionKey};

use crate::backend::{Backend, Choice};
use crate::postgres::{KIND as POSTGRES, Postgres};
use crate::server::{Kind, Place, Server};

/// The most connections to the database are fewer than those to the pooler, so that none stays with its client.
const SETTINGS: &str = r#"
[databases]
postgres = host=127.0.0.1 port=$2 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $3
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 300
pidfile = $1/pgbouncer.pid
"#;

static KIND: Kind = Kind {
    name: "pgbouncer",
    package: "pgbouncer",
    user: "postgres",
    init: |place| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("cat > \"$1/pgbouncer.ini\" <<END\n{SETTINGS}END\n"), "init"]);
        command.arg(&place.directory).args([Postgres::shared().port(), place.port].map(|port| port.to_string()));
        command
    },
    run: |place| {
        let mut command = Command::new("pgbouncer");
        command.arg(place.directory.join("pgbouncer.ini"));
        command
    },
    ask: |place: &Place| (POSTGRES.ask)(place),
    pid_file: "pgbouncer.pid",
};

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&KIND));

pub struct Pgbouncer;

impl Backend for Pgbouncer {
    type Store = PostgresStore;

    const SCHEME: &str = Postgres::SCHEME;

    fn start() -> Server {
        Server::start(&KIND)
    }

    fn shared() -> &'static Server {
        &SHARED
    }

    fn url(port: u16) -> String {
        Postgres::url(port)
    }

    async fn open(port: u16, table: &str, choice: Choice) -> PostgresStore {
        Postgres::open(port, table, choice).await
    }

    async fn try_open(url: &str) -> Result<PostgresStore> {
        Postgres::try_open(url).await
    }

    fn table(store: &PostgresStore) -> String {
        Postgres::table(store)
    }

    fn damage(server: &Server, table: &str, key: &SessionKey) {
        Postgres::damage(server, table, key);
    }
}
