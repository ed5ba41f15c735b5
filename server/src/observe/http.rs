//! `/metrics` and `/healthz`, on a port of their own: one short answer for each connection.

use super::metrics::metrics;
use crate::listen::AcceptRest;
use crate::server::Shared;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Bytes and headers of a request; whoever sends more is not answered.
const REQUEST_BYTES_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 64;
/// Time for a request and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests at a time; more are turned away.
const REQUESTS_MAX: usize = 32;

/// Answers until the server stops.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(REQUESTS_MAX));
    let mut stopping = shared.stopping();
    let mut rest = AcceptRest::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // It cannot be dropped: `shared` holds the other end.
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                rest.after(&shared, &error).await;
                continue;
            }
        };
        rest.is_over();
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Whoever is too slow, or goes away, is not answered.
            let _ = tokio::time::timeout(PATIENCE, answer(&shared, stream)).await;
            drop(place);
        });
    }
}

async fn answer(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let reply = loop {
        let room = (REQUEST_BYTES_MAX - request.len()) as u64;
        if room == 0 {
            break Reply::new("431 Request Header Fields Too Large", "");
        }
        if (&mut stream).take(room).read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        match parse(&request) {
            Ok(None) => {}
            Ok(Some(asked)) => break reply(shared, &asked),
            Err(_) => break Reply::new("400 Bad Request", ""),
        }
    };
    stream.write_all(&reply.bytes()).await?;
    stream.shutdown().await?;
    // Closing with something unread would take the answer away from the client.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

struct Asked {
    is_head: bool,
    is_get: bool,
    path: String,
}

/// A request, once its head is whole.
fn parse(bytes: &[u8]) -> Result<Option<Asked>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    if request.parse(bytes)?.is_partial() {
        return Ok(None);
    }
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    Ok(Some(Asked {
        is_head: method == "HEAD",
        is_get: method == "GET",
        path: target.split('?').next().unwrap_or_default().to_owned(),
    }))
}

fn reply(shared: &Shared, asked: &Asked) -> Reply {
    if !asked.is_get && !asked.is_head {
        return Reply::new("405 Method Not Allowed", "GET or HEAD\n");
    }
    let reply = match asked.path.as_str() {
        "/metrics" => match metrics(shared) {
            Ok(page) => Reply::new("200 OK", page),
            Err(error) => Reply::new("500 Internal Server Error", format!("{error}\n")),
        },
        "/healthz" => match ailment(shared) {
            None => Reply::new("200 OK", "ok\n"),
            Some(words) => Reply::new("503 Service Unavailable", format!("{words}\n")),
        },
        _ => Reply::new("404 Not Found", "/metrics and /healthz\n"),
    };
    Reply {
        is_head: asked.is_head,
        ..reply
    }
}

/// Why writes may fail now, if they may.
pub(super) fn ailment(server: &Shared) -> Option<String> {
    if *server.stopping().borrow() {
        return Some("the server is stopping".to_owned());
    }
    let synced = server.syncing.last_error();
    let error = synced.or_else(|| server.store.db().background_error());
    error.map(|error| error.to_string())
}

struct Reply {
    status: &'static str,
    body: String,
    is_head: bool,
}

impl Reply {
    fn new(status: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            is_head: false,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, body, .. } = self;
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
             Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            body.len()
        );
        if !self.is_head {
            bytes.push_str(body);
        }
        bytes.into_bytes()
    }
}
