//! Services behind an address of HTTP, as git's smart protocol has them: one request for what a service says first, one for
//! each question. Connections are kept for the next request.
//!
//! What can be asked twice is asked again when a connection breaks before the answer; a push never is. Nothing that shows who
//! asks goes to another machine than the one that the address names, nor into an error.

mod address;
mod upload;

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, Request, Response, StatusCode, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy, ProxyProtocol};

use self::address::Address;
use self::upload::Upload;
use super::{IDLE, Transport};
use crate::sync::error::{Error, Result, excerpt};
use crate::sync::protocol::{Service, agent};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);
/// How long is waited before what failed is asked again, each time.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];
/// How many times an address may lead to another.
const MAX_REDIRECTS: usize = 5;
/// How much is read of what a server says to explain itself.
const MAX_EXPLANATION: u64 = 1000;

/// What shows who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token: sent as the password of nobody in particular, or by itself to a server that wants it so.
    Token(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Who vouches for servers, in place of those who do so on the web: certificates in PEM, which are read when a server is to
/// show its own. To read some hundred takes longer than a small fetch.
#[derive(Clone)]
pub struct Authorities(Arc<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>);

impl Authorities {
    /// Those whose certificates `read` answers.
    pub fn new(read: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Authorities {
        Authorities(Arc::new(read))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorities")
    }
}

/// How servers of HTTP are spoken to.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// What shows who asks, where the address itself has no name and password.
    pub credentials: Option<Credentials>,
    /// Who vouches for servers.
    pub authorities: Option<Authorities>,
    /// The proxy of HTTP that leads to all servers but some: `http://[USER:PASSWORD@]HOST:PORT`.
    pub proxy: Option<String>,
    /// The servers that are reached without it: names, `.DOMAIN` for all below one, `*`.
    pub no_proxy: Vec<String>,
    /// How long nothing may come or go before a connection counts as broken; five minutes unless it is given.
    pub idle: Option<Duration>,
}

/// Leads to the services behind an address of HTTP ([`Location::Http`](crate::Location::Http)).
///
/// # Errors
/// [`Error::Location`] for what is no such address, and [`Error::Connection`] for options that cannot be used.
pub fn by_http(address: &str, options: &HttpOptions) -> Result<impl Transport + use<>> {
    let address: Address = address.parse()?;
    let credentials = address.credentials.clone().or_else(|| options.credentials.clone());
    let agent = new_agent(options, &address)?;
    Ok(Http { agent, options: options.clone(), address, credentials, is_bearer: false })
}

fn new_agent(options: &HttpOptions, address: &Address) -> Result<Agent> {
    let wrong = |text: String| Error::Connection(io::Error::new(ErrorKind::InvalidInput, text));
    let idle = Some(options.idle.unwrap_or(IDLE));
    let mut tls = TlsConfig::builder();
    let is_tls = address.is_secure() || options.proxy.is_some();
    if let Some(Authorities(read)) = options.authorities.as_ref().filter(|_| is_tls) {
        let pem = read().map_err(Error::Connection)?;
        let mut found: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
                found.push(certificate);
            }
        }
        if found.is_empty() {
            return Err(wrong("there is no certificate in PEM among those that are to vouch for servers".into()));
        }
        tls = tls.root_certs(RootCerts::new_with_certs(&found));
    }
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // Where an address leads is looked at here.
        .max_redirects(0)
        .tls_config(tls.build())
        .proxy(options.proxy.as_deref().map(|text| proxy(text, &options.no_proxy)).transpose()?)
        .user_agent(AutoHeaderValue::None)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(idle)
        .timeout_per_write(idle);
    Ok(Agent::new_with_config(config.build()))
}

/// The proxy of a text like `http://ann:secret@gate:3128`, which is not shown in errors.
fn proxy(text: &str, except: &[String]) -> Result<Proxy> {
    let wrong = |_| {
        let text = "the proxy is none: write http://HOST:PORT";
        Error::Connection(io::Error::new(ErrorKind::InvalidInput, text))
    };
    let found = Proxy::new(text).map_err(wrong)?;
    if !matches!(found.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(Error::Unsupported("is behind a proxy of SOCKS, which is not spoken here".into()));
    }
    let mut builder = Proxy::builder(found.protocol()).host(found.host()).port(found.port());
    if let Some(user) = found.username() {
        builder = builder.username(user);
    }
    if let Some(password) = found.password() {
        builder = builder.password(password);
    }
    except.iter().fold(builder, |builder, name| builder.no_proxy(name)).build().map_err(wrong)
}

struct Http {
    agent: Agent,
    options: HttpOptions,
    address: Address,
    credentials: Option<Credentials>,
    /// Whether the server wants a token by itself.
    is_bearer: bool,
}

/// What a request asks for and how.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// What stands behind the address.
    path: &'a str,
    headers: &'a [(&'static str, String)],
    /// Whether it does no harm twice.
    is_repeatable: bool,
}

impl Transport for Http {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
        let path = format!("/info/refs?service=git-{}", service.name());
        let headers = git_headers(service);
        let asked = Asked { path: &path, headers: &headers, is_repeatable: true };
        let mut response = self.get(asked)?;
        for _ in 0..MAX_REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            self.address = self.address.redirected(&path, location(&response))?;
            self.agent = new_agent(&self.options, &self.address)?;
            response = self.get(asked)?;
        }
        let response = self.judged(response)?;
        let expected = format!("application/x-git-{}-advertisement", service.name());
        match response.headers().get(header::CONTENT_TYPE) {
            Some(found) if *found == *expected => Ok(answer(response)),
            _ => Err(Error::Unsupported(format!("at {} does not speak git's smart protocol", self.address))),
        }
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let mut headers = git_headers(service);
        headers.push(("content-type", format!("application/x-git-{}-request", service.name())));
        headers.push(("accept", format!("application/x-git-{}-result", service.name())));
        let path = format!("/git-{}", service.name());
        let is_repeatable = service == Service::UploadPack;
        let response = self.post(Asked { path: &path, headers: &headers, is_repeatable }, body)?;
        Ok(answer(self.judged(response)?))
    }

    fn needs_advertisement(&self) -> bool {
        false
    }

    fn stream(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let path = format!("/isodb-{}", service.name());
        // Every header would cost more than what is mostly to be said.
        let asked = Asked { path: &path, headers: &[], is_repeatable: service == Service::UploadPack };
        let response = self.post(asked, body)?;
        Ok(answer(self.judged(response)?))
    }
}

fn git_headers(service: Service) -> Vec<(&'static str, String)> {
    // Some hosts speak the protocol only to what calls itself git.
    let mut headers = vec![("user-agent", format!("git/{}", agent().replace('/', "-")))];
    if service == Service::UploadPack {
        headers.push(("git-protocol", "version=2".to_owned()));
    }
    headers
}

fn location(response: &Response<Body>) -> Option<&str> {
    response.headers().get(header::LOCATION)?.to_str().ok()
}

impl Http {
    fn get(&mut self, asked: Asked<'_>) -> Result<Response<Body>> {
        self.ask(asked, |agent, request| agent.run(request.method("GET").body(())?))
    }

    fn post(
        &mut self,
        asked: Asked<'_>,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Response<Body>> {
        let (agent, request) = (self.agent.clone(), self.request(asked));
        let mut upload = Upload::new(move |reader| {
            let body = ureq::SendBody::from_owned_reader(reader);
            agent.run(request.method("POST").body(body)?)
        });
        let written = body(&mut upload).and_then(|()| upload.flush());
        match upload.finish(written) {
            upload::Finished::Sent(response) => response.map_err(|error| self.broken(error)),
            upload::Finished::Failed(error) => Err(Error::Connection(error)),
            upload::Finished::Whole(bytes) => {
                self.ask(asked, |agent, request| agent.run(request.method("POST").body(&bytes[..])?))
            }
        }
    }

    /// Makes a request, again where that helps.
    fn ask(
        &mut self,
        asked: Asked<'_>,
        run: impl Fn(&Agent, ureq::http::request::Builder) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>> {
        let mut pauses = PAUSES.iter().take(if asked.is_repeatable { PAUSES.len() } else { 0 });
        loop {
            let ran = run(&self.agent, self.request(asked));
            let passes = match &ran {
                Ok(response) => {
                    if self.turns_to_bearer(response) {
                        continue;
                    }
                    matches!(response.status().as_u16(), 429 | 502 | 503 | 504)
                }
                Err(error) => is_broken(error),
            };
            match pauses.next().filter(|_| passes) {
                Some(pause) => thread::sleep(*pause),
                None => return ran.map_err(|error| self.broken(error)),
            }
        }
    }

    /// Whether a server that has refused a token as a password would take it by itself.
    fn turns_to_bearer(&mut self, response: &Response<Body>) -> bool {
        let is_token = matches!(self.credentials, Some(Credentials::Token(_)));
        if response.status() != StatusCode::UNAUTHORIZED || !is_token || self.is_bearer {
            return false;
        }
        self.is_bearer = challenges(response.headers(), "bearer") && !challenges(response.headers(), "basic");
        self.is_bearer
    }

    fn request(&self, asked: Asked<'_>) -> ureq::http::request::Builder {
        let mut request = Request::builder().uri(self.address.with(asked.path));
        for (name, value) in asked.headers {
            request = request.header(*name, value);
        }
        if let Some(value) = self.credentials.as_ref().map(|shown| address::authorization(shown, self.is_bearer)) {
            request = request.header(header::AUTHORIZATION, value);
        }
        request
    }

    /// An answer that is one; other statuses are errors.
    fn judged(&self, response: Response<Body>) -> Result<Response<Body>> {
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let is_text = response.headers().get(header::CONTENT_TYPE);
        let is_text = is_text.is_some_and(|found| found.as_bytes().starts_with(b"text/plain"));
        let led = location(&response).map(|text| excerpt(text.as_bytes()));
        let mut said = Vec::new();
        if is_text {
            // What cannot be read explains nothing.
            let _ = response.into_body().into_reader().take(MAX_EXPLANATION).read_to_end(&mut said);
        }
        let said = excerpt(&said);
        let reason = match (status.as_u16(), &self.credentials) {
            (401, None) => "it wants a token or a password".to_owned(),
            (401, Some(_)) => "it does not accept the token or password".to_owned(),
            _ if !said.is_empty() => format!("it says: {said}"),
            (403, _) => "it refuses".to_owned(),
            (404, _) => "there is no database".to_owned(),
            (status, _) if (300..400).contains(&status) => match led {
                Some(led) => format!("it leads to {led}: use that address, if you trust it"),
                None => format!("it answers with the status {status}"),
            },
            (status, _) => format!("it answers with the status {status}"),
        };
        Err(Error::Http { address: self.address.to_string(), status: status.as_u16(), reason })
    }

    fn broken(&self, error: ureq::Error) -> Error {
        let kind = match &error {
            ureq::Error::Io(error) => error.kind(),
            ureq::Error::Timeout(_) => ErrorKind::TimedOut,
            ureq::Error::HostNotFound => ErrorKind::NotFound,
            _ => ErrorKind::Other,
        };
        let text = match error {
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::Timeout(ureq::Timeout::Connect) => "it cannot be reached in time".to_owned(),
            ureq::Error::Timeout(_) => "nothing came for too long".to_owned(),
            ureq::Error::HostNotFound => "there is no machine of that name".to_owned(),
            error => error.to_string(),
        };
        Error::Connection(io::Error::new(kind, format!("{}: {text}", self.address)))
    }
}

/// Whether a connection broke, or could not be made for a moment, so that another may hold.
fn is_broken(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else { return false };
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof)
}

/// Whether a server asks for credentials of a kind.
fn challenges(headers: &HeaderMap, kind: &str) -> bool {
    let asked = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    asked.flat_map(|value| value.split(',')).any(|part| {
        let word = part.trim_start().split([' ', '=']).next().unwrap_or_default();
        word.eq_ignore_ascii_case(kind)
    })
}

fn answer(response: Response<Body>) -> Box<dyn Read> {
    Box::new(Answer { body: response.into_body().into_reader(), last: [0; 4] })
}

/// An answer's body.
struct Answer {
    body: ureq::BodyReader<'static>,
    /// The last bytes that were read.
    last: [u8; 4],
}

impl Read for Answer {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.body.read(out)?;
        match out[..len].last_chunk() {
            Some(last) => self.last = *last,
            None => {
                self.last.rotate_left(len);
                self.last[4 - len..].copy_from_slice(&out[..len]);
            }
        }
        Ok(len)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Behind a flush nothing comes but the end, and only who has seen that can use the connection again.
        if self.last == *b"0000" {
            let _ = self.body.read(&mut [0]);
        }
    }
}
