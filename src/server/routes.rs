//! Which address is answered by what: a database's name, or nothing where there is only one, and the service behind it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use super::answer::{Work, refusal};
use super::guard::{Notes, guard};
use super::request::{self, Intake};
use super::{Shared, Site};
use crate::sync::Service;

type Of = State<Arc<Shared>>;

/// The addresses that there are.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/info/refs", get(|of: Of, asked: Request| refs(of, None, asked)))
        .route("/{site}/info/refs", get(|of: Of, Path(site): Path<String>, asked: Request| refs(of, Some(site), asked)))
        .route("/{service}", post(|of: Of, Path(service): Path<String>, asked: Request| call(of, None, service, asked)))
        .route(
            "/{site}/{service}",
            post(|of: Of, Path((site, service)): Path<(String, String)>, asked: Request| {
                call(of, Some(site), service, asked)
            }),
        )
        .fallback(|| async { nothing() })
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

fn nothing() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "there is nothing at this address: it is the name of a database, such as /farm.isodb",
    )
}

/// What a database is asked for, and where.
struct Target {
    site: Site,
    service: Service,
}

impl Shared {
    /// The database and the service, where both are there and allowed.
    fn target(&self, site: Option<&str>, service: Option<Service>) -> Result<Target, Box<Response>> {
        let found = match site {
            Some(name) => self.sites.get(name),
            // A name is not needed where there is only one.
            None => self.sites.values().next().filter(|_| self.sites.len() == 1),
        };
        let Some((site, service)) = found.zip(service) else { return Err(Box::new(nothing())) };
        if self.is_read_only && service == Service::ReceivePack {
            return Err(Box::new(refusal(StatusCode::FORBIDDEN, "nothing can be pushed here")));
        }
        Ok(Target { site: site.clone(), service })
    }
}

/// A service by git's name for it.
fn of_git(name: &str) -> Option<Service> {
    [Service::UploadPack, Service::ReceivePack]
        .into_iter()
        .find(|service| name.strip_prefix("git-") == Some(service.name()))
}

/// A service by the name of its stream.
fn of_stream(name: &str) -> Option<Service> {
    let services = [Service::UploadPack, Service::ReceivePack];
    services.into_iter().find(|service| name.strip_prefix("isodb-") == Some(service.name()))
}

/// `GET /SITE/info/refs?service=git-…`: what a service says first.
async fn refs(State(shared): Of, site: Option<String>, asked: Request) -> Response {
    let query = asked.uri().query().unwrap_or_default();
    let Some(name) = query.split('&').find_map(|pair| pair.strip_prefix("service=")) else {
        return refusal(StatusCode::FORBIDDEN, "only git's smart protocol is spoken here");
    };
    let name = name.to_owned();
    let target = match shared.target(site.as_deref(), of_git(&name)) {
        Ok(target) => target,
        Err(response) => return *response,
    };
    if target.service == Service::UploadPack && !speaks_version_2(asked.headers()) {
        let text = "only version 2 of git's protocol is spoken here: git config --global protocol.version 2";
        return refusal(StatusCode::BAD_REQUEST, text);
    }
    let kind = format!("application/x-{name}-advertisement");
    let notes = asked.extensions().get::<Notes>().cloned().unwrap_or_default();
    let work = Work::new(Arc::clone(&shared), notes);
    work.run(git_head(&kind), move |work, _, out| {
        if target.service == Service::ReceivePack {
            out.write_all(b"001f# service=git-receive-pack\n0000")?;
        }
        work.with_server(&target.site, |server| server.advertise(target.service, out))
    })
    .await
}

fn speaks_version_2(headers: &HeaderMap) -> bool {
    let said = headers.get("git-protocol").and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(':').any(|word| word == "version=2")
}

/// `POST /SITE/git-…` and `POST /SITE/isodb-…`: a request and its answer.
async fn call(State(shared): Of, site: Option<String>, name: String, asked: Request) -> Response {
    let git = of_git(&name);
    let target = match shared.target(site.as_deref(), git.or_else(|| of_stream(&name))) {
        Ok(target) => target,
        Err(response) => return *response,
    };
    let head = match git {
        Some(_) => git_head(&format!("application/x-{name}-result")),
        None => HeaderMap::new(),
    };
    let pack = if target.service == Service::ReceivePack { target.site.limits.max_pack } else { 0 };
    let most = shared.limits.max_request.saturating_add(pack);
    let notes = asked.extensions().get::<Notes>().cloned().unwrap_or_default();
    let body: Intake = match request::take(asked, shared.limits, most, notes.clone()).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let work = Work::new(Arc::clone(&shared), notes);
    work.run(head, move |work, turn, out| {
        let mut input = body.reader(turn);
        let answered =
            work.with_server(&target.site, |server| server.answer(target.service, &mut *input, out).map(|_| ()));
        if target.service == Service::ReceivePack {
            work.pushed(&target.site);
        }
        answered
    })
    .await
}

/// The head of git's answers.
fn git_head(kind: &str) -> HeaderMap {
    let mut head = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_str(kind) {
        head.insert(header::CONTENT_TYPE, kind);
    }
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    head
}
