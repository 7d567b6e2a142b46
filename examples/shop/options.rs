//! What can be chosen on the command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cloakroom::{Durability, Lifetime};

pub const USAGE: &str = "\
usage: shop [--port PORT] [--dir DIRECTORY] [--store URL] [--idle SECONDS]
            [--absolute SECONDS] [--durability always|every|never] [--insecure-cookie]

  --port             listen on 127.0.0.1 at this port; 0 for any that is free (3000)
  --dir              where the sessions are kept, and the key of signed cookies (shop-sessions)
  --store            where the sessions are kept instead: file:DIRECTORY, memory:, or a URL of
                     postgres:, mysql: or redis: with cargo's --features of the same name
  --idle             a session ends when it was not used for this long (1800)
  --absolute         a session ends this long after it began or was logged in (43200)
  --durability       in --dir, a save waits for the disk always, at most a second's worth of saves
                     is lost in a power cut (every), or the system decides (never)
  --insecure-cookie  for browsers that refuse Secure cookies on http://localhost (Safari)";

pub struct Options {
    pub port: u16,
    pub dir: PathBuf,
    /// A URL that may hold a password.
    pub store: Option<String>,
    pub lifetime: Lifetime,
    pub durability: Durability,
    pub insecure_cookie: bool,
}

impl Options {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            port: 3000,
            dir: "shop-sessions".into(),
            store: None,
            lifetime: Lifetime::new(Duration::from_secs(30 * 60), Duration::from_secs(12 * 60 * 60)),
            durability: Durability::Always,
            insecure_cookie: false,
        };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--port" => options.port = number(&name, &value()?)?,
                "--dir" => options.dir = value()?.into(),
                "--store" => options.store = Some(value()?),
                "--idle" => options.lifetime = options.lifetime.with_idle(seconds(&name, &value()?)?),
                "--absolute" => options.lifetime = options.lifetime.with_absolute(seconds(&name, &value()?)?),
                "--durability" => options.durability = durability(&value()?)?,
                "--insecure-cookie" => options.insecure_cookie = true,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(options)
    }
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("{name}: {value} is not a number, or too large"))
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    match number(name, value)? {
        0 => Err(format!("{name}: at least one second")),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

fn durability(value: &str) -> Result<Durability, String> {
    match value {
        "always" => Ok(Durability::Always),
        "every" => Ok(Durability::Every(Duration::from_secs(1))),
        "never" => Ok(Durability::Never),
        _ => Err(format!("--durability: {value} is none of always, every, never")),
    }
}
