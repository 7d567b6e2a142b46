//! Redis, and the store in it.

use std::process::Command;
use std::sync::LazyLock;

use cloakroom::{RedisStore, Result, SessionKey};

use crate::backend::{Backend, Choice};
use crate::server::{Kind, Place, Server};

fn client(place: &Place) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &place.port.to_string()]);
    command
}

pub const KIND: Kind = Kind {
    name: "Redis",
    package: "redis-server",
    user: "redis",
    init: |_| Command::new("true"),
    run: |place| {
        let mut command = Command::new("redis-server");
        command.args(["--port", &place.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        // With `everysec` a slow disk lets the server answer before it has written, so a crash of its process could take what
        // was acknowledged.
        command.args(["--appendfsync", "always"]);
        command.arg("--dir").arg(&place.directory).arg("--pidfile").arg(place.directory.join("redis.pid"));
        command
    },
    ask: |place| {
        // It answers while it reads its files, and does not serve yet.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("test \"$(redis-cli -h 127.0.0.1 -p {} ping)\" = PONG", place.port)]);
        command
    },
    pid_file: "redis.pid",
};

static ALONE: Kind = KIND;

static CLUSTER_NODE: Kind = Kind {
    run: |place| {
        let mut command = (KIND.run)(place);
        command.args(["--cluster-enabled", "yes"]);
        command
    },
    ..KIND
};

pub fn start_cluster_node() -> Server {
    Server::start(&CLUSTER_NODE)
}

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&ALONE));

/// Runs a command by the server's own client.
pub fn ask(server: &Server, command: &[&str]) -> String {
    let output = client(server.place()).args(command).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub struct Redis;

impl Backend for Redis {
    type Store = RedisStore;

    const SCHEME: &str = "redis";

    /// The owner's index, what it names, and the index again.
    const OWNER_TRIPS: usize = 3;

    /// Both are of sweeps: the server removes what is over.
    const SKIPPED: usize = 2;

    fn start() -> Server {
        Server::start(&ALONE)
    }

    fn shared() -> &'static Server {
        &SHARED
    }

    fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    async fn open(port: u16, table: &str, choice: Choice) -> RedisStore {
        let options = RedisStore::options().prefix(table).limits(choice.limits).deadline(choice.deadline);
        options.connections(choice.connections).connect(&Self::url(port)).await.unwrap()
    }

    async fn try_open(url: &str) -> Result<RedisStore> {
        RedisStore::connect(url).await
    }

    fn table(store: &RedisStore) -> String {
        store.prefix().to_owned()
    }

    fn damage(server: &Server, table: &str, key: &SessionKey) {
        ask(server, &["HSET", &format!("{table}:s:{key}"), "body", "\u{1}\u{2}"]);
    }
}
