//! The load generator: wrk in one thread, since its work is small beside that of a server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::server::{INSERT, Serving};
use crate::operation::CONNECTIONS;

const PROGRAM: &str = "wrk";

const SCRIPT: &str = include_str!("wrk.lua");

/// Whether there is a load generator to start.
pub(crate) fn is_installed() -> bool {
    let version = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok()
}

pub(super) struct Wrk {
    script: PathBuf,
}

/// What wrk tells at its end.
#[derive(Deserialize)]
pub(super) struct Told {
    pub(super) requests: f64,
    pub(super) micros: f64,
    /// Connections that failed, and responses that were errors.
    failed: u64,
    /// How long visitors waited, at evenly spaced quantiles, the least first.
    pub(super) quantiles_micros: Vec<f64>,
}

impl Wrk {
    /// Puts the script of wrk into this directory.
    pub(super) fn new(directory: &Path) -> Self {
        let script = directory.join("wrk.lua");
        std::fs::write(&script, SCRIPT).unwrap();
        Self { script }
    }

    /// Sends requests for so many seconds.
    pub(super) fn requests(&self, serving: &Serving, path: &str, inserts: u32, seconds: u64) -> Told {
        let output = Command::new(PROGRAM)
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            // No store lets a visitor wait for so long, so no slow response is left out of the figures.
            .args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"])
            .arg(&self.script)
            .arg(format!("http://127.0.0.1:{}", serving.port))
            .arg("--")
            .arg(&serving.cookies)
            .args([path, INSERT, &inserts.to_string()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let told = text.lines().find(|line| line.starts_with('{'));
        let told: Told = told.and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| {
            panic!("{PROGRAM} says something else: {text}{}", String::from_utf8_lossy(&output.stderr))
        });
        assert!(told.failed == 0 && told.requests > 0.0, "{path}: {} requests failed: {text}", told.failed);
        told
    }
}
