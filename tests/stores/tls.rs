//! Encrypted connections, to servers that take no others and whose certificates a test authority has signed.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use cloakroom::{
    AnyStore, ErrorKind, Lifetime, MysqlStore, PostgresStore, Record, RedisStore, Result, SessionId, SessionKey, Store,
    Timestamp,
};

use crate::backend::{Backend, Database};
use crate::mysql::{self, Mysql};
use crate::postgres::{self, Postgres};
use crate::redis::{self, Redis};
use crate::server::{Kind, Place, Server};
use crate::suite::runtime;

/// An authority, and a certificate that proves the address and no name.
const CERTIFICATES: &str = r#"
set -e
cd "$1" && shift
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
openssl req -x509 $new -subj /CN=authority -keyout authority.key -out authority.pem
openssl req $new -subj /CN=server -keyout server.key -out server.csr
echo subjectAltName=IP:127.0.0.1 > names
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile names -out server.pem
chmod 600 server.key
exec "$@"
"#;

/// Makes the certificates before the directory is filled.
fn certified(place: &Place, init: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", CERTIFICATES, "init"]).arg(&place.directory).arg(init.get_program()).args(init.get_args());
    command
}

/// `--option=DIRECTORY/name` for each.
fn paths(place: &Place, options: [(&str, &str); 3]) -> [String; 3] {
    options.map(|(option, name)| format!("{option}{}", place.directory.join(name).display()))
}

static POSTGRES: Kind = Kind {
    init: |place| {
        let mut command = Command::new("sh");
        // Over the network, those that encrypt and nobody else.
        let rules = "\"$@\"; printf 'local all all trust\\nhostssl all all all trust\\n' > \"$0/data/pg_hba.conf\"";
        let init = (postgres::KIND.init)(place);
        command.args(["-c", rules]).arg(&place.directory).arg(init.get_program()).args(init.get_args());
        certified(place, &command)
    },
    run: |place| {
        let mut command = (postgres::KIND.run)(place);
        let files =
            [("ssl_cert_file=", "server.pem"), ("ssl_key_file=", "server.key"), ("ssl_ca_file=", "authority.pem")];
        command.args(["-c", "ssl=on"]).args(paths(place, files).iter().flat_map(|file| ["-c", file]));
        command
    },
    ..postgres::KIND
};

static MYSQL: Kind = Kind {
    init: |place| certified(place, &(mysql::KIND.init)(place)),
    run: |place| {
        let mut command = (mysql::KIND.run)(place);
        let files = [("--ssl-cert=", "server.pem"), ("--ssl-key=", "server.key"), ("--ssl-ca=", "authority.pem")];
        command.args(paths(place, files)).arg("--require-secure-transport=ON");
        command
    },
    ..mysql::KIND
};

static REDIS: Kind = Kind {
    init: |place| certified(place, &(redis::KIND.init)(place)),
    run: |place| {
        let mut command = (redis::KIND.run)(place);
        let file = |name: &str| place.directory.join(name);
        command.args(["--port", "0", "--tls-port", &place.port.to_string(), "--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(file("server.pem")).arg("--tls-key-file").arg(file("server.key"));
        command.arg("--tls-ca-cert-file").arg(file("authority.pem"));
        command
    },
    ask: |place| {
        let mut command = Command::new("sh");
        let ask = "test \"$(redis-cli --tls --cacert \"$0\" -h 127.0.0.1 -p \"$1\" ping)\" = PONG";
        command.args(["-c", ask]).arg(place.directory.join("authority.pem")).arg(place.port.to_string());
        command
    },
    ..redis::KIND
};

pub trait Encrypted: Backend {
    const ENCRYPTED: &Kind;

    fn encrypted_url(host: &str, port: u16) -> String;

    fn trusting(url: &str, authority: &[u8]) -> impl Future<Output = Result<Self::Store>> + Send;
}

impl Encrypted for Postgres {
    const ENCRYPTED: &Kind = &POSTGRES;

    fn encrypted_url(host: &str, port: u16) -> String {
        format!("postgres://postgres:not-shown@{host}:{port}/postgres?sslmode=require")
    }

    async fn trusting(url: &str, authority: &[u8]) -> Result<PostgresStore> {
        let store = PostgresStore::options().root_certificates(authority).connect(url).await?;
        Self::migrate(&store).await?;
        Ok(store)
    }
}

impl Encrypted for Mysql {
    const ENCRYPTED: &Kind = &MYSQL;

    fn encrypted_url(host: &str, port: u16) -> String {
        format!("mysql://t:not-shown@{host}:{port}/sess?require_ssl=true")
    }

    async fn trusting(url: &str, authority: &[u8]) -> Result<MysqlStore> {
        let store = MysqlStore::options().root_certificates(authority).connect(url).await?;
        Self::migrate(&store).await?;
        Ok(store)
    }
}

impl Encrypted for Redis {
    const ENCRYPTED: &Kind = &REDIS;

    fn encrypted_url(host: &str, port: u16) -> String {
        format!("rediss://default:not-shown@{host}:{port}")
    }

    async fn trusting(url: &str, authority: &[u8]) -> Result<RedisStore> {
        RedisStore::options().root_certificates(authority).connect(url).await
    }
}

/// The application's choice of cryptography. All tests of this file wait for it, so what is said without one is seen first.
static CRYPTOGRAPHY: LazyLock<()> = LazyLock::new(|| {
    for url in
        [Postgres::encrypted_url("127.0.0.1", 1), Mysql::encrypted_url("h", 1), Redis::encrypted_url("127.0.0.1", 1)]
    {
        let refused = runtime().block_on(AnyStore::connect(&url)).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Config, "{refused}");
        assert!(refused.to_string().contains("install_default()"), "{refused}");
    }
    rustls::crypto::ring::default_provider().install_default().unwrap();
});

/// The server takes nothing that is not encrypted, and the store nothing from a server that cannot prove its name.
pub fn a_connection_is_encrypted_and_trusts_no_stranger<B: Encrypted>() {
    LazyLock::force(&CRYPTOGRAPHY);
    let server = Server::start(B::ENCRYPTED);
    let authority = fs::read(server.place().directory.join("authority.pem")).unwrap();
    let (url, now) = (B::encrypted_url("127.0.0.1", server.port()), Timestamp::from_secs(1_700_000_000));
    runtime().block_on(async {
        let store = B::trusting(&url, &authority).await.unwrap();
        let record = Record::new(SessionKey::of(&SessionId::generate().unwrap()), Lifetime::AAL2, now);
        store.create(&record, &[], now).await.unwrap();
        assert!(store.load(record.key(), now).await.unwrap().is_some());

        let refused = |answer: Result<B::Store>| {
            let refused = answer.map(drop).unwrap_err().to_string();
            assert!(!refused.contains("not-shown"), "{refused}");
            refused
        };
        refused(B::try_open(&B::url(server.port())).await);
        let stranger = refused(B::try_open(&url).await);
        assert!(stranger.contains("certificate") || stranger.contains("root"), "{stranger}");
        let misnamed = refused(B::trusting(&B::encrypted_url("localhost", server.port()), &authority).await);
        assert!(misnamed.contains("localhost") || misnamed.contains("name"), "{misnamed}");
        let nobody = refused(B::trusting(&url, b"no certificate").await);
        assert!(nobody.contains("root certificate"), "{nobody}");
    });
}

/// What would make an encryption worthless is refused before anything is sent.
#[test]
fn a_url_cannot_ask_for_an_encryption_that_trusts_everybody() {
    LazyLock::force(&CRYPTOGRAPHY);
    runtime().block_on(async {
        let urls =
            ["mysql://t:not-shown@127.0.0.1:1/s?require_ssl=true&verify_ca=false", "rediss://127.0.0.1:1/#insecure"];
        for url in urls {
            let refused = AnyStore::connect(url).await.unwrap_err();
            assert_eq!(refused.kind(), &ErrorKind::Config, "{refused}");
        }
    });
}
