//! Connections as they come: as many as are allowed, each served until it ends, breaks, or the server stops.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shared;
use super::guard::Peer;
use super::idle::Idle;
use super::limits::MAX_HEAD;
#[cfg(target_os = "linux")]
use super::limits::UNSENT;
use super::routes;
use super::tls::Acceptor;

/// How long is waited when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Waits until the server is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // That nobody could tell it any more would be the same.
    let _ = stop.wait_for(|is_told| *is_told).await;
}

/// Takes connections until the server stops, and waits for those that are at work.
pub(super) async fn accept(
    shared: Arc<Shared>,
    tls: Option<Acceptor>,
    listeners: Vec<StdListener>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut loops = JoinSet::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        loops.spawn(accept_at(Arc::clone(&shared), tls.clone(), listener, stop.clone()));
    }
    while loops.join_next().await.is_some() {}
    Ok(())
}

async fn accept_at(shared: Arc<Shared>, tls: Option<Acceptor>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    loop {
        let free = Arc::clone(&shared.connections).acquire_owned();
        let next = async {
            let permit = free.await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((permit, listener.accept().await?))
        };
        let accepted = tokio::select! {
            () = told(&mut stop) => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((permit, (stream, peer))) => {
                let (shared, tls, stop) = (Arc::clone(&shared), tls.clone(), stop.clone());
                running.spawn(async move {
                    connected(shared, tls, stream, peer, stop).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(EXHAUSTED).await,
        }
        while running.try_join_next().is_some() {}
    }
    drop(listener);
    // Who is still at work after the time of grace is cut off.
    let _ = timeout(shared.limits.grace, async { while running.join_next().await.is_some() {} }).await;
}

async fn connected(
    shared: Arc<Shared>,
    tls: Option<Acceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
) {
    // Slower without, and right all the same.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
    let limits = shared.limits;
    match tls {
        None => serve(shared, Idle::new(stream, &limits), Some(peer), stop, false).await,
        Some(tls) => {
            // Who does not come to terms in time is gone, as is who cannot.
            if let Ok(Ok(stream)) = timeout(limits.head, tls.accept(stream)).await {
                serve(shared, Idle::new(stream, &limits), Some(peer), stop, false).await;
            }
        }
    }
}

/// Answers the requests of one connection. With `half`, a client that has said all may close its half.
async fn serve(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Option<SocketAddr>,
    mut stop: watch::Receiver<bool>,
    half: bool,
) {
    let head = shared.limits.head;
    let router = TowerToHyperService::new(routes::router(shared));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(MAX_HEAD);
    // Nobody keeps an answer, so nobody needs to know when it was made.
    builder.auto_date_header(false).half_close(half);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a connection ends is seen in the requests that it cuts off.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

/// Serves one connection over blocking ends.
pub(super) fn converse(
    runtime: &Runtime,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    mut input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
) -> io::Result<()> {
    let (near, far) = duplex(1 << 16);
    let (mut said, mut heard) = split(far);
    let handle: Handle = runtime.handle().clone();
    let of_reader = handle.clone();
    // It may wait for input for ever, and ends with the process then.
    thread::Builder::new().name("isodb-input".into()).spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(len) = input.read(&mut buffer) {
            if len == 0 || of_reader.block_on(heard.write_all(&buffer[..len])).is_err() {
                break;
            }
        }
        // The server may be gone already.
        let _ = of_reader.block_on(heard.shutdown());
    })?;
    let writer = thread::Builder::new().name("isodb-output".into()).spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let len = handle.block_on(said.read(&mut buffer))?;
            if len == 0 {
                return output.flush();
            }
            output.write_all(&buffer[..len])?;
            output.flush()?;
        }
    })?;
    let limits = shared.limits;
    runtime.block_on(async { serve(shared, Idle::new(near, &limits), None, stop, true).await });
    match writer.join() {
        // A client that hangs up has heard enough.
        Ok(_) => Ok(()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
