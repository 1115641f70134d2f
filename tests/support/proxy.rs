//! A TCP proxy between a client and a server on this machine, for faults that a server cannot play: bytes that are swallowed,
//! connections that are half closed, slow, or refused. Uses threads alone, so that it works beside any runtime.
//!
//! Invariant: what passes is passed unchanged and in its order. A connection that has swallowed something never carries
//! anything again; the other side has to notice by itself.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(5);

/// A proxy on a port of its own on `127.0.0.1`; it ends on drop, with all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    target: u16,
    /// Whether connections that are made from here on swallow everything.
    swallows_new: AtomicBool,
    refuses: AtomicBool,
    /// Whether the port is bound.
    listens: AtomicBool,
    ended: AtomicBool,
    /// How long each piece is held back, in microseconds: of what the client says, and of what the server says.
    delays: [AtomicU64; 2],
    next: AtomicU64,
    connections: Mutex<HashMap<u64, Connection>>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    says: Arc<Says>,
}

/// What is known of a connection by what went over it, and what becomes of it.
#[derive(Debug, Default)]
struct Says {
    swallows: AtomicBool,
    /// Whether the client has subscribed to something.
    listens: AtomicBool,
}

impl Proxy {
    /// Passes everything to this port on `127.0.0.1`.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let shared = Arc::new(Shared {
            target,
            ..Shared::default()
        });
        shared.listens.store(true, SeqCst);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(Some(listener), port));
        Self { port, shared }
    }

    /// The port on `127.0.0.1` to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has the connections that there are swallow what is sent, in both directions and for ever.
    pub fn swallow(&self) {
        for connection in self.shared.connections().values() {
            connection.says.swallows.store(true, SeqCst);
        }
    }

    /// Has the connections that clients listen on swallow what is sent, while commands go on over the others.
    pub fn swallow_news(&self) {
        for connection in self.shared.connections().values() {
            if connection.says.listens.load(SeqCst) {
                connection.says.swallows.store(true, SeqCst);
            }
        }
    }

    /// Has all connections swallow what is sent, those to come as well, until [`heal`](Self::heal).
    pub fn swallow_all(&self) {
        self.shared.swallows_new.store(true, SeqCst);
        self.swallow();
    }

    /// Ends what the server says on the connections that there are; what the client says is swallowed.
    pub fn half_close(&self) {
        for connection in self.shared.connections().values() {
            connection.says.swallows.store(true, SeqCst);
            let _ = connection.client.shutdown(Shutdown::Write);
        }
    }

    /// Holds back each piece of what is sent for this long.
    pub fn slow(&self, delay: Duration) {
        for way in &self.shared.delays {
            way.store(delay.as_micros() as u64, SeqCst);
        }
    }

    /// Holds back what the client says, and nothing of what the server says.
    pub fn slow_one_way(&self, delay: Duration) {
        self.shared.delays[0].store(delay.as_micros() as u64, SeqCst);
    }

    /// Closes all connections, and refuses further ones until [`heal`](Self::heal).
    pub fn refuse(&self) {
        self.shared.refuses.store(true, SeqCst);
        while self.shared.listens.load(SeqCst) {
            thread::sleep(POLL);
        }
        self.shared.close_all();
    }

    /// Passes everything again. What has swallowed something stays as it is.
    pub fn heal(&self) {
        self.slow(Duration::ZERO);
        self.shared.swallows_new.store(false, SeqCst);
        self.shared.refuses.store(false, SeqCst);
        while !self.shared.listens.load(SeqCst) {
            thread::sleep(POLL);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        self.shared.close_all();
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_all(&self) {
        for connection in self.connections().values() {
            let _ = connection.client.shutdown(Shutdown::Both);
            let _ = connection.server.shutdown(Shutdown::Both);
        }
    }

    fn accept(self: Arc<Self>, mut listener: Option<TcpListener>, port: u16) {
        while !self.ended.load(SeqCst) {
            if self.refuses.load(SeqCst) {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(("127.0.0.1", port)).ok();
            }
            self.listens.store(listener.is_some(), SeqCst);
            let accepted = listener.as_ref().and_then(|listener| {
                listener.set_nonblocking(true).ok()?;
                listener.accept().ok()
            });
            match accepted {
                Some((client, _)) => drop(self.connect(client)),
                None => thread::sleep(POLL),
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        client.set_nonblocking(false)?;
        client.set_nodelay(true)?;
        let server = TcpStream::connect(("127.0.0.1", self.target))?;
        server.set_nodelay(true)?;
        let says = Arc::new(Says::default());
        says.swallows.store(self.swallows_new.load(SeqCst), SeqCst);
        let number = self.next.fetch_add(1, SeqCst);
        let connection = Connection {
            client: client.try_clone()?,
            server: server.try_clone()?,
            says: Arc::clone(&says),
        };
        self.connections().insert(number, connection);
        let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
        for (way, (from, to)) in ways.into_iter().enumerate() {
            let (shared, says) = (Arc::clone(self), Arc::clone(&says));
            thread::spawn(move || {
                shared.pump(from, to, &shared.delays[way], &says);
                shared.connections().remove(&number);
            });
        }
        Ok(())
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, delay: &AtomicU64, says: &Says) {
        let mut piece = vec![0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let delay = delay.load(SeqCst);
            if delay > 0 {
                thread::sleep(Duration::from_micros(delay));
            }
            // Servers never say the command itself.
            if piece[..length].windows(9).any(|word| word == b"SUBSCRIBE") {
                says.listens.store(true, SeqCst);
            }
            if !says.swallows.load(SeqCst) && to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        // One side that is gone is told to the other, unless nothing is told any more.
        if !says.swallows.load(SeqCst) {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        }
    }
}
