//! Who may ask, and https.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::Farm;
use crate::cli::refused;
use crate::support::run;
use crate::support::serving::Serving;

const TOKENS: &str = "# of the farm\n\nfirst-token\nsecond-token\n";

#[test]
fn tokens() {
    let farm = Farm::new();
    farm.put("a", "1");
    farm.sandbox.write("tokens", TOKENS);
    let server = farm.serve(&["--token-file", "tokens"]);
    let with = |shown: &str| server.url.replace("http://", &format!("http://{shown}@"));
    farm.bash(&format!("git ls-remote {}/farm.isodb", with("ann:second-token"))).ok();
    farm.bash(&format!("git -c http.extraHeader='Authorization: Bearer first-token' ls-remote {}", server.url)).ok();
    let said = farm.bash(&format!("git ls-remote {}", with("ann:first-toke"))).status(128).stderr();
    assert!(said.contains("Authentication failed"), "{said}");
    farm.bash(&format!("git ls-remote {}", server.url)).status(128);
    // A push shows it too, in its probe as in the rest.
    farm.bash(&format!("git clone -q --bare {} git && git -C git push -q origin main:b", with("x:first-token"))).ok();
    farm.sandbox.isodb(["ls-remote", &with("x:second-token")]).ok();
    refused(farm.sandbox.isodb(["ls-remote", &with("x:second")]), 5, "does not accept the token or password");
    let said = refused(farm.sandbox.isodb(["ls-remote", &server.url]), 5, "it wants a token or a password").stderr();
    assert!(said.contains("hint: set ISODB_TOKEN"), "{said}");
    let mut command = farm.sandbox.isodb_command(["ls-remote", &server.url]);
    command.env("ISODB_TOKEN", "first-token");
    run(command, None).ok();
    farm.sandbox.write("mine", "second-token\n");
    farm.isodb(&["config", "http.tokenFile", "mine"]).ok();
    farm.isodb(&["ls-remote", &server.url]).ok();
    // Neither is it told who is not there, nor what is.
    let said = refused(farm.sandbox.isodb(["ls-remote", &format!("{}/nothing", server.url)]), 5, "wants a token");
    assert!(!said.stderr().contains("address"), "{said:?}");
}

#[test]
fn a_server_that_anybody_could_reach() {
    let farm = Farm::new();
    let serve = |args: &[&str]| farm.sandbox.isodb([&["serve", "farm.isodb"], args].concat());
    let said = refused(serve(&["--listen", "0.0.0.0:0"]), 2, "can be reached from other machines").stderr();
    assert!(said.contains("--token-file"), "{said}");
    farm.sandbox.write("empty", "# nothing\n");
    refused(serve(&["--listen", "0.0.0.0:0", "--token-file", "empty"]), 2, "there is no token in it");
    farm.sandbox.write("bad", "one two\n");
    let said = refused(serve(&["--token-file", "bad"]), 2, "line 1 is no token").stderr();
    assert!(!said.contains("one"), "{said}");
    refused(serve(&["--listen", "nonsense"]), 2, "no address to listen at");
    refused(serve(&["farm.isodb"]), 2, "two of the databases are called \"farm.isodb\"");
    refused(farm.sandbox.isodb(["serve", "nothing"]), 2, "nothing");
    let server = farm.serve(&["--no-auth", "--listen", "0.0.0.0:0"]);
    farm.bash(&format!("git ls-remote {}", server.url)).ok();
    let taken = server.url.strip_prefix("http://").unwrap();
    refused(serve(&["--listen", taken]), 5, "cannot listen at");
}

#[test]
fn several_databases_have_names() {
    let farm = Farm::new();
    farm.sandbox.isodb(["init", "-q", "mill"]).ok();
    let server = farm.serve(&["mill"]);
    for name in ["farm.isodb", "mill"] {
        farm.bash(&format!("git ls-remote {}/{name}", server.url)).ok();
    }
    farm.bash(&format!("git ls-remote {}", server.url)).status(128);
}

#[test]
fn pages_of_the_web_get_nothing() {
    let farm = Farm::new();
    let server = farm.serve(&[]);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /isodb-receive-pack HTTP/1.1\r\nhost: x\r\norigin: http://evil\r\ncontent-length: 4\r\n";
    stream.write_all(format!("{head}connection: close\r\n\r\n0000").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[test]
fn https() {
    let farm = Farm::new();
    let first = farm.put("a", "1");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    farm.sandbox.write("cert.pem", made.cert.pem());
    farm.sandbox.write("key.pem", made.signing_key.serialize_pem());
    let server = farm.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    farm.bash(&format!("git -c http.sslCAInfo=cert.pem clone -q --bare {} git", server.url)).ok();
    let listed = |variable: &str, setting: Option<&str>| {
        let mut command = farm.sandbox.isodb_command(["--db", "farm.isodb", "ls-remote", &server.url]);
        command.env("GIT_SSL_CAINFO", variable);
        farm.isodb(&["config", "http.sslCAInfo", setting.unwrap_or("none.pem")]).ok();
        run(command, None)
    };
    assert!(listed("cert.pem", None).ok().text().contains(&first));
    assert!(listed("", Some("cert.pem")).ok().text().contains(&first));
    // Neither is believed who nobody vouches for, nor does http lead there.
    refused(farm.sandbox.isodb(["ls-remote", &server.url]), 5, "certificate");
    refused(listed("", Some("none.pem")), 5, "cannot read none.pem");
    refused(listed("", Some("key.pem")), 5, "no certificate in PEM");
    refused(farm.sandbox.isodb(["ls-remote", &server.url.replace("https", "http")]), 5, "127.0.0.1");
    let wrong =
        |cert: &str, key: &str| farm.sandbox.isodb(["serve", "farm.isodb", "--tls-cert", cert, "--tls-key", key]);
    refused(wrong("key.pem", "key.pem"), 2, "no certificate in PEM");
    refused(wrong("cert.pem", "cert.pem"), 2, "no private key in PEM");
    let other = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    farm.sandbox.write("other.pem", other.signing_key.serialize_pem());
    refused(wrong("cert.pem", "other.pem"), 2, "the certificate and its key cannot be used");
    let plain = Serving::start(&farm.sandbox, &["farm.isodb"]);
    refused(farm.sandbox.isodb(["ls-remote", &plain.url.replace("http", "https")]), 5, "https://127.0.0.1");
}

#[test]
fn who_vouches_for_servers_is_read_where_one_has_to_show_its_certificate() {
    let farm = Farm::new();
    let first = farm.put("a", "1");
    farm.isodb(&["config", "http.sslCAInfo", "none.pem"]).ok();
    let server = farm.serve(&[]);
    assert!(farm.isodb(&["ls-remote", &server.url]).ok().text().contains(&first));
    refused(farm.isodb(&["ls-remote", &server.url.replace("http:", "https:")]), 5, "cannot read none.pem");
}

/// Who is asked over http may lead to https: what vouches for servers counts there too.
#[test]
fn http_leads_to_https() {
    let farm = Farm::new();
    let first = farm.put("a", "1");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    farm.sandbox.write("cert.pem", made.cert.pem());
    farm.sandbox.write("key.pem", made.signing_key.serialize_pem());
    let server = farm.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, to) = (gate.local_addr().unwrap().port(), server.url.clone());
    let leading = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = gate.accept().unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap()).lines();
            let path = asked.next().unwrap().unwrap().split(' ').nth(1).unwrap().to_owned();
            asked.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}{path}\r\n");
            stream.write_all(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        }
    });
    let address = format!("http://127.0.0.1:{port}");
    refused(farm.sandbox.isodb(["ls-remote", &address]), 5, "certificate");
    farm.isodb(&["config", "http.sslCAInfo", "cert.pem"]).ok();
    assert!(farm.isodb(&["ls-remote", &address]).ok().text().contains(&first));
    leading.join().unwrap();
}
