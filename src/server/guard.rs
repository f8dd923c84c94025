//! What every request passes first: who asks, and the record of what came of it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use subtle::{Choice, ConstantTimeEq};

use super::answer::refusal;
use super::limits::WRONG_TOKEN;
use super::{Admission, Answered, Shared};

/// Where a connection comes from.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) Option<SocketAddr>);

/// What those who work on a request note down for its record.
#[derive(Clone, Default)]
pub(super) struct Notes {
    received: Arc<AtomicU64>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Notes {
    pub(super) fn received(&self, len: usize) {
        self.received.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// What is wrong with the request; of several things the first.
    pub(super) fn problem(&self, text: String) {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }
}

/// Lets through who may ask, and notes down what came of it.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let notes = Notes::default();
    let peer = request.extensions_mut().remove::<Peer>().and_then(|Peer(peer)| peer);
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    request.extensions_mut().insert(notes.clone());
    let response = if request.headers().contains_key(header::ORIGIN) {
        // Pages of the web must not reach through a browser what only this machine may.
        refusal(StatusCode::FORBIDDEN, "this is not for pages of the web")
    } else {
        match admitted(&shared.admission, request.headers()) {
            Some(true) => next.run(request).await,
            Some(false) => {
                tokio::time::sleep(WRONG_TOKEN).await;
                unauthorized()
            }
            None => unauthorized(),
        }
    };
    let (parts, body) = response.into_parts();
    let record = Answered {
        peer,
        method,
        path,
        status: parts.status.as_u16(),
        received: 0,
        sent: 0,
        elapsed: started.elapsed(),
        problem: None,
    };
    Response::from_parts(parts, Body::new(Recorded { body, shared, record, notes, started }))
}

fn unauthorized() -> Response {
    let mut response = refusal(StatusCode::UNAUTHORIZED, "this needs a token");
    let asked = axum::http::HeaderValue::from_static("Basic realm=\"isodb\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
    response
}

/// Whether somebody may ask; `None` for who shows nothing.
fn admitted(admission: &Admission, headers: &HeaderMap) -> Option<bool> {
    let Admission::Tokens(tokens) = admission else { return Some(true) };
    let shown = token(headers.get(header::AUTHORIZATION)?.to_str().ok()?);
    let Some(shown) = shown else { return Some(false) };
    // All are compared in full: how long it takes tells nothing of them but their lengths.
    let found = tokens.iter().fold(Choice::from(0), |found, token| found | token.as_bytes().ct_eq(&shown));
    Some(found.into())
}

/// The token in a header: by itself, or as the password of anybody.
fn token(value: &str) -> Option<Vec<u8>> {
    let (kind, shown) = value.trim().split_once(' ')?;
    let shown = shown.trim();
    match kind {
        kind if kind.eq_ignore_ascii_case("bearer") => Some(shown.as_bytes().to_vec()),
        kind if kind.eq_ignore_ascii_case("basic") => {
            let shown = STANDARD.decode(shown).ok()?;
            let colon = shown.iter().position(|byte| *byte == b':')?;
            Some(shown[colon + 1..].to_vec())
        }
        _ => None,
    }
}

/// An answer's body, and the record of its request, which is given away when the body has gone.
struct Recorded {
    body: Body,
    shared: Arc<Shared>,
    record: Answered,
    notes: Notes,
    started: Instant,
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            self.record.sent += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.record.received = self.notes.received.load(Ordering::Relaxed);
        self.record.problem = self.notes.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.record.elapsed = self.started.elapsed();
        self.shared.surroundings.answered(&self.record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_ask() {
        let admission = Admission::Tokens(vec!["one".into(), "two".into()]);
        let shows = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            admitted(&admission, &headers)
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for value in ["Bearer one", "bearer  two", &basic("ann:two"), &basic(":one")] {
            assert_eq!(shows(value), Some(true), "{value}");
        }
        for value in ["Bearer", "Bearer ", "Bearer tw", "Bearer twoo", "two", &basic("two"), &basic("two:x"), "Basic %"]
        {
            assert_eq!(shows(value), Some(false), "{value}");
        }
        assert_eq!(admitted(&admission, &HeaderMap::new()), None);
        assert_eq!(admitted(&Admission::Local, &HeaderMap::new()), Some(true));
    }
}
