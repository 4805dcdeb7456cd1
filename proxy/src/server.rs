//! The server: bind, serve, drain.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, dev};
use anyhow::{Context, Result};
use config::Configuration;

use crate::body::CHUNK_BYTES;
use crate::connections::Connections;
use crate::door::Door;
use crate::handle::handle;

/// How much of an answer a connection gathers before it writes to the socket. No more than one chunk of a document:
/// a larger buffer is given back after each write and has to be asked for again, page by page.
const WRITE_BUFFER_BYTES: usize = CHUNK_BYTES;

/// For how long an upload that was refused is still read and thrown away, so that a client that writes before it
/// reads gets to see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Binds the address of the configuration; returns where that is, port 0 resolved.
pub(crate) fn bind(configuration: &Configuration) -> Result<(TcpListener, SocketAddr)> {
    let listen = configuration.proxy.listen;
    let bound = TcpListener::bind(listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = bound.with_context(|| format!("cannot listen on {listen} (proxy.listen)"))?;
    Ok((listener, address))
}

/// The connections of a server with this configuration.
pub(crate) fn connections(configuration: &Configuration) -> Connections {
    let limits = &configuration.proxy.limits;
    // What has not become a request when both times are over never will.
    Connections::new(limits.body_timeout, limits.body_timeout + limits.header_timeout)
}

/// Serves from now on.
pub(crate) fn serve(
    configuration: &Configuration,
    listener: TcpListener,
    connections: Arc<Connections>,
    door: Data<Door>,
) -> Result<dev::Server> {
    let proxy = &configuration.proxy;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = proxy.workers.unwrap_or_else(processors);
    let drain_seconds = proxy.limits.drain.as_millis().div_ceil(1000);
    let server =
        HttpServer::new(move || App::new().app_data(Data::clone(&door)).default_service(web::to(handle)))
            .workers(workers)
            // The server counts each worker's connections.
            .max_connections(proxy.limits.connections.div_ceil(workers))
            // A pause between requests may be as long as one in a body.
            .keep_alive(proxy.limits.body_timeout)
            .client_request_timeout(proxy.limits.header_timeout)
            .client_disconnect_timeout(LINGER)
            .h1_write_buffer_size(WRITE_BUFFER_BYTES)
            .tcp_nodelay(true)
            .on_connect(move |connection, data| connections.opened(connection, data))
            .shutdown_timeout(u64::try_from(drain_seconds).unwrap_or(u64::MAX))
            .disable_signals()
            .listen(listener)
            .context("cannot serve")?;
    Ok(server.run())
}
