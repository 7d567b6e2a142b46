//! A real server in a directory of its own, on a free port of the loopback address.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// How a kind of server is run.
pub struct Kind {
    pub name: &'static str,
    /// The package that has it, for the message when it is missing.
    pub package: &'static str,
    /// The user that it runs as where the test is root.
    pub user: &'static str,
    /// Fills the directory, once.
    pub init: fn(&Place) -> Command,
    /// Runs in the foreground.
    pub run: fn(&Place) -> Command,
    /// Whether it answers.
    pub ask: fn(&Place) -> Command,
    /// The file whose first line is its process id.
    pub pid_file: &'static str,
}

/// Where a server stands.
pub struct Place {
    pub directory: PathBuf,
    pub port: u16,
}

pub struct Server {
    kind: &'static Kind,
    place: Place,
    child: Mutex<Child>,
    /// Stops the server and removes its directory when this process ends, however it ends.
    keeper: Child,
}

/// Waits for the end of its input, which is the end of the test, and then stops the server by its process id.
const KEEPER: &str = r#"
read -r _
pid=$(head -n 1 "$1") && {
    children=$(ps -o pid= --ppid "$pid")
    kill -CONT "$pid" $children
    kill -KILL "$pid" $children
}
rm -rf "$2"
"#;

impl Server {
    pub fn start(kind: &'static Kind) -> Self {
        let directory = tempfile::Builder::new().prefix("cloakroom-").tempdir().unwrap().keep();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = Place { directory, port };
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(place.directory.join(kind.pid_file))
            .arg(&place.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if let Some((user, group)) = ids_of(kind.user) {
            chown(&place.directory, Some(user), Some(group)).unwrap();
        }
        let output = as_user(kind, (kind.init)(&place)).output();
        let output = output.unwrap_or_else(|error| missing(kind, &error));
        assert!(output.status.success(), "{}: {}", kind.name, String::from_utf8_lossy(&output.stderr));
        let child = Mutex::new(run(kind, &place));
        let server = Self { kind, place, child, keeper };
        server.wait_until_it_answers();
        server
    }

    pub fn port(&self) -> u16 {
        self.place.port
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Ends all its processes at once, as a crash does.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        self.signal_all(child.id(), "KILL");
        child.wait().unwrap();
    }

    /// Starts it again over the same files.
    pub fn restart(&self) {
        *self.child.lock().unwrap() = run(self.kind, &self.place);
        self.wait_until_it_answers();
    }

    /// Stops all its processes, so that connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.signal_all(self.child.lock().unwrap().id(), "STOP");
    }

    pub fn thaw(&self) {
        self.signal_all(self.child.lock().unwrap().id(), "CONT");
    }

    /// The first process gets the signal first, so that it begins no others.
    fn signal_all(&self, first: u32, signal: &str) {
        let script = r#"kill -"$2" "$1"; kill -"$2" $(ps -o pid= --ppid "$1") 2>/dev/null; true"#;
        let status = Command::new("sh").args(["-c", script, "signal", &first.to_string(), signal]).status().unwrap();
        assert!(status.success());
    }

    fn wait_until_it_answers(&self) {
        let begun = Instant::now();
        loop {
            let asked = (self.kind.ask)(&self.place).stdout(Stdio::null()).stderr(Stdio::null()).status();
            if asked.unwrap_or_else(|error| missing(self.kind, &error)).success() {
                return;
            }
            let log = || fs::read_to_string(self.place.directory.join("log")).unwrap_or_default();
            let has_ended = self.child.lock().unwrap().try_wait().unwrap().is_some();
            assert!(!has_ended, "{} ended at its start: {}", self.kind.name, log());
            assert!(begun.elapsed() < Duration::from_secs(60), "{} does not answer: {}", self.kind.name, log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let _ = self.child.lock().map(|mut child| child.wait());
    }
}

fn run(kind: &'static Kind, place: &Place) -> Child {
    let log = fs::File::options().create(true).append(true).open(place.directory.join("log")).unwrap();
    let mut command = as_user(kind, (kind.run)(place));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap_or_else(|error| missing(kind, &error))
}

/// Servers refuse to run as root.
fn as_user(kind: &Kind, mut command: Command) -> Command {
    command.current_dir("/");
    if let Some((user, group)) = ids_of(kind.user) {
        command.uid(user).gid(group);
    }
    command
}

fn ids_of(user: &str) -> Option<(u32, u32)> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user))?;
    let mut fields = line.split(':').skip(2).map(|id| id.parse().unwrap());
    is_root.then(|| Some((fields.next()?, fields.next()?))).flatten()
}

fn missing(kind: &Kind, error: &std::io::Error) -> ! {
    panic!("{} cannot be run: {error}. Install the package {}, or call tests/run.sh", kind.name, kind.package)
}

/// The newest of the folders that a package with several versions installs its programs in.
pub fn newest(folder: &Path) -> PathBuf {
    let versions = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.max_by_key(number).unwrap_or_else(|| folder.join("none"))
}
