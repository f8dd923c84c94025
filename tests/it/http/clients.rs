//! isodb as a client of servers: what it says, and what it makes of what they say.

use std::io::{Read, Write};
use std::net::TcpListener;

use isodb::{HttpOptions, SyncError, Transport};

use super::Farm;
use crate::cli::refused;
use crate::sharing::{fetch, open};
use crate::support::Sandbox;
use crate::support::serving::Daemon;

fn by_http(url: &str) -> impl Transport + use<> {
    isodb::by_http(url, &HttpOptions::default()).unwrap()
}

/// Answers one request after the other with these heads and bodies; gives what was asked.
fn canned(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            asked.push(String::from_utf8(head).unwrap());
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
        }
        asked
    });
    (url, thread)
}

fn ended(head: &str, body: &str) -> String {
    format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn what_servers_say_is_told() {
    let sandbox = Sandbox::new();
    for (answer, words) in [
        (ended("404 Not Found", ""), "there is no database"),
        (ended("403 Forbidden\r\ncontent-type: text/plain", "not \x1b[2J you"), "it says: not  [2J you"),
        (ended("500 Oh", "<html>"), "it answers with the status 500"),
        (ended("200 OK\r\ncontent-type: text/html", "<html>"), "does not speak git's smart protocol"),
        (ended("302 Found\r\nlocation: http://elsewhere/x", ""), "it leads to http://elsewhere/x, which is"),
        (ended("401 Who\r\nwww-authenticate: Basic realm=x", ""), "it wants a token or a password"),
    ] {
        let (url, thread) = canned(vec![answer]);
        refused(sandbox.isodb(["ls-remote", &format!("{url}/farm")]), 5, words);
        let asked = thread.join().unwrap();
        assert!(asked[0].starts_with("GET /farm/info/refs?service=git-upload-pack HTTP/1.1\r\n"), "{asked:?}");
        assert!(asked[0].contains("git-protocol: version=2\r\n"), "{asked:?}");
    }
}

#[test]
fn a_git_daemon_says_what_it_has() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    let daemon = Daemon::start(&sandbox);
    let url = |name: &str| format!("git://127.0.0.1:{}/{name}", daemon.port);
    let listed = sandbox.isodb(["ls-remote", &url(".isodb")]).ok().lines();
    assert_eq!(listed.len(), 2, "{listed:?}");
    refused(sandbox.isodb(["ls-remote", &url("mill.git")]), 5, "mill.git");
}

#[test]
fn tokens_go_to_who_asks_for_them() {
    let sandbox = Sandbox::new();
    let with_token = |url: &str| {
        let mut command = sandbox.isodb_command(["ls-remote", url]);
        command.env("ISODB_TOKEN", "secret");
        crate::support::run(command, None)
    };
    // One that wants it by itself is given it so.
    let (url, thread) = canned(vec![
        ended("401 Who\r\nwww-authenticate: Bearer realm=x", ""),
        ended("401 Who\r\nwww-authenticate: Bearer realm=x", ""),
    ]);
    refused(with_token(&url), 5, "it does not accept the token or password");
    let asked = thread.join().unwrap();
    assert!(asked[0].contains("authorization: Basic dG9rZW46c2VjcmV0\r\n"), "{asked:?}");
    assert!(asked[1].contains("authorization: Bearer secret\r\n"), "{asked:?}");
    // On the same machine it may be led elsewhere; what is in the address counts more than what is around.
    let led = ended("301 Moved\r\nlocation: /b/info/refs?service=git-upload-pack", "");
    let (url, thread) = canned(vec![led, ended("404 No", "")]);
    let url = url.replace("http://", "http://ann:pass@");
    let said = refused(with_token(&format!("{url}/a")), 5, "/b: there is no database").stderr();
    assert!(!said.contains("pass"), "{said}");
    let asked = thread.join().unwrap();
    assert!(asked[1].starts_with("GET /b/info/refs") && asked[1].contains("Basic YW5uOnBhc3M="), "{asked:?}");
}

#[test]
fn a_proxy_stands_on_the_way_but_for_some() {
    let sandbox = Sandbox::new();
    let run = |variables: &[(&str, &str)], url: &str| {
        let mut command = sandbox.isodb_command(["ls-remote", url]);
        command.envs(variables.iter().copied());
        crate::support::run(command, None)
    };
    let (proxy, thread) = canned(vec![ended("403 No", "")]);
    refused(
        run(&[("http_proxy", &proxy), ("no_proxy", "mill.invalid")], "http://barn.invalid/farm"),
        5,
        "barn.invalid",
    );
    let asked = thread.join().unwrap();
    assert!(asked[0].starts_with("CONNECT barn.invalid:80 HTTP/1.1\r\n"), "{asked:?}");
    let (url, thread) = canned(vec![ended("404 No", "")]);
    let variables = [("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "mill.invalid, 127.0.0.1")];
    refused(run(&variables, &url), 5, "there is no database");
    thread.join().unwrap();
    refused(run(&[("all_proxy", "socks5://127.0.0.1:1")], &url), 5, "proxy of SOCKS");
}

#[test]
fn the_stream_costs_no_header_that_is_not_needed() {
    let farm = Farm::new();
    let server = farm.serve(&["-q"]);
    let mut transport = by_http(&server.url);
    let mut answer = Vec::new();
    // Nothing is asked, and nothing answered.
    let asked = transport.stream(isodb::Service::UploadPack, &mut |out| out.write_all(b"0000"));
    asked.unwrap().read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"");
    let (url, thread) = canned(vec![ended("405 No", "")]);
    let mut transport = by_http(&url);
    let error = transport.stream(isodb::Service::UploadPack, &mut |out| out.write_all(b"0000"));
    assert!(matches!(error.map(drop), Err(SyncError::Http { status: 405, .. })));
    let host = url.strip_prefix("http://").unwrap();
    let asked = thread.join().unwrap().remove(0);
    assert_eq!(asked, format!("POST /isodb-upload-pack HTTP/1.1\r\ncontent-length: 4\r\nhost: {host}\r\n\r\n"));
}

#[test]
fn one_connection_carries_all_requests_of_a_command() {
    let farm = Farm::new();
    farm.put("a", "1");
    let server = farm.serve(&[]);
    let there = Sandbox::with_database();
    assert_eq!(fetch(&open(&there), &mut by_http(&server.url)), 4);
    server.stop();
    let log = crate::support::serving::log_of(&farm.sandbox);
    let peers: std::collections::BTreeSet<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!((log.lines().count(), peers.len()), (3, 1), "{log}");
}
