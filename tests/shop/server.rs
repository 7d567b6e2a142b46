//! The shop as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(dir: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(["--port", "0", "--dir"])
            .arg(dir)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shop starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the shop prints its address");
        let address = line.trim().rsplit_once("http://").and_then(|(_, address)| address.parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("no address in {line:?}")) }
    }

    /// As `kill -9` does: no handler runs, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().expect("the shop can be killed");
        self.child.wait().expect("the shop was ours to wait for");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let patience = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the shop is ours to wait for") {
                return status;
            }
            assert!(patience.elapsed() < Duration::from_secs(30), "the shop does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example, built anew if need be: cargo builds examples for `cargo test`, but not for `cargo test --test shop`.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let this = std::env::current_exe().expect("a test knows its own path");
        let profile_dir = this.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
        let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let status = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--quiet", "--example", "shop", "--profile", profile, "--target-dir"])
            .arg(profile_dir.parent().expect("a profile's directory lies in the target directory"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the shop does not build");
        profile_dir.join("examples/shop")
    })
}
