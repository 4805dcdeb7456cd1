//! The one writer of this process: many changes to one transaction, and one fsync for all of them.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use types::{Error, ErrorKind, Result};

use super::error::{During, commit_kind};
use super::schema::patiently;
use crate::refusal::{SUBJECT, internal};

/// Changes that wait for the writer; whoever comes later waits for room.
const QUEUE: usize = 1024;

/// Most changes to a transaction, so that the first of them is answered soon.
const BATCH: usize = 256;

/// A change: run within a transaction, then told how the transaction ended.
trait Job: Send {
    /// Does its part; `false` undoes it.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller: what `run` found, or the failure of the whole transaction.
    fn answer(self: Box<Self>, failure: Option<&Failure>);
}

/// Why none of a transaction's changes can be vouched for.
struct Failure {
    kind: ErrorKind,
    message: String,
}

struct Change<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Change<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        // Nobody waits any more: then it is the same as if the change had never been asked for.
        if self.caller.is_closed() {
            return false;
        }
        self.outcome = self.work.take().map(|work| work(connection));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, failure: Option<&Failure>) {
        let outcome = match (failure, self.outcome) {
            (Some(failure), _) => Err(Error::new(failure.kind, SUBJECT, &failure.message)),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(internal("a change was not run")),
        };
        // A caller that left does not want to know.
        drop(self.caller.send(outcome));
    }
}

/// The writer thread; dropping it ends the thread after the queued changes.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, wait: Duration) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("metadata-writer".to_owned())
            .spawn(move || serve(&connection, wait, jobs))
            .map_err(|error| Error::from_io(SUBJECT, "starting the writer", error))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in a transaction of the writer; returns when it is durable.
    pub(super) async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let stopped = || Error::new(ErrorKind::Unavailable, SUBJECT, "the writer has stopped");
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Change { work: Some(work), outcome: None, caller });
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(job).await.map_err(|_| stopped())?;
        let lost = || Error::new(ErrorKind::Timeout, SUBJECT, "the writer stopped before it answered");
        answer.await.map_err(|_| lost())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the queue ends once it is empty.
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("metadata writer panicked");
        }
    }
}

fn serve(connection: &Connection, wait: Duration, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let failure = transact(connection, wait, &mut batch).err();
        if let Some(failure) = &failure {
            tracing::warn!(kind = %failure.kind, error = failure.message, changes = batch.len(), "metadata transaction failed");
            roll_back(connection);
        }
        for job in batch.drain(..) {
            job.answer(failure.as_ref());
        }
    }
}

/// One transaction for all of `batch`. One change's error undoes that change alone.
fn transact(connection: &Connection, wait: Duration, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let failed = |action: &str| {
        let action = action.to_owned();
        move |error: rusqlite::Error| failure_of(&error, super::error::kind_of(&error), &action)
    };
    patiently(wait, || connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]))
        .map_err(failed("waiting to write"))?;
    for job in batch {
        execute(connection, "SAVEPOINT change").map_err(failed("marking a change"))?;
        let keep = job.run(connection);
        if connection.is_autocommit() {
            // After some errors (a full disk, for one) SQLite undoes the whole transaction by itself.
            let message = "the transaction was undone by an error of one of its changes".to_owned();
            return Err(Failure { kind: ErrorKind::Unavailable, message });
        }
        if !keep {
            execute(connection, "ROLLBACK TO change").map_err(failed("undoing a change"))?;
        }
        execute(connection, "RELEASE change").map_err(failed("ending a change"))?;
    }
    execute(connection, "COMMIT")
        .map_err(|error| failure_of(&error, commit_kind(&error), "committing; the outcome is unknown"))
}

fn failure_of(error: &rusqlite::Error, kind: ErrorKind, action: &str) -> Failure {
    Failure { kind, message: format!("{action}: {error}") }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn roll_back(connection: &Connection) {
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = connection.execute_batch("ROLLBACK").during("rolling back") {
        tracing::error!(%error, "metadata transaction could not be rolled back");
    }
}
