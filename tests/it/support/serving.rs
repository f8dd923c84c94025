//! Servers on this machine: isodb's own, as a process, git's `http-backend` behind a bridge that speaks just enough of HTTP
//! to start it, and a `git daemon`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::Sandbox;

/// `isodb serve` on a free port. It ends with the value.
pub struct Serving {
    child: Child,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Serving {
    /// Serves with these arguments, in the sandbox.
    pub fn start(sandbox: &Sandbox, args: &[&str]) -> Serving {
        let mut command = sandbox.isodb_command(["serve", "--listen", "127.0.0.1:0"]);
        let log = std::fs::File::create(sandbox.path().join("serve.log")).unwrap();
        command.args(args).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.ends_with('\n'), "the server does not start: {}", log_of(sandbox));
        Serving { child, url: url.trim_end().to_owned() }
    }

    /// Asks it to stop, and waits until it has; the status of its end.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have been stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the server has said.
pub fn log_of(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path().join("serve.log")).unwrap()
}

/// A `git daemon` for the repositories in the sandbox. It ends with the value.
pub struct Daemon {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Daemon {
    /// Serves.
    pub fn start(sandbox: &Sandbox) -> Daemon {
        // It does not tell which port it got, so it gets one that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = sandbox.command("git");
        command.args(["daemon", "--listen=127.0.0.1", "--export-all", "--enable=receive-pack", "--verbose"]);
        command.arg(format!("--port={port}")).arg(format!("--base-path={}", sandbox.path().display()));
        command.stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("Ready to rumble"), "{line}");
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Daemon { child, port }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The process that listens is a child of the one that was started, and ends with it.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

/// git's `http-backend` for the repositories in the sandbox. It ends with the process.
pub struct Backend {
    /// Where it listens.
    pub url: String,
}

impl Backend {
    /// Serves.
    pub fn start(sandbox: &Sandbox) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let root = sandbox.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut command = Command::new("git");
                command.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap());
                command.env("GIT_PROJECT_ROOT", &root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "ann");
                command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", &root);
                std::thread::spawn(move || bridge(stream.unwrap(), command));
            }
        });
        Backend { url }
    }
}

/// Answers one request by a program, as CGI has it.
fn bridge(stream: TcpStream, mut command: Command) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines[0].split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    command.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    let header = |name: &str| {
        let found = lines[1..].iter().filter_map(|line| line.split_once(':'));
        found.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("git-protocol", "GIT_PROTOCOL"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
    ] {
        if let Some(value) = header(name) {
            command.env(variable, value);
        }
    }
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            input.read_line(&mut line).unwrap();
            let len = usize::from_str_radix(line.trim(), 16).unwrap();
            let at = body.len();
            body.resize(at + len, 0);
            input.read_exact(&mut body[at..]).unwrap();
            input.read_line(&mut String::new()).unwrap();
            if len == 0 {
                break;
            }
        }
    } else if let Some(len) = header("content-length") {
        body.resize(len.parse().unwrap(), 0);
        input.read_exact(&mut body).unwrap();
    }
    command.env("CONTENT_LENGTH", body.len().to_string());
    let answered = super::output(command, Some(&body)).stdout;
    let end = answered.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answered[..end]).unwrap();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let len = answered.len() - end - 4;
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n{head}\r\n\r\n");
    let mut stream = &stream;
    // The client may have heard enough.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answered[end + 4..]));
}
