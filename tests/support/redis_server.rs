//! A spawned Redis server. Uses the standard library alone, so that a program outside of this
//! package can include the file.
//!
//! Invariant: no server outlives the process that started it. Each one is the child of a shell that
//! reads from a pipe held by us; when the pipe closes, because the handle was dropped or because we
//! were killed, the shell kills the server and removes its directory.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to answer, at start and afterwards.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Between two looks at something that is not there yet.
pub(crate) const POLL: Duration = Duration::from_millis(2);

/// `$1` is the directory, the rest the server and its arguments. Prints the server's process id.
const SUPERVISOR: &str = r#"
    dir=$1; shift
    "$@" >"$dir/log" 2>&1 &
    server=$!
    echo "$server"
    trap '' HUP INT TERM
    cat >/dev/null
    kill -9 "$server"
    wait "$server"
    rm -rf "$dir"
"#;

/// A Redis (or Valkey) server for tests: on a free port of the loopback interface and on a Unix
/// socket, without persistence, killed on drop.
///
/// The binary is `$CACHE_TEST_REDIS_SERVER`, else `redis-server` or `valkey-server` of `PATH`.
///
/// All methods panic when something does not go as asked: a test could do nothing else.
pub struct RedisServer {
    port: u16,
    dir: PathBuf,
    password: Option<String>,
    arguments: Vec<String>,
    /// What a sentinel watches. It writes down there what it learns.
    watch: Option<String>,
    process: Mutex<Option<Process>>,
}

/// The shell that holds the server, and the server's own process id.
struct Process {
    shell: Child,
    server: u32,
}

impl RedisServer {
    /// Starts a server on a free port.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server on this port, which must be free or become so within ten seconds.
    pub fn start_on(port: u16) -> Self {
        let server = Self::new(port, None, &[]);
        server.spawn_until(Instant::now() + DEADLINE);
        server
    }

    /// Starts a server that wants this password; [`url`](Self::url) has it.
    pub fn start_with_password(password: &str) -> Self {
        Self::start_anywhere(Some(password), &["--requirepass", password])
    }

    /// Starts a server with further arguments, such as `&["--maxmemory", "1mb"]`.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_anywhere(None, arguments)
    }

    /// Starts a sentinel with the lines of its configuration that say what it watches.
    pub fn start_sentinel(watch: &str) -> Self {
        Self::start_made(|| {
            let mut server = Self::new(free_port(), None, &[]);
            server.watch = Some(watch.to_owned());
            server
        })
    }

    /// Starts a node of a cluster. What the nodes tell each other goes over the port 10,000 above.
    pub fn start_node(arguments: &[&str]) -> Self {
        Self::start_made(|| Self::new(free_port_of_a_node(), None, arguments))
    }

    fn start_anywhere(password: Option<&str>, arguments: &[&str]) -> Self {
        Self::start_made(|| Self::new(free_port(), password, arguments))
    }

    fn start_made(make: impl Fn() -> Self) -> Self {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let server = make();
            // Between our look at the port and the server's, another process may have taken it.
            if server.try_spawn(deadline).is_ok() {
                return server;
            }
            assert!(
                Instant::now() < deadline,
                "found no free port for the Redis server"
            );
        }
    }

    fn new(port: u16, password: Option<&str>, arguments: &[&str]) -> Self {
        Self {
            port,
            dir: scratch().join(unique_prefix()),
            password: password.map(str::to_owned),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            watch: None,
            process: Mutex::new(None),
        }
    }

    /// `redis://127.0.0.1:{port}/`, with the password if there is one.
    pub fn url(&self) -> String {
        let credentials = self
            .password
            .as_ref()
            .map(|it| format!(":{it}@"))
            .unwrap_or_default();
        format!("redis://{credentials}127.0.0.1:{}/", self.port)
    }

    /// `unix://{path}`, with the password if there is one. The path is the same after a restart.
    pub fn unix_url(&self) -> String {
        let credentials = self
            .password
            .as_ref()
            .map(|it| format!("?pass={it}"))
            .unwrap_or_default();
        format!("unix://{}{credentials}", self.socket().display())
    }

    /// The port on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server with `SIGKILL`, and returns when it is dead. A dead server stays dead.
    pub fn kill(&self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }

    /// Kills the server if it is there, and starts an empty one on the same port.
    pub fn restart(&self) {
        self.kill();
        self.spawn_until(Instant::now() + DEADLINE);
    }

    /// Stops the server with `SIGSTOP`: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Runs a command over a connection of its own and gives the reply as `redis-cli` would print it
    /// to a file: integers and strings as they are, nothing for nil, a line for each element, and an
    /// error as its text.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut connection = self
            .connect()
            .unwrap_or_else(|error| panic!("no connection to {self:?}: {error}"));
        connection
            .command(arguments)
            .unwrap_or_else(|error| panic!("`{}` on {self:?}: {error}", arguments.join(" ")))
    }

    /// Begins to collect the commands that the server executes.
    pub fn monitor(&self) -> Monitor<'_> {
        let mut connection = self
            .connect()
            .unwrap_or_else(|error| panic!("no connection to {self:?}: {error}"));
        let answer = connection.command(&["MONITOR"]);
        assert_eq!(
            answer.as_deref().ok(),
            Some("OK"),
            "`MONITOR` on {self:?}: {answer:?}"
        );
        let stream = connection
            .to_be_monitored()
            .unwrap_or_else(|error| panic!("`MONITOR` on {self:?}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        thread::spawn(move || {
            while let Ok(line) = connection.line() {
                lock(&collected).push(line.trim_start_matches('+').to_owned());
            }
        });
        Monitor {
            server: self,
            stream,
            lines,
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        lock(&self.process)
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }

    fn signal(&self, name: &str) {
        let process = self.process();
        let process = process
            .as_ref()
            .unwrap_or_else(|| panic!("{self:?} is not running"));
        send_signal(name, process.server);
    }

    /// Starts the server, again and again while something else has its port.
    fn spawn_until(&self, deadline: Instant) {
        while let Err(PortTaken) = self.try_spawn(deadline) {
            assert!(
                Instant::now() < deadline,
                "port {} is taken by another process",
                self.port
            );
            thread::sleep(POLL);
        }
    }

    fn try_spawn(&self, deadline: Instant) -> Result<(), PortTaken> {
        std::fs::create_dir_all(&self.dir).unwrap_or_else(|error| panic!("{}: {error}", self.dir.display()));
        let mut command = Command::new("sh");
        command
            // In a group whose last parent goes away, a stopped server would be told by the system to go on.
            .process_group(0)
            .args(["-c", SUPERVISOR, "sh"])
            .arg(&self.dir)
            .arg(binary());
        if let Some(watch) = &self.watch {
            let file = self.dir.join("sentinel.conf");
            std::fs::write(&file, watch).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            command.arg(file).arg("--sentinel");
        }
        let mut shell = command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.dir)
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("`sh` does not start: {error}"));
        let mut id = String::new();
        if let Some(output) = shell.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut id);
        }
        let server = id
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("the shell gave no process id, but `{id}`"));
        let process = Process { shell, server };
        let result = self.wait_until_ready(deadline);
        match result {
            Ok(()) => *self.process() = Some(process),
            Err(PortTaken) => process.kill(),
        }
        result
    }

    /// Asks over the Unix socket, which is in our own directory: whoever answers there is ours, and a
    /// server makes it only after it has bound its port.
    fn wait_until_ready(&self, deadline: Instant) -> Result<(), PortTaken> {
        loop {
            if let Ok(mut connection) = self.connect()
                && connection.command(&["PING"]).is_ok_and(|reply| reply == "PONG")
            {
                return Ok(());
            }
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let taken = [
                "Could not create server TCP listening socket",
                "Failed listening on port",
            ];
            if taken.iter().any(|line| log.contains(line)) {
                return Err(PortTaken);
            }
            assert!(
                Instant::now() < deadline,
                "{self:?} does not answer; its log:\n{log}"
            );
            thread::sleep(POLL);
        }
    }

    fn connect(&self) -> std::io::Result<Connection> {
        let mut connection = Connection::open(&self.socket())?;
        if let Some(password) = &self.password {
            connection.command(&["AUTH", password])?;
        }
        Ok(connection)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Redis server on port {}", self.port)
    }
}

impl Process {
    fn kill(mut self) {
        drop(self.shell.stdin.take());
        // The shell ends after it has buried the server, so the port is free from here on.
        let _ = self.shell.wait();
    }
}

struct PortTaken;

/// Where servers have their files: in memory, if there is such a place. Sentinels and nodes of a cluster wait for the disk at
/// each change of what they know, which after a build may take seconds.
fn scratch() -> PathBuf {
    let in_memory = PathBuf::from("/dev/shm");
    let probe = in_memory.join(unique_prefix());
    if std::fs::create_dir(&probe).is_ok() && std::fs::remove_dir(&probe).is_ok() {
        in_memory
    } else {
        std::env::temp_dir()
    }
}

/// A directory that goes with its handle, or with this process however that ends.
pub(crate) struct Folder {
    path: PathBuf,
    shell: Child,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let path = scratch().join(unique_prefix());
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let shell = Command::new("sh")
            .args(["-c", r#"trap '' HUP INT TERM; cat >/dev/null; rm -rf "$1""#, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`sh` does not start: {error}"));
        Self { path, shell }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The commands that a server executes, collected from [`RedisServer::monitor`] to the drop.
///
/// Both readers first wait until the server has reported everything that it executed before.
pub struct Monitor<'a> {
    server: &'a RedisServer,
    stream: UnixStream,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Monitor<'_> {
    /// The lines so far, as `MONITOR` writes them: `1339518083.107412 [0 127.0.0.1:60866] "GET" "x"`.
    pub fn lines(&self) -> Vec<String> {
        let marker = unique_prefix();
        self.server.cli(&["ECHO", &marker]);
        let deadline = Instant::now() + DEADLINE;
        loop {
            {
                let mut lines = lock(&self.lines);
                if let Some(at) = lines.iter().position(|line| line.contains(&marker)) {
                    lines.remove(at);
                    return lines.clone();
                }
            }
            assert!(
                Instant::now() < deadline,
                "`MONITOR` of {:?} has gone silent",
                self.server
            );
            thread::sleep(POLL);
        }
    }

    /// The commands so far that clients sent, without time and client: `"GET" "x"`. Leaves out what
    /// scripts execute, and how clients introduce themselves.
    pub fn commands(&self) -> Vec<String> {
        const GREETINGS: [&str; 4] = [
            "\"HELLO\"",
            "\"CLIENT\" \"SETINFO\"",
            "\"CLIENT\" \"SETNAME\"",
            "\"SELECT\"",
        ];
        let lines = self.lines();
        let sent = lines.iter().filter_map(|line| line.split_once("] "));
        let sent = sent
            .filter(|(client, _)| !client.ends_with(" lua"))
            .map(|(_, command)| command);
        let is_greeting = |command: &str| {
            let command = command.to_ascii_uppercase();
            GREETINGS.iter().any(|greeting| command.starts_with(greeting))
        };
        sent.filter(|command| !is_greeting(command))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl fmt::Debug for Monitor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "monitor of {:?}", self.server)
    }
}

/// The one server of this test process, started at first use. Tests that share it keep apart by
/// [`unique_prefix`], and leave it running.
pub fn shared() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(RedisServer::start)
}

/// A name that no other call gives, in this process or another that runs: `test-1f03-0`.
pub fn unique_prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "test-{:x}-{:x}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    match listener.and_then(|listener| listener.local_addr()) {
        Ok(address) => address.port(),
        Err(error) => panic!("no free port on 127.0.0.1: {error}"),
    }
}

fn free_port_of_a_node() -> u16 {
    loop {
        let port = free_port();
        let bus = port.checked_add(10_000);
        if bus.is_some_and(|bus| TcpListener::bind(("127.0.0.1", bus)).is_ok()) {
            return port;
        }
    }
}

fn send_signal(name: &str, process: u32) {
    let status = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "`kill -{name}`: {status:?}"
    );
}

/// The server's binary.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CACHE_TEST_REDIS_SERVER").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = ["redis-server", "valkey-server"];
    let found = candidates.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|binary| binary.is_file())
    });
    found.unwrap_or_else(|| {
        panic!(
            "these tests spawn a Redis server, and neither `redis-server` nor `valkey-server` is on PATH.\n\
             help: run `scripts/install-redis.sh`, or install the package `redis-server` (Debian, Ubuntu), \
             `redis` (Alpine, Homebrew) or `valkey` (Fedora), or set CACHE_TEST_REDIS_SERVER to a binary"
        )
    })
}

/// A connection that speaks as much of the protocol as tests need, and sends nothing by itself: what
/// `MONITOR` shows is what the code under test did.
struct Connection {
    reader: BufReader<UnixStream>,
}

impl Connection {
    fn open(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Lets reads take any time, and gives a handle that ends them.
    fn to_be_monitored(&self) -> std::io::Result<UnixStream> {
        self.reader.get_ref().set_read_timeout(None)?;
        self.reader.get_ref().try_clone()
    }

    fn command(&mut self, arguments: &[&str]) -> std::io::Result<String> {
        let mut request = format!("*{}\r\n", arguments.len());
        for argument in arguments {
            request += &format!("${}\r\n{argument}\r\n", argument.len());
        }
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> std::io::Result<String> {
        let line = self.line()?;
        let Some(rest) = line.get(1..) else {
            return Err(ErrorKind::InvalidData.into());
        };
        match line.as_bytes()[0] {
            b'$' => match rest.parse::<usize>() {
                Ok(length) => {
                    let mut text = vec![0; length + 2];
                    self.reader.read_exact(&mut text)?;
                    Ok(String::from_utf8_lossy(&text[..length]).into_owned())
                }
                Err(_) => Ok(String::new()),
            },
            b'*' => {
                let elements = rest.parse::<usize>().unwrap_or(0);
                let elements: std::io::Result<Vec<_>> = (0..elements).map(|_| self.reply()).collect();
                Ok(elements?.join("\n"))
            }
            _ => Ok(rest.to_owned()),
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned())
    }
}
