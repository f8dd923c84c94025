//! A bad link: carries bytes to a port of this machine, as a plan says for each connection, and counts what came through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of what the other side sends over one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It arrives.
    None,
    /// After so many bytes the connection ends, as if that had been all.
    Cut(u64),
    /// All arrives, but the byte at this place is another one.
    Corrupt(u64),
    /// After so many bytes nothing comes any more, and nobody says so.
    Stall(u64),
    /// It arrives in pieces of so many bytes, each a millisecond after the one before.
    Slow(usize),
}

/// The link. It lasts as long as the value.
pub struct Link {
    /// Where to connect to.
    pub port: u16,
    state: Arc<State>,
}

struct State {
    to: u16,
    /// What becomes of those who connect next; the last is for all that follow.
    plan: Mutex<Vec<Fault>>,
    sent: AtomicU64,
    came: AtomicU64,
}

impl Link {
    /// A link to a port, which is sound.
    pub fn to(port: u16) -> Link {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = Link {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(State {
                to: port,
                plan: Mutex::new(vec![Fault::None]),
                sent: AtomicU64::new(0),
                came: AtomicU64::new(0),
            }),
        };
        let state = link.state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), state) = (client, state.clone()) else { continue };
                thread::spawn(move || state.carry(client));
            }
        });
        link
    }

    /// What becomes of those who connect next, one by one; the last of it is for all that follow.
    pub fn plan(&self, faults: &[Fault]) {
        *self.state.plan.lock().unwrap() = faults.iter().rev().copied().collect();
    }

    /// How many bytes went to the other side, and how many came from there, since somebody asked.
    pub fn take(&self) -> (u64, u64) {
        (self.state.sent.swap(0, Ordering::Relaxed), self.state.came.swap(0, Ordering::Relaxed))
    }
}

impl State {
    fn next(&self) -> Fault {
        let mut plan = self.plan.lock().unwrap();
        if plan.len() > 1 { plan.pop().unwrap() } else { plan[0] }
    }

    fn carry(&self, client: TcpStream) {
        let fault = self.next();
        let Ok(service) = TcpStream::connect(("127.0.0.1", self.to)) else { return };
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(len @ 1..) = (&client).read(&mut buffer) {
                    self.sent.fetch_add(len as u64, Ordering::Relaxed);
                    if (&service).write_all(&buffer[..len]).is_err() {
                        break;
                    }
                }
                let _ = service.shutdown(Shutdown::Write);
            });
            let is_over = self.bring(&service, &client, fault);
            if is_over {
                // The one who reads from the client ends as well.
                let _ = service.shutdown(Shutdown::Both);
                let _ = client.shutdown(Shutdown::Both);
            }
        });
    }

    /// Brings what the service says to the client. False when nothing more comes, and the client is to find that out.
    fn bring(&self, mut service: &TcpStream, mut client: &TcpStream, fault: Fault) -> bool {
        let mut buffer = vec![0; if let Fault::Slow(piece) = fault { piece } else { 1 << 16 }];
        let mut at = 0u64;
        while let Ok(mut len @ 1..) = service.read(&mut buffer) {
            match fault {
                Fault::None => {}
                Fault::Slow(_) => thread::sleep(Duration::from_millis(1)),
                Fault::Corrupt(place) => {
                    if let Some(byte) = place.checked_sub(at).and_then(|place| buffer[..len].get_mut(place as usize)) {
                        *byte ^= 0x20;
                    }
                }
                Fault::Cut(after) | Fault::Stall(after) => len = len.min((after - at) as usize),
            }
            if client.write_all(&buffer[..len]).is_err() {
                return true;
            }
            self.came.fetch_add(len as u64, Ordering::Relaxed);
            at += len as u64;
            match fault {
                Fault::Cut(after) if at == after => return true,
                Fault::Stall(after) if at == after => return false,
                _ => {}
            }
        }
        true
    }
}
