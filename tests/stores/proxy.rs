//! A proxy between a store and its server: it counts round trips, and cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How often the direction of traffic turned from the server's to the client's: each request after an answer.
    round_trips: AtomicUsize,
    /// After so many bytes of an answer, the connection is cut, once.
    cut_after: Mutex<Option<usize>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let mut open = shared.open.lock().unwrap();
                open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                // Whether the client spoke last on this connection.
                let asked = Arc::new(AtomicBool::new(false));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (state, turned) = (shared.clone(), asked.clone());
                thread::spawn(move || {
                    pass(from, to, |_| {
                        if !turned.swap(true, Ordering::SeqCst) {
                            state.round_trips.fetch_add(1, Ordering::SeqCst);
                        }
                        None
                    })
                });
                let state = shared.clone();
                thread::spawn(move || {
                    pass(server, client, |bytes| {
                        asked.store(false, Ordering::SeqCst);
                        let mut cut = state.cut_after.lock().unwrap();
                        match *cut {
                            Some(left) if left <= bytes => cut.take(),
                            Some(left) => {
                                *cut = Some(left - bytes);
                                None
                            }
                            None => None,
                        }
                    })
                });
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The round trips since the last call.
    pub fn round_trips(&self) -> usize {
        self.state.round_trips.swap(0, Ordering::SeqCst)
    }

    /// Cuts a connection after so many bytes of what the server says next.
    pub fn cut_after(&self, bytes: usize) {
        *self.state.cut_after.lock().unwrap() = Some(bytes);
    }

    /// Whether the cut has been made; it is not made any more.
    pub fn was_cut(&self) -> bool {
        self.state.cut_after.lock().unwrap().take().is_none()
    }

    /// Closes all connections, as a server does with idle ones.
    pub fn close_all(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Passes bytes on until an end; `cut` is told how many come, and says after how many of them the connection is cut.
fn pass(mut from: TcpStream, mut to: TcpStream, cut: impl Fn(usize) -> Option<usize>) {
    let mut bytes = [0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let cut = cut(count);
        if to.write_all(&bytes[..cut.unwrap_or(count)]).is_err() || cut.is_some() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
