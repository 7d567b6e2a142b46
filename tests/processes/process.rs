//! Another process, and the lines that are passed to and from it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub const ROLE: &str = "CLOAKROOM_TEST_ROLE";
pub const PLACE: &str = "CLOAKROOM_TEST_PLACE";
pub const ARGUMENT: &str = "CLOAKROOM_TEST_ARGUMENT";

/// What a role says to its parent begins with this: the test harness prints lines of its own.
const MARK: &str = "> ";

/// A child of this test. It is killed, if it still runs, when this is dropped.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a child in this role, with an argument that the role knows what to do with.
    pub fn start(role: &str, place: &Path, argument: impl ToString) -> Self {
        Self::start_by(&mut Command::new(std::env::current_exe().unwrap()), role, place, argument)
    }

    /// The same under a umask.
    #[allow(dead_code, reason = "not all tests use it")]
    pub fn start_under_umask(umask: &str, role: &str, place: &Path, argument: impl ToString) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
        Self::start_by(&mut shell, role, place, argument)
    }

    /// The same by this command, which ends with this program.
    pub fn start_by(command: &mut Command, role: &str, place: &Path, argument: impl ToString) -> Self {
        let mut child = command
            .args(["--exact", "roles::child_in_its_role", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(PLACE, place)
            .env(ARGUMENT, argument.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    #[allow(dead_code, reason = "not all tests use it")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next whole line that the child said; `None` when it has ended. A line that a kill cut short is none.
    pub fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = Vec::new();
            self.output.read_until(b'\n', &mut line).unwrap();
            if line.pop() != Some(b'\n') {
                return None;
            }
            let line = String::from_utf8(line).unwrap();
            // The harness ends its own line only when the test is over.
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    pub fn expect(&mut self, expected: &str) {
        assert_eq!(self.hear().as_deref(), Some(expected));
    }

    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// Lets the child end by itself, which it does when nothing more can be told to it.
    pub fn end(mut self) -> Vec<String> {
        drop(self.input.take());
        let rest = std::iter::from_fn(|| self.hear()).collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a child failed: {status}");
        rest
    }

    /// Kills the child where it stands, as `kill -9` does; says what it had said.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.hear()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the child: says a line to the parent, in one write, so that a kill leaves it whole or out.
pub fn say(line: &str) {
    let line = format!("{MARK}{line}\n");
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes()).unwrap();
    output.flush().unwrap();
}

/// In the child: the next line from the parent; `None` when there is none to come.
pub fn listen() -> Option<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.ends_with('\n').then(|| line.trim_end().to_owned())
}
