//! A bad link: carries bytes to a port of this machine, or to a command that an ssh is to run, as a plan says for each
//! connection, and counts what came through.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Sandbox, ssh};

/// What becomes of what one side sends over one connection.
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
    /// Where to connect to; 0 where an ssh leads over it.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// What becomes of what comes to those who connect next, and of what they send; the last is for all that follow.
    plan: Mutex<[VecDeque<Fault>; 2]>,
    /// How many bytes went and came over each connection.
    carried: Mutex<Vec<Arc<[AtomicU64; 2]>>>,
    struck: AtomicU64,
}

/// What an ssh does whose connection is a link: bytes go through files that the link has the other ends of.
const THROUGH: &str = "here=$(dirname \"$0\")
dir=$(mktemp -d \"$here/link.XXXXXX\")
mkfifo \"$dir/in\" \"$dir/out\"
echo \"GIT_PROTOCOL=$GIT_PROTOCOL $*\" >\"$dir/command\"
exec 3<&0
echo \"$dir\" >\"$here/door\"
cat <&3 >\"$dir/in\" 2>/dev/null &
cat \"$dir/out\"
exit \"$(cat \"$dir/status\")\"";

impl Link {
    /// A link to a port, which is sound.
    pub fn to(port: u16) -> Link {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = Link { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = link.state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), state) = (client, state.clone()) else { continue };
                thread::spawn(move || {
                    let Ok(service) = TcpStream::connect(("127.0.0.1", port)) else { return };
                    state.carry_streams(&client, &service);
                });
            }
        });
        link
    }

    /// A link that the sandbox's ssh goes over, which is sound.
    pub fn over_ssh(sandbox: &Sandbox) -> Link {
        ssh::install_as(sandbox, THROUGH);
        let door = sandbox.path().join("door");
        assert!(Command::new("mkfifo").arg(&door).status().unwrap().success());
        let link = Link { port: 0, state: Arc::default() };
        let (state, template) = (link.state.clone(), sandbox.command("sh"));
        // Open for writing too, so that it does not end between two who knock.
        let door = OpenOptions::new().read(true).write(true).open(door).unwrap();
        thread::spawn(move || {
            for dir in BufReader::new(door).lines() {
                let (Ok(dir), state) = (dir, state.clone()) else { continue };
                let mut command = Command::new("sh");
                for (name, value) in template.get_envs() {
                    command.env(name, value.unwrap());
                }
                command.current_dir(template.get_current_dir().unwrap());
                thread::spawn(move || state.carry_pipes(Path::new(&dir), command));
            }
        });
        link
    }

    /// What becomes of what comes to those who connect next, one by one; the last of it is for all that follow. What they
    /// send arrives.
    pub fn plan(&self, faults: &[Fault]) {
        self.plan_both(faults, &[Fault::None]);
    }

    /// The same, and what becomes of what they send.
    pub fn plan_both(&self, coming: &[Fault], going: &[Fault]) {
        *self.state.plan.lock().unwrap() = [coming, going].map(|faults| faults.iter().copied().collect());
    }

    /// How many connections were cut or stalled and bytes changed, since somebody asked.
    pub fn struck(&self) -> u64 {
        self.state.struck.swap(0, Ordering::Relaxed)
    }

    /// How many bytes went to the other side over each connection, and how many came from there, since somebody asked.
    pub fn take(&self) -> Vec<[u64; 2]> {
        let carried = std::mem::take(&mut *self.state.carried.lock().unwrap());
        carried.iter().map(|counts| counts.each_ref().map(|count| count.load(Ordering::Relaxed))).collect()
    }
}

impl State {
    /// What becomes of what comes over the next connection, and of what goes; and where it is counted what goes and comes.
    fn next(&self) -> ([Fault; 2], Arc<[AtomicU64; 2]>) {
        let counts = Arc::default();
        self.carried.lock().unwrap().push(Arc::clone(&counts));
        let mut plan = self.plan.lock().unwrap();
        let faults = plan.each_mut().map(|faults| {
            let next = if faults.len() > 1 { faults.pop_front() } else { faults.front().copied() };
            next.unwrap_or(Fault::None)
        });
        (faults, counts)
    }

    fn carry_streams(&self, client: &TcpStream, service: &TcpStream) {
        let ([coming, going], counts) = self.next();
        let is_cut = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                if self.bring(&is_cut, client, service, going, &counts[0]) {
                    is_cut.store(true, Ordering::SeqCst);
                }
                let _ = service.shutdown(Shutdown::Write);
            });
            // The one who speaks learns of a cut when the other one has ended, as over a pipe: the next attempt would come
            // to a busy machine before it has read what this one brought.
            self.bring(&is_cut, service, client, coming, &counts[1]);
            let _ = [client, service].map(|stream| stream.shutdown(Shutdown::Both));
        });
    }

    fn carry_pipes(&self, dir: &Path, mut command: Command) {
        let ([coming, going], counts) = self.next();
        let line = std::fs::read_to_string(dir.join("command")).unwrap();
        command.args(["-c", line.trim_end()]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut service = command.spawn().unwrap();
        let (input, output) = (service.stdin.take().unwrap(), service.stdout.take().unwrap());
        let (from, mut to) = (dir.join("in"), OpenOptions::new().write(true).open(dir.join("out")).unwrap());
        let is_cut = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                if self.bring(&is_cut, File::open(from).unwrap(), input, going, &counts[0]) {
                    is_cut.store(true, Ordering::SeqCst);
                }
            });
            let status = match self.bring(&is_cut, output, &mut to, coming, &counts[1]) {
                // As ssh ends whose connection is lost.
                true => 255,
                false => service.wait().unwrap().code().unwrap_or(255),
            };
            let status = if is_cut.load(Ordering::SeqCst) { 255 } else { status };
            std::fs::write(dir.join("status"), status.to_string()).unwrap();
            drop(to);
        });
        let _ = service.wait();
    }

    /// Brings what one side says to the other; answers whether it was the link that ended.
    /// What is said after it was cut the other way is lost.
    fn bring(
        &self,
        is_cut: &AtomicBool,
        mut from: impl Read,
        mut to: impl Write,
        fault: Fault,
        count: &AtomicU64,
    ) -> bool {
        let mut buffer = vec![0; if let Fault::Slow(piece) = fault { piece } else { 1 << 16 }];
        let mut at = 0u64;
        loop {
            match fault {
                Fault::Cut(after) if at == after => {
                    self.struck.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Fault::Stall(after) if at == after => {
                    self.struck.fetch_add(1, Ordering::Relaxed);
                    // Until whoever speaks gives up; the other one is not told of that before.
                    let _ = std::io::copy(&mut from, &mut std::io::sink());
                    return true;
                }
                _ => {}
            }
            let Ok(mut len @ 1..) = from.read(&mut buffer) else { return false };
            if is_cut.load(Ordering::SeqCst) {
                continue;
            }
            match fault {
                Fault::None => {}
                Fault::Slow(_) => thread::sleep(Duration::from_millis(1)),
                Fault::Corrupt(place) => {
                    if let Some(byte) = place.checked_sub(at).and_then(|place| buffer[..len].get_mut(place as usize)) {
                        *byte ^= 0x20;
                        self.struck.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Fault::Cut(after) | Fault::Stall(after) => len = len.min((after - at) as usize),
            }
            if to.write_all(&buffer[..len]).is_err() {
                return false;
            }
            count.fetch_add(len as u64, Ordering::Relaxed);
            at += len as u64;
        }
    }
}
