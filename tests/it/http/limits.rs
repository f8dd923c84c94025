//! What a server does not put up with: clients that say nothing, take nothing, or send too much. It runs in this process,
//! with limits so small that they are met.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use isodb::{
    Admission, Answered, Database, HttpLimits, HttpServer, Ident, InProcess, Runner, ServeOptions, Site, Stopper,
    Surroundings,
};

use crate::sharing::open;
use crate::support::Sandbox;

/// No test waits longer than this for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

struct World(Arc<Mutex<Vec<Answered>>>);

impl Surroundings for World {
    fn who(&self, _: &Database) -> io::Result<Ident> {
        Ident::new("Ann", "ann@farm", 1).map_err(io::Error::other)
    }

    fn runner(&self) -> io::Result<Box<dyn Runner>> {
        Ok(Box::new(InProcess::new().map_err(|failure| io::Error::other(failure.0))?))
    }

    fn pushed(&self, _: &Database) {}

    fn answered(&self, request: &Answered) {
        self.0.lock().unwrap().push(request.clone());
    }
}

struct Running {
    address: SocketAddr,
    answered: Arc<Mutex<Vec<Answered>>>,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
    sandbox: Sandbox,
}

impl Running {
    fn new(limits: HttpLimits) -> Running {
        let sandbox = Sandbox::with_database();
        let large = "head -c 16000000 /dev/urandom | isodb put large -q && isodb put small -q <<<1";
        sandbox.bash(large).ok();
        let answered = Arc::default();
        let site = Site { name: "farm".into(), database: Arc::new(open(&sandbox)), limits: Default::default() };
        let admission = Admission::Local;
        let options = ServeOptions { sites: vec![site], admission, is_read_only: false, tls: None, limits };
        let mut server = HttpServer::new(options, World(Arc::clone(&answered))).unwrap();
        let address = server.listen(([127, 0, 0, 1], 0).into()).unwrap();
        let stopper = server.stopper();
        let thread = Some(std::thread::spawn(move || server.run().unwrap()));
        Running { address, answered, stopper, thread, sandbox }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes, and reads all that comes until the connection is closed.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        rest(stream)
    }

    /// What is asked to get all there is.
    fn clone_request(&self) -> Vec<u8> {
        let head = self.sandbox.isodb(["head"]).ok().line();
        let packets = ["command=fetch", "object-format=sha256"].map(packet).concat()
            + "0001"
            + &["no-progress".to_owned(), format!("want {head}"), "done".into()].map(|line| packet(&line)).concat()
            + "0000";
        post("git-upload-pack", "", &packets)
    }

    /// Whether it still answers.
    fn answers(&self) -> bool {
        let head = "GET /farm/info/refs?service=git-receive-pack HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        self.say(head.as_bytes()).contains(" refs/heads/main\0report-status")
    }

    /// How many requests have come to an end, once there are so many.
    fn wait_for(&self, count: usize) -> Vec<Answered> {
        let start = std::time::Instant::now();
        loop {
            let answered = self.answered.lock().unwrap().clone();
            if answered.len() >= count || start.elapsed() > PATIENCE {
                assert_eq!(answered.len(), count, "{answered:?}");
                return answered;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn packet(line: &str) -> String {
    format!("{:04x}{line}", line.len() + 4)
}

fn post(name: &str, headers: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("POST /farm/{name} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n{headers}\r\n{body}").into_bytes()
}

/// All that comes until the connection is closed; that it is cut off is an end too.
fn rest(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it is not closed: {error}"),
        _ => String::from_utf8_lossy(&all).into_owned(),
    }
}

fn short() -> HttpLimits {
    let moment = Duration::from_millis(300);
    HttpLimits { head: moment, idle: moment, grace: moment, ..HttpLimits::default() }
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let server = Running::new(HttpLimits { connections: 40, ..short() });
    let silent: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    let halves: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /farm/info/refs HTTP/1.1\r\nhost").unwrap();
            stream
        })
        .collect();
    // More than there may be at once: those behind come when those in front are closed.
    assert!(server.answers());
    for stream in silent.into_iter().chain(halves) {
        let said = rest(stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    }
    // One that has asked once is not kept for ever either.
    let asked = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(server.say(asked.as_bytes()).matches("HTTP/1.1 ").count(), 1);
}

#[test]
fn a_body_that_does_not_come() {
    let server = Running::new(HttpLimits { workers: 1, ..short() });
    let half = |len: usize| {
        let mut stream = server.connect();
        let head = "POST /farm/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'0'; len]).unwrap();
        stream
    };
    // One that is worked on when it stops, and one that is not: neither is in the way of others.
    let streams = [half(200_000), half(4)];
    assert!(server.answers());
    for stream in streams {
        rest(stream);
    }
    server.wait_for(3);
}

#[test]
fn who_takes_nothing_is_given_up() {
    let server = Running::new(short());
    let request = server.clone_request();
    let slow: Vec<TcpStream> = (0..10).map(|_| server.begin(&request)).collect();
    let answered = server.wait_for(10);
    let cut = answered.iter().filter(|answer| answer.method == "POST");
    assert!(cut.clone().all(|answer| answer.sent < 16_000_000), "{answered:?}");
    assert_eq!(cut.count(), 10);
    drop(slow);
    server.gives_all();
}

#[test]
fn who_is_slow_is_in_nobodys_way() {
    let server = Running::new(HttpLimits { workers: 2, ..HttpLimits::default() });
    let request = server.clone_request();
    let slow: Vec<TcpStream> = (0..20).map(|_| server.begin(&request)).collect();
    let (old, new) = ("0".repeat(64), "1".repeat(64));
    let mut commands = packet(&format!("{old} {new} refs/heads/new\0report-status object-format=sha256"));
    (0..500).for_each(|n| commands += &packet(&format!("{old} {new} refs/heads/{n}")));
    let mut pushing: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for stream in &mut pushing {
        let head = "POST /farm/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(commands.as_bytes()).unwrap();
    }
    assert!(server.answers());
    server.gives_all();
    server.wait_for(2);
    drop((slow, pushing));
    server.wait_for(42);
}

#[test]
fn who_takes_too_little_is_cut() {
    let least_over = Duration::from_millis(300);
    let server = Running::new(HttpLimits { least: 1 << 40, least_over, ..HttpLimits::default() });
    server.takes_little();
    let cut = server.wait_for(1);
    assert!(cut[0].sent < 16_000_000, "{cut:?}");
    // Who sends too little as well.
    let mut stream = server.connect();
    let head = "POST /farm/git-upload-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..99_999 {
        if server.answered.lock().unwrap().len() > 1 || stream.write_all(b"0").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.wait_for(2)[1].received < 100_000);
    // Where nobody has to be waited for, nobody is too slow.
    assert!(server.answers());
}

impl Running {
    /// Gets everything, with the pack's checksum at its end.
    fn gives_all(&self) {
        let mut request = self.clone_request();
        let at = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        request.splice(at..at, *b"\r\nconnection: close");
        let mut stream = self.connect();
        stream.write_all(&request).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert!(all.len() > 16_000_000 && all.ends_with(b"0000\r\n0\r\n\r\n"), "{} bytes", all.len());
    }

    /// Asks for something, and takes no more of it than its beginning.
    fn begin(&self, request: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
        stream
    }

    /// Asks for everything, and takes a little of it from time to time, until it is cut off.
    fn takes_little(&self) {
        let mut stream = self.connect();
        stream.write_all(&self.clone_request()).unwrap();
        let mut piece = vec![0; 50_000];
        let mut count = 0;
        while let Ok(len) = stream.read(&mut piece) {
            if len == 0 {
                break;
            }
            count += len;
            assert!(count < 16_000_000, "all has come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_request_takes_no_longer_than_is_allowed() {
    let total = Duration::from_millis(300);
    let server = Running::new(HttpLimits { total, ..HttpLimits::default() });
    server.takes_little();
    server.wait_for(1);
}

#[test]
fn too_much() {
    let server = Running::new(HttpLimits { max_request: 100_000, ..HttpLimits::default() });
    let close = "connection: close\r\n";
    let said = server.say(&post("git-upload-pack", close, &"0".repeat(100_001)));
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("a request may have 100000 bytes"), "{said}");
    // In pieces, whose sum nobody has told.
    let mut chunked =
        format!("POST /farm/git-upload-pack HTTP/1.1\r\nhost: x\r\n{close}transfer-encoding: chunked\r\n\r\n");
    for _ in 0..30 {
        chunked += &format!("{:x}\r\n{}\r\n", 4000, "0009have ".repeat(500)[..4000].to_owned());
    }
    let said = server.say((chunked + "0\r\n\r\n").as_bytes());
    assert!(said.contains("HTTP/1.1 200 ") && said.contains("ERR "), "{said}");
    // Packed into almost nothing.
    let zeros = vec![b'0'; 40 << 20];
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let lines = packet(&format!("want {}", "0".repeat(60_000)));
    packed.write_all(packet("command=fetch").as_bytes()).unwrap();
    packed.write_all(packet("object-format=sha256").as_bytes()).unwrap();
    packed.write_all(lines.repeat(4).as_bytes()).unwrap();
    packed.write_all(&zeros).unwrap();
    let packed = packed.finish().unwrap();
    let len = packed.len();
    assert!(len < 60_000);
    let head = format!("POST /farm/git-upload-pack HTTP/1.1\r\nhost: x\r\n{close}content-encoding: gzip\r\n");
    let mut stream = server.connect();
    stream.write_all(format!("{head}content-length: {len}\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(&packed).unwrap();
    let said = rest(stream);
    assert!(said.contains("ERR ") || said.contains("HTTP/1.1 500"), "{said}");
    let said = server.say(&post("git-upload-pack", &format!("{close}content-encoding: br\r\n"), "0000"));
    assert!(said.starts_with("HTTP/1.1 415 "), "{said}");
    // A head without end.
    let said = server.say(format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(1 << 17)).as_bytes());
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    assert!(server.answers());
}

#[test]
fn what_waits_too_long_for_a_thread_is_told_to_come_again() {
    let limits = HttpLimits { requests: 1, queue: Duration::from_millis(100), ..HttpLimits::default() };
    let server = Running::new(limits);
    let mut slow = server.connect();
    slow.write_all(&server.clone_request()).unwrap();
    let mut first = [0; 100];
    slow.read_exact(&mut first).unwrap();
    let said = server.say(&post("git-upload-pack", "connection: close\r\n", "0000"));
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after: 10\r\n"), "{said}");
    drop(slow);
    server.wait_for(2);
    assert!(server.answers());
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on() {
    let server = Running::new(HttpLimits::default());
    let mut stream = server.connect();
    let head = "POST /farm/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n";
    stream.write_all(format!("{head}expect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(told, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"0000").unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200 OK\r\n"));
}
