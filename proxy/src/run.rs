//! The process, from configuration to drain.

use std::future::Future;
use std::sync::Arc;

use actix_web::web::Data;
use anyhow::Result;
use archive::Archive;
use config::Configuration;
use runtime::Signal;

use crate::assemble::{Assembled, assemble};
use crate::door::Door;
use crate::{limits, server};

/// Opens the archive, serves it until `stop` completes, and drains: no new connections, requests under way are
/// finished within the time that the configuration gives them.
pub async fn run(configuration: &Configuration, stop: impl Future<Output = Signal>) -> Result<()> {
    limits::raise_open_files();
    // Bound first: others are told the address, and a port in use is found out before anything is opened.
    let (listener, address) = server::bind(configuration)?;
    let Assembled { settings, parts, nodes } = assemble(configuration, address).await?;
    let archive = Archive::open(settings, parts).await?;
    let door = Data::new(Door::new(configuration, archive.clone(), nodes));
    let connections = Arc::new(server::connections(configuration));
    let server = server::serve(configuration, listener, Arc::clone(&connections), Data::clone(&door))?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    tracing::info!(%address, archive = %archive.info().id, "listening");
    tokio::select! {
        _ = stop => {}
        () = connections.keep_moving() => {}
    }
    door.begin_draining();
    handle.stop(true).await;
    serving.await??;
    archive.close().await;
    tracing::info!("stopped");
    Ok(())
}
